"""What signalling needs of the rest: seats in meetings, tokens, calls."""

from collections.abc import Callable
from typing import Protocol

from ringback.calls.commands import CallCommands
from ringback.meetings.admission import Joiner
from ringback.meetings.knocking import Knocking
from ringback.meetings.ports import Message
from ringback.meetings.seat import Seat, Welcome
from ringback.model.ids import DomainId, RoomName
from ringback.model.room import TokenGrants


class Doors(Protocol):
    """Where clients come in (``meetings.service.Meetings``)."""

    async def join(self, domain: DomainId, name: RoomName, joiner: Joiner) -> tuple[Seat, Welcome]: ...
    @property
    def knocking(self) -> Knocking: ...


class Tokens(Protocol):
    """Meeting tokens (``access.service.Access``)."""

    async def check_token(self, token: str, *, now: float, ignore_nbf: bool = False) -> TokenGrants:
        """Raises ``access.errors.TokenRefused``."""


class WarmTransfers(Protocol):
    """Warm transfers under way (``calls.warm.WarmTransfers``), of one room."""

    async def accept(self, domain: DomainId, call_id: str, room: RoomName) -> None: ...
    async def merge(self, domain: DomainId, call_id: str, room: RoomName) -> None: ...
    async def give_back(self, domain: DomainId, call_id: str, room: RoomName) -> None: ...


class DialOuts(CallCommands, Protocol):
    """Calls a room makes (``calls.service.Calls``)."""

    async def hold(self, domain: DomainId, room: RoomName, session_id: str, on: bool) -> None: ...
    @property
    def warm(self) -> WarmTransfers: ...


class Subscribable(Protocol):
    """The bus as a listener sees it."""

    def subscribe(self, handler: Callable[[Message], None]) -> None: ...


class DomainOf(Protocol):
    """Which domain a request's host names; the first one for any host that names none."""

    async def __call__(self, host: str) -> DomainId: ...
