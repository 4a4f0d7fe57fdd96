"""The meetings of this process: which rooms have one, how to get in, who is there.

Everything that happens in a meeting goes through its actor's queue; this is the register of actors and the questions
that span them. Every actor's task belongs to one group: when the service stops, they end with it.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

import structlog

from ringback.meetings.actor import Actor
from ringback.meetings.admission import Joiner, JoinRefused
from ringback.meetings.bridge import Bridge
from ringback.meetings.commands import update_permissions
from ringback.meetings.effects import Effect, HangUp, Tell
from ringback.meetings.knocking import Knocking
from ringback.meetings.lobby import Lobby, lobby_settings
from ringback.meetings.meeting import Life, Meeting, MeetingOver
from ringback.meetings.permissions import changed
from ringback.meetings.ports import Office, RoomBook
from ringback.meetings.seat import Seat, Welcome
from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.errors import NotFound, Unavailable
from ringback.model.events import AppMessage, DialInReady
from ringback.model.ids import CallId, DomainId, EndpointUser, MeetingId, ParticipantId, RoomName
from ringback.model.instant import Instant
from ringback.model.presence import Presence
from ringback.model.room import Permissions, Room, RoomSettings

log = structlog.get_logger()

T = TypeVar("T")

Key = tuple[DomainId, RoomName]

CLOSE_WITHIN = 5.0
"""Seconds a meeting gets to end when the service stops."""

MEETING_CLOSED = ("ejected", "The meeting has ended.")


class Meetings:
    """All running meetings.

    Args:
        office: What meetings share.
        rooms: Where rooms are looked up.
        address: Full ``sip:`` address of an endpoint.
        new_id: Makes a UUID; handed in so that a failing case replays exactly.
    """

    def __init__(
        self,
        office: Office,
        rooms: RoomBook,
        address: Callable[[EndpointUser], str],
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self.office = office
        self.rooms = rooms
        self.address = address
        self.new_id = new_id
        self.actors: dict[Key, Actor] = {}
        self.by_id: dict[MeetingId, Actor] = {}
        self.endpoints: dict[EndpointUser, Actor] = {}
        self.by_call: dict[CallId, Actor] = {}
        self.bridges: dict[MeetingId, Actor] = {}
        self.lines: dict[CallId, CallId] = {}
        self._watchers: dict[Key, list[Callable[[], None]]] = {}
        self.knocking = Knocking(office, rooms, self.running)
        self.draining = False
        self._tasks: asyncio.TaskGroup | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    async def __aenter__(self) -> Self:
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._tasks is not None
        await self.close_all()
        if self._running:
            _, stuck = await asyncio.wait(self._running, timeout=CLOSE_WITHIN)
            for task in stuck:
                log.error("meeting.stuck", task=task.get_name())
                task.cancel()
        await self._tasks.__aexit__(None, None, None)
        self._tasks = None

    # ── getting in ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def join(self, domain: DomainId, name: RoomName, joiner: Joiner) -> tuple[Seat, Welcome]:
        """A browser or bot comes in; the meeting starts if it is the first.

        Raises:
            JoinRefused: It is not let in.
            Unavailable: This process is ending.
        """
        if self.draining:
            raise Unavailable("this server is shutting down and takes no new participants")
        while True:
            room = await self.rooms.find(domain, name)
            if room is None:
                raise JoinRefused("no-room", "The room does not exist.")
            actor = self.actor(await self.rooms.settings(room))
            try:
                welcome = await actor.ask(partial(self._join, actor, joiner))
            except MeetingOver:
                continue
            return Seat(actor, joiner.id, self.office), welcome

    def _join(self, actor: Actor, joiner: Joiner, now: Instant) -> tuple[list[Effect], Welcome]:
        meeting = actor.meeting
        effects = self.started(actor, meeting.join(joiner, now))
        local = meeting.members[joiner.id].participant
        return effects, Welcome(meeting.id, meeting.settings, local, meeting.shown_to(joiner.id))

    def actor(self, settings: RoomSettings) -> Actor:
        """The actor of a room's running meeting, or of a new one that starts with whatever it is asked first."""
        key = (settings.room.domain, settings.room.name)
        if (actor := self.actors.get(key)) is None:
            meeting = Meeting(MeetingId(self.new_id()), settings, self.office.node, self.office.epoch)
            meeting.elsewhere = partial(self._bridged, key)
            actor = Actor(meeting, self.office, self._gone, self._call_gone)
            self.actors[key] = actor
            self._run(actor)
        return actor

    def bridge(self, home: Actor) -> Actor:
        """The actor of a new bridge for calls of a meeting; it is gone when its last call is."""
        bridge = Bridge(MeetingId(self.new_id()), home.meeting, self.office.node, self.office.epoch)
        room = home.meeting.settings.room
        bridge.elsewhere = lambda: self._in_room((room.domain, room.name)) - len(bridge.calls)
        actor = Actor(bridge, self.office, self._gone, self._call_gone)
        self.bridges[bridge.id] = actor
        self._run(actor)
        return actor

    def lobby(self, domain: DomainId) -> Actor:
        """The actor of a place where one caller waits before it is in any room; gone when the caller is."""
        settings = lobby_settings(domain, self.new_id(), self.office.clock.wall())
        lobby = Lobby(MeetingId(self.new_id()), settings, self.office.node, self.office.epoch)
        actor = Actor(lobby, self.office, self._gone, self._call_gone)
        actor.speaks_as = lambda tell: None
        self.bridges[lobby.id] = actor
        self._run(actor)
        return actor

    def watch(self, domain: DomainId, name: RoomName, began: Callable[[], None]) -> Callable[[], None]:
        """Have ``began`` called whenever somebody has come into a room; returns what ends that."""
        watchers = self._watchers.setdefault((domain, name), [])
        watchers.append(began)

        def end() -> None:
            watchers.remove(began)
            if not watchers and self._watchers.get((domain, name)) is watchers:
                del self._watchers[domain, name]

        return end

    def _bridged(self, key: Key) -> int:
        """How many calls of a room are in bridges."""
        rooms = ((actor.meeting.settings.room, actor.meeting) for actor in self.bridges.values())
        return sum(len(bridge.calls) for room, bridge in rooms if (room.domain, room.name) == key)

    def _in_room(self, key: Key) -> int:
        """How many calls count as a room's, wherever they are."""
        home = self.actors.get(key)
        return self._bridged(key) + (len(home.meeting.calls) if home is not None else 0)

    def _run(self, actor: Actor) -> None:
        assert self._tasks is not None, "meetings are used while their service runs"
        meeting = actor.meeting
        self._empty.clear()
        self.by_id[meeting.id] = actor
        self.office.world.media.open_meeting(meeting.id)
        self._running.add(task := self._tasks.create_task(actor.run(), name=f"meeting {meeting.id}"))
        task.add_done_callback(self._running.discard)

    def running(self, domain: DomainId, name: RoomName) -> Actor | None:
        """The actor of a meeting that has begun, if the room has one."""
        actor = self.actors.get((domain, name))
        return actor if actor is not None and actor.meeting.life is Life.OPEN else None

    def started(self, actor: Actor, effects: list[Effect]) -> list[Effect]:
        """Register the room's endpoints with the effects that start its meeting, and say that they can be dialled."""
        settings = actor.meeting.settings
        for began in tuple(self._watchers.get((settings.room.domain, settings.room.name), ())):
            began()
        self.knocking.somebody_came(settings.room.domain, settings.room.name)
        if settings.sip is None:
            return effects
        provider = settings.sip.provider or "daily"
        for user in settings.room.endpoints:
            if self.endpoints.get(user) is not actor:
                self.endpoints[user] = actor
                effects = [*effects, Tell(DialInReady(self.address(user), provider))]
        return effects

    def _gone(self, actor: Actor) -> None:
        settings = actor.meeting.settings
        key = (settings.room.domain, settings.room.name)
        if self.actors.get(key) is actor:
            del self.actors[key]
        self.bridges.pop(actor.meeting.id, None)
        if not self.actors and not self.bridges:
            self._empty.set()
        self.by_id.pop(actor.meeting.id, None)
        for user in settings.room.endpoints:
            if self.endpoints.get(user) is actor:
                del self.endpoints[user]

    def _call_gone(self, call: CallId) -> None:
        self.by_call.pop(call, None)
        for line in [line for line, of in self.lines.items() if of == call]:
            del self.lines[line]
            self.by_call.pop(line, None)

    # ── questions and commands from REST ─────────────────────────────────────────────────────────────────────────────

    def presence(self, domain: DomainId, name: RoomName) -> list[Presence]:
        """Who is in a room, hidden ones left out; empty for a room nobody is in."""
        actor = self.running(domain, name)
        return actor.meeting.presence(self._now()) if actor else []

    def presence_all(self, domain: DomainId) -> dict[RoomName, list[Presence]]:
        """Presence of every room of a domain in which somebody is shown."""
        everywhere = {name: self.presence(domain, name) for owner, name in list(self.actors) if owner == domain}
        return {name: people for name, people in everywhere.items() if people}

    async def eject(
        self, domain: DomainId, name: RoomName, ids: list[str], user_ids: list[str], ban: bool = False
    ) -> list[ParticipantId]:
        """Remove participants by id or user id; unknown ones are ignored.

        Args:
            ban: Whether the user ids, and those of the participants named by id, stay out while the meeting lasts.

        Returns:
            Who was removed.

        Raises:
            NotFound: Nobody is in the room.
        """
        actor = self._hosting(domain, name)

        def step(now: Instant) -> tuple[list[Effect], list[ParticipantId]]:
            found = [who for who in actor.meeting.participants() if who.id in ids or who.user_id in user_ids]
            if ban:
                actor.meeting.ban({*user_ids, *(who.user_id for who in found if who.user_id)})
            effects: list[Effect] = []
            for who in found:
                effects += actor.meeting.eject(who.id, now, "ejected", "You were removed from the meeting.")
            return effects, [who.id for who in found]

        return await self._ask(actor, name, step)

    async def update_permissions(
        self, domain: DomainId, name: RoomName, changes: Mapping[str, Mapping[str, object]]
    ) -> None:
        """Change what participants may do; ``"*"`` is everybody who is not named.

        Raises:
            InvalidRequest: A change is not understood; then nothing has changed.
            NotFound: Nobody is in the room, or a participant that is named is not.
        """
        actor = self._hosting(domain, name)

        def step(now: Instant) -> tuple[list[Effect], None]:
            members = actor.meeting.members
            for who, change in changes.items():
                changed(Permissions(), change)
                if who != "*" and who not in members:
                    raise NotFound(f"no participant {who} in room {name}")
            effects: list[Effect] = []
            for member in list(members):
                if (named := member if member in changes else "*") in changes:
                    effects += update_permissions(actor.meeting, member, changes[named])
            return effects, None

        await self._ask(actor, name, step)

    async def send_app_message(self, domain: DomainId, name: RoomName, data: object, recipient: str = "*") -> None:
        """A message from the application itself to everybody, or to one participant.

        Raises:
            NotFound: Nobody is in the room, or the recipient is not.
        """
        actor = self._hosting(domain, name)

        def step(now: Instant) -> tuple[list[Effect], None]:
            if recipient != "*" and recipient not in actor.meeting.members:
                raise NotFound(f"no participant {recipient} in room {name}")
            to = None if recipient == "*" else (ParticipantId(recipient),)
            return [Tell(AppMessage(data, "server"), to)], None

        await self._ask(actor, name, step)

    def _hosting(self, domain: DomainId, name: RoomName) -> Actor:
        actor = self.running(domain, name)
        if actor is None:
            raise NotFound(f"room {name} is not hosting a call")
        return actor

    async def _ask(self, actor: Actor, name: RoomName, step: Callable[[Instant], tuple[list[Effect], T]]) -> T:
        try:
            return await actor.ask(step)
        except MeetingOver:
            raise NotFound(f"room {name} is not hosting a call") from None

    # ── changes of rooms ─────────────────────────────────────────────────────────────────────────────────────────────

    async def room_changed(self, before: Room, after: Room) -> None:
        """New settings take effect in a running meeting; endpoints that went away hang up and stop ringing."""
        actor = self.running(before.domain, before.name)
        if actor is None:
            return
        settings = await self.rooms.settings(after)
        actor.post(lambda now: self._apply(actor, settings, now))

    def _apply(self, actor: Actor, settings: RoomSettings, now: Instant) -> list[Effect]:
        old = actor.meeting.settings
        stays = set(settings.room.endpoints) if settings.sip else set()
        gone = [user for user in old.room.endpoints if user not in stays]
        for user in gone:
            if self.endpoints.get(user) is actor:
                del self.endpoints[user]
        effects: list[Effect] = []
        for call, machine in actor.calls.items():
            if machine.endpoint in gone:
                effects.append(HangUp(call, EndReason(Ending.SIP_DISABLED)))
        actor.meeting.settings = settings
        return self.started(actor, effects)

    async def room_deleted(self, room: Room) -> None:
        """Everybody leaves a room that no longer exists."""
        if actor := self.running(room.domain, room.name):
            actor.post(lambda now: actor.meeting.close(EndReason(Ending.MEETING_ENDED), now, MEETING_CLOSED))

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def drain(self) -> None:
        """Take nobody new; what runs goes on until it ends or ``close_all``."""
        self.draining = True

    async def until_empty(self) -> None:
        """Return when no meeting is left."""
        await self._empty.wait()

    async def close_all(self) -> None:
        """End every meeting now."""
        self.draining = True
        self.knocking.clear()
        reason = EndReason(Ending.SERVER_DRAIN, Fault.OURS)
        words = ("connection-error", "The server is shutting down.")
        asked = [
            actor.ask(partial(_close, actor, reason, words))
            for actor in [*self.actors.values(), *self.bridges.values()]
        ]
        await asyncio.gather(*asked, return_exceptions=True)

    def _now(self) -> Instant:
        return Instant.of(self.office.clock)

    def counts(self) -> Mapping[str, int]:
        """How many meetings, participants and calls there are now."""
        meetings = [actor.meeting for actor in self.actors.values()]
        bridged = sum(len(actor.meeting.calls) for actor in self.bridges.values())
        return {
            "meetings": len(meetings),
            "participants": sum(len(meeting.members) for meeting in meetings),
            "calls": sum(len(meeting.calls) for meeting in meetings) + bridged,
        }


def _close(actor: Actor, reason: EndReason, words: tuple[str, str], now: Instant) -> tuple[list[Effect], None]:
    return actor.meeting.close(reason, now, words), None
