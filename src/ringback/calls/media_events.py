"""What the media side reports, handed to the meeting or call it concerns (``calls.ports.media.MediaEvents``)."""

from collections.abc import Callable
from functools import partial

import structlog

from ringback.calls.call import Call
from ringback.calls.service import Calls
from ringback.meetings.actor import Actor
from ringback.meetings.effects import Effect, Tell
from ringback.meetings.service import Meetings
from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.events import ActiveSpeakerChanged, EncodingAsked, LayerLimit
from ringback.model.ids import CallId, MeetingId, ParticipantId
from ringback.model.instant import Instant
from ringback.model.participant import Seen

log = structlog.get_logger()

LEG_FAILED = ("connection-error", "The media connection failed; join again.")
OURS = EndReason(Ending.INTERNAL_ERROR, Fault.OURS)


class MediaReports:
    """Where media events go. A leg that is gone by then misses nothing."""

    def __init__(self, meetings: Meetings, calls: Calls) -> None:
        self._meetings = meetings
        self._calls = calls

    def webrtc_state(self, leg: ParticipantId, state: str) -> None:
        """The WebSocket says who is there; a lost media path alone removes nobody, it may come back."""
        log.info(f"media.{state}", leg=leg)

    def media_started(self, leg: ParticipantId, track: str) -> None:
        """Tracks are shown as their senders describe them, so nothing changes for the others."""
        log.info("media.started", leg=leg, track=track)
        self._post(leg, lambda call, now: call.seen(now) if track == "video" else call.heard(now))

    def digit(
        self, leg: ParticipantId, digit: str, duration_ms: int, volume: int, method: str = "telephone-event"
    ) -> None:
        self._post(leg, lambda call, now: call.digit(digit, method, volume, now))

    def picture_lost(self, leg: ParticipantId) -> None:
        self._post(leg, lambda call, now: call.picture_lost(now))

    def pictures_shown(self, leg: ParticipantId, seen: Seen | None, way: str = "") -> None:
        self._post(leg, lambda call, now: call.shown(way, now))
        if (actor := self._meetings.by_call.get(CallId(leg))) is not None:
            actor.post(lambda now: actor.meeting.phone_sees(CallId(leg), seen))

    def encoding_asked(self, leg: ParticipantId, track: str, layers: tuple[LayerLimit, ...]) -> None:
        if (actor := self._meeting_of(leg)) is not None:
            actor.post(lambda now: [Tell(EncodingAsked(track, layers), to=(leg,))])

    def played(self, leg: ParticipantId, sound_id: str) -> None:
        self._post(leg, lambda call, now: call.played(sound_id, now))

    def active_speaker(self, meeting: MeetingId, leg: ParticipantId) -> None:
        if (actor := self._meetings.by_id.get(meeting)) is None:
            return

        def step(now: Instant) -> list[Effect]:
            member = actor.meeting.members.get(leg)
            shown = member is not None and not member.participant.hidden
            return [Tell(ActiveSpeakerChanged(leg))] if shown else []

        actor.post(step)

    def leg_silent(self, leg: ParticipantId) -> None:
        self._post(leg, lambda call, now: call.silent(now))

    def leg_unprotected(self, leg: ParticipantId, reason: str) -> None:
        self._post(leg, lambda call, now: call.unprotected(now))

    def leg_failed(self, leg: ParticipantId, reason: str) -> None:
        if CallId(leg) in self._meetings.by_call:
            self._post(leg, lambda call, now: call.hang_up(OURS, now))
            return
        if (actor := self._meeting_of(leg)) is not None:
            actor.post(partial(_remove, actor, leg))

    def _meeting_of(self, leg: ParticipantId) -> Actor | None:
        return next((actor for actor in self._meetings.actors.values() if leg in actor.meeting.members), None)

    def _post(self, leg: ParticipantId, act: Callable[[Call, Instant], list[Effect]]) -> None:
        """Of a telephone's leg, whose call has the same id; of any other, nothing happens."""
        self._calls.post(CallId(leg), lambda where, call, now: act(call, now))


def _remove(actor: Actor, leg: ParticipantId, now: Instant) -> list[Effect]:
    return actor.meeting.leave(leg, now, LEG_FAILED)
