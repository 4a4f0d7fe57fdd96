"""Who is in a room now, as presence queries show it."""

from dataclasses import dataclass

from ringback.model.ids import MeetingId, ParticipantId, RoomName


@dataclass(frozen=True, slots=True)
class Presence:
    """One participant of a running meeting. Hidden participants have none.

    Attributes:
        user_id: ``None`` unless a token or the dial-out request gave one.
        join_time: Unix seconds.
        duration: Seconds since then, at the moment of asking.
    """

    room: RoomName
    id: ParticipantId
    user_id: str | None
    user_name: str | None
    meeting: MeetingId
    join_time: float
    duration: float
