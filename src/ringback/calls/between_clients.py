"""One SIP client calls another: two calls in a meeting of their own, and what happens to one happens to the other.

```
caller ──INVITE──▶ us ──INVITE──▶ every phone of the callee
       ◀──180────     ◀──180────
       ◀──200────     ◀──200────      sound both ways; a BYE or a refusal is passed on
```
"""

from dataclasses import replace

from ringback.calls.dialin import DialIn
from ringback.calls.dialout import DialOut
from ringback.calls.effects import Ring
from ringback.calls.ports import IncomingInvite
from ringback.calls.requests import DialOutRequest
from ringback.meetings.effects import Effect, HangUp, Save
from ringback.meetings.permissions import phone_permissions
from ringback.model.end_reason import Ending, EndReason
from ringback.model.events import CallFacts, CallStep
from ringback.model.ids import CallId, DomainId, RoomId, RoomName
from ringback.model.instant import Instant
from ringback.model.records import CallRecord, CallState
from ringback.model.room import IdleTimeouts, Room, RoomSettings, SipSettings

NO_LIMIT = 365 * 86400.0
"""Seconds two phones may talk with nobody else there."""

PASSED_ON = frozenset({404, 480, 486, 488, 600, 603, 606})
"""Refusals of the callee that the caller is told as they are; any other becomes 480."""


def private_room(domain: DomainId, id: str, now: float) -> RoomSettings:
    """The settings of a meeting that only these two are in. It is no room: nobody else can find it."""
    room = Room(RoomId(id), domain, RoomName(f"sip-call-{id}"), "private", now)
    stays = IdleTimeouts(True, NO_LIMIT, NO_LIMIT)
    return RoomSettings(
        room,
        max_participants=2,
        max_sip_pstn_sessions=2,
        enable_dialout=True,
        dialout=stays,
        sip=SipSettings("", dialin=stays),
    )


class CallerLeg(DialIn):
    """The client that calls. It is answered when the other is.

    Args:
        other: The callee's call.
    """

    def __init__(
        self, invite: IncomingInvite, record: CallRecord, facts: CallFacts, settings: RoomSettings, other: CallId
    ) -> None:
        assert settings.sip is not None, "made with it"
        super().__init__(invite, record, facts, settings.sip, phone_permissions(settings, None), Effect())
        self._other = other
        self._port: tuple[str, int] | None = None

    def begin(self, address: tuple[str, int] | None, now: Instant) -> list[Effect]:
        self._port = address
        self.timeline.note("queued", now)
        return [Save(self.record)]

    def other_rings(self, now: Instant) -> list[Effect]:
        """180, once."""
        if self.ended or self.record.state is not CallState.QUEUED:
            return []
        self.record = replace(self.record, state=CallState.RINGING, ringing_at=now.wall)
        self.timeline.note("ringing", now)
        return [Save(self.record), Ring(self.id)]

    def other_answered(self, now: Instant) -> list[Effect]:
        """The callee is there: so are we."""
        assert self._port is not None, "a call between clients has its ports from the start"
        return self.port_found(self._port, now)

    def hang_up(self, reason: EndReason, now: Instant) -> list[Effect]:
        if self.ended or self.answered:
            return super().hang_up(reason, now)
        status = reason.sip_status if reason.sip_status in PASSED_ON else 480
        return self._refuse(status or 480, reason, now)

    def _finish(self, reason: EndReason, now: Instant, step: CallStep = CallStep.STOPPED) -> list[Effect]:
        return [*super()._finish(reason, now, step), HangUp(self._other, _passed_on(reason))]


class CalleeLeg(DialOut):
    """The client that is called.

    Args:
        caller: Whom it is told to.
    """

    def __init__(
        self, request: DialOutRequest, record: CallRecord, facts: CallFacts, settings: RoomSettings, caller: CallerLeg
    ) -> None:
        super().__init__(request, record, facts, phone_permissions(settings, None), caller.facts.display_name)
        self._caller = caller

    def progress(self, status: int, reason: str, sdp: bytes | None, now: Instant, fork: str = "") -> list[Effect]:
        return [*super().progress(status, reason, sdp, now, fork), *self._caller.other_rings(now)]

    def far_end_answered(self, sdp: bytes | None, now: Instant) -> list[Effect]:
        effects = super().far_end_answered(sdp, now)
        return [*effects, *self._caller.other_answered(now)] if self.answered and not self._caller.ended else effects

    def _finish(self, reason: EndReason, now: Instant, step: CallStep = CallStep.STOPPED) -> list[Effect]:
        return [*super()._finish(reason, now, step), HangUp(self._caller.id, _passed_on(reason))]


def _passed_on(reason: EndReason) -> EndReason:
    """Why the other one's call ends: what its far end did is, over here, our hanging up."""
    ended_by_far_end = (Ending.HANGUP_REMOTE, Ending.CANCELLED_REMOTE, Ending.CANCELLED_LOCAL)
    return EndReason(Ending.HANGUP_LOCAL) if reason.ending in ended_by_far_end else reason
