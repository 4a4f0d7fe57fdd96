"""``/meetings``: runs of rooms, past and present."""

from collections.abc import Sequence

from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.records import MeetingRecord, ParticipantRecord
from ringback.rest.errors import printable
from ringback.rest.routing import Asked, Operation


async def index(asked: Asked) -> object:
    page = await asked.services.reports.meetings(
        asked.domain.id,
        limit=asked.limit(),
        after=asked.query.get("starting_after"),
        before=asked.query.get("ending_before"),
        room=asked.query.get("room"),
        start=asked.moment("timeframe_start"),
        end=asked.moment("timeframe_end"),
        ongoing=asked.flag("ongoing"),
    )
    if page is None:
        raise InvalidRequest("starting_after and ending_before must be the id of a meeting")
    total, found = page
    alone = asked.flag("no_participants") is True
    now = asked.services.clock.wall()
    return {
        "total_count": total,
        "data": [_meeting(meeting, None if alone else stays, now) for meeting, stays in found],
    }


async def show(asked: Asked) -> object:
    meeting, _ = await _find(asked)
    return _meeting(meeting, None, asked.services.clock.wall())


async def participants(asked: Asked) -> object:
    meeting, stays = await _find(asked)
    ids = [stay.id for stay in stays]
    first, last = 0, len(stays)
    if (after := asked.query.get("joined_after")) is not None:
        first = _place(ids, after, "joined_after") + 1
    if (before := asked.query.get("joined_before")) is not None:
        last = _place(ids, before, "joined_before")
    now = asked.services.clock.wall()
    return {"data": [_stay(stay, meeting, now) for stay in stays[first:last][: asked.limit()]]}


async def _find(asked: Asked) -> tuple[MeetingRecord, Sequence[ParticipantRecord]]:
    found = await asked.services.reports.meeting(asked.domain.id, asked.params["meeting"])
    if found is None:
        raise NotFound(f"meeting {printable(asked.params['meeting'])} not found")
    return found


def _place(ids: Sequence[str], wanted: str, name: str) -> int:
    if wanted not in ids:
        raise InvalidRequest(f"{name} must be the id of a participant of this meeting")
    return ids.index(wanted)


def _meeting(meeting: MeetingRecord, stays: Sequence[ParticipantRecord] | None, now: float) -> dict[str, object]:
    shown: dict[str, object] = {
        "id": meeting.id,
        "room": meeting.room,
        "start_time": int(meeting.started_at),
        "duration": _seconds(meeting.started_at, meeting.ended_at, now),
        "ongoing": meeting.ended_at is None,
        "max_participants": meeting.max_participants,
    }
    if stays is not None:
        shown["participants"] = [_stay(stay, meeting, now) for stay in stays]
    return shown


def _stay(stay: ParticipantRecord, meeting: MeetingRecord, now: float) -> dict[str, object]:
    left = stay.left_at if stay.left_at is not None else meeting.ended_at
    return {
        "user_id": stay.user_id,
        "participant_id": stay.id,
        "user_name": stay.user_name,
        "join_time": int(stay.joined_at),
        "duration": _seconds(stay.joined_at, left, now),
    }


def _seconds(start: float, end: float | None, now: float) -> int:
    return max(0, round((now if end is None else end) - start))


OPERATIONS = (
    Operation("GET", "/meetings", index),
    Operation("GET", "/meetings/{meeting}", show),
    Operation("GET", "/meetings/{meeting}/participants", participants),
)
