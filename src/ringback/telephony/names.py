"""DNS for SIP, remembered for as long as its answers are good; nothing found is remembered too (RFC 2308)."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver

from ringback.telephony.resolve import MOST_RECORDS, Naptr, Srv

LONGEST, SHORTEST = 3600.0, 1.0
"""Seconds that answers are remembered at most and at least, whatever they say."""

NOTHING = 15.0
"""Seconds that nothing is remembered: long enough for a burst of calls, short enough for who has just mended it."""

SYSTEM = 30.0
"""Seconds for answers of the machine's own resolver, which says nothing about time."""

_QUERY = 1.5
MOST_NAMES = 4096


class DnsNames:
    """The machine's resolver (hosts file and all) for addresses and DNS for the rest; or given servers for everything.

    Args:
        now: Seconds on a monotonic clock.
        servers: ``host`` or ``host:port`` (IP addresses) of name servers; none means those of the machine.
    """

    def __init__(self, now: Callable[[], float], servers: Sequence[str] = (), most: int = MOST_NAMES) -> None:
        self._now = now
        self._servers = tuple(servers)
        self._most = most
        self._made: dns.asyncresolver.Resolver | None = None
        self._kept: dict[tuple[str, str], tuple[float, list[Any]]] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[list[Any]]] = {}

    async def naptr(self, name: str) -> list[Naptr]:
        found = await self._remembered("NAPTR", name, lambda: self._ask(name, "NAPTR"))
        return [
            (
                record.order,
                record.preference,
                record.flags.decode("ascii", "replace"),
                record.service.decode("ascii", "replace"),
                str(record.replacement).rstrip("."),
            )
            for record in found
        ]

    async def srv(self, name: str) -> list[Srv]:
        found = await self._remembered("SRV", name, lambda: self._ask(name, "SRV"))
        return [(record.priority, record.weight, str(record.target).rstrip("."), record.port) for record in found]

    async def addresses(self, host: str) -> list[str]:
        ask = (lambda: self._ask_both(host)) if self._servers else (lambda: _ask_system(host))
        return [str(found) for found in await self._remembered("A", host, ask)]

    # ── inside ──

    async def _remembered(
        self, kind: str, name: str, ask: Callable[[], Awaitable[tuple[float, list[Any]]]]
    ) -> list[Any]:
        key = kind, name.lower().rstrip(".")
        until, found = self._kept.get(key, (float("-inf"), []))
        if until > self._now():
            return found
        if key not in self._asking:
            # One question at a time, however many calls want to know; it goes on when the one that asked gives up.
            task = self._asking[key] = asyncio.get_running_loop().create_task(self._learn(key, ask))
            task.add_done_callback(lambda done: self._asking.pop(key, None))
        return await asyncio.shield(self._asking[key])

    async def _learn(self, key: tuple[str, str], ask: Callable[[], Awaitable[tuple[float, list[Any]]]]) -> list[Any]:
        ttl, found = await ask()
        seconds = min(max(ttl, SHORTEST), LONGEST) if found else NOTHING
        self._kept.pop(key, None)
        self._kept[key] = self._now() + seconds, found
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]
        return found

    async def _ask(self, name: str, kind: str) -> tuple[float, list[Any]]:
        try:
            answer = await self._resolver().resolve(name, kind, lifetime=_QUERY * 2, raise_on_no_answer=False)
        except (dns.exception.DNSException, OSError, ValueError):
            return 0.0, []
        if answer.rrset is None:
            return 0.0, []
        return float(answer.rrset.ttl), list(answer.rrset)[:MOST_RECORDS]

    async def _ask_both(self, host: str) -> tuple[float, list[Any]]:
        four, six = await asyncio.gather(self._ask(host, "A"), self._ask(host, "AAAA"))
        ttls = [ttl for ttl, found in (four, six) if found]
        return min(ttls, default=0.0), [str(record) for record in (*four[1], *six[1])]

    def _resolver(self) -> dns.asyncresolver.Resolver:
        if self._made is None:
            self._made = dns.asyncresolver.Resolver(configure=not self._servers)
            self._made.timeout = _QUERY
            if self._servers:
                self._made.nameservers = [_server(text) for text in self._servers]
        return self._made


async def _ask_system(host: str) -> tuple[float, list[Any]]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return 0.0, []
    return SYSTEM, list(dict.fromkeys(str(info[4][0]) for info in found))


def _server(text: str) -> dns.nameserver.Do53Nameserver:
    return dns.nameserver.Do53Nameserver(*server_address(text))


def server_address(text: str) -> tuple[str, int]:
    """``192.0.2.1``, ``192.0.2.1:5353``, ``[2001:db8::1]:53`` as address and port. Raises ``ValueError``."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (text.count(":") > 1 and not text.startswith("[")):
        host, port = text, "53"
    return str(ipaddress.ip_address(host.strip("[]"))), int(port)
