"""One call of a pretend person: what a script can do in it, and what it can wait for."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Self, TypeVar

from ringback.calls.ports.clock import Timer
from ringback.model.ids import CallId
from ringback.sdp.errors import BadSdp, NoCommonCodec
from ringback.sdp.negotiation import Negotiated, make_answer, make_offer, read_answer
from ringback.sip.call import Call
from ringback.sip.inbound import InboundCall
from ringback.sip.message import Row
from ringback.sip.outbound import OutboundCall
from ringback.testing.carrier import sound
from ringback.testing.carrier.prompts import prompt
from ringback.testing.carrier.voice import Voice

if TYPE_CHECKING:
    from ringback.testing.carrier.service import PretendCarrier

T = TypeVar("T")
KEY_MS = 160
PAUSE_S = 0.6
"""Of silence, after which somebody has finished speaking."""

LEAST_S = 1e-6
"""Less than this is no time: a clock of floating point may not move by it."""


class CallOver(Exception):
    """The call ended while a script still waited for something in it."""


class PretendCall:
    """A call, seen from the pretend person's side. Scripts are the same for who is called and for who calls: ``answer``
    picks up in the one case and waits for the other side to do so in the other.

    Attributes:
        ordinal: Its number at this carrier, from 1.
        number: The pretend person's number, E.164.
        other: Who is at the other end: the number or address it showed, or that was called; empty when withheld.
        incoming: Whether the pretend person is called.
        state: ``calling``, ``ringing``, ``up`` or ``over``.
        sip_call_id: ``Call-ID``.
        headers: Of the INVITE that came, names in lower case, first of each.
        keys: Every key the other side has pressed, in order.
        status: SIP status that ended it before it stood; 0 when none did.
        q850: Cause that the other side gave for the end, if it did.
        ended_by: ``us``, ``them`` or ``network`` once it is over.
        on_hold: Whether the other side holds us.
        follows: Whether it does as a REFER asks.
        on_state: Told after each change of ``state``.
    """

    def __init__(
        self, carrier: "PretendCarrier", id: CallId, ordinal: int, number: str, other: str, incoming: bool
    ) -> None:
        self.carrier = carrier
        self.id = id
        self.ordinal = ordinal
        self.number = number
        self.other = other
        self.incoming = incoming
        self.state = "calling"
        self.sip_call_id = ""
        self.headers: Mapping[str, str] = {}
        self.keys = ""
        self.status = 0
        self.q850: int | None = None
        self.ended_by = ""
        self.on_hold = False
        self.follows = True
        self.on_state: Callable[[], None] | None = None
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        self._voice: Voice | None = None
        self._their_offer: bytes | None = None
        self._our_offer = b""
        self._session = carrier.chance.getrandbits(31)
        self._version = 0
        self._direction = "sendrecv"
        self._read_keys = 0
        self._offering = False
        self._transfer = 0
        self._last_loud: float | None = None
        self._speech_s = 0.0
        self._waiters: list[asyncio.Future[None]] = []

    def __repr__(self) -> str:
        return (
            f"<PretendCall {self.ordinal} {self.number} {'from' if self.incoming else 'to'} {self.other} {self.state}>"
        )

    # ── before it stands ─────────────────────────────────────────────────────────────────────────────────────────────

    async def ring(self, seconds: float = 0.0) -> Self:
        """Ring for so long. A caller has nothing to ring."""
        if self.incoming and self.state in ("calling", "ringing"):
            self._inbound().ring(None, self.carrier.line.now)
            self.carrier.line.flush()
            self._set_state("ringing")
            self.note("ringing")
            await self.wait(seconds)
        return self

    async def early(self, what: str | bytes) -> Self:
        """Let the caller hear something before the answer (183); returns when it is said."""
        if self.incoming and self.state in ("calling", "ringing"):
            sdp = self._answer_to(self._their_offer) if self._their_offer else None
            self._inbound().ring(sdp, self.carrier.line.now)
            self.carrier.line.flush()
            self._set_state("ringing")
            self.note("early")
            await self.say(what)
        return self

    async def answer(self, within: float | None = None) -> Self:
        """Pick up; as a caller wait for that. ``TimeoutError`` after ``within`` seconds."""
        if self.incoming and self.state != "up":
            sdp = self._offer() if self._their_offer is None else self._answer_to(self._their_offer)
            self._stands()
            self._inbound().answer(sdp, self.carrier.line.now)
            self.carrier.line.flush()
        await self.until(lambda: self.state == "up" or None, within)
        return self

    def refuse(self, status: int, reason: str = "", q850: int | None = None, headers: Sequence[Row] = ()) -> None:
        """A final answer that is none. A caller hangs up instead."""
        if not self.incoming or self.state in ("up", "over"):
            self.hang_up(q850=q850)
            return
        rows = [*headers, *([("Reason", f"Q.850;cause={q850}")] if q850 is not None else [])]
        self._inbound().reject(status, reason, rows, self.carrier.line.now)
        self.carrier.line.flush()
        self.status = status
        self.note("refused", status=status, **({} if q850 is None else {"q850": q850}))
        self._end("us")

    # ── while it stands ──────────────────────────────────────────────────────────────────────────────────────────────

    async def say(self, what: str | bytes) -> Self:
        """Say PCM (int16 mono, 8 kHz), or one of ``prompts``; returns when it is said."""
        data = prompt(what) if isinstance(what, str) else what
        if self.state == "over":
            raise CallOver
        if self._voice is not None:
            seconds = self._voice.say(data)
            self.note("said", **({"what": what} if isinstance(what, str) else {"seconds": round(len(data) / 16000, 3)}))
            await self.wait(seconds)
        return self

    def echo(self, on: bool = True) -> None:
        """Say back all that is heard."""
        if self._voice is not None:
            self._voice.echoing = on

    def mute(self, on: bool = True) -> None:
        """Send no sound at all, as where a firewall swallows it."""
        if self._voice is not None:
            self._voice.dumb = on

    def block_ears(self, on: bool = True) -> None:
        """Hear nothing of what comes."""
        if self._voice is not None:
            self._voice.deaf = on

    def hush(self) -> None:
        """Break off what is being said."""
        if self._voice is not None:
            self._voice.hush()

    async def press(self, keys: str, method: str = "auto", duration_ms: int = KEY_MS) -> Self:
        """Press keys by ``telephone-event``, ``sip-info`` or ``in-band``; ``auto`` as was agreed on."""
        voice = self._voice
        if voice is None or self.state == "over":
            raise CallOver
        if method == "auto":
            method = "telephone-event" if voice.takes_keys else "sip-info"
        self.note("pressed", keys=keys, method=method)
        if method == "in-band":
            await self.wait(voice.say(sound.keys_as_tones(keys, duration_ms / 1000)))
        elif method == "sip-info":
            for key in keys:
                self._sip().send_digit(key, duration_ms, self.carrier.line.now)
            self.carrier.line.flush()
            await self.wait(len(keys) * duration_ms / 1000)
        else:
            for key in keys:
                voice.press(key, duration_ms)
            await self.wait(voice.queued_s)
        return self

    async def key(self, within: float | None = None) -> str | None:
        """The next key the other side presses; ``None`` when none comes in time. Keys wait until they are asked for."""

        def pressed() -> str | None:
            if self._read_keys < len(self.keys):
                self._read_keys += 1
                return self.keys[self._read_keys - 1]
            return None

        try:
            return await self.until(pressed, within)
        except TimeoutError:
            return None

    async def digits(self, most: int = 20, within: float = 10.0, between: float = 3.0, end: str = "#") -> str:
        """Keys up to ``end`` (left out), to ``most``, or to a pause of ``between`` seconds."""
        found = ""
        while len(found) < most:
            pressed = await self.key(between if found else within)
            if pressed is None or pressed in end:
                break
            found += pressed
        return found

    async def speech(self, within: float | None = None) -> bool:
        """Wait until the other side speaks; ``False`` when it does not in time."""
        self._last_loud, self._speech_s = None, 0.0
        try:
            await self.until(lambda: self._speech_s >= 0.1 or None, within)
        except TimeoutError:
            return False
        return True

    async def pause(self, seconds: float = PAUSE_S, within: float | None = None) -> bool:
        """Wait until the other side is silent for so long; ``False`` when it is not in time."""
        begun = self.carrier.clock.monotonic()
        until = None if within is None else begun + within
        while True:
            now = self.carrier.clock.monotonic()
            quiet = now - max(begun, self._last_loud or begun)
            if quiet >= seconds - LEAST_S:
                return True
            if until is not None and now >= until:
                return False
            await self.wait(min(seconds - quiet, 0.1))

    async def hold(self) -> Self:
        """Put the other side on hold (re-INVITE, ``sendonly``)."""
        self.note("holding")
        return await self._reoffer("sendonly")

    async def resume(self) -> Self:
        self.note("resuming")
        return await self._reoffer("sendrecv")

    async def reinvite(self) -> Self:
        """Offer again what holds already, as session refreshes and moved gateways do."""
        self.note("reoffering")
        return await self._reoffer(self._direction)

    async def refer(self, target: str, within: float = 40.0) -> int:
        """Ask the other side to call ``target`` instead (REFER); returns the last status it told of that call."""
        self._transfer = 0
        self.note("refers", to=target)
        self._sip().refer(target, "", None, self.carrier.line.now)
        self.carrier.line.flush()
        return await self.until(lambda: self._transfer or None, within)

    def hang_up(self, reason: str = "", q850: int | None = None) -> None:
        """End it, however far it is."""
        if self.state == "over":
            return
        sip, now = self.carrier.line.call(self.id), self.carrier.line.now
        if isinstance(sip, InboundCall) and self.state != "up":
            sip.reject(480, reason, [], now)
        elif isinstance(sip, OutboundCall) and self.state != "up":
            sip.cancel(reason, now, q850)
        elif sip is not None:
            sip.bye(reason, now, q850)
        self.carrier.line.flush()
        self.note("ended", by="us", seconds=self.seconds, **({} if q850 is None else {"q850": q850}))
        self._end("us")

    # ── waiting and looking ──────────────────────────────────────────────────────────────────────────────────────────

    async def wait(self, seconds: float) -> Self:
        """Let time pass. ``CallOver`` when the call ends meanwhile."""
        at = self.carrier.clock.monotonic() + seconds
        if seconds > 0:
            await self._until(lambda: self.carrier.clock.monotonic() >= at or None, at)
        elif self.state == "over":
            raise CallOver
        return self

    async def until(self, ready: Callable[[], T | None], within: float | None = None) -> T:
        """Wait for something; looked at whenever anything happens in the call.

        Raises:
            CallOver: The call ended first.
            TimeoutError: It took longer than ``within`` seconds.
        """
        at = None if within is None else self.carrier.clock.monotonic() + within
        found = await self._until(ready, at)
        if found is None:
            raise TimeoutError(f"it took longer than {within} s in {self!r}")
        return found

    async def over(self, within: float | None = None) -> Self:
        """Wait for the end; does not raise ``CallOver``."""
        with contextlib.suppress(CallOver):
            await self.until(lambda: None, within)
        return self

    @property
    def heard(self) -> bytes:
        """What was heard so far, PCM, from the first packet on."""
        return bytes(self._voice.ear.pcm) if self._voice is not None else b""

    @property
    def spoken(self) -> bytes:
        """What was sent so far, PCM."""
        return bytes(self._voice.spoken) if self._voice is not None else b""

    @property
    def codec(self) -> str:
        return self._voice.codec if self._voice is not None else ""

    @property
    def packets(self) -> tuple[int, int]:
        """Packets sent and heard."""
        return (self._voice.sent, self._voice.ear.packets) if self._voice is not None else (0, 0)

    @property
    def seconds(self) -> float:
        """How long it has stood."""
        if self.answered_at is None:
            return 0.0
        end = self.carrier.clock.monotonic() if self.ended_at is None else self.ended_at
        return round(end - self.answered_at, 3)

    def note(self, kind: str, **about: object) -> None:
        """Write something into the carrier's events."""
        self.carrier.note(self, kind, about)

    # ── what the carrier tells ───────────────────────────────────────────────────────────────────────────────────────

    def begin_incoming(self, offer: bytes | None, headers: Mapping[str, str]) -> None:
        self._their_offer, self.headers = offer, headers
        self.sip_call_id = headers.get("call-id", "")

    def begin_outgoing(self) -> bytes:
        """Our offer."""
        return self._offer()

    def on_progress(self, status: int, body: bytes | None) -> None:
        if body:
            self._read(body)
        if self.state == "calling":
            self._set_state("ringing")
            self.note("ringing", status=status)

    def on_answered(self, body: bytes | None) -> None:
        if body is not None and not self._read(body):
            self.hang_up(q850=88)
            return
        self._stands()

    def on_acknowledged(self, body: bytes | None) -> None:
        if body is not None and self._their_offer is None:
            self._read(body)

    def on_failed(self, status: int, reason: str, cause: str, q850: int | None) -> None:
        if self.state != "over":
            self.status, self.q850 = status, q850
            self.note("failed", status=status, reason=reason, cause=cause)
            self._end("them" if status else "network")

    def on_cancelled(self, q850: int | None) -> None:
        if self.state != "over":
            self.q850 = q850
            self.note("cancelled")
            self._end("them")

    def on_ended(self, cause: str, q850: int | None) -> None:
        if self.state != "over":
            self.q850 = q850
            by = "them" if cause == "bye" else "network"
            more = {} if cause == "bye" else {"cause": cause}
            self.note("ended", by=by, seconds=self.seconds, **more, **({} if q850 is None else {"q850": q850}))
            self._end(by)

    def on_reoffered(self, body: bytes | None) -> None:
        """The other side offers anew, or asks us to."""
        sip, now = self.carrier.line.call(self.id), self.carrier.line.now
        if sip is None or self.state == "over":
            return
        try:
            sdp = self._offer() if body is None else self._answer_to(body)
        except (BadSdp, NoCommonCodec):
            sip.answer_offer(None, 488, now)
        else:
            sip.answer_offer(sdp, 200, now)
        self.carrier.line.flush()

    def on_reoffer_answered(self, body: bytes) -> None:
        self._offering = False
        if body:
            self._read(body)
        self._happened()

    def on_reoffer_failed(self, status: int) -> None:
        self._offering = False
        self.note("reoffer-failed", status=status)
        self._happened()

    def on_transferred(self, status: int, final: bool) -> None:
        self.note("transferred", status=status)
        if final:
            self._transfer = status
        self._happened()

    def on_key(self, key: str, method: str = "telephone-event") -> None:
        if self.state == "up":
            self.keys += key
            self.note("digit", key=key, method=method)
            self._happened()

    def close(self) -> None:
        """The carrier closes."""
        if self._voice is not None:
            self._voice.close()

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _sip(self) -> Call:
        found = self.carrier.line.call(self.id)
        if found is None or self.state == "over":
            raise CallOver
        return found

    def _inbound(self) -> InboundCall:
        found = self._sip()
        assert isinstance(found, InboundCall), "only who is called rings and answers"
        return found

    def _mouth(self) -> Voice:
        if self._voice is None:
            self._voice = self.carrier.open_voice(self, self.on_key, self._on_sound)
        return self._voice

    def _offer(self) -> bytes:
        self._version += 1
        host, port = self._mouth().address
        self._our_offer = make_offer(
            self._session, self._version, host, port, self.carrier.codecs, self._direction,
            telephone_events=self.carrier.telephone_events,
        )  # fmt: skip
        return self._our_offer

    def _answer_to(self, offer: bytes) -> bytes:
        self._version += 1
        host, port = self._mouth().address
        sdp, agreed = make_answer(
            offer, host, port, self.carrier.codecs,
            session_id=self._session, version=self._version, direction=self._direction,
        )  # fmt: skip
        self._apply(agreed)
        return sdp

    def _read(self, answer: bytes) -> bool:
        try:
            self._apply(read_answer(self._our_offer, answer))
        except (BadSdp, NoCommonCodec) as error:
            self.note("problem", reason=str(error))
            return False
        return True

    def _apply(self, agreed: Negotiated) -> None:
        held = not agreed.send and self._direction == "sendrecv"
        if held != self.on_hold:
            self.on_hold = held
            self.note("held" if held else "unheld")
        self._mouth().apply(agreed)

    async def _reoffer(self, direction: str) -> Self:
        self._direction, self._offering = direction, True
        sip = self._sip()
        sip.offer(self._offer(), self.carrier.line.now)
        self.carrier.line.flush()
        await self.until(lambda: not self._offering or None, 32.0)
        return self

    def _on_sound(self, heard: bytes) -> None:
        if sound.loudness(heard) > sound.SPEECH:
            self._last_loud = self.carrier.clock.monotonic()
            self._speech_s += len(heard) / 2 / sound.RATE
            self._happened()

    def _stands(self) -> None:
        self.answered_at = self.carrier.clock.monotonic()
        self._set_state("up")
        self.note("answered", codec=self.codec)

    def _set_state(self, state: str) -> None:
        self.state = state
        if self.on_state is not None:
            self.on_state()
        self._happened()

    def _end(self, by: str) -> None:
        self.ended_by = by
        self.ended_at = self.carrier.clock.monotonic()
        if self._voice is not None:
            self._voice.close()
        self._set_state("over")
        self.carrier.ended(self)

    def _happened(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _until(self, ready: Callable[[], T | None], at: float | None) -> T | None:
        """``None`` when the time ``at`` came first."""
        clock = self.carrier.clock
        timer: Timer | None = None
        try:
            while True:
                if (found := ready()) is not None:
                    return found
                if self.state == "over":
                    raise CallOver
                if at is not None and clock.monotonic() >= at:
                    return None
                if timer is None and at is not None:
                    timer = clock.call_at(at, self._happened)
                waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiters.append(waiter)
                await waiter
        finally:
            if timer is not None:
                timer.cancel()
