"""The SIP side of calls as ``calls.ports.Carrier``: sockets below, the stack in the middle, events above."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace

import structlog

from ringback.calls.ports import CarrierEvents, Clock, OutgoingInvite, Timer
from ringback.model.errors import Forbidden, InvalidRequest
from ringback.model.ids import CallId
from ringback.model.records import CallRecord, CallState, DialogRecord, Direction
from ringback.model.traces import Remembered
from ringback.sdp.description import heard_at, readdressed
from ringback.sip.agent import Agent, AgentSettings, Chance, Transmit
from ringback.sip.digest import Credential
from ringback.sip.errors import SipParseError
from ringback.sip.events import Event, Failed, Incoming, Lookup, Refused, Registering
from ringback.sip.flow import DEFAULT_PORTS, Flow, TlsPolicy
from ringback.sip.grammar import TOKEN, clean
from ringback.sip.hops import transport_of
from ringback.sip.inbound import InboundCall
from ringback.sip.message import Message, Row
from ringback.sip.outbound import OutboundCall
from ringback.sip.parser import parse, refusal
from ringback.sip.session_timer import LEAST, PROPOSED
from ringback.sip.timers import Timing
from ringback.sip.uri import SipUri, dialled_user, escape, format_host_port, parse_sip_uri
from ringback.telephony.admission import RateLimits
from ringback.telephony.chance import SystemChance
from ringback.telephony.client_calls import ClientCalls
from ringback.telephony.door import Door, TurnedAway
from ringback.telephony.mapping import FIRST_OCTETS, StunPort
from ringback.telephony.names import DnsNames
from ringback.telephony.networks import Advertised
from ringback.telephony.phone_watch import PhoneWatch
from ringback.telephony.policy import NetworkPolicy, is_disguised_ip, looks_like_number, parse_ip
from ringback.telephony.registrar import Registry
from ringback.telephony.reports import report
from ringback.telephony.resolve import OURS, Names, NotAllowed, Unresolvable, literal_targets, resolve
from ringback.telephony.streams import Connection
from ringback.telephony.tls import ServerCertificate
from ringback.telephony.trace import Trace
from ringback.telephony.transfers import refer_into, transfer_rows
from ringback.telephony.trunk_side import TrunkSide
from ringback.telephony.wire import Sockets, Wire

log = structlog.get_logger(__name__)

LONGEST_URI = 2048

MOST_LOOKUPS = 100
"""Names from Contacts and routes that are looked up at once; others are not."""


@dataclass(frozen=True, slots=True)
class TelephonySettings:
    """How the SIP side runs.

    Attributes:
        host: Where to listen: an IP address, or several with commas between them.
        port: For UDP and TCP; 0 takes any free one.
        certificate: For a TLS listener on ``tls_port``; ``None`` for none.
        tls: How far ends that we call by TLS prove themselves, where nothing is said of that one.
        name_servers: ``host`` or ``host:port`` of DNS servers; empty for the machine's.
        dscp: Class of service of what we send.
        advertised: Our public address and who is told another; ``None`` makes ``advertised_host`` everybody's.
        advertised_host: Host in Via and Contact; empty for the address a far end sees.
        advertised_port: 0 for the port we listen on.
        domain: Host part of our addresses in From; empty for the advertised host and port.
        tcp: Whether TCP is on (TLS too).
        rate_limits: Per source, before parsing; ``None`` switches every per-source limit off.
        allow_private: Calls may go to loopback, private and link-local addresses.
        allow: Networks (CIDR) calls may go to whatever they are.
        known: Networks (CIDR) of trunks and clients, who are told why they are refused.
        credentials: What challenges to our calls are answered with, and for whom.
        patience: Seconds without any answer after which a call has failed.
        client_options: Seconds between questions to registered phones whether they are there; 0 for none.
        lag_limit: Seconds the loop may be late before new calls are turned away with 503; ``None`` for never.
        session_interval, session_least: Seconds; see ``AgentSettings``.
        hold_ack: ACK an answer only at ``confirm``, for whoever must first remember the call.
        mute_scanners: Whether strangers who try addresses and passwords are not heard for a while (with
            ``rate_limits`` only).
        prefix: Goes into every branch: node and boot epoch.
    """

    host: str = "127.0.0.1"
    port: int = 5060
    advertised: Advertised | None = None
    advertised_host: str = ""
    advertised_port: int = 0
    domain: str = ""
    tcp: bool = True
    certificate: ServerCertificate | None = None
    tls_port: int = 5061
    tls: TlsPolicy = field(default_factory=TlsPolicy)
    name_servers: Sequence[str] = ()
    dscp: int = 0
    rate_limits: RateLimits | None = field(default_factory=RateLimits)
    allow_private: bool = False
    allow: Sequence[str] = ()
    known: Sequence[str] = ()
    credentials: Sequence[Credential] = ()
    patience: float = 4.0
    lag_limit: float | None = 0.2
    client_options: float = 0.0
    mute_scanners: bool = True
    prefix: str = ""
    session_interval: int = PROPOSED
    session_least: int = LEAST
    hold_ack: bool = False
    timing: Timing = field(default_factory=Timing)


class Telephony:
    """Implements ``calls.ports.Carrier``; everything happens on the loop's thread.

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
        self._settings = settings
        self._parse = parser
        self._clock = clock
        self._events = events
        self._wire = wire or _sockets(settings)
        self.stun = StunPort(lambda flow, data: self._wire.send(flow, data))
        self._told = settings.advertised or Advertised(settings.advertised_host)
        self._names = names or DnsNames(clock.monotonic, settings.name_servers)
        self._policy = NetworkPolicy(settings.allow_private, settings.allow)
        self._trace = Trace(clock.wall)
        self._chance = chance or SystemChance(settings.prefix)
        self._registry = registry or Registry(clock)
        self._registry.ping = lambda flow: self._wire.send(flow, b"\r\n\r\n")
        self._registry.is_known = lambda flow: self._door.is_known(flow)
        self._agent = Agent(
            AgentSettings(
                timing=settings.timing,
                patience=settings.patience,
                credentials=settings.credentials,
                unconfirmed_per_source=None if settings.rate_limits is None else 10,
                hold_ack=settings.hold_ack,
                session_interval=settings.session_interval,
                session_least=settings.session_least,
            ),
            self._chance,
            advertised=self._advertised,
            reachable=lambda host, port: self._policy.allows(host, port) or self.trunks.desk.may_reach(host, port),
            listed=lambda host: self.trunks.lists(host),
            media_flows=media_flows,
            siblings=lambda one, other: (
                self._door.are_siblings(one, other) or self.trunks.desk.are_siblings(one, other)
            ),
            trusted=lambda flow: self._door.is_known(flow),
            described=self._described,
            connected=self._wire.is_open,
            vouched=self.tls_for,
            registrar=self._registry,
        )
        self._clients = ClientCalls(
            clock,
            self._agent,
            self._registry,
            here=lambda: self._advertised(Flow("udp", "127.0.0.1", 5060)),
            reachable=self._policy.allows,
            fail=self._fail,
        )
        self._forks = self._clients.forks
        self._watch = PhoneWatch(
            clock,
            self._agent,
            self._registry,
            settings.client_options,
            lambda: f"sip:ringback@{self._domain()}",
            lambda: self._flush(),
        )
        self.trunks = TrunkSide(
            clock,
            self._agent,
            lookup=self._lookup,
            flush=self._flush,
            tell=self._tell,
            dialable=self._dialable,
            domain=self._domain,
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
        self._resolving: dict[CallId, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lookups = 0
        self._away_tag = b""
        self._queue: deque[Event] = deque()
        self._telling = False
        self._tell_timer: Timer | None = None
        self._wake_timer: Timer | None = None
        self._wake_at: float | None = None

    # ── life ──

    async def start(self) -> None:
        """Listen. Raises ``OSError`` naming the address when that fails."""
        await self._registry.start()
        await self._wire.start(self)
        self._watch.start()

    def report_to(self, events: CarrierEvents) -> None:
        """From now on tell ``events``, first what has waited."""
        self._events = events
        if self._queue:
            self._tell_soon()

    async def stop(self) -> None:
        """Close every socket. Calls are not ended: end them first."""
        self._registry.stop()
        self._watch.stop()
        await self.trunks.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for timer in (self._wake_timer, self._tell_timer):
            if timer is not None:
                timer.cancel()
        await self._wire.stop()

    @property
    def local_addresses(self) -> tuple[str, ...]:
        """What we listen on and are called by: ``host:port``."""
        host, port = self._wire.local(Flow("udp", "127.0.0.1", 5060))
        return (format_host_port(self._told.host_for("", host), self._settings.advertised_port or port),)

    def host_towards(self, peer: str) -> str:
        """What we are called by, by a far end at an IP address; empty for one whose address is not known."""
        host, _ = self._wire.local(Flow("udp", peer or "127.0.0.1", 5060))
        return self._told.host_for(peer, host)

    def trace(self, sip_call_id: str, our_tag: str = "") -> Remembered:
        """What was said in a call, fit to be shown; empty when it is no longer remembered."""
        return self._trace.of(sip_call_id, our_tag)

    @property
    def idle(self) -> bool:
        """Nothing is left of any call."""
        return (
            self._agent.idle
            and not self._resolving
            and not self._queue
            and not len(self.trunks.dialling)
            and not self._forks.busy
        )

    def leftovers(self) -> dict[str, int]:
        """What is left, for a test that expects nothing."""
        return {
            **self._agent.leftovers(),
            "resolving": len(self._resolving),
            "dialling": len(self.trunks.dialling),
            "events": len(self._queue),
        }

    @property
    def calls(self) -> int:
        """Calls that exist."""
        return len(self._agent.calls) + len(self._resolving) + len(self.trunks.dialling)

    # ── Carrier ──

    def prepare(self, target: str, call: CallId, user: str) -> DialogRecord:
        uri = self._dialable(target)
        local = f"{escape(user)}@{self._domain()}" if user else self._domain()
        return self._agent.prepare(uri, f"{uri.scheme}:{local}")

    def invite(self, invite: OutgoingInvite) -> None:
        if invite.attempts:
            self.trunks.dialling.begin(replace(invite, headers=_extra_rows(invite.headers)))
            return
        uri = parse_sip_uri(invite.dialog.invite_uri)
        if self._clients.at(uri) is not None:
            self._clients.invite(replace(invite, headers=_extra_rows(invite.headers)), uri)
            self._flush()
            return
        transport = invite.dialog.transport
        try:
            targets = literal_targets(uri, transport, self._policy, self._settings.tls)
        except NotAllowed:
            self._fail(invite.call, "policy", "the address is not allowed")
            return
        if targets is not None:
            self._send_invite(invite, targets)
        else:
            task = self._run(self._resolve_and_send(invite, uri))
            self._resolving[invite.call] = task

    def cancel(self, call: CallId, reason: str = "", q850: int | None = None) -> None:
        if self.trunks.dialling.cancel(call):
            return
        task = self._resolving.pop(call, None)
        if task is not None:
            task.cancel()
            self._fail(call, "answer", "Request Terminated", 487)
            return
        if self._forks.cancel(call, reason, self._now()):
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

    def refer(self, call: CallId, target: str, *, referred_by: str = "", replaces: CallId | None = None) -> None:
        found = self._agent.calls.get(call)
        if found is None:
            return
        replaced = self._agent.calls.get(replaces) if replaces is not None else None
        refusal = refer_into(found, target, referred_by, replaced, self._now())
        if refusal is not None:
            self._tell(refusal)
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
        dialog = record.dialog
        if dialog is None or record.state is CallState.ENDED:
            return
        if record.state is not CallState.ANSWERED and record.direction is Direction.DIAL_IN:
            # An INVITE nobody answered yet ends by itself: its transaction died with the process.
            return
        flow = _peer(dialog)
        if flow is not None and flow.transport == "tls":
            # By the name it was called by, or where it said it is reached.
            uri = parse_sip_uri(dialog.invite_uri or dialog.remote_target)
            flow = flow._replace(tls=self.tls_for(uri.host, flow))
        if flow is not None:
            self._finish(record, dialog, flow)
        elif dialog.invite_uri:
            self._run(self._resolve_and_finish(record, dialog))

    # ── Receiver: what the wire tells ──

    def on_datagram(self, data: bytes, flow: Flow) -> None:
        if not data.strip(b"\r\n\0") or not self._door.admits(flow, data):
            return
        if data[0] < FIRST_OCTETS and self.stun.take(data, flow):
            return
        if away := self._door.turns_away(flow, data):
            self._turn_away(data, away, flow)
            return
        if self._away_tag and data.startswith(b"ACK ") and self._away_tag in data:
            return  # of an INVITE that was refused unread: there is nothing to find it by, and nothing to end
        try:
            message = self._parse(data)
        except SipParseError as error:
            self._on_garbage(data, error, flow)
            return
        self._trace.note(flow, data, False)
        self._take(message, flow)

    def on_message(self, message: Message, flow: Flow) -> None:
        data = message.to_bytes()
        if away := self._door.turns_away(flow, data):
            self._turn_away(data, away, flow)
            return
        self._trace.note(flow, data, False)
        self._take(message, flow)

    def _take(self, message: Message, flow: Flow) -> None:
        if not self._door.looks_at(message, flow):
            return
        try:
            self._agent.receive(message, flow, self._now())
        except SipParseError as error:
            self._door.note("sip.unreadable", flow, reason=error.reason)
        except Exception:
            # A bug of ours costs this message, never the listener.
            log.exception("sip.message_failed", source=flow.host)
        self._flush()

    def on_broken_stream(self, head: bytes, error: SipParseError, flow: Flow) -> None:
        self._on_garbage(head, error, flow)

    def on_unreachable(self, flow: Flow, why: str = "") -> None:
        self._agent.unreachable(flow, self._now(), why)
        self.trunks.registrations.broken(flow)
        self._flush()

    def on_refused(self, flow: Flow, rule: str) -> None:
        self._door.note("sip.refused", flow, rule=rule)

    def admits(self, flow: Flow) -> bool:
        return self._door.admits(flow)

    def attach(self, connection: Connection) -> bool:
        """A connection that was accepted elsewhere (a WebSocket) is one of ours now, unless it is one too many."""
        return self._wire.attach(connection)

    def detach(self, connection: Connection) -> None:
        self._wire.detach(connection)

    def admits_handshake(self, flow: Flow) -> bool:
        return self._door.admits_handshake(flow)

    def tls_for(self, name: str, flow: Flow) -> TlsPolicy:
        """How a host has to prove itself by TLS to which the far end of a flow sends us: as its trunk says."""
        return self.trunks.desk.tls_of(flow.host, name) or replace(self._settings.tls, name=name)

    def uses(self, flow: Flow) -> bool:
        return self._agent.speaks_with(flow.host) or self._registry.is_home(flow)

    # ── inside: out ──

    def _flush(self) -> None:
        """Send what the stack wants sent, queue what it tells, and re-arm the one timer."""
        rule = ""
        while effects := self._agent.take():
            for effect in effects:
                if isinstance(effect, Transmit):
                    self._trace.note(effect.flow, effect.data, True, rule)
                    self._door.answered(effect.flow, effect.data)
                    self._wire.send(effect.flow, effect.data)
                    rule = ""
                elif isinstance(effect, Refused):
                    self._door.note("sip.refused", effect.flow, rule=effect.rule)
                    rule = effect.rule
                elif isinstance(effect, Lookup):
                    self._look_up(effect)
                elif isinstance(effect, Registering):
                    self._run(self._register(effect))
                elif self._forks.busy:
                    for event in self._forks.translate(effect, self._now()):
                        self._tell(event)
                elif not self.trunks.dialling.noticed(effect):
                    self._tell(effect)
            self._forks.settle()
        self._arm()

    async def _register(self, told: Registering) -> None:
        """Acknowledge a registration once it is stored."""
        assert told.answer.change is not None, "only what changes something has to be stored"
        stored = await self._registry.keep(told.answer.change)
        self._agent.registered(told, stored, self._now())
        self._flush()

    def _tell(self, event: Event) -> None:
        """Events are told from the loop, never from inside a verb."""
        self._queue.append(event)
        self._tell_soon()

    def _tell_soon(self) -> None:
        if not self._telling and self._tell_timer is None and self._events is not None:
            self._tell_timer = self._clock.call_at(self._now(), self._tell_all)

    def _tell_all(self) -> None:
        self._tell_timer = None
        if self._events is None:
            return
        self._telling = True
        try:
            while self._queue:
                event = self._queue.popleft()
                try:
                    if isinstance(event, Incoming):
                        self.trunks.take(event, self._events, self._door.is_known)
                    else:
                        report(event, self._events, self._door.is_known)
                except Exception:
                    log.exception("sip.event_failed", kind=type(event).__name__)
                    if isinstance(event, Incoming):
                        self.reject(event.call, 500)
        finally:
            self._telling = False

    def _arm(self) -> None:
        due = self._agent.next_wake()
        if due is None or (self._wake_at is not None and self._wake_at <= due):
            return
        if self._wake_timer is not None:
            self._wake_timer.cancel()
        self._wake_at = due
        self._wake_timer = self._clock.call_at(due, self._wake)

    def _wake(self) -> None:
        self._wake_at = self._wake_timer = None
        self._agent.wake(self._now())
        self._flush()

    def _fail(self, call: CallId, cause: str, reason: str, status: int = 0) -> None:
        self._tell(Failed(call, status, reason, cause))

    # ── inside: dialling ──

    def _dialable(self, target: str) -> SipUri:
        text = target.strip()
        while text.lower().startswith(("sip:sip:", "sip:sips:")):
            text = text[4:]
        if len(text) > LONGEST_URI:
            raise InvalidRequest(f"sipUri is longer than {LONGEST_URI} characters")
        try:
            uri = parse_sip_uri(text)
        except SipParseError as error:
            raise InvalidRequest(f"sipUri cannot be dialled: {error.reason}") from error
        if self._clients.at(uri) is not None:
            return uri.bare()
        transport = transport_of(uri)
        if transport not in self._ours:
            raise InvalidRequest(f"sipUri asks for a transport that is not available here: use {', '.join(self._ours)}")
        if uri.scheme == "sips" and uri.parameter("transport") == "udp":
            raise InvalidRequest("sipUri asks for sips by udp, which cannot be: leave the transport out")
        for name in ("maddr", "method", "ttl"):
            if uri.parameter(name) is not None:
                raise InvalidRequest(f"sipUri must not have the parameter {name}")
        if is_disguised_ip(uri.host):
            raise Forbidden("destination-not-allowed: write the host of sipUri as a name or a plain IP address")
        literal = parse_ip(uri.host) is not None and not self.trunks.desk.has_host(uri.host)
        if literal and not self._policy.allows(uri.host, uri.port or DEFAULT_PORTS[transport]):
            raise Forbidden(
                "destination-not-allowed: sipUri names a private or reserved address;"
                " RINGBACK_DIALOUT__ALLOW_PRIVATE allows it"
            )
        return uri.bare()

    async def _resolve_and_send(self, invite: OutgoingInvite, uri: SipUri) -> None:
        try:
            targets = await self._lookup(uri, invite.dialog.transport)
        except Unresolvable:
            self._resolving.pop(invite.call, None)
            self._fail(invite.call, "resolve", f"no address for {clean(uri.host)}")
        except NotAllowed:
            self._resolving.pop(invite.call, None)
            self._fail(invite.call, "policy", "the address is not allowed")
        else:
            if self._resolving.pop(invite.call, None) is None:
                return
            if looks_like_number(dialled_user(uri)) and any(self.trunks.desk.lists(flow.host) for flow in targets):
                # A carrier that knows us by our address would carry it past every rule, whatever name led there.
                self._fail(invite.call, "policy", "a trunk's address: its numbers are called over the trunk")
                return
            self._send_invite(invite, targets)

    async def _lookup(
        self, uri: SipUri, transport: str, policy: NetworkPolicy | None = None, tls: TlsPolicy | None = None
    ) -> list[Flow]:
        """Raises ``Unresolvable``, ``NotAllowed``."""
        return await resolve(
            uri,
            transport if transport in self._ours else transport_of(uri),
            self._names,
            policy or self._policy,
            self._wire.families,
            tls=tls or self._settings.tls,
            ours=self._ours,
            fraction=self._chance.fraction,
        )

    @property
    def _ours(self) -> tuple[str, ...]:
        return OURS if self._settings.tcp else ("udp",)

    def _send_invite(self, invite: OutgoingInvite, targets: list[Flow]) -> None:
        call = OutboundCall(
            self._agent,
            invite.call,
            invite.dialog,
            targets,
            name=invite.display_name,
            rows=[*_extra_rows(invite.headers), *transfer_rows(invite)],
            body=invite.offer or b"",
            ring_timeout=invite.ring_timeout,
        )
        self._agent.invite(call, self._now())
        self._flush()

    async def _resolve_and_finish(self, record: CallRecord, dialog: DialogRecord) -> None:
        try:
            uri = parse_sip_uri(dialog.invite_uri)
            targets = await self._lookup(uri, dialog.transport)
        except (SipParseError, Unresolvable, NotAllowed):
            return
        self._finish(record, dialog, targets[0])

    def _finish(self, record: CallRecord, dialog: DialogRecord, flow: Flow) -> None:
        now = self._now()
        if record.state is CallState.ANSWERED and dialog.remote_tag:
            self._agent.finish_up(record.id, dialog, flow, now)
        elif dialog.branch:
            self._agent.finish_early(OutboundCall(self._agent, record.id, dialog, [flow]), now)
        self._flush()

    def _look_up(self, wanted: Lookup) -> None:
        """Find the address of the name that a call's far end gave; until then the one it was heard from is used."""
        if self._lookups < MOST_LOOKUPS:
            self._lookups += 1
            self._run(self._look_up_name(wanted))

    async def _look_up_name(self, wanted: Lookup) -> None:
        try:
            found = await self._lookup(wanted.uri, transport_of(wanted.uri, wanted.transport))
        except (Unresolvable, NotAllowed):
            return
        finally:
            self._lookups -= 1
        self._agent.located(wanted.call, wanted.uri, found)

    def _run(self, coroutine: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ── inside: who is heard ──

    def _on_garbage(self, data: bytes, error: SipParseError, flow: Flow) -> None:
        self._door.note("sip.unreadable", flow, reason=error.reason)
        self._refuse(data, error.status, _PHRASES.get(error.status, "Bad Request"), flow)

    def _turn_away(self, data: bytes, away: TurnedAway, flow: Flow) -> None:
        self._door.note("sip.refused", flow, rule=away.rule)
        self._refuse(data, away.status, away.reason, flow, away.q850)

    def _refuse(self, data: bytes, status: int, reason: str, flow: Flow, q850: int | None = None) -> None:
        try:
            answer = refusal(data, status, reason, self._stateless_tag(), q850)
        except ValueError:
            return
        if answer is not None and len(answer) <= 2 * len(data):
            self._wire.send(flow, answer)

    def _stateless_tag(self) -> str:
        """Our tag in every refusal that leaves nothing behind: the same for a request that comes again (§8.2.7)."""
        if not self._away_tag:
            self._away_tag = self._chance.token().encode()
        return self._away_tag.decode()

    # ── inside: small things ──

    def _now(self) -> float:
        return self._clock.monotonic()

    def _advertised(self, flow: Flow) -> tuple[str, int]:
        host, port = self._wire.local(flow)
        told = self._told.host_for(flow.host, host)
        # A router forwards for the world; who is told our own address is told our own port.
        outside = flow.transport in ("udp", "tcp") and not (self._told.public and told == host)
        return told, (self._settings.advertised_port or port) if outside else port

    def _described(self, flow: Flow, body: bytes) -> bytes:
        """An offer for a name is made before anybody knows which IP version the name leads to."""
        if len(self._wire.families) < 2 or not body or (":" in heard_at(body)) == (":" in flow.host):
            return body
        return readdressed(body, self.host_towards(flow.host))

    def _domain(self) -> str:
        return self._settings.domain or self.local_addresses[0]


_PHRASES = {
    400: "Bad Request",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Unsupported URI Scheme",
    505: "Version Not Supported",
    513: "Message Too Large",
}


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


def _extra_rows(headers: Sequence[tuple[str, str]]) -> list[Row]:
    """Only X- headers, and no control character, whatever was checked before."""
    return [(name, clean(value)) for name, value in headers if TOKEN.fullmatch(name) and name.lower().startswith("x-")]


def _peer(dialog: DialogRecord) -> Flow | None:
    host, colon, port = dialog.peer.rpartition(":")
    if not colon or not port.isdigit():
        return None
    return Flow(dialog.transport, host.strip("[]"), int(port))
