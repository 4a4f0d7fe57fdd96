"""Names to addresses for SIP, a small part of RFC 3263: SRV where no port is given, then A and AAAA."""

import asyncio
import socket
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.rdatatype

from ringback.sip.flow import Flow
from ringback.sip.uri import SipUri
from ringback.telephony.policy import NetworkPolicy, parse_ip

MOST_TARGETS = 8
SECONDS = 3.0
DEFAULT_PORT = 5060


class Unresolvable(Exception):
    """No address for a host."""


class NotAllowed(Exception):
    """Every address of a host is one that policy refuses."""


class Names(Protocol):
    """Where answers come from; tests give their own."""

    async def srv(self, name: str) -> list[tuple[int, int, str, int]]:
        """SRV records as (priority, weight, target, port); empty when there are none."""

    async def addresses(self, host: str) -> list[str]:
        """IP addresses of a host; empty when there are none."""


class SystemNames:
    """The machine's own resolver: hosts file and all for addresses, DNS for SRV."""

    async def srv(self, name: str) -> list[tuple[int, int, str, int]]:
        try:
            answer = await dns.asyncresolver.resolve(name, dns.rdatatype.SRV, lifetime=SECONDS / 2)
        except (dns.exception.DNSException, OSError):
            return []
        return [(record.priority, record.weight, str(record.target).rstrip("."), record.port) for record in answer]

    async def addresses(self, host: str) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError):
            return []
        return list(dict.fromkeys(str(info[4][0]) for info in found))


def literal_targets(uri: SipUri, transport: str, policy: NetworkPolicy) -> list[Flow] | None:
    """Targets of a URI whose host is an IP address; ``None`` when it is a name. Raises ``NotAllowed``."""
    address = parse_ip(uri.host)
    if address is None:
        return None
    port = uri.port or DEFAULT_PORT
    if not policy.allows(uri.host, port):
        raise NotAllowed(uri.host)
    return [Flow(transport, str(address), port)]


async def resolve(
    uri: SipUri, transport: str, names: Names, policy: NetworkPolicy, families: frozenset[int] = frozenset({4})
) -> list[Flow]:
    """Where to send a request for ``uri``, best first. Every address is checked, and then used as it is.

    Args:
        transport: The URI's own, or ``udp``.
        families: IP versions our sockets can send to.

    Raises:
        Unresolvable: No address within 3 s.
        NotAllowed: Addresses, but none that policy allows.
    """
    literal = literal_targets(uri, transport, policy)
    if literal is not None:
        return literal
    try:
        candidates = await asyncio.wait_for(_candidates(uri, transport, names), SECONDS)
    except TimeoutError as error:
        raise Unresolvable(uri.host) from error
    usable = [flow for flow in candidates if _version(flow.host) in families]
    if not usable:
        raise Unresolvable(uri.host)
    allowed = [flow for flow in usable if policy.allows(flow.host, flow.port)]
    if not allowed:
        raise NotAllowed(uri.host)
    return list(dict.fromkeys(allowed))[:MOST_TARGETS]


async def _candidates(uri: SipUri, transport: str, names: Names) -> list[Flow]:
    if uri.port is None:
        for tried in dict.fromkeys((transport, *(("tcp",) if uri.parameter("transport") is None else ()))):
            records = sorted(await names.srv(f"_sip._{tried}.{uri.host}"), key=lambda r: (r[0], -r[1]))[:MOST_TARGETS]
            found = [
                Flow(tried, address, port)
                for _, _, target, port in records
                if target
                for address in await _addresses(target, names)
            ]
            if found:
                return found
    return [Flow(transport, address, uri.port or DEFAULT_PORT) for address in await _addresses(uri.host, names)]


async def _addresses(host: str, names: Names) -> list[str]:
    literal = parse_ip(host)
    if literal is not None:
        return [str(literal)]
    return [str(address) for text in await names.addresses(host) if (address := parse_ip(text)) is not None]


def _version(host: str) -> int:
    address = parse_ip(host)
    return 4 if address is None else address.version
