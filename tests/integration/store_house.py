"""What the tests of the store share: a database in a folder, and records to put into it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ringback.model.domain import Domain
from ringback.model.ids import CallId, DomainId, EndpointUser, MeetingId, ParticipantId, RoomId, RoomName
from ringback.model.records import (
    CallRecord,
    CallState,
    CommandRecord,
    Direction,
    EventRecord,
    MeetingRecord,
    ParticipantRecord,
    TransferRecord,
    TransferState,
)
from ringback.model.room import Room
from ringback.store.database import Database
from ringback.store.sealing import Sealer

DOMAIN = DomainId("11111111-1111-4111-8111-111111111111")
ROOM = RoomName("desk")
MEETING = MeetingId("meeting-1")


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'ringback.db'}"


@asynccontextmanager
async def a_database(folder: Path, secret: str = "a secret") -> AsyncIterator[Database]:
    """Open with one domain in it; closed afterwards."""
    database = Database(url_of(folder), Sealer(secret))
    try:
        if not await database.domains.all():
            await database.domains.insert(Domain(DOMAIN, "acme", 1.0))
        yield database
    finally:
        await database.close()


def a_room(name: str = "desk", *, endpoints: tuple[str, ...] = (), **properties: Any) -> Room:
    return Room(
        RoomId(f"id-{name}"), DOMAIN, RoomName(name), "public", 5.0, properties, tuple(map(EndpointUser, endpoints))
    )


def a_call(number: int = 1, **changes: Any) -> CallRecord:
    fields: dict[str, Any] = {
        "id": CallId(f"call-{number}"),
        "domain": DOMAIN,
        "room": ROOM,
        "meeting": MEETING,
        "direction": Direction.DIAL_OUT,
        "state": CallState.QUEUED,
        "node": "main",
        "epoch": 1,
        "created_at": float(number),
    }
    return CallRecord(**{**fields, **changes})


def an_event(sequence: int, **changes: Any) -> EventRecord:
    fields: dict[str, Any] = {
        "domain": DOMAIN,
        "room": ROOM,
        "meeting": MEETING,
        "epoch": 1,
        "sequence": sequence,
        "at": 1.0,
        "name": "dialout-connected",
        "payload": {"n": sequence},
    }
    return EventRecord(**{**fields, **changes})


def a_meeting(number: int = 1, **changes: Any) -> MeetingRecord:
    fields: dict[str, Any] = {
        "id": MeetingId(f"meeting-{number}"),
        "domain": DOMAIN,
        "room": ROOM,
        "node": "main",
        "epoch": 1,
        "started_at": float(number),
    }
    return MeetingRecord(**{**fields, **changes})


def a_stay(number: int = 1, **changes: Any) -> ParticipantRecord:
    fields: dict[str, Any] = {
        "id": ParticipantId(f"stay-{number}"),
        "domain": DOMAIN,
        "room": ROOM,
        "meeting": MEETING,
        "user_id": None,
        "user_name": "Ann",
        "participant_type": None,
        "joined_at": float(number),
    }
    return ParticipantRecord(**{**fields, **changes})


def a_transfer(number: int, **columns: Any) -> TransferRecord:
    common = {"node": "main", "epoch": 1, "created_at": 1.0, "state": TransferState.INITIATED, **columns}
    return TransferRecord(
        f"transfer-{number}",
        DomainId(DOMAIN),
        RoomName("hello"),
        MeetingId("meeting-1"),
        CallId(f"call-{number}"),
        "transfer",
        "sip:bob@phones.example",
        **common,
    )


def a_command(key: str) -> CommandRecord:
    asked, answer = {"toEndPoint": "sip:b@c"}, {"ok": True}
    return CommandRecord(DomainId(DOMAIN), key, "sipRefer", RoomName("hello"), asked, answer, 1.0)
