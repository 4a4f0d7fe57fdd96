"""What calls and stays add up to, from their rows: the same whole milliseconds that each of them shows."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, case, func, literal_column, select

from ringback.model.ids import DomainId
from ringback.model.records import Direction
from ringback.model.reports import UsageLine
from ringback.store.schema import calls, participants
from ringback.store.transactions import Transactions


class StoredUsage:
    """Reads for ``/ringback/usage``."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def usage(
        self, domain: DomainId, first: int, last: int, by: Sequence[str], room: str | None
    ) -> Sequence[UsageLine]:
        """What ended from day ``first`` to day ``last`` (since 1970, both included).

        Calls first, then stays of browsers and bots. Those know no trunk, direction or number, so they are left out
        where they are asked for by one of these. What goes on is not counted yet.

        Args:
            by: Which of ``model.reports.USAGE_KEYS`` lines are told apart by; none makes one line of each kind.
        """
        lines = [_Question(calls, _call_keys(), CALL_SUMS, _where(calls, domain, first, last, room))]
        stays = _where(participants, domain, first, last, room)
        keys = {"day": participants.c.day, "room": participants.c.room}
        if all(key in keys for key in by):
            stays.append(participants.c.participant_type.is_(None))
            lines.append(_Question(participants, keys, STAY_SUMS, stays))

        def work(connection: Connection) -> list[UsageLine]:
            return [line for question in lines for line in question.answer(connection, by)]

        return await self._database.read(work)


CALL_SUMS = {
    "calls": func.count(),
    "answered": func.count(calls.c.answered_at),
    "talked_ms": func.sum(calls.c.talked_ms),
    "transcoded_ms": func.sum(calls.c.transcoded_ms),
}
STAY_SUMS = {"participants": func.count(), "stayed_ms": func.sum(participants.c.stayed_ms)}


def _call_keys() -> dict[str, Any]:
    columns = {name: calls.c[name] for name in ("day", "room", "trunk", "direction")}
    # The domain's own number: the one that was called, or the one that was shown.
    inward = calls.c.direction == _word(Direction.DIAL_IN)
    return {
        **columns,
        "number": case((inward, calls.c.called), else_=calls.c.caller),
        "kind": case((calls.c.called != _word(""), _word("pstn")), else_=_word("sip")),
    }


def _word(word: str) -> ColumnElement[str]:
    """A word of ours, written out: lines are grouped by it, and to PostgreSQL two equal parameters are two things."""
    return literal_column(f"'{word}'")


def _where(table: Table, domain: DomainId, first: int, last: int, room: str | None) -> list[Any]:
    conditions: list[Any] = [table.c.domain == domain, table.c.day >= first, table.c.day <= last]
    return conditions if room is None else [*conditions, table.c.room == room]


class _Question:
    def __init__(self, table: Table, keys: Mapping[str, Any], sums: Mapping[str, Any], where: list[Any]) -> None:
        self._table = table
        self._keys = keys
        self._sums = sums
        self._where = where

    def answer(self, connection: Connection, by: Sequence[str]) -> list[UsageLine]:
        rows = connection.execute(self._query(by)).all()
        return [self._line(row, by) for row in rows if by or any(getattr(row, name) for name in self._sums)]

    def _query(self, by: Sequence[str]) -> Select[Any]:
        keys = [self._keys[key].label(f"key_{key}") for key in by]
        sums = [value.label(name) for name, value in self._sums.items()]
        query = select(*keys, *sums).select_from(self._table).where(*self._where)
        return query.group_by(*keys).order_by(*keys) if keys else query

    def _line(self, row: Row[Any], by: Sequence[str]) -> UsageLine:
        shown = {key: _shown(getattr(row, f"key_{key}")) for key in by}
        return UsageLine(by=shown, **{name: int(getattr(row, name) or 0) for name in self._sums})


def _shown(value: object) -> str:
    """Of the keys only the day is a number."""
    return (date(1970, 1, 1) + timedelta(days=value)).isoformat() if isinstance(value, int) else str(value or "")
