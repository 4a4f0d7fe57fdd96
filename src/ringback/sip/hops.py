"""Where a URI leads, as far as it says so itself: transports, and hosts that are IP addresses (RFC 3261 §19.1)."""

import ipaddress
from functools import lru_cache

from ringback.sip.flow import DEFAULT_PORTS, TRANSPORTS, Flow
from ringback.sip.uri import SipUri


def named_hop(uri: SipUri, flow: Flow) -> Flow | None:
    """The IP address a URI names; ``None`` when it names none, or a transport by which nobody is called."""
    transport = transport_of(uri, flow.transport)
    if not is_address(uri.host) or transport not in TRANSPORTS:
        return None
    return Flow(transport, plain_address(uri.host), uri.port or DEFAULT_PORTS[transport])


def is_hidden(address: str, seen_from: str) -> bool:
    """Whether an address that somebody names is one behind a NAT: private, while it is heard from a public one."""
    return ipaddress.ip_address(address).is_private and not ipaddress.ip_address(seen_from).is_private


def transport_of(uri: SipUri, usual: str = "udp") -> str:
    """How a URI wants to be reached; ``usual`` when it does not say. ``sips`` is TLS, over whatever (RFC 5630)."""
    named = (uri.parameter("transport") or "").lower()
    if uri.scheme == "sips":
        return "wss" if named in ("ws", "wss") else "tls"
    return named or usual


def uri_transport(flow: Flow) -> str:
    """RFC 7118 §5.2.3: ``ws`` in a URI, secure or not."""
    return "ws" if flow.transport == "wss" else flow.transport


@lru_cache(maxsize=4096)
def plain_address(host: str) -> str:
    """An IP address in its usual spelling; empty for a name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""


def is_address(host: str) -> bool:
    """Whether a URI's host is an IP address; other hosts are names."""
    return bool(plain_address(host))
