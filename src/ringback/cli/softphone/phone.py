"""One telephone: a SIP call on one side, a PCM leg with file or speech on the other, both in an engine of its own.

Implements ``CarrierEvents`` and ``MediaEvents`` and tells what happens as ``(event, fields)``. It holds one call at a
time; a second caller is busy.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ringback.calls.codecs import phone_media
from ringback.calls.ports.carrier import Carrier, Failure, IncomingInvite, OutgoingInvite, Refer
from ringback.calls.ports.clock import Clock
from ringback.calls.ports.media import MediaLegs
from ringback.calls.ports.routes import Attempt
from ringback.calls.ports.streams import PhoneCrypto, PhoneMedia
from ringback.calls.protection import ProtectionRules
from ringback.cli.softphone.outcome import Exit, Outcome, of_failure
from ringback.model.events import LayerLimit
from ringback.model.ids import CallId, MeetingId, ParticipantId
from ringback.model.participant import Seen
from ringback.model.records import DialogRecord
from ringback.sdp.crypto import Protection
from ringback.sdp.errors import BadSdp, NoCommonCodec
from ringback.sdp.negotiation import Negotiated, make_answer, make_offer, read_answer

LINE = MeetingId("line")
FAR = ParticipantId("far")
HERE = ParticipantId("here")
DIGIT_MS, GAP_MS = 160, 100

Tell = Callable[[str, Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class Line:
    """What a telephone is set up with.

    Attributes:
        name: User part of its address.
        codecs: Best first.
        rate: Samples per second of its PCM side: 8000, 16000 or 48000.
        refuse: SIP status for every caller, instead of answering.
        ring: Seconds to ring before answering.
        srtp: Whether its sound is encrypted: ``off``, ``optional``, ``required``.
        srtp_keys: How its keys come about: ``sdes``, ``dtls``.
    """

    name: str = "phone"
    codecs: Sequence[str] = ("PCMU", "PCMA", "G722", "OPUS")
    rate: int = 16000
    refuse: int | None = None
    ring: float = 0.0
    srtp: str = "off"
    srtp_keys: str = "sdes"


class Softphone:
    """A telephone with one line.

    Args:
        line: Its set-up.
        clock: Time.
        tell: Told of everything that happens.
        new_id: Makes ids of calls.

    Attributes:
        carrier, media, address: Set before the first call.
        talking: Done with the codec's name when a call was answered.
        over: Done with the outcome when the call is over.
    """

    carrier: Carrier
    media: MediaLegs
    address: str

    def __init__(self, line: Line, clock: Clock, tell: Tell, new_id: Callable[[], str]) -> None:
        self.line = line
        self._clock = clock
        self._tell = tell
        self._new_id = new_id
        self._session = 0
        self._version = 0
        self.reset()

    def reset(self) -> None:
        """Forget the last call; the line is free for another."""
        loop = asyncio.get_running_loop()
        self.talking: asyncio.Future[str] = loop.create_future()
        self.over: asyncio.Future[Outcome] = loop.create_future()
        self._call: CallId | None = None
        self._offer = b""
        self._made: Protection | None = None
        self._codec = ""
        self._running: PhoneMedia | None = None
        self._answered_at: float | None = None
        self._gave_up = False

    # ── what its owner does ──────────────────────────────────────────────────────────────────────────────────────────

    def open(self, session: int) -> None:
        """Open the line: both legs. ``session`` is a number for our SDP's ``o=``."""
        self._session = session
        self.media.open_meeting(LINE)
        self._address = self.media.open_phone(LINE, FAR)
        self.media.open_pcm(LINE, HERE, self.line.rate)

    def dial(self, uri: str, headers: Sequence[tuple[str, str]] = (), display_name: str = "", proxy: str = "") -> None:
        """Call ``uri``, by way of a proxy's ``sip:`` address where one is given.

        Raises ``RingbackError`` when it cannot be dialled at all.
        """
        call = self._call = CallId(self._new_id())
        dialog = self.carrier.prepare(uri, call, self.line.name)
        self._tell("calling", {"to": uri, "sip_call_id": dialog.call_id})
        self._offer = make_offer(
            self._session,
            self._next_version(),
            *self._address,
            self.line.codecs,
            protection=self._protection,
        )
        ways = (Attempt(uri, proxy=proxy, transport=dialog.transport),) if proxy else ()
        self.carrier.invite(OutgoingInvite(call, dialog, self._offer, display_name, headers, attempts=ways))

    def hang_up(self) -> None:
        """End the call, answered or not."""
        if self._call is None or self.over.done():
            return
        if self._answered_at is None:
            self._gave_up = True
            self.carrier.cancel(self._call)
        else:
            self.carrier.bye(self._call)
            self._end(Outcome(Exit.TALKED, "hung up"), by="us")

    @property
    def idle(self) -> bool:
        """Whether there is no call and has been none since ``reset``."""
        return self._call is None

    def gave_up(self) -> Outcome:
        """The outcome of waiting for a call that nobody made."""
        self._end(Outcome(Exit.CANCELLED, "stopped waiting"), by="us")
        return self.over.result()

    def press(self, digits: str) -> None:
        """Send digits as RFC 4733 events."""
        self.media.send_digits(FAR, digits, DIGIT_MS, GAP_MS)
        self._tell("pressed", {"digits": digits})

    def play(self, data: bytes) -> int:
        """Queue PCM to be spoken; returns how many samples are queued now."""
        return self.media.push_pcm(HERE, data)

    def hear(self) -> bytes:
        """PCM heard since the last time."""
        return self.media.read_pcm(HERE)

    def stats(self) -> Mapping[str, float | int | str]:
        """Counters of the SIP leg."""
        return self.media.stats(FAR)

    # ── what the SIP side reports ────────────────────────────────────────────────────────────────────────────────────

    def incoming(self, invite: IncomingInvite) -> None:
        if self.line.refuse is not None:
            self.carrier.reject(invite.call, self.line.refuse)
            self._tell("refused", {"from": invite.from_uri, "status": self.line.refuse})
            return
        if self._call is not None or invite.offer is None:
            self.carrier.reject(invite.call, 486 if self._call is not None else 488)
            return
        try:
            sdp, negotiated = self._answer_to(invite.offer)
        except (BadSdp, NoCommonCodec) as error:
            self.carrier.reject(invite.call, 488)
            self._tell("refused", {"from": invite.from_uri, "status": 488, "reason": str(error)})
            return
        self._call = invite.call
        headers = dict(invite.headers)
        self._tell("incoming", {"from": invite.from_uri, "name": invite.from_name, "headers": headers})
        self.carrier.ring(invite.call)
        self._clock.call_at(self._clock.monotonic() + self.line.ring, lambda: self._pick_up(invite, sdp, negotiated))

    def _pick_up(self, invite: IncomingInvite, sdp: bytes, negotiated: Negotiated) -> None:
        if self._call == invite.call and not self.over.done():
            self._talk(negotiated)
            self.carrier.answer(invite.call, sdp)
            self._picked_up()

    def cancelled(self, call: CallId, reason: str = "", q850: int | None = None) -> None:
        if call == self._call:
            self._end(Outcome(Exit.CANCELLED, "the caller gave up"), by="them")

    def acknowledged(self, call: CallId, sdp: bytes | None) -> None:
        """The call stands; nothing is left to be done."""

    def routed(self, call: CallId, attempt: int, trunk: str) -> None:
        """A phone has no trunks."""

    def progress(
        self,
        call: CallId,
        status: int,
        reason: str,
        sdp: bytes | None,
        fork: str = "",
        wants_answer: bool = False,
    ) -> None:
        if call == self._call:
            self._tell("ringing", {"status": status, "reason": reason})
            if sdp is not None:
                self._read(sdp)

    def answered(self, call: CallId, sdp: bytes | None) -> None:
        if call != self._call:
            return
        if sdp is not None:
            self._read(sdp)
        if self._running is None:
            self.carrier.bye(call)
            self._end(Outcome(Exit.REFUSED, "answered without a codec of ours"), by="us")
            return
        self._picked_up()

    def failed(self, call: CallId, failure: Failure) -> None:
        if call == self._call and self._gave_up:
            self._end(Outcome(Exit.CANCELLED, "given up", failure.status), by="us")
        elif call == self._call:
            # Where no answer came, nobody ended it.
            self._end(of_failure(failure), by="them" if failure.status else "", q850=failure.q850)

    def dialog_changed(self, call: CallId, dialog: DialogRecord) -> None:
        """Nothing is stored here."""

    def reoffered(self, call: CallId, sdp: bytes | None) -> None:
        if call != self._call:
            return
        if sdp is None:
            self.carrier.answer_offer(call, None, 488)
            return
        try:
            answer, negotiated = self._answer_to(sdp)
        except (BadSdp, NoCommonCodec):
            self.carrier.answer_offer(call, None, 488)
            return
        held = self._running is not None and self._running.send
        self._talk(negotiated)
        self.carrier.answer_offer(call, answer)
        if held != negotiated.send:
            self._tell("resumed" if negotiated.send else "held", {})

    def reoffer_answered(self, call: CallId, sdp: bytes) -> None:
        """We never offer again."""

    def reoffer_failed(self, call: CallId, status: int) -> None:
        """We never offer again."""

    def dtmf_info(self, call: CallId, digit: str, duration_ms: int) -> None:
        if call == self._call:
            self._tell("digit", {"digit": digit, "duration_ms": duration_ms, "method": "sip-info"})

    def picture_wanted(self, call: CallId) -> None:
        """A telephone without a camera."""

    def referred(self, call: CallId, refer: Refer) -> None:
        self.carrier.refuse_refer(call, refer.id)
        if call == self._call:
            self._tell("referred", {"to": refer.target})

    def refer_progress(self, call: CallId, status: int, reason: str, final: bool, notified: bool = False) -> None:
        """We transfer nobody."""

    def ended(self, call: CallId, cause: str, reason: str = "", q850: int | None = None) -> None:
        if call == self._call:
            outcome = Outcome(Exit.TALKED, "hung up") if cause == "bye" else Outcome(Exit.LOST, reason or cause)
            self._end(outcome, by="them" if cause == "bye" else "", q850=q850)

    # ── what the media side reports ──────────────────────────────────────────────────────────────────────────────────

    def webrtc_state(self, leg: ParticipantId, state: str) -> None:
        """A telephone has none."""

    def media_started(self, leg: ParticipantId, track: str) -> None:
        if leg == FAR:
            self._tell("sound", {"from": "far end"})

    def digit(
        self, leg: ParticipantId, digit: str, duration_ms: int, volume: int, method: str = "telephone-event"
    ) -> None:
        if leg == FAR:
            self._tell("digit", {"digit": digit, "duration_ms": duration_ms, "method": "telephone-event"})

    def played(self, leg: ParticipantId, sound_id: str) -> None:
        """It is played nothing."""

    def active_speaker(self, meeting: MeetingId, leg: ParticipantId) -> None:
        """There are only two."""

    def picture_lost(self, leg: ParticipantId) -> None:
        """A telephone without a screen."""

    def pictures_shown(self, leg: ParticipantId, seen: Seen | None, way: str = "") -> None:
        """A telephone without a screen."""

    def encoding_asked(self, leg: ParticipantId, track: str, layers: tuple[LayerLimit, ...]) -> None:
        """Nobody has a browser here."""

    def leg_silent(self, leg: ParticipantId) -> None:
        if leg == FAR and self._call is not None and not self.over.done():
            self.carrier.bye(self._call)
            self._end(Outcome(Exit.LOST, "no sound packets came for a minute"), by="us")

    def leg_unprotected(self, leg: ParticipantId, reason: str) -> None:
        if leg == FAR and self._call is not None and not self.over.done():
            self.carrier.bye(self._call)
            self._end(Outcome(Exit.LOST, f"the sound cannot be protected: {reason}"), by="us")

    def leg_failed(self, leg: ParticipantId, reason: str) -> None:
        self.leg_silent(FAR)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _protection(self) -> Protection:
        if self._made is None:
            rules = ProtectionRules(fingerprint=self.media.fingerprint)
            self._made = rules.of_call("", self.line.srtp, self.line.srtp_keys)
        return self._made

    def _next_version(self) -> int:
        self._version += 1
        return self._version

    def _answer_to(self, offer: bytes) -> tuple[bytes, Negotiated]:
        return make_answer(
            offer,
            *self._address,
            self.line.codecs,
            session_id=self._session,
            version=self._next_version(),
            protection=self._protection,
        )

    def _read(self, sdp: bytes) -> None:
        try:
            self._talk(read_answer(self._offer, sdp, self._protection))
        except (BadSdp, NoCommonCodec) as error:
            self._tell("problem", {"reason": str(error)})

    def _talk(self, negotiated: Negotiated) -> None:
        media = phone_media(negotiated)
        self._codec = media.codec.name
        if media != self._running:
            self._running = media
            self.media.set_phone(FAR, media)

    def _picked_up(self) -> None:
        self._answered_at = self._clock.monotonic()
        crypto = self._running.crypto if self._running is not None else None
        how = crypto.suite if isinstance(crypto, PhoneCrypto) else "dtls"
        self._tell("answered", {"codec": self._codec, **({} if crypto is None else {"srtp": how})})
        if not self.talking.done():
            self.talking.set_result(self._codec)

    def _end(self, outcome: Outcome, by: str, q850: int | None = None) -> None:
        if self.over.done():
            return
        seconds = 0.0 if self._answered_at is None else self._clock.monotonic() - self._answered_at
        about = {"by": by, "status": outcome.status, "reason": outcome.words, "q850": q850}
        told = {key: value for key, value in about.items() if value}
        self._tell("ended", told | {"seconds": round(seconds, 1), "exit": int(outcome.exit)})
        self.over.set_result(outcome)
        self.talking.cancel()
