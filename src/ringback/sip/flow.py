"""Where a message came from and where an answer goes."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_network
from typing import NamedTuple

from ringback.model.values import dataclass

DEFAULT_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 80, "wss": 443}
"""Where a transport listens when a URI does not say (§19.1.2, RFC 7118 §5.2.2)."""

TRANSPORTS = frozenset({"udp", "tcp", "tls"})
"""Those by which a far end can be called; the other two are only ever opened by the far end."""


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """Who a far end has to be over TLS, and who we are to it. It is part of a connection's identity: no request goes
    over a connection that was verified for another name or by other rules (RFC 5922 §7.3).

    Attributes:
        name: The domain that was configured or dialled, never what an SRV record led to; an IP address for a target
            that is one.
        verify: ``False``: whoever answers will do. Told in the log at every connection.
        ca_file: PEM file of authorities that are believed in place of the system's.
        pin: ``sha256:`` and the digest, in hex, of the far end's certificate or of its public key (DER): that one and
            no other, whoever signed it, whatever name it bears.
        certificate, key: PEM files by which we prove who we are (mutual TLS).
    """

    name: str = ""
    verify: bool = True
    ca_file: str = ""
    pin: str = ""
    certificate: str = ""
    key: str = ""


class Flow(NamedTuple):
    """A far end as the network sees it: for streams the connection, for UDP the address.

    Attributes:
        transport: ``udp``, ``tcp``, ``tls``, ``ws`` or ``wss``.
        host: IP address in text form, without brackets.
        tls: For connections that we open by TLS; ``None`` for those that were opened to us.
    """

    transport: str
    host: str
    port: int
    tls: TlsPolicy | None = None

    @property
    def source(self) -> str:
        """Whom it is counted against where strangers are limited: an IPv4 address, or the /64 of an IPv6 address.

        Whoever has one IPv6 address has 2**64 of them.
        """
        return _network(self.host) if ":" in self.host else self.host

    @property
    def reliable(self) -> bool:
        return self.transport != "udp"

    @property
    def secure(self) -> bool:
        return self.transport in ("tls", "wss")

    def __str__(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{shown}:{self.port}"


@lru_cache(maxsize=4096)
def _network(host: str) -> str:
    try:
        address = IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
