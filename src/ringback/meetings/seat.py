"""A client's place in a meeting: what its connection holds on to and acts through."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ringback.meetings import commands
from ringback.meetings.actor import Actor
from ringback.meetings.effects import Effect
from ringback.meetings.hearing import Subscriptions
from ringback.meetings.meeting import Meeting, MeetingOver
from ringback.meetings.ports import Office
from ringback.model.errors import NotFound
from ringback.model.ids import DomainId, MeetingId, ParticipantId, RoomName
from ringback.model.instant import Instant
from ringback.model.participant import Participant
from ringback.model.room import RoomSettings
from ringback.sdp.streams import in_step

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Welcome:
    """What somebody who comes in (or back) is shown."""

    meeting: MeetingId
    settings: RoomSettings
    local: Participant
    others: Sequence[Participant]


class Seat:
    """One client's place. All verbs are answered once what they did is stored and done.

    Raises (every verb): ``RingbackError`` when the meeting refuses; ``NotFound`` when the place is gone.
    """

    def __init__(self, actor: Actor, who: ParticipantId, office: Office) -> None:
        self._actor = actor
        self._office = office
        self._opened = False
        self._layers: Mapping[tuple[str, str], int] = {}
        self.id = who

    @property
    def meeting(self) -> MeetingId:
        return self._actor.meeting.id

    @property
    def domain(self) -> DomainId:
        return self._actor.meeting.settings.room.domain

    @property
    def room(self) -> RoomName:
        return self._actor.meeting.settings.room.name

    @property
    def settings(self) -> RoomSettings:
        return self._actor.meeting.settings

    def require_admin(self) -> Participant:
        """Raises ``Forbidden`` unless this participant is an owner or participant admin."""
        return commands.require_admin(self._actor.meeting, self.id)

    async def leave(self) -> None:
        await self._do(lambda meeting, now: meeting.leave(self.id, now))

    def lost(self) -> None:
        """The connection broke; the place is kept for a while."""
        self._actor.post(lambda now: self._actor.meeting.lost(self.id, now))

    async def back(self) -> Welcome:
        """The connection is there again; answers with how things are now."""

        def step(now: Instant) -> tuple[list[Effect], Welcome]:
            meeting = self._actor.meeting
            if not meeting.returned(self.id):
                raise NotFound("you are no longer in the meeting")
            local = meeting.members[self.id].participant
            return [], Welcome(meeting.id, meeting.settings, local, meeting.shown_to(self.id))

        return await self._ask(step)

    def count(self, counters: Mapping[str, int]) -> None:
        """What the client counts of its own sound; kept beside ours for whoever looks at a call."""
        commands.member(self._actor.meeting, self.id).told = counters

    async def set_track(self, track: str, state: str, why: Mapping[str, bool]) -> None:
        await self._do(lambda meeting, now: commands.set_track(meeting, self.id, track, state, why))

    async def set_user_name(self, name: str) -> None:
        await self._do(lambda meeting, now: commands.set_user_name(meeting, self.id, name))

    async def set_user_data(self, data: object) -> None:
        await self._do(lambda meeting, now: commands.set_user_data(meeting, self.id, data))

    async def app_message(self, data: object, to: tuple[ParticipantId, ...] | None) -> None:
        await self._do(lambda meeting, now: commands.app_message(meeting, self.id, data, to))

    async def update_participants(self, updates: Mapping[str, Mapping[str, object]]) -> None:
        await self._do(lambda meeting, now: commands.update_participants(meeting, self.id, updates, now))

    async def offer(self, sdp: str, send: Mapping[str, str], receive: Subscriptions) -> tuple[str, dict[str, str]]:
        """Negotiate this client's peer connection.

        Args:
            sdp: Its offer, first or later.
            send: mid → track name of what it sends.
            receive: mid → (participant, track name) of what it wants.

        Returns:
            The answer, and by mid why an m-line gets nothing.
        """
        media = self._office.world.media
        member = commands.member(self._actor.meeting, self.id)
        if not self._opened:
            self._opened = True
            await media.open_webrtc(self.meeting, self.id)
            media.set_name(self.id, member.participant.user_name)
            if self._layers:
                media.set_layers(self.id, self._layers)
        answer = await media.webrtc_offer(self.id, sdp)
        try:
            refused = await self._ask(lambda now: commands.negotiate(self._actor.meeting, self.id, send, receive))
        except NotFound:
            media.close_leg(self.id)
            raise
        streams = {mid: _stream(source, track) for mid, (source, track) in receive.items() if mid not in refused}
        return in_step(answer, streams), refused

    def set_layers(self, layers: Mapping[tuple[str, str], int]) -> None:
        """The highest layers this client wants to see: (participant or ``*``, track name) → layer, the whole table."""
        commands.member(self._actor.meeting, self.id)
        self._layers = layers
        if self._opened:
            self._office.world.media.set_layers(self.id, layers)

    async def _do(self, step: Callable[[Meeting, Instant], list[Effect]]) -> None:
        await self._ask(lambda now: (step(self._actor.meeting, now), None))

    async def _ask(self, question: Callable[[Instant], tuple[list[Effect], T]]) -> T:
        try:
            return await self._actor.ask(question)
        except MeetingOver:
            raise NotFound("the meeting has ended") from None


def _stream(source: ParticipantId, track: str) -> str:
    """What is played in step: microphone with camera, and a screen with its sound."""
    return f"{source}-screen" if track.startswith("screen") else source
