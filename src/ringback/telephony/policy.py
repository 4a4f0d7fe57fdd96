"""Which addresses we may send to when somebody else names them, and whose word counts in a call."""

import ipaddress
import re
from collections.abc import Mapping, Sequence

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NUMERIC = re.compile(r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)(?:\.(?:0[xX][0-9A-Fa-f]*|[0-9]+))*\.?")
_SPECIAL = [ipaddress.ip_network(text) for text in ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24")]
"""Networks that some versions of ``ipaddress`` still call global."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

LONGEST_EXTENSION = 6
"""Digits that an extension of an exchange may have."""

_SEPARATORS = str.maketrans("", "", "-.()")

SPEAKING_MS = 2000
"""Milliseconds without a packet after which a far end no longer counts as speaking."""


def parse_ip(text: str) -> IpAddress | None:
    """The address a literal stands for; IPv4 in an IPv6 coat (mapped, NAT64) is that IPv4 address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_disguised_ip(host: str) -> bool:
    """``127.1``, ``0x7f000001``, ``2130706433``, ``0177.0.0.1``: read as an address by some, as a name by others."""
    return parse_ip(host) is None and _NUMERIC.fullmatch(host) is not None


def is_speaking(stats: Mapping[str, object]) -> bool:
    """Whether a far end is being heard, by its leg's counters (``calls.ports.media.MediaLegs.stats``).

    While it is, a request in its dialog from a foreign address is not its own; afterwards it may be: carriers say
    goodbye from another node.
    """
    last_heard = stats.get("last_heard_ms")
    return isinstance(last_heard, int | float) and last_heard < SPEAKING_MS


def looks_like_number(user: str) -> bool:
    """Whether a user part could be a telephone number to whoever gets it, rather than a name or an extension."""
    digits = user.partition(";")[0].removeprefix("+").translate(_SEPARATORS)
    return digits.isascii() and digits.isdigit() and len(digits) > LONGEST_EXTENSION


class NetworkPolicy:
    """Where calls may go.

    Args:
        allow_private: Loopback, private, link-local and shared addresses and ports below 1024 too.
        allow: Networks (CIDR) that are allowed whatever they are.
    """

    def __init__(self, allow_private: bool = False, allow: Sequence[str] = ()) -> None:
        self._allow_private = allow_private
        self._allow = [ipaddress.ip_network(text, strict=False) for text in allow]

    def allows(self, host: str, port: int) -> bool:
        """Whether we may send to this IP address and port. A name is never allowed: resolve it first."""
        address = parse_ip(host)
        if address is None or address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
            return False
        if self._allow_private or any(address in network for network in self._allow):
            return True
        return _is_public(address) and port >= 1024

    def lists(self, host: str) -> bool:
        """Whether an address is in one of the ``allow`` networks."""
        address = parse_ip(host)
        return address is not None and any(address in network for network in self._allow)


def _is_public(address: IpAddress) -> bool:
    return address.is_global and not address.is_reserved and not any(address in network for network in _SPECIAL)
