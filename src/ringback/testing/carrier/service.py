"""A telephone network to try things on: a real SIP peer with numbers of its own, people who answer them, and who call.

```python
async with PretendCarrier(server="127.0.0.1:5060", seed=7) as carrier:
    ...  # the server dials +12125550101 at carrier.address
    call = carrier.call("+12125550150", "talks")
    await call.answer()
```

With ``clock`` and ``network`` it lives in virtual time without sockets; then the same seed gives the same events and
the same sound, to the byte.
"""

import asyncio
import random
import secrets
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from ringback.calls.ports.clock import Clock
from ringback.clock import SystemClock
from ringback.model.ids import CallId
from ringback.sdp.errors import BadSdp, NoCommonCodec
from ringback.sip.agent_settings import AgentSettings
from ringback.sip.errors import SipParseError
from ringback.sip.events import (
    Acknowledged,
    Answered,
    Cancelled,
    Digit,
    Ended,
    Event,
    Failed,
    Incoming,
    Progress,
    Referred,
    ReofferAnswered,
    Reoffered,
    ReofferFailed,
    Transferred,
)
from ringback.sip.flow import Flow
from ringback.sip.message import Row
from ringback.sip.outbound import OutboundCall
from ringback.sip.session_timer import PROPOSED
from ringback.sip.uri import SipUri, dialled_user, format_host_port, parse_sip_uri
from ringback.telephony.wire import Sockets
from ringback.testing.carrier.call import CallOver, PretendCall
from ringback.testing.carrier.directory import people, standing_for
from ringback.testing.carrier.events import CarrierEvent, EventLog
from ringback.testing.carrier.impairment import CLEAR, Impairment
from ringback.testing.carrier.line import Line
from ringback.testing.carrier.manners import Manners
from ringback.testing.carrier.media import Air, Deaf, MediaNetwork, UdpMedia
from ringback.testing.carrier.personas import PERSONAS, Persona, Script, stays
from ringback.testing.carrier.voice import Voice
from ringback.testing.link import Network, SeededChance

KEPT_CALLS = 100
KEPT_EVENTS = 10_000
CLOSING_S = 2.0


def as_persona(who: "Persona | Script | str") -> Persona:
    """A persona, one of a name, or one made of a script. ``ValueError`` for a name nobody has."""
    if isinstance(who, Persona):
        return who
    if isinstance(who, str):
        if who not in PERSONAS:
            raise ValueError(f"there is no persona {who!r}: choose among {', '.join(PERSONAS)}")
        return PERSONAS[who]
    return Persona(getattr(who, "__name__", "script"), "", who)


class PretendCarrier:
    """Use as an asynchronous context manager.

    Args:
        numbers: Number → persona, a persona's name, or a script; beside those for fiction (``directory.people``), which
            ``only`` leaves out.
        seed: Decides every chance. Without one each carrier is another.
        server: ``host:port`` that calls to numbers go to.
        host, port: Where it listens; port 0 takes any free one.
        profile: A known carrier's whose habits it has (``numbers.profiles``): how numbers and callers are written, the
            order of codecs, session timers, how many calls a second it takes.
        codecs: What its people speak, best first, whatever the profile says.
        reliable: Whether its calls require reliable ringing (RFC 3262).
        signalling, media: What its packets suffer.
        clock: Virtual time, together with ``network``.
        network: A network in memory, instead of sockets.
        air: What carries sound in memory; without one, calls in virtual time are only signalled.
        settings: How its SIP stack behaves.
        telephone_events: Whether it takes part in RFC 4733.
        kept_calls, kept_events: How many of each are remembered.

    Attributes:
        personas: Number → persona.
        events: What happened (``EventLog``).
        calls: The newest calls, oldest first; those that are over keep their sound for as long as they stand here.
        failures: What scripts raised; leaving the block raises the first.
    """

    def __init__(
        self,
        numbers: Mapping[str, "Persona | Script | str"] | None = None,
        seed: int | None = None,
        *,
        server: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
        only: bool = False,
        profile: str = "",
        codecs: Sequence[str] = (),
        reliable: bool = False,
        signalling: Impairment = CLEAR,
        media: Impairment = CLEAR,
        clock: Clock | None = None,
        network: Network | None = None,
        air: Air | None = None,
        settings: AgentSettings | None = None,
        telephone_events: bool = True,
        kept_calls: int = KEPT_CALLS,
        kept_events: int = KEPT_EVENTS,
    ) -> None:
        self.personas: dict[str, Persona] = {} if only else dict(people())
        self.personas |= {number: as_persona(who) for number, who in (numbers or {}).items()}
        self.server = server
        self.manners = Manners(profile)
        self.codecs = tuple(codecs) or self.manners.codecs
        self.reliable = reliable
        self.telephone_events = telephone_events
        self.seed = str(seed) if seed is not None else secrets.token_hex(8)
        self.chance = random.Random(f"{self.seed} carrier")
        self.events = EventLog(kept_events)
        self.calls: deque[PretendCall] = deque(maxlen=kept_calls)
        self.failures: list[BaseException] = []
        self._host, self._port = host, port
        self._given_clock = clock
        self._network = network
        self._media_network: MediaNetwork = (air or Deaf()) if network is not None else UdpMedia()
        self._signalling, self._media = signalling, media
        interval = self.manners.session_interval or PROPOSED
        self._settings = settings or AgentSettings(unconfirmed_per_source=None, session_interval=interval)
        self._running: dict[CallId, PretendCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = 0
        self._began = 0.0
        self.clock: Clock
        self.line: Line

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def __aenter__(self) -> Self:
        self.clock = self._given_clock or SystemClock(asyncio.get_running_loop())
        self._began = self.clock.monotonic()
        wire = (
            Sockets(self._host, self._port, connections_per_source=None)
            if self._network is None
            else self._network.attach(self._host, self._port or 5060)
        )
        chance = SeededChance(f"{self.seed} sip")
        self.line = Line(self.clock, wire, chance, self._settings, self._signalling, self.seed, self._hear)
        await self.line.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for call in list(self._running.values()):
            call.hang_up()
        if self._network is None:
            await self._until_said()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.line.stop()
        if kind is None and self.failures:
            raise self.failures[0]

    persona = staticmethod(as_persona)

    @property
    def others(self) -> tuple[str, ...]:
        """Numbers of its own that are not among those for fiction."""
        known = people()
        return tuple(number for number in self.personas if number not in known and standing_for(number) not in known)

    @property
    def address(self) -> str:
        """``host:port`` of its SIP."""
        return format_host_port(*self.line.local(Flow("udp", "127.0.0.1", 5060)))

    @property
    def idle(self) -> bool:
        """No call, no dialog, no transaction, no script."""
        return self.line.agent.idle and not self._running and not self._tasks

    # ── calling ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def call(
        self,
        to: str,
        script: "Persona | Script | str | None" = None,
        *,
        from_: str = "+12125550199",
        name: str = "",
        headers: Sequence[Row] = (),
        ring_timeout: float = 60.0,
    ) -> PretendCall:
        """Let a pretend person call a number at ``server``, or a ``sip:`` address; the script runs at once.

        Without a script the call is yours: ``await call.answer()`` waits for the answer.

        Raises:
            ValueError: There is no ``server`` for numbers, or the address cannot be called.
        """
        uri, flow = self._target(to)
        id = CallId(f"{self.seed}-{self._count + 1}")
        call = self._begin(id, from_, to, incoming=False)
        written = self.manners.caller(from_, self.address)
        record = self.line.agent.prepare(uri, written.from_uri)
        call.sip_call_id = record.call_id
        rows = [*written.headers, *headers, *([("Require", "100rel")] if self.reliable else [])]
        sip = OutboundCall(
            self.line.agent, id, record, [flow], name=name, rows=rows, body=call.begin_outgoing(),
            ring_timeout=ring_timeout,
        )  # fmt: skip
        call.note("calling", to=to)
        self.line.agent.invite(sip, self.line.now)
        self.line.flush()
        if script is not None:
            self._run(call, as_persona(script).script)
        return call

    def persona_of(self, number: str) -> Persona | None:
        """Who answers a number."""
        return self.personas.get(number) or self.personas.get(standing_for(number))

    # ── for calls ────────────────────────────────────────────────────────────────────────────────────────────────────

    def open_voice(self, call: PretendCall, on_key: Callable[[str], None], on_sound: Callable[[bytes], None]) -> Voice:
        seed = f"{self.seed} {call.ordinal}"
        return Voice(
            self.clock, self._media_network, self._host, random.Random(seed), self._media, seed, on_key, on_sound
        )

    def note(self, call: PretendCall, kind: str, about: Mapping[str, object]) -> None:
        at = round(self.clock.monotonic() - self._began, 3)
        self.events.add(CarrierEvent(at, call.ordinal, call.number, kind, about))

    def ended(self, call: PretendCall) -> None:
        self._running.pop(call.id, None)

    # ── what comes ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _hear(self, event: Event) -> None:
        if isinstance(event, Incoming):
            self._take(event)
            return
        call = self._running.get(getattr(event, "call", CallId("")))
        if call is None:
            return
        match event:
            case Progress():
                call.on_progress(event.status, event.body)
            case Answered():
                call.on_answered(event.body)
            case Acknowledged():
                call.on_acknowledged(event.body)
            case Failed():
                call.on_failed(event.status, event.reason, event.cause, event.q850)
            case Cancelled():
                call.on_cancelled(event.q850)
            case Ended():
                call.on_ended(event.cause, event.q850)
            case Reoffered():
                call.on_reoffered(event.body)
            case ReofferAnswered():
                call.on_reoffer_answered(event.body)
            case ReofferFailed():
                call.on_reoffer_failed(event.status)
            case Digit():
                call.on_key(event.digit, "sip-info")
            case Referred():
                self._take_refer(call, event)
            case Transferred():
                call.on_transferred(event.status, event.final)

    def _take(self, event: Incoming) -> None:
        request = event.request
        number = self._called(request.uri)
        caller = request.from_.uri
        other = dialled_user(caller) if isinstance(caller, SipUri) else ""
        call = self._begin(event.call, number, other, incoming=True)
        headers = {key: values[0] for key, values in request.headers.index.items()}
        call.begin_incoming(request.body or None, headers)
        call.note("incoming", **{"from": other})
        persona = self.persona_of(number) or PERSONAS["no-such-number"]
        call.follows = persona.follows
        if self.manners.is_too_fast(self.clock.monotonic()):
            call.refuse(503, "Rate Limited", q850=42)
        else:
            self._run(call, persona.script)

    def _take_refer(self, call: PretendCall, event: Referred) -> None:
        """Somebody asks a pretend person to call somebody else (RFC 3515)."""
        call.note("referred", to=event.target, follows=call.follows)
        sip = self.line.call(call.id)
        if sip is None:
            return
        rows: list[Row] = list(event.headers)
        if event.replaces is not None:
            rows += [("Replaces", str(event.replaces)), ("Require", "replaces")]
        try:
            new = self.call(event.target, from_=call.number, headers=rows) if call.follows else None
        except ValueError:
            new = None
        if new is None:
            sip.referrals.refuse(event.id, 603, self.line.now)
        else:
            sip.referrals.accept(event.id, self.line.now)
            new.on_state = lambda: self._tell_of(call, event.id, new)
            self._run(new, stays)
        self.line.flush()

    def _tell_of(self, call: PretendCall, refer: str, new: PretendCall) -> None:
        """How the call goes that a REFER asked for."""
        sip = self.line.call(call.id)
        status = {"ringing": 180, "up": 200}.get(new.state, new.status or 487)
        if sip is not None:
            sip.referrals.notify(refer, status, "", self.line.now)
            self.line.flush()
        if status >= 200:
            new.on_state = None

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, id: CallId, number: str, other: str, incoming: bool) -> PretendCall:
        self._count += 1
        call = PretendCall(self, id, self._count, number, other, incoming)
        self._running[id] = call
        self.calls.append(call)
        return call

    def _run(self, call: PretendCall, script: Script) -> None:
        task = asyncio.get_running_loop().create_task(self._play(call, script), name=f"pretend call {call.ordinal}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _play(self, call: PretendCall, script: Script) -> None:
        try:
            await script(call)
        except CallOver:
            pass
        except (BadSdp, NoCommonCodec):
            call.refuse(488, "Not Acceptable Here", q850=88)
        except Exception as error:
            call.note("script-failed", error=repr(error))
            self.failures.append(error)
        finally:
            call.hang_up(q850=16 if call.state == "up" else None)

    def _called(self, uri: object) -> str:
        user = dialled_user(uri) if isinstance(uri, SipUri) else ""
        text = user.partition(";")[0]
        return text if text.startswith("+") else f"+{text}" if text.isdigit() else text

    def _target(self, to: str) -> tuple[SipUri, Flow]:
        if not to.startswith(("sip:", "sips:")):
            if not self.server:
                raise ValueError(f"nobody is told where {to} is called: set server to host:port")
            to = f"sip:{self.manners.shown(to)}@{self.server}"
        try:
            uri = parse_sip_uri(to)
        except SipParseError as error:
            raise ValueError(f"{to} cannot be called: {error.reason}") from None
        host = uri.host.strip("[]")
        if self._network is None:
            try:
                host = socket.gethostbyname(host) if ":" not in host else host
            except OSError:
                raise ValueError(f"{to} cannot be called: there is no {host}") from None
        transport = uri.parameter("transport") or "udp"
        return uri, Flow(transport, host, uri.port or 5060)

    async def _until_said(self) -> None:
        """Give a BYE on its way the moment it takes to be answered."""
        for _ in range(round(CLOSING_S / 0.02)):
            if not self.line.agent.calls:
                return
            await asyncio.sleep(0.02)
