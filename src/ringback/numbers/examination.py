"""Looks a trunk over as a doctor would: asks its hosts, makes a test call, listens, presses a key, holds, hangs up.

The call is made on a SIP side of its own, so nothing of it reaches rooms; its sound is a leg in a meeting of its own.
"""

import asyncio
import re
from typing import Protocol

from ringback.calls.codecs import DIAL_OUT_DEFAULT, narrowed, phone_media
from ringback.calls.ports.carrier import Carrier, Failure, IncomingInvite, OutgoingInvite, Refer
from ringback.calls.ports.clock import Clock
from ringback.calls.ports.media import MediaLegs
from ringback.calls.ports.routes import Attempt
from ringback.calls.protection import ProtectionRules
from ringback.model.ids import CallId, MeetingId, ParticipantId
from ringback.model.records import DialogRecord
from ringback.model.traces import Remembered
from ringback.model.values import replace
from ringback.numbers.diagnosis import CallSeen, Facts, HostFacts
from ringback.numbers.trunk import Trunk
from ringback.sdp.description import parse
from ringback.sdp.errors import BadSdp, NoCommonCodec, NotProtected
from ringback.sdp.negotiation import make_offer, read_answer

ANSWERED_WITHIN = 30.0
LISTEN = 3.0
HOLD_WITHIN = 5.0
RATE = 8000

_CONTACT = re.compile(r"^(?:contact|m)[ \t]*:[^\n]*?sips?:(?:[^@\n>]*@)?(\[[^\]]*\]|[^:;>\n]+)", re.IGNORECASE | re.M)
_EXPIRES = re.compile(r"^(?:session-expires|x)[ \t]*:[ \t]*([^\n]{1,80})", re.IGNORECASE | re.M)


class Doctor(Protocol):
    """What an examination needs of the SIP side, which has this one trunk alone."""

    carrier: Carrier

    async def hosts(self) -> list[HostFacts]: ...
    def trace(self, sip_call_id: str, our_tag: str, /) -> Remembered: ...
    def address(self) -> str:
        """Where the carrier sees us, ``host:port``."""


class Examination:
    """One test call. Implements ``calls.ports.carrier.CarrierEvents``; what no test call brings about is taken calmly.

    Args:
        trunk: Who is looked over.
        media: For its sound.
        clock: For how long things take.
        call: Id of the test call.
    """

    def __init__(self, trunk: Trunk, media: MediaLegs, clock: Clock, call: CallId) -> None:
        self._trunk = trunk
        self._media = media
        self._clock = clock
        self._call = call
        self._meeting = MeetingId(f"doctor-{call}")
        self._leg = ParticipantId(call)
        loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[Failure | bytes] = loop.create_future()
        self._held: asyncio.Future[int] = loop.create_future()
        self._over = False
        self._protection = ProtectionRules(fingerprint=media.fingerprint).of_call(
            trunk.transport.value, trunk.srtp.value, trunk.srtp_keys.value
        )
        self._dialog: DialogRecord | None = None
        self.doctor: Doctor

    async def look(self, registration: str, attempts: tuple[Attempt, ...], number: str, refused: str) -> Facts:
        """Ask the hosts and, with ``attempts``, make the call."""
        facts = Facts(self.doctor.address(), tuple(await self.doctor.hosts()), registration)
        if refused:
            return replace(facts, call=CallSeen(number, refused=refused))
        if not attempts:
            return facts
        return replace(facts, call=await self._try(attempts, number))

    async def _try(self, attempts: tuple[Attempt, ...], number: str) -> CallSeen:
        codecs = narrowed(DIAL_OUT_DEFAULT, self._trunk.codecs)
        self._media.open_meeting(self._meeting)
        try:
            host, port = self._media.open_phone(self._meeting, self._leg)
            events = self._trunk.dtmf.value in ("auto", "telephone-event")
            offer = make_offer(1, 1, host, port, codecs, telephone_events=events, protection=self._protection)
            carrier = self.doctor.carrier
            self._dialog = carrier.prepare(attempts[0].uri, self._call, "doctor")
            ways = tuple(replace(attempt, offer=offer) for attempt in attempts)
            carrier.invite(OutgoingInvite(self._call, self._dialog, offer, "", (), ANSWERED_WITHIN, ways))
            outcome = await self._outcome
            seen = CallSeen(number, offered=codecs)
            if isinstance(outcome, Failure):
                return replace(seen, failure=outcome)
            seen = await self._talk(self._read_trace(seen), offer, outcome)
            carrier.bye(self._call)
            return seen
        finally:
            self._media.close_meeting(self._meeting)

    async def _talk(self, seen: CallSeen, offer: bytes, answer: bytes) -> CallSeen:
        carrier = self.doctor.carrier
        try:
            agreed = read_answer(offer, answer, self._protection)
        except NotProtected:
            carrier.confirm(self._call)
            return replace(seen, clear=True)
        except (BadSdp, NoCommonCodec) as error:
            carrier.confirm(self._call)
            return replace(seen, unreadable=str(error))
        self._media.set_phone(
            self._leg, replace(phone_media(agreed), trusted=True, networks=self._trunk.media_networks)
        )
        self._media.open_pcm(self._meeting, ParticipantId(f"{self._leg}-voice"), RATE)
        carrier.confirm(self._call)
        digits = agreed.dtmf_payload_type is not None
        if digits:
            self._media.send_digits(self._leg, "5", 120, 100)
        packets = await self._listen()
        hold = await self._hold(offer, agreed.codec.name)
        return replace(
            seen,
            codec=agreed.codec.name,
            suite=agreed.keys.suite if agreed.keys is not None else "",
            digits=digits,
            sound=_sound_address(answer),
            packets=packets,
            hold=hold,
            hung_up=self._over,
        )

    async def _listen(self) -> int:
        """Packets heard; as soon as there are some, or when time is up."""
        until = self._clock.monotonic() + LISTEN
        heard = 0
        while heard < 10 and not self._over and self._clock.monotonic() < until:
            await self._pause(0.2)
            heard = int(self._media.stats(self._leg).get("packets_received", 0))
        return heard

    async def _hold(self, offer: bytes, codec: str) -> int:
        """Put the far end on hold; the status of its answer, 0 when the call is over."""
        if self._over:
            return 0
        held = offer.replace(b"a=sendrecv", b"a=sendonly")
        self.doctor.carrier.offer(self._call, _next_version(held))
        timer = self._clock.call_at(self._clock.monotonic() + HOLD_WITHIN, lambda: self._answer_hold(408))
        try:
            return await self._held
        finally:
            timer.cancel()

    async def _pause(self, seconds: float) -> None:
        done = asyncio.Event()
        self._clock.call_at(self._clock.monotonic() + seconds, done.set)
        await done.wait()

    def _read_trace(self, seen: CallSeen) -> CallSeen:
        """What the answer said that events do not tell: who signalled, its Contact, its session interval."""
        assert self._dialog is not None, "a call was made"
        said = [each for each in self.doctor.trace(self._dialog.call_id, self._dialog.local_tag).said if not each.out]
        answers = [each for each in said if each.text.startswith("SIP/2.0 2")]
        if not answers:
            return seen
        contact, expires = _CONTACT.search(answers[-1].text), _EXPIRES.search(answers[-1].text)
        return replace(
            seen,
            peer=answers[-1].peer.rpartition(":")[0].strip("[]"),
            contact=contact[1].strip("[]") if contact else "",
            interval=expires[1].strip() if expires else "",
        )

    # ── what the SIP side tells ──────────────────────────────────────────────────────────────────────────────────────

    def answered(self, call: CallId, sdp: bytes | None) -> None:
        self._come_to(sdp or b"")

    def failed(self, call: CallId, failure: Failure) -> None:
        self._come_to(failure)

    def reoffer_answered(self, call: CallId, sdp: bytes) -> None:
        self._answer_hold(200)

    def reoffer_failed(self, call: CallId, status: int) -> None:
        self._answer_hold(status)

    def reoffered(self, call: CallId, sdp: bytes | None) -> None:
        self.doctor.carrier.answer_offer(self._call, None, 488)

    def ended(self, call: CallId, cause: str, reason: str = "", q850: int | None = None) -> None:
        self._over = True
        self._answer_hold(0)

    def incoming(self, invite: IncomingInvite) -> None:
        self.doctor.carrier.reject(invite.call, 480)

    def referred(self, call: CallId, refer: Refer) -> None:
        self.doctor.carrier.refuse_refer(call, refer.id)

    def cancelled(self, call: CallId, reason: str = "", q850: int | None = None) -> None: ...
    def acknowledged(self, call: CallId, sdp: bytes | None) -> None: ...
    def routed(self, call: CallId, attempt: int, trunk: str) -> None: ...
    def progress(
        self, call: CallId, status: int, reason: str, sdp: bytes | None, fork: str = "", wants_answer: bool = False
    ) -> None: ...
    def dialog_changed(self, call: CallId, dialog: DialogRecord) -> None: ...
    def dtmf_info(self, call: CallId, digit: str, duration_ms: int) -> None: ...
    def picture_wanted(self, call: CallId) -> None: ...
    def refer_progress(self, call: CallId, status: int, reason: str, final: bool, notified: bool = False) -> None: ...

    def _come_to(self, outcome: Failure | bytes) -> None:
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    def _answer_hold(self, status: int) -> None:
        if not self._held.done():
            self._held.set_result(status)


def _sound_address(answer: bytes) -> str:
    try:
        described = parse(answer)
    except BadSdp:
        return ""
    audio = next((media for media in described.media if media.kind == "audio" and media.port), None)
    return (audio.connection if audio is not None else None) or described.connection or ""


def _next_version(sdp: bytes) -> bytes:
    """RFC 3264 §8: another description has a version one higher."""
    return re.sub(rb"(?m)^(o=\S+ \S+ )(\d+)", lambda found: found[1] + b"%d" % (int(found[2]) + 1), sdp, count=1)
