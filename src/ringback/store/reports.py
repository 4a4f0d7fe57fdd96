"""What is read about meetings and calls, and the pruning of what is old."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Delete, Row, Table, delete, func, select

from ringback.model.ids import DomainId, MeetingId
from ringback.model.records import CallRecord, MeetingRecord, ParticipantRecord, TransferRecord
from ringback.model.reports import CallFilter
from ringback.store.records import call_record, meeting_record, participant_record, transfer_record
from ringback.store.schema import (
    audit,
    calls,
    commands,
    events,
    idempotency_keys,
    meetings,
    paid_legs,
    participants,
    transfers,
    webhook_deliveries,
)
from ringback.store.transactions import Transactions

IDEMPOTENCY_SECONDS = 24 * 3600.0
PRUNED_AT_ONCE = 1000
MOST_AUDITED = 200_000
"""Refusals that are kept, the newest of all domains."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page of a newest-first list begins: after, or before, the row with an id."""

    limit: int
    after: str | None = None
    before: str | None = None


class StoredReports:
    """Reads for the ``/meetings`` and ``/ringback/calls`` lists."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def calls(
        self,
        domain: DomainId,
        wanted: CallFilter,
        *,
        limit: int,
        after: str | None,
        before: str | None,
    ) -> tuple[int, Sequence[CallRecord]] | None:
        """One page of a domain's calls, newest first; ``None`` for an unknown cursor."""
        where = [calls.c.domain == domain, *_conditions(wanted)]

        def work(connection: Connection) -> tuple[int, list[CallRecord]] | None:
            found = _page(connection, calls, calls.c.created_at, where, Page(limit, after, before))
            return None if found is None else (found[0], [call_record(row) for row in found[1]])

        return await self._database.read(work)

    async def call(self, domain: DomainId, call: str) -> CallRecord | None:
        query = select(calls).where(calls.c.domain == domain, calls.c.id == call)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else call_record(row)

    async def transfers(self, domain: DomainId, call: str) -> Sequence[TransferRecord]:
        """Transfers of a call, oldest first."""
        query = select(transfers).where(transfers.c.domain == domain, transfers.c.call == call)
        query = query.order_by(transfers.c.created_at, transfers.c.id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [transfer_record(row) for row in rows]

    async def meetings(
        self,
        domain: DomainId,
        *,
        limit: int,
        after: str | None,
        before: str | None,
        room: str | None,
        start: float | None,
        end: float | None,
        ongoing: bool | None,
    ) -> tuple[int, Sequence[tuple[MeetingRecord, Sequence[ParticipantRecord]]]] | None:
        """One page of a domain's meetings with who was in them, newest first; ``None`` for an unknown cursor."""
        where = [meetings.c.domain == domain]
        if room is not None:
            where.append(meetings.c.room == room)
        if start is not None:
            where.append(meetings.c.started_at >= start)
        if end is not None:
            where.append(meetings.c.started_at <= end)
        if ongoing is not None:
            where.append(meetings.c.ended_at.is_(None) if ongoing else meetings.c.ended_at.is_not(None))

        def work(connection: Connection) -> tuple[int, list[Any]] | None:
            found = _page(connection, meetings, meetings.c.started_at, where, Page(limit, after, before))
            if found is None:
                return None
            records = [meeting_record(row) for row in found[1]]
            stays = _participants(connection, [record.id for record in records])
            return found[0], [(record, stays[record.id]) for record in records]

        return await self._database.read(work)

    async def meeting(self, domain: DomainId, meeting: str) -> tuple[MeetingRecord, Sequence[ParticipantRecord]] | None:
        query = select(meetings).where(meetings.c.domain == domain, meetings.c.id == meeting)

        def work(connection: Connection) -> tuple[MeetingRecord, Sequence[ParticipantRecord]] | None:
            row = connection.execute(query).first()
            if row is None:
                return None
            return meeting_record(row), _participants(connection, [MeetingId(row.id)])[MeetingId(row.id)]

        return await self._database.read(work)

    async def prune(self, now: float, keep_seconds: float) -> int:
        """Forget what ended longer than ``keep_seconds`` ago; returns how many rows went.

        Some rows at a time, each time in a unit of its own, so that calls are not kept waiting.
        """
        old = now - keep_seconds
        queries = (
            _oldest(events, events.c.number, events.c.at < old),
            _oldest(webhook_deliveries, webhook_deliveries.c.number, webhook_deliveries.c.created_at < old),
            _oldest(calls, calls.c.id, calls.c.ended_at < old),
            _oldest(meetings, meetings.c.id, meetings.c.ended_at < old),
            _oldest(participants, participants.c.id, participants.c.left_at < old),
            _oldest(transfers, transfers.c.id, transfers.c.ended_at < old),
            _oldest(paid_legs, paid_legs.c.id, paid_legs.c.ended_at < old),
            _oldest(audit, audit.c.number, audit.c.at < old),
            _oldest(
                audit,
                audit.c.number,
                audit.c.number <= select(func.max(audit.c.number) - MOST_AUDITED).scalar_subquery(),
            ),
            *(
                delete(table).where(table.c.created_at < now - min(IDEMPOTENCY_SECONDS, keep_seconds))
                for table in (idempotency_keys, commands)
            ),
        )
        gone = 0
        for query in queries:
            while True:
                went = await self._database.write(partial(_delete, query), flush=False)
                gone += went
                if went < PRUNED_AT_ONCE:
                    break
        return gone


def _conditions(wanted: CallFilter) -> list[Any]:
    equal = (
        (calls.c.room, wanted.room),
        (calls.c.meeting, wanted.meeting),
        (calls.c.direction, wanted.direction),
        (calls.c.trunk, wanted.trunk),
        (calls.c.ending, wanted.reason),
    )
    where: list[Any] = [column == value for column, value in equal if value is not None]
    if wanted.number is not None:
        where.append((calls.c.called == wanted.number) | (calls.c.caller == wanted.number))
    if wanted.ongoing is not None:
        where.append(calls.c.ended_at.is_(None) if wanted.ongoing else calls.c.ended_at.is_not(None))
    if wanted.start is not None:
        where.append(calls.c.created_at >= wanted.start)
    if wanted.end is not None:
        where.append(calls.c.created_at <= wanted.end)
    return where


def _delete(query: Delete, connection: Connection) -> int:
    return connection.execute(query).rowcount


def _oldest(table: Table, key: Any, condition: Any) -> Delete:
    return delete(table).where(condition, key.in_(select(key).where(condition).limit(PRUNED_AT_ONCE)))


def _page(
    connection: Connection, table: Table, order: Any, where: list[Any], page: Page
) -> tuple[int, Sequence[Row[Any]]] | None:
    total = select(func.count()).select_from(table).where(*where)
    query = select(table).where(*where)
    backwards = page.before is not None and page.after is None
    cursor = page.after or page.before
    if cursor is not None:
        at = connection.execute(select(order).where(table.c.id == cursor, where[0])).scalar()
        if at is None:
            return None
        # Two rows may share a time: the id decides between them.
        newer = (order > at) | ((order == at) & (table.c.id > cursor))
        older = (order < at) | ((order == at) & (table.c.id < cursor))
        query = query.where(newer if backwards else older)
    by = (order.asc(), table.c.id.asc()) if backwards else (order.desc(), table.c.id.desc())
    rows = connection.execute(query.order_by(*by).limit(page.limit)).all()
    return int(connection.execute(total).scalar_one()), rows[::-1] if backwards else rows


def _participants(connection: Connection, ids: Sequence[MeetingId]) -> dict[MeetingId, list[ParticipantRecord]]:
    stays: dict[MeetingId, list[ParticipantRecord]] = {meeting: [] for meeting in ids}
    query = select(participants).where(participants.c.meeting.in_(ids)).order_by(participants.c.joined_at)
    for row in connection.execute(query):
        stays[MeetingId(row.meeting)].append(participant_record(row))
    return stays
