"""Everything trunks need of the SIP side, in one place beside ``Telephony``: whose calls are, ways out, health."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from ringback.calls.ports.carrier import CarrierEvents, OutgoingInvite
from ringback.calls.ports.clock import Clock
from ringback.model.ids import CallId
from ringback.model.sip_trunk import SipTrunk
from ringback.model.values import replace
from ringback.numbers.inbound import Refused
from ringback.numbers.ports import TrunkState
from ringback.numbers.trunk import Host, Trunk
from ringback.sip.agent import Agent
from ringback.sip.asking import Asking
from ringback.sip.events import Event, Failed, Incoming, Routed
from ringback.sip.flow import Flow, TlsPolicy
from ringback.sip.inbound import InboundCall
from ringback.sip.message import Response
from ringback.sip.outbound import OutboundCall
from ringback.sip.uri import SipUri
from ringback.telephony.customer_trunks import CustomerTrunks
from ringback.telephony.dialling import Dialling, Ready
from ringback.telephony.health import HealthChecks
from ringback.telephony.policy import NetworkPolicy
from ringback.telephony.registrations import Registrations
from ringback.telephony.reports import incoming_invite
from ringback.telephony.transfers import transfer_rows
from ringback.telephony.trunks import Challenged, Judged, TrunkDesk

log = structlog.get_logger(__name__)

ANYWHERE = NetworkPolicy(allow_private=True)
"""The operator says where a trunk is: private addresses are as good as any."""

Lookup = Callable[[SipUri, str, NetworkPolicy | None, TlsPolicy | None], Awaitable[list[Flow]]]


class TrunkSide:
    """Implements ``numbers.ports.TrunkWatch``, and what attempts and health checks need of telephony.

    Args:
        clock: The only source of time.
        agent: The stack.
        lookup: Names to flows, by a policy and a TLS policy of the trunk's.
        flush: Sends what the stack wants sent.
        tell: Tells the user above.
        dialable: Whether policy lets an address be called.
        domain: Host part of our addresses.
        ping: Sends a little nothing over a flow, to keep it open.
    """

    def __init__(
        self,
        clock: Clock,
        agent: Agent,
        *,
        lookup: Lookup,
        flush: Callable[[], None],
        tell: Callable[[Event], None],
        dialable: Callable[[str], SipUri],
        domain: Callable[[], str],
        ping: Callable[[Flow], None],
    ) -> None:
        self._clock = clock
        self._agent = agent
        self._lookup = lookup
        self._flush = flush
        self._tell = tell
        self._dialable = dialable
        self._domain = domain
        self.customers = CustomerTrunks()
        self.desk = TrunkDesk(clock, agent.calls.__contains__)
        self.dialling = Dialling(clock, self.desk, self)
        self._checks = HealthChecks(clock, self.desk, self)
        self.registrations = Registrations(clock, agent, find=self.find, flush=flush, ping=ping)

    # ── life ──

    def set(self, trunks: Sequence[Trunk]) -> None:
        """These are all trunks from now on; each is asked for its health soon."""
        self.desk.set(trunks)
        self._checks.start(trunks)
        self.registrations.set(trunks)

    async def stop(self) -> None:
        self.dialling.stop()
        await self._checks.stop()
        await self.registrations.stop()

    def lists(self, host: str) -> bool:
        """Whether an address is a trunk's: one of its networks, or where we are registered with it."""
        return self.desk.lists(host) or self.registrations.is_server(host)

    def beyond_pace(self, host: str) -> str | None:
        """Name of the trunk of an address, if it may not begin another call now."""
        trunk = self.desk.beyond_pace(host)
        return trunk.name if trunk is not None else None

    # ── calls in ──

    def take(self, event: Incoming, events: CarrierEvents, is_known: Callable[[Flow], bool]) -> None:
        """Hand a new call up with what its trunk says of it, or refuse it by the trunk's rules."""
        if (customers := self.customers.trunk_of(event.request)) is not None:
            self._take_for(customers, event, events)
            return
        judged = None
        if self.desk.trunks and not event.client:
            over = self.desk.named(self.registrations.trunk_at(event.request, event.flow))
            judged = self.desk.judge(event.request, event.flow, self._clock.monotonic(), over)
        if judged is None:
            events.incoming(incoming_invite(event, is_known(event.flow)))
        elif isinstance(judged, Challenged):
            self._reject(event.call, 401, "", judged.headers)
        elif isinstance(judged.verdict, Refused):
            refused = judged.verdict
            log.warning(
                "call.refused",
                rule=refused.rule,
                status=refused.status,
                trunk=judged.trunk.name,
                source=event.flow.host,
                call=event.call,
            )
            rows = [] if refused.q850 is None else [("Reason", f"Q.850;cause={refused.q850}")]
            self._reject(event.call, refused.status, refused.reason, rows)
        else:
            self._hand_up(event, judged, events)

    def _take_for(self, trunk: SipTrunk, event: Incoming, events: CarrierEvents) -> None:
        """A call to a customer's trunk."""
        admitted = self.customers.admits(trunk, event.request, event.flow, self._clock.monotonic())
        if admitted is True:
            events.incoming(incoming_invite(event, True, sip_trunk=trunk.id))
        elif admitted is False:
            log.warning("call.refused", rule="sip-trunk", status=403, source=event.flow.host, call=event.call)
            self._reject(event.call, 403, "", [])
        else:
            self._reject(event.call, 401, "", admitted)

    def _hand_up(self, event: Incoming, judged: Judged, events: CarrierEvents) -> None:
        accepted = judged.verdict
        assert not isinstance(accepted, Refused), "refused before"
        self.desk.carries(judged.trunk.name, event.call)
        events.incoming(
            incoming_invite(
                event,
                judged.listed,
                user=accepted.user,
                trunk=judged.trunk.name,
                called_number=accepted.called_number,
                caller=accepted.caller,
                withheld=accepted.withheld,
                srtp=judged.trunk.srtp.value,
                srtp_keys=judged.trunk.srtp_keys.value,
                media_networks=judged.trunk.media_networks,
                codecs=judged.trunk.codecs,
                dtmf=judged.trunk.dtmf.value,
            )
        )

    def _reject(self, call: CallId, status: int, reason: str, headers: list[tuple[str, str]]) -> None:
        found = self._agent.calls.get(call)
        if isinstance(found, InboundCall):
            found.reject(status, reason, headers, self._clock.monotonic())
            self._flush()

    # ── for ``Dialling`` ──

    def new_branch(self) -> str:
        return self._agent.branch()

    async def find(self, uri: SipUri, transport: str, trunk: Trunk | None) -> list[Flow]:
        if trunk is None:
            return await self._lookup(uri, transport, None, None)
        return await self._lookup(uri, transport, ANYWHERE, self.desk.tls(trunk, uri.host))

    def send(self, invite: OutgoingInvite, ready: Ready) -> None:
        through_proxy = any(name == "Route" for name, _ in ready.rows)
        call = OutboundCall(
            self._agent,
            invite.call,
            ready.record,
            ready.targets,
            name=invite.display_name,
            rows=[*ready.rows, *invite.headers, *transfer_rows(invite)],
            body=ready.body,
            ring_timeout=ready.ring_timeout,
            routes=() if through_proxy else self.registrations.service_route(ready.trunk),
        )
        call.credentials = ready.credentials
        call.patience = ready.patience
        self._agent.invite(call, self._clock.monotonic())
        self._flush()

    def tell(self, event: Failed | Routed) -> None:
        self._tell(event)

    def dialable(self, target: str) -> SipUri:
        return self._dialable(target)

    # ── for ``HealthChecks`` ──

    def fraction(self) -> float:
        return self._agent.chance.fraction()

    async def options(self, uri: SipUri, flow: Flow, patience: float) -> tuple[int, str]:
        answer: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

        def done(response: Response | None, why: str) -> None:
            if not answer.done():
                answer.set_result((response.status, response.reason) if response is not None else (0, why))

        asking = Asking(self._agent, done)
        now = self._clock.monotonic()
        asking.ask("OPTIONS", uri, f"sip:ringback@{self._domain()}", flow, now, [("Accept", "application/sdp")])
        self._flush()
        timer = self._clock.call_at(now + patience, lambda: done(None, "no answer to OPTIONS"))
        try:
            return await answer
        finally:
            timer.cancel()
            asking.give_up()
            self._flush()

    # ── ``TrunkWatch`` ──

    def state(self, trunk: Trunk) -> TrunkState:
        return replace(self.desk.state(trunk), registration=self.registrations.state(trunk.name))

    def is_down(self, trunk: str, host: str, port: int | None) -> bool:
        return self.desk.is_down(trunk, host, port)

    async def ask(self, trunk: Trunk, host: Host) -> tuple[int, str, list[Flow]]:
        """See ``HealthChecks.ask``."""
        return await self._checks.ask(trunk, host)

    async def check(self, trunk: Trunk) -> None:
        await self._checks.check(trunk)
