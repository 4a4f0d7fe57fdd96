"""Registering with trunks that want it: one ``ClientRegistration`` each, given addresses, time and somebody to tell."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from ringback.calls.ports.clock import Clock, Timer
from ringback.numbers.trunk import Host, Trunk
from ringback.sip.agent import Agent
from ringback.sip.errors import SipParseError
from ringback.sip.flow import Flow
from ringback.sip.message import Request
from ringback.sip.registration import Account, ClientRegistration, State
from ringback.sip.uri import SipUri, escape, format_host_port, parse_sip_uri, unescape
from ringback.telephony.resolve import NotAllowed, Unresolvable

log = structlog.get_logger(__name__)

MOST_SERVERS = 16
GOODBYE = 2.0
"""Seconds that servers get at the end to confirm that we are gone."""

KEEP_ALIVE = {True: 100.0, False: 25.0}
"""Seconds between little packets over a stream, and by UDP: NATs and firewalls forget in between (RFC 5626 §4.4)."""

Find = Callable[[SipUri, str, Trunk | None], Awaitable[list[Flow]]]


@dataclass(slots=True)
class _Kept:
    """One trunk's registration."""

    trunk: Trunk
    account: Account
    machine: ClientRegistration
    timer: Timer | None = None
    keep_alive: Timer | None = None
    finding: asyncio.Task[None] | None = None


class Registrations:
    """All registrations of ours with trunks.

    Args:
        clock: The only source of time.
        agent: The stack they live in.
        find: Addresses of a host of a trunk's, by transport; raises ``Unresolvable`` or ``NotAllowed``.
        flush: Sends what the stack wants sent.
        ping: Sends a little nothing over a flow.
    """

    def __init__(
        self,
        clock: Clock,
        agent: Agent,
        *,
        find: Find,
        flush: Callable[[], None],
        ping: Callable[[Flow], None],
    ) -> None:
        self._clock = clock
        self._agent = agent
        self._lookup = find
        self._flush = flush
        self._ping = ping
        self._kept: dict[str, _Kept] = {}
        self._leaving: list[_Kept] = []

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def set(self, trunks: Sequence[Trunk]) -> None:
        """These are all trunks from now on: new ones register, gone or changed ones take their registration back."""
        wanted = {trunk.name: trunk for trunk in trunks if trunk.enabled and trunk.register and trunk.credentials}
        for name, kept in list(self._kept.items()):
            if name not in wanted or _what_counts(wanted[name]) != _what_counts(kept.trunk):
                self._leave(name)
        for name, trunk in wanted.items():
            if name not in self._kept:
                self._enter(trunk)
        self._flush()

    async def stop(self) -> None:
        """Take every registration back, and give the servers a moment to confirm."""
        for name in list(self._kept):
            self._leave(name)
        self._flush()
        for _ in range(round(GOODBYE / 0.02)):
            if all(kept.machine.state is State.STOPPED for kept in self._leaving):
                break
            await asyncio.sleep(0.02)
        for kept in self._leaving:
            _cancel(kept)
        self._leaving.clear()

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────

    def state(self, trunk: str) -> str:
        """How registering goes, in words: ``registered``, ``failing: 403 Forbidden, next try in 27 s``; or ``off``."""
        kept = self._kept.get(trunk)
        if kept is None:
            return "off"
        machine = kept.machine
        if machine.state is not State.FAILING:
            return machine.state.value
        due = machine.next_wake()
        soon = "" if due is None else f", next try in {max(0, round(due - self._clock.monotonic()))} s"
        return f"failing: {machine.why}{soon}"

    def trunk_at(self, request: Request, flow: Flow) -> str | None:
        """The trunk whose registration an INVITE comes by: from where it is registered, and for its Contact.

        Carriers put the dialled number into the Request-URI, so that is only asked where several share a server.
        """
        there = [kept for kept in self._kept.values() if _is_at(kept.machine, flow.host)]
        if len(there) > 1:
            uri = request.uri
            user = unescape(uri.user or "") if isinstance(uri, SipUri) else ""
            there = [kept for kept in there if kept.account.contact_user == user]
        return there[0].trunk.name if len(there) == 1 else None

    def is_server(self, host: str) -> bool:
        """Whether we are registered at an IP address."""
        return any(_is_at(kept.machine, host) for kept in self._kept.values())

    def service_route(self, trunk: str) -> tuple[str, ...]:
        """Routes that the trunk's server wants in our requests (RFC 3608)."""
        kept = self._kept.get(trunk)
        return kept.machine.service_route if kept is not None and kept.machine.state is State.REGISTERED else ()

    @property
    def counts(self) -> dict[str, float]:
        """How many stand and how many fail, for metrics."""
        states = [kept.machine.state for kept in self._kept.values()]
        return {
            "trunks_registered": states.count(State.REGISTERED),
            "trunks_failing_to_register": states.count(State.FAILING),
        }

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────────

    def broken(self, flow: Flow) -> None:
        """A connection is gone."""
        for kept in self._kept.values():
            kept.machine.broken(flow, self._clock.monotonic())
            self._arm(kept)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _enter(self, trunk: Trunk) -> None:
        account = account_of(trunk)
        kept: _Kept

        def find(redirect: SipUri | None) -> None:
            kept.finding = asyncio.get_running_loop().create_task(self._find(kept, redirect))

        def told(machine: ClientRegistration) -> None:
            self._told(kept)

        kept = _Kept(trunk, account, ClientRegistration(self._agent, account, find, told))
        self._kept[trunk.name] = kept
        kept.machine.start(self._clock.monotonic())
        self._arm(kept)

    def _leave(self, name: str) -> None:
        kept = self._kept.pop(name)
        if kept.finding is not None:
            kept.finding.cancel()
        self._leaving = [other for other in self._leaving if other.machine.state is not State.STOPPED]
        self._leaving.append(kept)
        kept.machine.stop(self._clock.monotonic())
        self._arm(kept)

    async def _find(self, kept: _Kept, redirect: SipUri | None) -> None:
        """Look every server up, best first."""
        trunk = kept.trunk
        flows: list[Flow] = []
        why = "no server"
        for uri in [redirect] if redirect is not None else _servers(trunk):
            try:
                flows += await self._lookup(uri, trunk.transport.value, trunk)
            except Unresolvable:
                why = f"no address for {uri.host}"
            except NotAllowed:
                why = f"the address of {uri.host} is not allowed"
        now = self._clock.monotonic()
        if flows:
            kept.machine.found(list(dict.fromkeys(flows))[:MOST_SERVERS], now, redirected=redirect is not None)
        else:
            kept.machine.not_found(why, now)
        self._arm(kept)
        self._flush()

    def _told(self, kept: _Kept) -> None:
        machine = kept.machine
        server = "" if machine.flow is None else str(machine.flow)
        if machine.state is State.FAILING:
            log.warning("sip.trunk-registration-failing", trunk=kept.trunk.name, why=machine.why, server=server)
        else:
            log.info("sip.trunk-registration", trunk=kept.trunk.name, state=machine.state.value, server=server)
        if machine.state is State.REGISTERED and kept.keep_alive is None:
            self._keep_alive(kept)
        # What it waits for is known only when the step that told this is over.
        self._clock.call_at(self._clock.monotonic(), lambda: self._arm(kept))

    def _keep_alive(self, kept: _Kept) -> None:
        kept.keep_alive = None
        flow = kept.machine.flow
        if kept.machine.state is not State.REGISTERED or flow is None:
            return
        if kept.machine.is_elsewhere():
            kept.machine.moved(self._clock.monotonic())
            self._arm(kept)
            self._flush()
        self._ping(flow)
        due = self._clock.monotonic() + KEEP_ALIVE[flow.reliable]
        kept.keep_alive = self._clock.call_at(due, lambda: self._keep_alive(kept))

    def _arm(self, kept: _Kept) -> None:
        if kept.timer is not None:
            kept.timer.cancel()
            kept.timer = None
        due = kept.machine.next_wake()
        if due is not None:
            kept.timer = self._clock.call_at(due, lambda: self._wake(kept))

    def _wake(self, kept: _Kept) -> None:
        kept.timer = None
        kept.machine.wake(self._clock.monotonic())
        self._arm(kept)
        self._flush()


def account_of(trunk: Trunk) -> Account:
    """What a trunk wants registered."""
    register, mine = trunk.register, trunk.credentials
    assert register is not None and mine is not None, "only trunks that register"
    user = register.user or mine.username
    domain = register.domain or format_host_port(trunk.hosts[0].host, trunk.hosts[0].port)
    return Account(
        name=trunk.name,
        address=f"sip:{escape(user)}@{domain}",
        registrar=f"sip:{domain}",
        contact_user=user,
        username=mine.username,
        password=mine.password,
        realm=mine.realm,
        expires=register.expires,
    )


def _servers(trunk: Trunk) -> list[SipUri]:
    """Where REGISTER goes, best first: the outbound proxy, or the hosts by priority."""
    if trunk.outbound_proxy:
        try:
            return [parse_sip_uri(trunk.outbound_proxy)]
        except SipParseError:
            return []
    return [_uri(host) for host in sorted(trunk.hosts, key=lambda host: (host.priority, -host.weight))]


def _uri(host: Host) -> SipUri:
    return SipUri("sip", None, None, host.host, host.port)


def _what_counts(trunk: Trunk) -> tuple[object, ...]:
    """What of a trunk, when changed, means to register anew."""
    hosts = tuple((host.host, host.port, host.priority) for host in trunk.hosts)
    return trunk.register, trunk.credentials, hosts, trunk.transport, trunk.tls, trunk.outbound_proxy


def _is_at(machine: ClientRegistration, host: str) -> bool:
    return machine.state is State.REGISTERED and machine.flow is not None and machine.flow.host == host


def _cancel(kept: _Kept) -> None:
    for timer in (kept.timer, kept.keep_alive):
        if timer is not None:
            timer.cancel()
