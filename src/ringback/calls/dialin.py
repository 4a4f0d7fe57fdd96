"""A call into a room: answered at once, or rung for a few seconds while there is no port for its sound.

```
begin ──port──▶ ANSWERED ──ACK──▶ sound both ways ──BYE either way──▶ ENDED
  └─no port yet─▶ RINGING (180) ──port──▶ ANSWERED
                     └─ WAIT over ─▶ 480, ENDED
```
"""

from ringback.calls.call import Call, why
from ringback.calls.codecs import accepted, narrowed
from ringback.calls.effects import Answer, Reject, Ring
from ringback.calls.pictures import Pictures
from ringback.calls.ports.carrier import IncomingInvite
from ringback.meetings.effects import Effect, Save, SetPhoneVideo
from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.events import CallFacts, CallStep
from ringback.model.instant import Instant
from ringback.model.participant import ParticipantType
from ringback.model.records import CallRecord, CallState
from ringback.model.room import Permissions, SipSettings
from ringback.model.values import replace
from ringback.model.video import VideoSettings
from ringback.sdp.errors import BadSdp, NoCommonCodec
from ringback.sdp.negotiation import Negotiated

WAIT = 5.0
"""Seconds a caller hears ringing while a port is found for it."""

RETRY = 0.5
"""Seconds between looks for a port."""


class DialIn(Call):
    """One call into a room.

    Args:
        invite: As telephony reported it.
        record, facts: See ``Call``.
        sip: The room's ``sip`` property.
        permissions: What its participant may do.
        want_port: What it returns to have a port looked for again; ``port_found`` is the answer.
    """

    kind = ParticipantType.SIP_DIAL_IN

    def __init__(
        self,
        invite: IncomingInvite,
        record: CallRecord,
        facts: CallFacts,
        sip: SipSettings,
        permissions: Permissions,
        want_port: Effect,
    ) -> None:
        super().__init__(record, facts, narrowed(accepted(sip.audio_codecs), invite.codecs))
        if invite.called_number:
            self.kind = ParticipantType.PSTN_DIAL_IN
        self._want_port = want_port
        self._look_at: float | None = None
        self._invite = invite
        self._sip = sip
        self.permissions = permissions
        self.pictures = Pictures(VideoSettings(codecs=sip.video_codecs) if sip.video else None)
        self._wait_until: float | None = None
        self._acknowledged = False

    @property
    def unacknowledged(self) -> bool:
        return self.answered and not self._acknowledged

    # ── inputs ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, address: tuple[str, int] | None, now: Instant) -> list[Effect]:
        """The call was let in; ``address`` is our advertised RTP address, ``None`` while there is no free port."""
        self.timeline.note("queued", now)
        if address is not None:
            return self.port_found(address, now)
        self._wait_until = now.mono + WAIT
        self._look_at = now.mono + RETRY
        self.record = replace(self.record, state=CallState.RINGING, ringing_at=now.wall)
        self.timeline.note("ringing", now)
        return [Save(self.record), Ring(self.line)]

    def port_found(self, address: tuple[str, int], now: Instant) -> list[Effect]:
        """Answer: the caller is a participant from here on."""
        if self.ended or self.answered:
            return []
        self.address = address
        self._wait_until = self._look_at = None
        if self._invite.offer is None:
            self._late_offer = self._offer()
            return [*self._enter(now), Answer(self.line, self._late_offer)]
        try:
            answer, agreed, fell_back = self._negotiate(self._invite.offer)
        except (BadSdp, NoCommonCodec) as error:
            return self._refuse(488, why(error, 488), now, CallStep.ERROR)
        effects = self._enter(now, agreed.codec.name)
        self.fell_back = fell_back
        if fell_back:
            effects.append(self._warn(f"none of the room's codecs is offered: {agreed.codec.name} is used instead"))
        # No media before the ACK: until then nothing proves that the caller can be reached where it says.
        effects += self._agree(agreed, now, silent=True)
        if agreed.video_refused or agreed.video is not None:
            effects += self._picture_warning()
        return [*effects, Answer(self.line, answer)]

    def acknowledged(self, sdp: bytes | None, now: Instant) -> list[Effect]:
        if self._late_offer is not None:
            self._acknowledged = True
            return super().acknowledged(sdp, now)
        if not self.answered or self._acknowledged or self.media is None:
            return []
        self._acknowledged = True
        pictures = self.pictures.media
        return [self._run(self.media, now), *([SetPhoneVideo(self.leg, pictures)] if pictures is not None else [])]

    def cancelled(self, q850: int | None, now: Instant) -> list[Effect]:
        """The caller gave up before our answer; ``q850`` as it said."""
        if self.ended or self.answered:
            return []
        return self._finish(EndReason(Ending.CANCELLED_REMOTE, sip_status=487, q850=q850), now)

    def hang_up(self, reason: EndReason, now: Instant) -> list[Effect]:
        if self.ended:
            return []
        if self.answered:
            return self._hang_up_answered(reason, now)
        return self._refuse(480, reason, now)

    def wake(self, now: Instant) -> list[Effect]:
        if self.ended or self._wait_until is None or self._look_at is None:
            return super().wake(now)
        if now.mono >= self._wait_until:
            return self._refuse(480, EndReason(Ending.REFUSED, Fault.OURS, 480), now, CallStep.ERROR)
        if now.mono >= self._look_at:
            self._look_at = now.mono + RETRY
            return [self._want_port]
        return []

    def next_wake(self) -> float | None:
        if self.ended or self._wait_until is None or self._look_at is None:
            return super().next_wake()
        return min(self._wait_until, self._look_at)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _negotiate(self, offer: bytes) -> tuple[bytes, Negotiated, bool]:
        """The caller's order among what the room names; failing that, whatever else we can."""
        wanted = [name for name in self._sip.audio_codecs if name in self.codecs]
        if wanted:
            try:
                return *self._answer(offer, wanted), False
            except NoCommonCodec:
                return *self._answer(offer, self.codecs), True
        return *self._answer(offer, self.codecs), False

    def _enter(self, now: Instant, codec: str = "") -> list[Effect]:
        host, port = self.address or ("", 0)
        self.record = replace(
            self.record, state=CallState.ANSWERED, answered_at=now.wall, media=f"{host}:{port}", codec=codec
        )
        self.timeline.note("answered", now, codec=codec)
        return self._come_in(now)

    def _refuse(self, status: int, reason: EndReason, now: Instant, step: CallStep = CallStep.STOPPED) -> list[Effect]:
        self._wait_until = None
        return [Reject(self.line, status), *self._finish(replace(reason, sip_status=status), now, step)]
