"""What meetings need of the outside besides ``calls.ports``: the book of rooms and the way events leave."""

from collections.abc import Mapping
from typing import Protocol

from ringback.calls.ports.carrier import Carrier
from ringback.calls.ports.clock import Clock
from ringback.calls.ports.media import MediaLegs
from ringback.calls.ports.records import Records
from ringback.model.events import Event
from ringback.model.ids import DomainId, MeetingId, ParticipantId, RoomName
from ringback.model.room import Room, RoomSettings
from ringback.model.values import dataclass


class RoomBook(Protocol):
    """Where rooms are looked up (``rooms.service.Rooms``)."""

    async def find(self, domain: DomainId, name: RoomName) -> Room | None: ...
    async def settings(self, room: Room) -> RoomSettings: ...
    async def by_endpoint(self, user: str) -> tuple[Room, int] | None:
        """The room a SIP user part rings, and which of its endpoints it is (0 is the first)."""


class Spell(Protocol):
    """Puts an event into wire words: its name and its payload, JSON-ready."""

    def __call__(self, event: Event) -> tuple[str, Mapping[str, object]]: ...


@dataclass(frozen=True, slots=True)
class Seated:
    """From here on a client is told what happens in the meeting."""

    meeting: MeetingId
    participant: ParticipantId


@dataclass(frozen=True, slots=True)
class Unseated:
    """From here on a client is told nothing. ``error`` is why, if it did not leave by itself: ``(type, sentence)``."""

    meeting: MeetingId
    participant: ParticipantId
    error: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """An event for clients: for ``to``, or for everybody when that is ``None``; never for ``but``."""

    meeting: MeetingId
    name: str
    payload: Mapping[str, object]
    to: tuple[ParticipantId, ...] | None = None
    but: ParticipantId | None = None


Message = Seated | Unseated | Told


class Bus(Protocol):
    """Carries messages to whoever serves the clients, in order per meeting."""

    def publish(self, key: str, message: Message) -> None: ...


@dataclass(frozen=True, slots=True)
class World:
    """Everything effects act on."""

    carrier: Carrier
    media: MediaLegs
    bus: Bus


@dataclass(frozen=True, slots=True)
class Office:
    """What every meeting of this process shares.

    Attributes:
        node, epoch: This process and its boot number, written with every row.
        spell: Puts events into wire words.
    """

    world: World
    records: Records
    clock: Clock
    spell: Spell
    node: str
    epoch: int
