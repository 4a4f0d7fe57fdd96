"""What rooms need of the outside: a store, a wall clock, a source of chance, and who listens to changes."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from ringback.model.domain import Domain
from ringback.model.ids import DomainId, RoomId, RoomName
from ringback.model.room import Room


class EndpointTaken(Exception):
    """A user part or code (or, between two nodes, a room's name) was taken by somebody else meanwhile: choose again."""


class WallClock(Protocol):
    """Time to be written and shown."""

    def wall(self) -> float:
        """Unix seconds."""


class Chance(Protocol):
    """A source of randomness; ``secrets.SystemRandom`` is one."""

    def getrandbits(self, k: int, /) -> int: ...


class RoomStore(Protocol):
    """Rooms at rest. Every method acts within one domain, but for ``by_endpoint`` and ``expired``."""

    async def insert(self, rooms: Sequence[Room]) -> None:
        """All or none. Raises ``InvalidRequest`` when a name exists, ``EndpointTaken`` when a user part does."""

    async def find(self, domain: DomainId, name: RoomName) -> Room | None: ...
    async def update(
        self, domain: DomainId, name: RoomName, change: Callable[[Room], Room]
    ) -> tuple[Room, Room] | None:
        """Replace a room by ``change(room)``, atomically; returns before and after. Raises what ``change`` raises."""

    async def delete(self, domain: DomainId, names: Sequence[RoomName]) -> Sequence[Room]:
        """All or none: raises ``NotFound`` for the first unknown name."""

    async def page(
        self, domain: DomainId, limit: int, after: RoomId | None, before: RoomId | None
    ) -> tuple[int, Sequence[Room]] | None:
        """How many there are, and one page, newest first; ``None`` when the cursor is unknown."""

    async def count(self, domain: DomainId) -> int: ...
    async def by_endpoint(self, user: str) -> tuple[Room, int] | None: ...
    async def by_code(self, code: str) -> Room | None: ...
    async def expired(self, now: float, most: int) -> Sequence[Room]: ...


class DomainStore(Protocol):
    """Domains at rest."""

    async def all(self) -> Sequence[Domain]:
        """Oldest first."""

    async def insert(self, domain: Domain) -> None: ...
    async def update(self, domain: DomainId, change: Callable[[Domain], Domain]) -> Domain | None: ...


class RoomListener(Protocol):
    """Told after a change was committed."""

    def on_changed(self, before: Room, after: Room) -> Awaitable[None]: ...
    def on_deleted(self, room: Room) -> Awaitable[None]: ...
