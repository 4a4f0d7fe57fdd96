"""What applications and people in a room may want of calls, as the edges that carry their wishes see it."""

from collections.abc import Mapping
from typing import Protocol

from ringback.calls.ports.paid import Asker
from ringback.model.ids import CallId, DomainId, RoomName

Body = Mapping[str, object]
"""A command as it came, not validated."""


class CallCommands(Protocol):
    """``service.Calls``, which says what each of these does and raises.

    A command with an ``idempotency_key`` that was carried out before is answered as it was then.
    """

    async def start_dial_out(
        self,
        domain: DomainId,
        room: RoomName,
        body: Body,
        *,
        idempotency_key: str | None = None,
        asker: Asker | None = None,
    ) -> CallId: ...
    async def stop_dial_out(self, domain: DomainId, room: RoomName, session_id: object) -> None: ...
    async def send_dtmf(
        self, domain: DomainId, room: RoomName, body: Body, *, idempotency_key: str | None = None
    ) -> None: ...
    async def transfer(
        self,
        domain: DomainId,
        room: RoomName,
        body: Body,
        *,
        idempotency_key: str | None = None,
        asker: Asker | None = None,
    ) -> None: ...
    async def refer(
        self, domain: DomainId, room: RoomName, body: Body, *, idempotency_key: str | None = None
    ) -> None: ...
    async def warm_transfer(
        self,
        domain: DomainId,
        call: str,
        body: Body,
        *,
        idempotency_key: str | None = None,
        asker: Asker | None = None,
        room: RoomName | None = None,
    ) -> Mapping[str, object]: ...
