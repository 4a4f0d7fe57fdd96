"""Names to addresses for SIP (RFC 3263): NAPTR says how, SRV where, A and AAAA at which address.

Every address is checked against policy here and then used as it is, so that no name can be led elsewhere in between.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from ringback.model.values import replace
from ringback.sip.flow import DEFAULT_PORTS, Flow, TlsPolicy
from ringback.sip.uri import SipUri
from ringback.telephony.policy import NetworkPolicy, parse_ip

MOST_TARGETS = 8
MOST_RECORDS = 32
"""Of one answer that are looked at."""

SECONDS = 3.0
OURS = ("udp", "tcp", "tls")
"""Transports we can call by, in the order in which SRV records are looked for (RFC 3263 §4.1)."""

SERVICES = {"sip+d2u": "udp", "sip+d2t": "tcp", "sips+d2t": "tls"}
PREFIXES = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}

Srv = tuple[int, int, str, int]
"""Priority, weight, target, port (RFC 2782)."""

Naptr = tuple[int, int, str, str, str]
"""Order, preference, flags, service, replacement (RFC 3403)."""


class Unresolvable(Exception):
    """No address for a host."""


class NotAllowed(Exception):
    """Every address of a host is one that policy refuses."""


class Names(Protocol):
    """Where answers come from: ``names.DnsNames``; tests give their own. Nothing found is an empty list."""

    async def naptr(self, name: str) -> list[Naptr]: ...
    async def srv(self, name: str) -> list[Srv]: ...
    async def addresses(self, host: str) -> list[str]:
        """IP addresses of a host."""


def tls_policy(uri: SipUri, policy: TlsPolicy | None = None) -> TlsPolicy:
    """How the far end of ``uri`` has to prove itself: as the domain that was dialled, unless a trunk says more."""
    name = uri.host.rstrip(".")
    return TlsPolicy(name) if policy is None else policy if policy.name else replace(policy, name=name)


def literal_targets(
    uri: SipUri, transport: str, policy: NetworkPolicy, tls: TlsPolicy | None = None
) -> list[Flow] | None:
    """Targets of a URI whose host is an IP address; ``None`` when it is a name. Raises ``NotAllowed``."""
    address = parse_ip(uri.host)
    if address is None:
        return None
    port = uri.port or DEFAULT_PORTS[transport]
    if not policy.allows(uri.host, port):
        raise NotAllowed(uri.host)
    return [_flow(transport, str(address), port, uri, tls)]


async def resolve(
    uri: SipUri,
    transport: str,
    names: Names,
    policy: NetworkPolicy,
    families: frozenset[int] = frozenset({4}),
    *,
    tls: TlsPolicy | None = None,
    ours: Sequence[str] = OURS,
    fraction: Callable[[], float] = lambda: 0.0,
) -> list[Flow]:
    """Where to send a request for ``uri``, best first, at most eight targets.

    Args:
        transport: The URI's own; for a URI that names none, what is used when DNS has no opinion.
        families: IP versions our sockets can send to.
        tls: How far ends prove themselves, where that is not just the dialled domain.
        ours: Transports we can call by.
        fraction: 0 ≤ x < 1, for the share of calls by which SRV weights go.

    Raises:
        Unresolvable: No address within 3 s.
        NotAllowed: Addresses, but none that policy allows.
    """
    literal = literal_targets(uri, transport, policy, tls)
    if literal is not None:
        return literal
    try:
        async with asyncio.timeout(SECONDS):
            candidates = await _Search(uri, transport, names, tls, ours, fraction).candidates()
    except TimeoutError as error:
        raise Unresolvable(uri.host) from error
    usable = [flow for flow in candidates if _version(flow.host) in families]
    if not usable:
        raise Unresolvable(uri.host)
    allowed = [flow for flow in usable if policy.allows(flow.host, flow.port)]
    if not allowed:
        raise NotAllowed(uri.host)
    return list(dict.fromkeys(allowed))[:MOST_TARGETS]


class _Search:
    """One host's targets, before policy."""

    def __init__(
        self,
        uri: SipUri,
        transport: str,
        names: Names,
        tls: TlsPolicy | None,
        ours: Sequence[str],
        fraction: Callable[[], float],
    ) -> None:
        self._uri = uri
        self._transport = transport
        self._names = names
        self._tls = tls
        self._ours = ours
        self._fraction = fraction

    async def candidates(self) -> list[Flow]:
        """RFC 3263 §4.1, §4.2: a port means no service records; a transport, or ``sips``, means only its own."""
        if self._uri.port is None:
            ways = await self._ways()
            answers = await asyncio.gather(*(self._names.srv(name) for _, name in ways))
            for (transport, _), records in zip(ways, answers, strict=True):
                found = await self._servers(transport, records[:MOST_RECORDS])
                if found:
                    return found
        port = self._uri.port or DEFAULT_PORTS[self._transport]
        return self._flows(self._transport, await self._addresses(self._uri.host), port)

    async def _ways(self) -> list[tuple[str, str]]:
        """Transports to try, each with the name of its SRV records."""
        host = self._uri.host.rstrip(".")
        free = self._transport == "udp" and self._uri.scheme == "sip" and self._uri.parameter("transport") is None
        possible = self._ours if free else (self._transport,)
        if free or self._uri.parameter("transport") is None:
            records = sorted(await self._names.naptr(host))[:MOST_RECORDS]
            ways = [
                (SERVICES[service.lower()], replacement)
                for _, _, flags, service, replacement in records
                if flags.lower() == "s" and SERVICES.get(service.lower()) in possible and replacement
            ]
            if ways:
                return ways
        return [(transport, f"{PREFIXES[transport]}.{host}") for transport in possible]

    async def _servers(self, transport: str, records: Sequence[Srv]) -> list[Flow]:
        flows: list[Flow] = []
        for _, _, target, port in in_order(records, self._fraction):
            if target and len(flows) < MOST_TARGETS * 2:
                flows += self._flows(transport, await self._addresses(target), port)
        return flows

    async def _addresses(self, host: str) -> list[str]:
        literal = parse_ip(host)
        if literal is not None:
            return [str(literal)]
        found = (await self._names.addresses(host))[:MOST_RECORDS]
        return [str(address) for text in found if (address := parse_ip(text)) is not None]

    def _flows(self, transport: str, addresses: Iterable[str], port: int) -> list[Flow]:
        return [_flow(transport, address, port, self._uri, self._tls) for address in addresses]


def in_order(records: Sequence[Srv], fraction: Callable[[], float]) -> list[Srv]:
    """SRV records as they are to be tried (RFC 2782): by priority, and among equals by chance, in shares of weight."""
    ordered: list[Srv] = []
    for priority in sorted({record[0] for record in records}):
        # Those of weight 0 come first, so that they have a small chance.
        left = sorted((record for record in records if record[0] == priority), key=lambda record: record[1])
        while left:
            aim = fraction() * sum(record[1] for record in left)
            passed = 0
            chosen = left[-1]
            for record in left:
                passed += record[1]
                if passed > aim or (passed == aim == 0 and not any(other[1] for other in left)):
                    chosen = record
                    break
            left.remove(chosen)
            ordered.append(chosen)
    return ordered


def _flow(transport: str, address: str, port: int, uri: SipUri, tls: TlsPolicy | None) -> Flow:
    return Flow(transport, address, port, tls_policy(uri, tls) if transport == "tls" else None)


def _version(host: str) -> int:
    address = parse_ip(host)
    return 4 if address is None else address.version
