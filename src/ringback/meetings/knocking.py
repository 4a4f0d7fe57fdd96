"""Who waits at the door of a room to be let in: without a place, without sound, shown to those who may open.

```
knock ──▶ waiting ──granted──▶ may join
             ├────denied
             └────gave up, or waited for too long
```

They belong to the room, not to a meeting: one may wait before anybody is there, and is told of once somebody is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ringback.calls.ports.clock import Timer
from ringback.meetings.actor import Actor
from ringback.meetings.admission import Joiner, JoinRefused, check_knocker
from ringback.meetings.effects import Effect, Tell
from ringback.meetings.permissions import initial, may_administer
from ringback.meetings.ports import Office, RoomBook
from ringback.model.errors import NotFound
from ringback.model.events import WaitingJoined, WaitingLeft
from ringback.model.ids import DomainId, MeetingId, ParticipantId, RoomName
from ringback.model.instant import Instant
from ringback.model.participant import Participant

MOST_WAITING = 100
"""At one door; more are sent away."""

KNOCKS_FOR = 1800.0
"""Seconds one waits to be let in."""

EVERYONE = "*"

Key = tuple[DomainId, RoomName]
Decided = Callable[[bool], None]


@dataclass(slots=True)
class _Knock:
    """One who waits.

    Attributes:
        decided: Told once whether it may come in.
        shown: The meeting that has been told of it; ``None`` for none.
    """

    who: Participant
    decided: Decided
    timer: Timer
    shown: MeetingId | None = None


class Knocking:
    """The doors of all rooms.

    Args:
        office: Time.
        rooms: Where rooms are looked up.
        running: The meeting of a room, if there is one.
    """

    def __init__(self, office: Office, rooms: RoomBook, running: Callable[[DomainId, RoomName], Actor | None]) -> None:
        self._office = office
        self._rooms = rooms
        self._running = running
        self._doors: dict[Key, dict[ParticipantId, _Knock]] = {}

    async def knock(self, domain: DomainId, name: RoomName, joiner: Joiner, decided: Decided) -> None:
        """Wait at a room's door; ``decided`` is called once, unless ``give_up`` comes first.

        Raises:
            JoinRefused: There is no such room, one need not or cannot knock there, or too many wait.
        """
        room = await self._rooms.find(domain, name)
        if room is None:
            raise JoinRefused("no-room", "The room does not exist.")
        settings = await self._rooms.settings(room)
        now = Instant.of(self._office.clock)
        check_knocker(settings, joiner, now)
        door = self._doors.setdefault((domain, name), {})
        if len(door) >= MOST_WAITING:
            raise JoinRefused("meeting-full", "Too many people wait to be let in. Try again later.")
        grants = joiner.grants
        who = Participant(
            id=joiner.id,
            joined_at=now.wall,
            user_name=(grants.user_name if grants else None) or joiner.user_name,
            user_id=grants.user_id if grants else None,
            user_data=joiner.user_data,
            owner=bool(grants and grants.is_owner),
            permissions=initial(settings, grants),
        )
        end = partial(self._decide, (domain, name), joiner.id, False)
        door[who.id] = _Knock(who, decided, self._office.clock.call_at(now.mono + KNOCKS_FOR, end))
        self.somebody_came(domain, name)

    def give_up(self, domain: DomainId, name: RoomName, who: ParticipantId) -> None:
        """It waits no longer. Without effect once it was decided."""
        self._take((domain, name), who)

    def waiting(self, domain: DomainId, name: RoomName) -> Sequence[Participant]:
        """Who waits, longest first."""
        return [knock.who for knock in self._doors.get((domain, name), {}).values()]

    def decide(self, domain: DomainId, name: RoomName, who: str, granted: bool) -> list[ParticipantId]:
        """Let somebody in, or not; ``"*"`` is everybody who waits. Raises ``NotFound`` for who does not wait."""
        door = self._doors.get((domain, name), {})
        if who != EVERYONE and who not in door:
            raise NotFound("nobody of this id waits to be let in")
        decided = [ParticipantId(who)] if who != EVERYONE else list(door)
        for each in decided:
            self._decide((domain, name), each, granted)
        return decided

    def somebody_came(self, domain: DomainId, name: RoomName) -> None:
        """Tell a room's meeting who waits, as far as it has not been told."""
        actor = self._running(domain, name)
        if actor is not None and self._doors.get((domain, name)):
            actor.post(partial(self._show, actor, (domain, name)))

    def clear(self) -> None:
        """Nobody waits any more: the server ends."""
        for key, door in list(self._doors.items()):
            for who in list(door):
                self._decide(key, who, False)

    def _show(self, actor: Actor, key: Key, now: Instant) -> list[Effect]:
        effects: list[Effect] = []
        for knock in self._doors.get(key, {}).values():
            if knock.shown != actor.meeting.id:
                knock.shown = actor.meeting.id
                effects.append(Tell(WaitingJoined(knock.who), _openers(actor)))
        return effects

    def _decide(self, key: Key, who: ParticipantId, granted: bool) -> None:
        if (knock := self._take(key, who)) is not None:
            knock.decided(granted)

    def _take(self, key: Key, who: ParticipantId) -> _Knock | None:
        door = self._doors.get(key, {})
        knock = door.pop(who, None)
        if not door:
            self._doors.pop(key, None)
        if knock is None:
            return None
        knock.timer.cancel()
        actor = self._running(*key)
        if actor is not None:
            actor.post(lambda now: self._gone(actor, knock))
        return knock

    def _gone(self, actor: Actor, knock: _Knock) -> list[Effect]:
        return [Tell(WaitingLeft(knock.who), _openers(actor))] if knock.shown == actor.meeting.id else []


def _openers(actor: Actor) -> tuple[ParticipantId, ...]:
    """Who may open the door: owners and participant admins."""
    return tuple(one.id for one in actor.meeting.participants() if may_administer(one))
