"""A SIP side on our own stack with nothing above it but whoever takes its events: no trunks, no limits, no policy."""

from collections.abc import Callable

from ringback.calls.ports.clock import Clock, Timer
from ringback.sip.agent import Agent
from ringback.sip.agent_settings import AgentSettings, Chance, Transmit
from ringback.sip.call import Call
from ringback.sip.errors import SipParseError
from ringback.sip.events import Event
from ringback.sip.flow import Flow, TlsPolicy
from ringback.sip.message import Message
from ringback.sip.parser import parse
from ringback.telephony.wire import Wire
from ringback.testing.carrier.impairment import Impairment, Weather


class Line:
    """Implements ``telephony.receiver.Receiver``.

    Args:
        clock: Time.
        wire: The network.
        chance: Tags, branches, ids.
        settings: How the stack behaves.
        impairment, seed: What datagrams suffer, both ways; streams are spared.
        told: Takes events, never from inside a verb.
    """

    def __init__(
        self,
        clock: Clock,
        wire: Wire,
        chance: Chance,
        settings: AgentSettings,
        impairment: Impairment,
        seed: str,
        told: Callable[[Event], None],
    ) -> None:
        self._clock = clock
        self._wire = wire
        self._told = told
        self._out, self._in = (Weather(clock, impairment, f"{seed} sip {way}") for way in ("out", "in"))
        self.agent = Agent(settings, chance, self.local, connected=wire.is_open)
        self._events: list[Event] = []
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self._telling: Timer | None = None
        self._open = False

    async def start(self) -> None:
        """Raises ``OSError`` when the address is taken."""
        await self._wire.start(self)
        self._open = True

    async def stop(self) -> None:
        """Close; calls are not ended."""
        self._open = False
        for timer in (self._timer, self._telling):
            if timer is not None:
                timer.cancel()
        await self._wire.stop()

    @property
    def now(self) -> float:
        return self._clock.monotonic()

    def local(self, flow: Flow) -> tuple[str, int]:
        return self._wire.local(flow)

    def call(self, call: str) -> Call | None:
        """``None`` once nothing is said in it any more."""
        return self.agent.calls.get(call)  # type: ignore[call-overload,no-any-return]

    def flush(self) -> None:
        """Send what the stack wants sent, keep what it tells, re-arm the one timer. After every verb."""
        while effects := self.agent.take():
            for effect in effects:
                if isinstance(effect, Transmit):
                    self._send(effect.flow, effect.data)
                else:
                    self._events.append(effect)
        if self._events and self._telling is None:
            self._telling = self._clock.call_at(self.now, self._tell)
        self._arm()

    # ── Receiver ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def on_datagram(self, data: bytes, flow: Flow) -> None:
        self._in.passes(lambda: self._read(data, flow))

    def on_message(self, message: Message, flow: Flow) -> None:
        if not self._open:
            return
        try:
            self.agent.receive(message, flow, self.now)
        except SipParseError:
            return
        self.flush()

    def on_broken_stream(self, head: bytes, error: SipParseError, flow: Flow) -> None:
        """It is closed."""

    def on_unreachable(self, flow: Flow, why: str = "") -> None:
        if self._open:
            self.agent.unreachable(flow, self.now, why)
            self.flush()

    def on_refused(self, flow: Flow, rule: str) -> None:
        """Everybody is let in."""

    def admits(self, flow: Flow) -> bool:
        return True

    def admits_handshake(self, flow: Flow) -> bool:
        return True

    def tls_for(self, name: str, flow: Flow) -> TlsPolicy:
        return TlsPolicy(name, verify=False)

    def uses(self, flow: Flow) -> bool:
        return self.agent.speaks_with(flow.host)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _send(self, flow: Flow, data: bytes) -> None:
        if flow.reliable:
            self._wire.send(flow, data)
        else:
            self._out.passes(lambda: self._put(flow, data))

    def _put(self, flow: Flow, data: bytes) -> None:
        if self._open:
            self._wire.send(flow, data)

    def _read(self, data: bytes, flow: Flow) -> None:
        try:
            message = parse(data)
        except SipParseError:
            return
        self.on_message(message, flow)

    def _tell(self) -> None:
        self._telling = None
        events, self._events = self._events, []
        for event in events:
            self._told(event)

    def _arm(self) -> None:
        due = self.agent.next_wake()
        if due is None or (self._timer is not None and self._timer_at <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._clock.call_at(due, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.agent.wake(self.now)
        self.flush()
