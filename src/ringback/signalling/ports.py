"""What signalling needs of the rest: seats in meetings, tokens, calls."""

from collections.abc import Callable, Mapping
from typing import Protocol

from ringback.calls.ports import Asker
from ringback.meetings.admission import Joiner
from ringback.meetings.ports import Message
from ringback.meetings.seat import Seat, Welcome
from ringback.model.ids import CallId, DomainId, RoomName
from ringback.model.room import TokenGrants


class Doors(Protocol):
    """Where clients come in (``meetings.service.Meetings``)."""

    async def join(self, domain: DomainId, name: RoomName, joiner: Joiner) -> tuple[Seat, Welcome]: ...


class Tokens(Protocol):
    """Meeting tokens (``access.service.Access``)."""

    async def check_token(self, token: str, *, now: float, ignore_nbf: bool = False) -> TokenGrants:
        """Raises ``access.errors.TokenRefused``."""


class WarmTransfers(Protocol):
    """Warm transfers under way (``calls.warm.WarmTransfers``), of one room."""

    async def accept(self, domain: DomainId, call_id: str, room: RoomName) -> None: ...
    async def merge(self, domain: DomainId, call_id: str, room: RoomName) -> None: ...
    async def give_back(self, domain: DomainId, call_id: str, room: RoomName) -> None: ...


class DialOuts(Protocol):
    """Calls a room makes (``calls.service.Calls``)."""

    async def start_dial_out(
        self,
        domain: DomainId,
        room: RoomName,
        body: Mapping[str, object],
        *,
        idempotency_key: str | None = None,
        asker: Asker | None = None,
    ) -> CallId: ...
    async def stop_dial_out(self, domain: DomainId, room: RoomName, session_id: object) -> None: ...
    async def hold(self, domain: DomainId, room: RoomName, session_id: str, on: bool) -> None: ...
    async def send_dtmf(
        self, domain: DomainId, room: RoomName, body: Mapping[str, object], *, idempotency_key: str | None = None
    ) -> None: ...
    async def transfer(
        self,
        domain: DomainId,
        room: RoomName,
        body: Mapping[str, object],
        *,
        idempotency_key: str | None = None,
        asker: Asker | None = None,
    ) -> None: ...
    async def refer(
        self, domain: DomainId, room: RoomName, body: Mapping[str, object], *, idempotency_key: str | None = None
    ) -> None: ...
    async def warm_transfer(
        self,
        domain: DomainId,
        call: str,
        body: Mapping[str, object],
        *,
        idempotency_key: str | None = None,
        asker: Asker | None = None,
        room: RoomName | None = None,
    ) -> Mapping[str, object]: ...
    @property
    def warm(self) -> WarmTransfers: ...


class Subscribable(Protocol):
    """The bus as a listener sees it."""

    def subscribe(self, handler: Callable[[Message], None]) -> None: ...


class DomainOf(Protocol):
    """Which domain a request's host names; the first one for any host that names none."""

    async def __call__(self, host: str) -> DomainId: ...
