"""A call out of a room: its party is a participant from the first sign of ringing on, so that early media is heard.

```
begin ─INVITE─▶ QUEUED ──18x──▶ RINGING ──200──▶ ANSWERED ──BYE either way──▶ ENDED
                  │               │ failure: dialout-stopped, with the SIP status
                  └ failure: dialout-error
```
"""

from collections.abc import Sequence

from ringback.calls.call import Call, why
from ringback.calls.codecs import narrowed, offered
from ringback.calls.digit_request import DEFAULT_DURATION_MS
from ringback.calls.effects import Bye, Cancel, Confirm, Invite
from ringback.calls.outcome import of_failure, told
from ringback.calls.pictures import Pictures
from ringback.calls.ports.carrier import Failure, OutgoingInvite, Replaces
from ringback.calls.ports.routes import Attempt
from ringback.calls.requests import DialOutRequest
from ringback.meetings.effects import (
    Effect,
    PhoneChanges,
    PhoneJoins,
    PlayTone,
    Save,
    SetPhone,
    SetPhoneVideo,
    StopTone,
    Tell,
)
from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.events import CallEvent, CallFacts, CallStep
from ringback.model.instant import Instant
from ringback.model.participant import ParticipantType, PhoneState
from ringback.model.records import CallRecord, CallState
from ringback.model.room import Permissions
from ringback.model.tones import ringing_for
from ringback.model.values import replace
from ringback.sdp.crypto import Protection
from ringback.sdp.errors import BadSdp, NoCommonCodec
from ringback.sdp.negotiation import Negotiated, make_offer, read_answer


class DialOut(Call):
    """One call out of a room.

    Args:
        request: The accepted request.
        record, facts: See ``Call``.
        permissions: What its participant may do.
        display_name: Our name as the far end sees it.
        attempts: The ways over trunks to try; none: straight to the dialog's target.

    Attributes:
        replaces, referred_by: Of the transfer it is made for; set before it begins.
    """

    kind = ParticipantType.SIP_DIAL_OUT

    def __init__(
        self,
        request: DialOutRequest,
        record: CallRecord,
        facts: CallFacts,
        permissions: Permissions,
        display_name: str = "",
        attempts: Sequence[Attempt] = (),
    ) -> None:
        super().__init__(record, facts, offered(request.audio_codecs))
        self._attempts = tuple(attempts)
        self.request = request
        if request.phone_number is not None:
            self.kind = ParticipantType.PSTN_DIAL_OUT
        self.permissions = permissions
        self.pictures = Pictures(request.video_settings if request.video else None)
        self._display_name = display_name
        self._first_offer = b""
        self._early: tuple[str, Negotiated] | None = None
        self._early_heard = self._tone_plays = False
        self.replaces: Replaces | None = None
        self.referred_by = ""

    # ── inputs ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, address: tuple[str, int], now: Instant) -> list[Effect]:
        """Row first, then the INVITE."""
        self.timeline.note("queued", now)
        self.address = address
        self.record = replace(self.record, media=f"{address[0]}:{address[1]}")
        assert self.record.dialog is not None, "a dial-out's dialog is prepared before it begins"
        self._attempts = tuple(replace(attempt, offer=self._offer_for(attempt)) for attempt in self._attempts)
        if self._attempts:
            self._take_way(self._attempts[0])
        else:
            self._first_offer = self._offer()
        invite = OutgoingInvite(
            self.id,
            self.record.dialog,
            self._first_offer,
            self._display_name,
            tuple(self.request.sip_headers),
            self.request.ring_timeout,
            self._attempts,
            domain=self.record.domain,
            replaces=self.replaces,
            referred_by=self.referred_by,
        )
        return [Save(self.record), Invite(invite)]

    def routed(self, attempt: int, trunk: str, now: Instant) -> list[Effect]:
        """Another way is being tried: from here on its offer and its trunk count."""
        if self.ended or self.answered or attempt >= len(self._attempts):
            return []
        self._take_way(self._attempts[attempt])
        if self.record.trunk == trunk:
            return []
        self.record = replace(self.record, trunk=trunk)
        self.facts = replace(self.facts, trunk=trunk)
        return [Save(self.record)]

    def progress(self, status: int, reason: str, sdp: bytes | None, now: Instant, fork: str = "") -> list[Effect]:
        """18x: it rings over there; with SDP its early media is heard, the newest fork's where there are several.

        As long as a telephone rings and nothing is heard of it, the room hears our own ringing tone (RFC 3960 §3.2).
        """
        if self.ended or self.answered:
            return []
        if status == 199:
            return self._fork_over(fork, now)
        effects = self._enter(now)
        if sdp is not None:
            effects += self._early_media(sdp, fork, now)
        if status == 180 and not self._early_heard:
            effects += self._ringing_tone()
        return effects + self._news("rings", status, reason)

    def heard(self, now: Instant) -> list[Effect]:
        """Sound of the far end: from here on that is what the room hears, and no tone of ours."""
        self._early_heard, self._tone_plays = not self.answered, False
        return super().heard(now)

    def far_end_answered(self, sdp: bytes | None, now: Instant) -> list[Effect]:
        """200: somebody picked up."""
        if self.ended or self.answered:
            return []
        try:
            agreed = self._read(sdp) if sdp is not None else self._early and self._early[1]
            reason = EndReason(Ending.NO_COMMON_CODEC, Fault.REMOTE)
        except (BadSdp, NoCommonCodec) as error:
            agreed, reason = None, why(error)
        if agreed is None:
            return [Bye(self.id, reason.ending.value), *self._finish(told(reason), now, CallStep.ERROR)]
        effects = self._enter(now)
        self.record = replace(self.record, state=CallState.ANSWERED, answered_at=now.wall, codec=agreed.codec.name)
        self.timeline.note("answered", now, codec=agreed.codec.name)
        effects += [
            *self._stop_tone(),
            Save(self.record),
            PhoneChanges(self.id, PhoneState.ANSWERED),
            Tell(CallEvent(self.facts, CallStep.ANSWERED)),
            Confirm(self.id),
            *self._metered(now),
            *self._agree(agreed, now),
            *self._picture_warning(),
            *self._news("answered", 200, "OK"),
        ]
        if self.request.extension:
            self._presses.wait(self.request.wait_before_extension, now.mono)
            effects += self._send_keys(self.request.extension, DEFAULT_DURATION_MS, self._by_info("auto"), now)
        self.fell_back = _fell_back(self.request.audio_codecs, agreed.codec.name)
        if self.fell_back:
            effects.append(self._warn(f"none of the codecs asked for was taken: {agreed.codec.name} is used instead"))
        return effects

    def failed(self, failure: Failure, now: Instant) -> list[Effect]:
        """No answer will come. After ringing that is a call that stopped; before, one that could not be set up."""
        if self.ended or self.answered:
            return []
        rang = self.record.state is CallState.RINGING
        end = of_failure(failure, rang, self.protection.policy == "required")
        return self._finish(end, now, CallStep.STOPPED if rang else CallStep.ERROR)

    def hang_up(self, reason: EndReason, now: Instant) -> list[Effect]:
        if self.ended:
            return []
        if self.answered:
            return self._hang_up_answered(reason, now)
        if reason.ending is Ending.HANGUP_LOCAL:
            reason = replace(reason, ending=Ending.CANCELLED_LOCAL)
        return [Cancel(self.id, reason.ending.value), *self._finish(told(reason), now)]

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _early_media(self, sdp: bytes, fork: str, now: Instant) -> list[Effect]:
        """Hear this early dialog. A description that says nothing new changes nothing; a bad one is not worth a call,
        for only the final answer counts."""
        try:
            early = (fork, self._read(sdp))
        except (BadSdp, NoCommonCodec):
            return []
        if early == self._early:
            return []
        if self._early is not None and fork != self._early[0]:
            self._early_heard = False
        self._early = early
        return self._agree(early[1], now, silent=True)

    def _fork_over(self, fork: str, now: Instant) -> list[Effect]:
        """One telephone of several gave up: if it was the one heard, the room hears again that the others ring."""
        if self._early is None or self._early[0] != fork or self.media is None:
            return []
        self._early, self._early_heard = None, False
        quiet = [SetPhone(self.leg, replace(self.media, send=False, listen=False)), *self._hide_pictures(now)]
        return [*quiet, *self._ringing_tone()]

    def _hide_pictures(self, now: Instant) -> list[Effect]:
        if self.pictures.media is None:
            return []
        shown, self.pictures.media = self.pictures.shown, None
        self.picture_notes.agreed(None, now)
        return [SetPhoneVideo(self.leg, None), *([PhoneChanges(self.id, video=False)] if shown else [])]

    def _ringing_tone(self) -> list[Effect]:
        if self._tone_plays:
            return []
        self._tone_plays = True
        return [PlayTone(self.leg, ringing_for(self.request.number))]

    def _stop_tone(self) -> list[Effect]:
        plays, self._tone_plays = self._tone_plays, False
        return [StopTone(self.leg)] if plays else []

    def _offer_for(self, attempt: Attempt) -> bytes:
        """One way may do with fewer codecs than another, or without digits in the sound's stream."""
        assert self.address is not None, "an offer names our RTP port"
        self._sdp_version = 1
        codecs = narrowed(self.codecs, attempt.codecs)
        host, port = self.address
        events = attempt.dtmf in ("auto", "telephone-event")
        protection = self._protection_of(attempt)
        video = self.pictures.terms(False, offer=True)
        return make_offer(
            self._session_id(), 1, host, port, codecs, telephone_events=events, protection=protection, video=video
        )

    def _protection_of(self, attempt: Attempt) -> Protection:
        return replace(self.protection, policy=attempt.srtp, speakable=True, keying=attempt.srtp_keys)

    def _take_way(self, attempt: Attempt) -> None:
        """What this way offers and expects counts from here on."""
        self._first_offer = attempt.offer
        self.dtmf = attempt.dtmf
        self.codecs = narrowed(self.codecs, attempt.codecs)
        self.protection = self._protection_of(attempt)
        self.media_networks = attempt.media_networks

    def _read(self, answer: bytes) -> Negotiated:
        return read_answer(self._first_offer, answer, self.protection)

    def _enter(self, now: Instant) -> list[Effect]:
        """The party becomes a participant, once."""
        if self.record.state is not CallState.QUEUED:
            return []
        self.record = replace(self.record, state=CallState.RINGING, ringing_at=now.wall)
        self.timeline.note("ringing", now)
        return [Save(self.record), PhoneJoins(self.participant(now)), Tell(CallEvent(self.facts, CallStep.CONNECTED))]


def _fell_back(requested: Sequence[str], codec: str) -> bool:
    return bool(requested) and codec not in requested
