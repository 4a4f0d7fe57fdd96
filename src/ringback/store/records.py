"""Calls, meetings, participants and the outbox, written in units of work (``calls.ports.records.Records``).

Every call writes here several times, so the statements are compiled once and go to the driver as text.
"""

import dataclasses
import json
from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Row, Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.ids import DomainId, MeetingId, ParticipantId, RoomName
from ringback.model.payload import json_text, write_json
from ringback.model.records import (
    CallRecord,
    CallState,
    CommandRecord,
    DialogRecord,
    Direction,
    EventRecord,
    MeetingRecord,
    ParticipantRecord,
    TransferRecord,
    TransferState,
    Unit,
)
from ringback.store.errors import DuplicateKey
from ringback.store.prepared import Prepared
from ringback.store.schema import calls, commands, events, idempotency_keys, meetings, nodes, participants, transfers
from ringback.store.transactions import Transactions


class StoredRecords:
    """See ``calls.ports.records.Records``."""

    def __init__(self, database: Transactions, dialect: Dialect) -> None:
        self._database = database
        insert = _inserter(dialect)
        self._put_call = Prepared(_replace(insert(calls), calls), dialect)
        self._put_meeting = Prepared(_replace(insert(meetings), meetings), dialect)
        self._put_participant = Prepared(_replace(insert(participants), participants), dialect)
        self._put_transfer = Prepared(_replace(insert(transfers), transfers), dialect)
        self._remember = Prepared(
            insert(commands).values({c.name: None for c in commands.c}).on_conflict_do_nothing(), dialect
        )
        self._append = Prepared(insert(events).values(dict.fromkeys(_EVENT_COLUMNS)), dialect)
        assert self._put_call.columns == _CALL_COLUMNS, "rows of calls are in the order of their table"
        assert self._append.columns == _EVENT_COLUMNS, "rows of events are in the order of their table"
        self._claim = Prepared(
            insert(idempotency_keys).values({c.name: None for c in idempotency_keys.c}).on_conflict_do_nothing(),
            dialect,
        )
        self._owner = Prepared(
            select(idempotency_keys.c.call).where(
                idempotency_keys.c.domain == bindparam("domain"), idempotency_keys.c.key == bindparam("key")
            ),
            dialect,
        )
        counted = insert(nodes).values(node=None, epoch=1)
        self._boot = counted.on_conflict_do_update(
            index_elements=["node"], set_={"epoch": nodes.c.epoch + 1}
        ).returning(nodes.c.epoch)

    async def commit(self, unit: Unit) -> None:
        """Raises ``DuplicateKey`` when an idempotency key is another call's or command's; then nothing was written."""
        if not unit:
            return
        claims = [call for call in unit.calls if call.idempotency_key is not None]
        writes = [
            (prepared, rows)
            for prepared, rows in (
                (self._put_call, [_call_row(call) for call in unit.calls]),
                (self._put_meeting, [_meeting_row(meeting) for meeting in unit.meetings]),
                (self._put_participant, [_participant_row(participant) for participant in unit.participants]),
                (self._put_transfer, [_transfer_row(transfer) for transfer in unit.transfers]),
                (self._append, [_event_row(event) for event in unit.events]),
            )
            if rows
        ]

        def work(connection: Connection) -> None:
            for call in claims:
                self._claim_key(connection, call)
            for command in unit.commands:
                if self._remember.run(connection, _command_row(command)) == 0:
                    raise DuplicateKey(f"idempotency key {command.key} belongs to another command")
            for prepared, rows in writes:
                prepared.write(connection, rows)

        await self._database.write(work, flush=False)

    async def call_by_idempotency_key(self, domain: str, key: str) -> CallRecord | None:
        query = (
            select(calls)
            .join(idempotency_keys, idempotency_keys.c.call == calls.c.id)
            .where(idempotency_keys.c.domain == domain, idempotency_keys.c.key == key)
        )
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else call_record(row)

    async def command(self, domain: str, key: str) -> CommandRecord | None:
        query = select(commands).where(commands.c.domain == domain, commands.c.key == key)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else _command(row)

    async def unfinished_transfers(self, node: str, before_epoch: int) -> Sequence[TransferRecord]:
        query = select(transfers).where(
            transfers.c.ended_at.is_(None), transfers.c.node == node, transfers.c.epoch < before_epoch
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [transfer_record(row) for row in rows]

    async def unfinished_calls(self, node: str, before_epoch: int) -> Sequence[CallRecord]:
        query = select(calls).where(
            calls.c.ended_at.is_(None),
            calls.c.state != CallState.ENDED,
            calls.c.node == node,
            calls.c.epoch < before_epoch,
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [call_record(row) for row in rows]

    async def unfinished_meetings(self, node: str, before_epoch: int) -> Sequence[MeetingRecord]:
        query = select(meetings).where(
            meetings.c.ended_at.is_(None), meetings.c.node == node, meetings.c.epoch < before_epoch
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [meeting_record(row) for row in rows]

    async def unfinished_participants(self, node: str, before_epoch: int) -> Sequence[ParticipantRecord]:
        query = (
            select(participants)
            .join(meetings, meetings.c.id == participants.c.meeting)
            .where(
                participants.c.left_at.is_(None),
                meetings.c.ended_at.is_(None),
                meetings.c.node == node,
                meetings.c.epoch < before_epoch,
            )
            .order_by(participants.c.joined_at)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [participant_record(row) for row in rows]

    async def next_epoch(self, node: str) -> int:
        return await self._database.write(
            lambda connection: int(connection.execute(self._boot, {"node": node}).scalar_one())
        )

    def _claim_key(self, connection: Connection, call: CallRecord) -> None:
        claim = {"domain": call.domain, "key": call.idempotency_key, "call": call.id, "created_at": call.created_at}
        if self._claim.run(connection, claim) == 0:
            owner = self._owner.first(connection, claim)
            if owner is None or owner.call != call.id:
                raise DuplicateKey(f"idempotency key {call.idempotency_key} belongs to another call")


def call_record(row: Row[Any]) -> CallRecord:
    """A row of ``calls`` as the value it was written from."""
    values = {name: getattr(row, name) for name in _CALL_FIELDS if name not in _CALL_JSON}
    values["direction"] = Direction(row.direction)
    values["state"] = CallState(row.state)
    return CallRecord(
        **values,
        end=_end_reason(row.end),
        dialog=_dialog(row.dialog),
        request=json.loads(row.request),
        sound=json.loads(row.sound),
        timeline=tuple(json.loads(row.timeline)),
    )


def transfer_record(row: Row[Any]) -> TransferRecord:
    """A row of ``transfers`` as the value it was written from."""
    values = {column.name: getattr(row, column.name) for column in transfers.c}
    return TransferRecord(**{**values, "state": TransferState(row.state), "left": bool(row.left)})


def _command(row: Row[Any]) -> CommandRecord:
    values = {column.name: getattr(row, column.name) for column in commands.c}
    return CommandRecord(**{**values, "request": json.loads(row.request), "answer": json.loads(row.answer)})


def participant_record(row: Row[Any]) -> ParticipantRecord:
    """A row of ``participants`` as the value it was written from."""
    return ParticipantRecord(
        id=ParticipantId(row.id),
        domain=DomainId(row.domain),
        room=RoomName(row.room),
        meeting=MeetingId(row.meeting),
        user_id=row.user_id,
        user_name=row.user_name,
        participant_type=row.participant_type,
        joined_at=row.joined_at,
        left_at=row.left_at,
    )


def meeting_record(row: Row[Any]) -> MeetingRecord:
    """A row of ``meetings`` as the value it was written from."""
    return MeetingRecord(
        id=MeetingId(row.id),
        domain=DomainId(row.domain),
        room=RoomName(row.room),
        node=row.node,
        epoch=row.epoch,
        started_at=row.started_at,
        ended_at=row.ended_at,
        max_participants=row.max_participants,
    )


def event_record(row: Row[Any]) -> EventRecord:
    """A row of ``events`` as the value it was written from."""
    return EventRecord(
        domain=DomainId(row.domain),
        room=RoomName(row.room),
        meeting=MeetingId(row.meeting),
        epoch=row.epoch,
        sequence=row.sequence,
        at=row.at,
        name=row.name,
        payload=json.loads(row.payload),
        to=None if row.recipients is None else tuple(json.loads(row.recipients)),
    )


_CALL_FIELDS = tuple(field.name for field in dataclasses.fields(CallRecord))
_CALL_JSON = ("end", "dialog", "request", "sound", "timeline")


# ── values as rows, in the order of their tables' columns ────────────────────────────────────────────────────────────


def _call_row(call: CallRecord) -> tuple[Any, ...]:
    written = {
        "direction": call.direction.value,
        "state": call.state.value,
        "ending": call.end.ending.value if call.end else None,
        "end": write_json(_plain(call.end)) if call.end else None,
        "dialog": _dialog_text(call.dialog) if call.dialog else None,
        "request": write_json(call.request) if call.request else "{}",
        "sound": write_json(call.sound) if call.sound else "{}",
        "timeline": write_json(call.timeline) if call.timeline else "[]",
    }
    return tuple([written[name] if name in written else getattr(call, name) for name in _CALL_COLUMNS])


_CALL_COLUMNS = tuple(column.name for column in calls.c)
_transfer_row = attrgetter(*(column.name for column in transfers.c))
_meeting_row = attrgetter(*(column.name for column in meetings.c))
_participant_row = attrgetter(*(column.name for column in participants.c))
_EVENT_COLUMNS = tuple(column.name for column in events.c if column.name != "number")


def _command_row(command: CommandRecord) -> dict[str, Any]:
    row: dict[str, Any] = {column.name: getattr(command, column.name) for column in commands.c}
    return {**row, "request": json_text(command.request), "answer": json_text(command.answer)}


_event_head = attrgetter(*_EVENT_COLUMNS[:-2])


def _event_row(event: EventRecord) -> tuple[Any, ...]:
    recipients = None if event.to is None else write_json(event.to)
    return (*_event_head(event), json_text(event.payload), recipients)


@lru_cache(maxsize=1024)
def _dialog_text(dialog: DialogRecord) -> str:
    """Kept, for a call that is written again has its dialog of before."""
    return write_json(_plain(dialog))


def _plain(record: EndReason | DialogRecord) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _end_reason(text: str | None) -> EndReason | None:
    if text is None:
        return None
    values = json.loads(text)
    return EndReason(**{**values, "ending": Ending(values["ending"]), "fault": Fault(values["fault"])})


def _dialog(text: str | None) -> DialogRecord | None:
    if text is None:
        return None
    values = json.loads(text)
    return DialogRecord(**{**values, "route_set": tuple(values["route_set"])})


def _inserter(dialect: Dialect) -> Any:
    return postgresql.insert if dialect.name == "postgresql" else sqlite.insert


def _replace(statement: Any, table: Table) -> Insert:
    names, key = [column.name for column in table.c], [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in names if name not in key}
    result: Insert = statement.values(dict.fromkeys(names)).on_conflict_do_update(index_elements=key, set_=changed)
    return result
