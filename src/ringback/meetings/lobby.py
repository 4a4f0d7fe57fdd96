"""Where a caller is before it is in any room: alone, asked for a code or hearing music.

It is a meeting without participants and without a room: nothing of it is stored but its call, and nobody is told of it.
"""

from collections.abc import Callable

from ringback.meetings.bridge import Bridge
from ringback.meetings.effects import Effect
from ringback.meetings.meeting import Meeting
from ringback.model.ids import DomainId, MeetingId, ParticipantId, RoomId, RoomName
from ringback.model.instant import Instant
from ringback.model.room import Room, RoomSettings

NO_ROOM = RoomName("")
"""The room of a call that is in none."""


def lobby_settings(domain: DomainId, id: str, now: float) -> RoomSettings:
    """What holds in a lobby."""
    room = Room(RoomId(id), domain, NO_ROOM, "private", now)
    return RoomSettings(room, max_participants=1, max_sip_pstn_sessions=1)


class Lobby(Bridge):
    """The place of one caller."""

    def __init__(self, id: MeetingId, settings: RoomSettings, node: str, epoch: int) -> None:
        Meeting.__init__(self, id, settings, node, epoch)
        self.guest: ParticipantId | None = None
        self.farewell: Callable[[Instant], list[Effect]] = lambda now: []
