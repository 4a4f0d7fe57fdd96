"""The SIP side of calls as ``calls.ports.carrier.Carrier``: sockets below, the stack in the middle, events above."""

from collections.abc import Callable, Sequence

from ringback.calls.ports.carrier import CarrierEvents, OutgoingInvite
from ringback.calls.ports.clock import Clock
from ringback.model.ids import CallId
from ringback.model.records import CallRecord, DialogRecord
from ringback.model.traces import Remembered
from ringback.model.values import replace
from ringback.sip.agent import Agent
from ringback.sip.agent_settings import AgentSettings, Chance
from ringback.sip.events import Event, Failed, Incoming
from ringback.sip.flow import Flow, TlsPolicy
from ringback.sip.grammar import clean
from ringback.sip.inbound import InboundCall
from ringback.sip.message import Message
from ringback.sip.outbound import OutboundCall
from ringback.sip.parser import parse
from ringback.sip.uri import escape
from ringback.telephony.chance import SystemChance
from ringback.telephony.client_calls import ClientCalls
from ringback.telephony.dialable import Dialable
from ringback.telephony.direct_calls import DirectCalls, extra_rows
from ringback.telephony.door import Door
from ringback.telephony.lookups import Lookups
from ringback.telephony.mapping import StunPort
from ringback.telephony.names import DnsNames
from ringback.telephony.own_address import OwnAddress
from ringback.telephony.phone_watch import PhoneWatch
from ringback.telephony.policy import NetworkPolicy
from ringback.telephony.pump import Pump
from ringback.telephony.registrar import Registry
from ringback.telephony.reports import report
from ringback.telephony.resolve import Names
from ringback.telephony.settings import TelephonySettings
from ringback.telephony.tasks import Tasks
from ringback.telephony.telling import Telling
from ringback.telephony.trace import Trace
from ringback.telephony.transfers import refer_into
from ringback.telephony.trunk_side import TrunkSide
from ringback.telephony.unfinished import Unfinished
from ringback.telephony.way_in import WayIn
from ringback.telephony.wire import Sockets, Wire

__all__ = ["Telephony", "TelephonySettings"]


class Telephony:
    """Implements ``calls.ports.carrier.Carrier``; everything happens on the loop's thread.

    Args:
        settings: How it runs.
        clock: The only source of time.
        events: Told what happens; until there is somebody (``report_to``), events wait.
        wire: Sockets, unless a test brings its own network.
        names: Resolver, unless a test brings its own.
        chance: Randomness, unless a test wants to replay.
        media_flows: Whether a call's far end is still sending media: while it does, requests in its dialog from
            foreign addresses are refused.
        registry: Who may register, and who has; nobody when left out.
        parser: Reads datagrams; ``sip.compiled`` has a faster one than the default.

    Attributes:
        way_in: Where messages come in.
        trunks: Everything about trunks.
        stun: Asks for our public address over SIP's own port.
    """

    def __init__(
        self,
        settings: TelephonySettings,
        clock: Clock,
        events: CarrierEvents | None = None,
        *,
        wire: Wire | None = None,
        names: Names | None = None,
        chance: Chance | None = None,
        media_flows: Callable[[CallId], bool] = lambda call: True,
        registry: Registry | None = None,
        parser: Callable[[bytes], Message] = parse,
    ) -> None:
        self._clock = clock
        self._wire = wire or _sockets(settings)
        self._here = OwnAddress(settings, self._wire)
        self._policy = NetworkPolicy(settings.allow_private, settings.allow)
        self._trace = Trace(clock.wall)
        self._tls = settings.tls
        self._tasks = Tasks()
        self._registry = registry or Registry(clock)
        self._registry.ping = lambda flow: self._wire.send(flow, b"\r\n\r\n")
        self._registry.is_known = lambda flow: self._door.is_known(flow)
        chance = chance or SystemChance(settings.prefix)
        self._lookups = Lookups(
            names or DnsNames(clock.monotonic, settings.name_servers),
            self._policy,
            settings.tls,
            tcp=settings.tcp,
            families=lambda: self._wire.families,
            fraction=chance.fraction,
        )
        self._telling = Telling(clock, events, self._report, lambda call: self.reject(call, 500))
        self._agent = self._new_agent(settings, chance, media_flows)
        self._clients = ClientCalls(
            clock,
            self._agent,
            self._registry,
            here=self._here.here,
            reachable=self._policy.allows,
            fail=self._fail,
        )
        self._dialable = Dialable(
            self._policy,
            self._lookups.ours,
            is_client=lambda uri: self._clients.at(uri) is not None,
            is_trunk=lambda host: self.trunks.desk.has_host(host),
        )
        self._watch = PhoneWatch(
            clock,
            self._agent,
            self._registry,
            settings.client_options,
            lambda: f"sip:ringback@{self._here.domain()}",
            self._flush,
        )
        self.trunks = TrunkSide(
            clock,
            self._agent,
            lookup=self._lookups.find,
            flush=self._flush,
            tell=self._telling.tell,
            dialable=self._dialable.check,
            domain=self._here.domain,
            ping=self._registry.ping,
        )
        self._door = Door(
            clock,
            settings.rate_limits,
            settings.lag_limit,
            settings.known,
            engaged=self._agent.speaks_with,
            listed=self.trunks.lists,
            mute_scanners=settings.mute_scanners,
            behind=self._wire.is_behind,
            beyond_pace=self.trunks.beyond_pace,
            served=self._agent.serves,
        )
        self._pump = Pump(
            clock,
            self._agent,
            self._wire,
            door=self._door,
            trace=self._trace,
            forks=self._clients.forks,
            trunks=self.trunks,
            registry=self._registry,
            lookups=self._lookups,
            tasks=self._tasks,
            tell=self._telling.tell,
        )
        self.stun = StunPort(self._wire.send)
        self.way_in = WayIn(
            clock,
            self._agent,
            self._wire,
            door=self._door,
            trace=self._trace,
            stun=self.stun,
            trunks=self.trunks,
            registry=self._registry,
            parse=parser,
            tls_for=self._tls_for,
            flush=self._pump.flush,
        )
        self._direct = DirectCalls(
            clock,
            self._agent,
            self._lookups,
            self._clients,
            self._tasks,
            is_trunk=self.trunks.desk.lists,
            flush=self._pump.flush,
            fail=self._fail,
        )
        self._unfinished = Unfinished(
            clock, self._agent, self._lookups, self._tasks, tls_for=self._tls_for, flush=self._pump.flush
        )

    def _new_agent(self, settings: TelephonySettings, chance: Chance, media_flows: Callable[[CallId], bool]) -> Agent:
        return Agent(
            AgentSettings(
                timing=settings.timing,
                patience=settings.patience,
                credentials=settings.credentials,
                unconfirmed_per_source=None if settings.rate_limits is None else 10,
                hold_ack=settings.hold_ack,
                session_interval=settings.session_interval,
                session_least=settings.session_least,
            ),
            chance,
            advertised=self._here.towards,
            reachable=lambda host, port: self._policy.allows(host, port) or self.trunks.desk.may_reach(host, port),
            listed=lambda host: self.trunks.lists(host),
            media_flows=media_flows,
            siblings=lambda one, other: (
                self._door.are_siblings(one, other) or self.trunks.desk.are_siblings(one, other)
            ),
            trusted=lambda flow: self._door.is_known(flow),
            described=self._here.described,
            connected=self._wire.is_open,
            vouched=self._tls_for,
            registrar=self._registry,
        )

    # ── life ──

    async def start(self) -> None:
        """Listen. Raises ``OSError`` naming the address when that fails."""
        await self._registry.start()
        await self._wire.start(self.way_in)
        self._watch.start()

    def report_to(self, events: CarrierEvents) -> None:
        """From now on tell ``events``, first what has waited."""
        self._telling.to(events)

    async def stop(self) -> None:
        """Close every socket. Calls are not ended: end them first."""
        self._registry.stop()
        self._watch.stop()
        await self.trunks.stop()
        await self._tasks.stop()
        self._pump.stop()
        self._telling.stop()
        await self._wire.stop()

    @property
    def local_addresses(self) -> tuple[str, ...]:
        """What we listen on and are called by: ``host:port``."""
        return (self._here.listening(),)

    def host_towards(self, peer: str) -> str:
        """What we are called by, by a far end at an IP address; empty for one whose address is not known."""
        return self._here.host_towards(peer)

    def trace(self, sip_call_id: str, our_tag: str = "") -> Remembered:
        """What was said in a call, fit to be shown; empty when it is no longer remembered."""
        return self._trace.of(sip_call_id, our_tag)

    @property
    def idle(self) -> bool:
        """Nothing is left of any call."""
        return (
            self._agent.idle
            and not len(self._direct)
            and not len(self._telling)
            and not len(self.trunks.dialling)
            and not self._clients.forks.busy
        )

    def leftovers(self) -> dict[str, int]:
        """What is left, for a test that expects nothing."""
        return {
            **self._agent.leftovers(),
            "resolving": len(self._direct),
            "dialling": len(self.trunks.dialling),
            "events": len(self._telling),
        }

    @property
    def calls(self) -> int:
        """Calls that exist."""
        return len(self._agent.calls) + len(self._direct) + len(self.trunks.dialling)

    # ── Carrier ──

    def prepare(self, target: str, call: CallId, user: str) -> DialogRecord:
        uri = self._dialable.check(target)
        local = f"{escape(user)}@{self._here.domain()}" if user else self._here.domain()
        return self._agent.prepare(uri, f"{uri.scheme}:{local}")

    def invite(self, invite: OutgoingInvite) -> None:
        if invite.attempts:
            self.trunks.dialling.begin(replace(invite, headers=extra_rows(invite.headers)))
            return
        self._direct.invite(invite)

    def cancel(self, call: CallId, reason: str = "", q850: int | None = None) -> None:
        if self.trunks.dialling.cancel(call) or self._direct.cancel(call):
            return
        if self._clients.forks.cancel(call, reason, self._now()):
            self._flush()
            return
        found = self._agent.calls.get(call)
        if isinstance(found, OutboundCall):
            found.cancel(reason, self._now(), q850)
            self._flush()

    def ring(self, call: CallId, sdp: bytes | None = None) -> None:
        found = self._agent.calls.get(call)
        if isinstance(found, InboundCall):
            found.ring(sdp, self._now())
            self._flush()

    def answer(self, call: CallId, sdp: bytes) -> None:
        found = self._agent.calls.get(call)
        if isinstance(found, InboundCall):
            found.answer(sdp, self._now())
            self._flush()

    def reject(self, call: CallId, status: int, reason: str = "", headers: Sequence[tuple[str, str]] = ()) -> None:
        found = self._agent.calls.get(call)
        if isinstance(found, InboundCall):
            found.reject(status, reason, [(name, clean(value)) for name, value in headers], self._now())
            self._flush()

    def confirm(self, call: CallId, sdp: bytes | None = None) -> None:
        found = self._agent.calls.get(call)
        if isinstance(found, OutboundCall):
            found.confirm(sdp)
            self._flush()

    def bye(self, call: CallId, reason: str = "", q850: int | None = None) -> None:
        found = self._agent.calls.get(call)
        if found is not None:
            found.bye(reason, self._now(), q850)
            self._flush()

    def offer(self, call: CallId, sdp: bytes) -> None:
        found = self._agent.calls.get(call)
        if found is not None:
            found.offer(sdp, self._now())
            self._flush()

    def answer_offer(self, call: CallId, sdp: bytes | None, status: int = 200) -> None:
        found = self._agent.calls.get(call)
        if found is not None:
            found.answer_offer(sdp, status, self._now())
            self._flush()

    def send_info_digit(self, call: CallId, digit: str, duration_ms: int) -> None:
        found = self._agent.calls.get(call)
        if found is not None:
            found.send_digit(digit, duration_ms, self._now())
            self._flush()

    def ask_picture(self, call: CallId) -> None:
        found = self._agent.calls.get(call)
        if found is not None:
            found.ask_picture(self._now())
            self._flush()

    def refer(self, call: CallId, target: str, *, referred_by: str = "", replaces: CallId | None = None) -> None:
        found = self._agent.calls.get(call)
        if found is None:
            return
        replaced = self._agent.calls.get(replaces) if replaces is not None else None
        refusal = refer_into(found, target, referred_by, replaced, self._now())
        if refusal is not None:
            self._telling.tell(refusal)
        self._flush()

    def accept_refer(self, call: CallId, refer: str) -> None:
        found = self._agent.calls.get(call)
        if found is not None:
            found.referrals.accept(refer, self._now())
            self._flush()

    def notify_refer(self, call: CallId, refer: str, status: int, reason: str = "") -> None:
        found = self._agent.calls.get(call)
        if found is not None:
            found.referrals.notify(refer, status, reason, self._now())
            self._flush()

    def refuse_refer(self, call: CallId, refer: str, status: int = 603) -> None:
        found = self._agent.calls.get(call)
        if found is not None:
            found.referrals.refuse(refer, status, self._now())
            self._flush()

    def finish(self, record: CallRecord) -> None:
        self._unfinished.finish(record)

    # ── inside ──

    def _now(self) -> float:
        return self._clock.monotonic()

    def _flush(self) -> None:
        self._pump.flush()

    def _report(self, event: Event, events: CarrierEvents) -> None:
        if isinstance(event, Incoming):
            self.trunks.take(event, events, self._door.is_known)
        else:
            report(event, events, self._door.is_known)

    def _fail(self, call: CallId, cause: str, reason: str, status: int = 0) -> None:
        self._telling.tell(Failed(call, status, reason, cause))

    def _tls_for(self, name: str, flow: Flow) -> TlsPolicy:
        """How a host has to prove itself by TLS to which the far end of a flow sends us: as its trunk says."""
        return self.trunks.desk.tls_of(flow.host, name) or replace(self._tls, name=name)


def _sockets(settings: TelephonySettings) -> Sockets:
    limited = settings.rate_limits is not None
    return Sockets(
        [host.strip() for host in settings.host.split(",")],
        settings.port,
        tcp=settings.tcp,
        certificate=settings.certificate,
        tls_port=settings.tls_port,
        connections_per_source=64 if limited else None,
        dscp=settings.dscp,
    )
