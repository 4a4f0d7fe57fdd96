"""``/ringback/usage``: what a domain's calls and people add up to, by day, room, trunk, direction and number."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from starlette.responses import Response

from ringback.model.errors import InvalidRequest
from ringback.model.records import DAY_SECONDS
from ringback.model.reports import USAGE_KEYS, UsageLine
from ringback.rest.errors import printable
from ringback.rest.routing import Asked, Operation

MOST_DAYS = 400
DEFAULT_DAYS = 30
TOTALS = ("calls", "answered", "talked_ms", "transcoded_ms", "participants", "stayed_ms")


async def usage(asked: Asked) -> object:
    """Query: ``from`` and ``to`` (days, UTC, both included), ``by`` (comma-separated), ``room``, ``format``.

    Calls and stays count for the day they ended on, so a day that is over never changes.
    """
    first, last = _days(asked)
    by = _by(asked.query.get("by", "day"))
    form = asked.query.get("format", "json")
    if form not in ("json", "csv"):
        raise InvalidRequest(f"format must be json or csv [Received format={printable(form)}]")
    found = await asked.services.usage.usage(asked.domain.id, first, last, by, asked.query.get("room"))
    lines = merged(found, by)
    if form == "csv":
        return Response(as_csv(lines, by), media_type="text/csv")
    return {
        "from": _text(first),
        "to": _text(last),
        "by": list(by),
        "data": [shown(line) for line in lines],
        "total": shown(total(lines)),
    }


def merged(lines: Sequence[UsageLine], by: Sequence[str]) -> list[UsageLine]:
    """One line per value of the keys: calls and stays come apart."""
    groups: dict[tuple[str, ...], list[UsageLine]] = {}
    for line in lines:
        groups.setdefault(tuple(line.by[key] for key in by), []).append(line)
    return [total(group, group[0].by) for _, group in sorted(groups.items())]


def total(lines: Sequence[UsageLine], by: Mapping[str, str] | None = None) -> UsageLine:
    """The sum of lines, which is exact: all are whole numbers."""
    return UsageLine(by=by or {}, **{name: sum(getattr(line, name) for line in lines) for name in TOTALS})


def shown(line: UsageLine) -> dict[str, Any]:
    """A line as the API shows it; seconds to the millisecond, minutes for people."""
    return {
        **line.by,
        "calls": line.calls,
        "answered": line.answered,
        "seconds": line.talked_ms / 1000,
        "minutes": round(line.talked_ms / 60_000, 2),
        "transcoded_seconds": line.transcoded_ms / 1000,
        "participants": line.participants,
        "participant_seconds": line.stayed_ms / 1000,
        "participant_minutes": round(line.stayed_ms / 60_000, 2),
    }


def as_csv(lines: Sequence[UsageLine], by: Sequence[str]) -> str:
    """The same with a heading, for spreadsheets."""
    out = io.StringIO()
    rows = [shown(line) for line in lines]
    writer = csv.DictWriter(out, [*by, *shown(UsageLine())])
    writer.writeheader()
    writer.writerows({key: _harmless(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _harmless(value: object) -> object:
    """Spreadsheets take a text that begins like this for a formula; a number we show may well begin with a plus."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _by(text: str) -> tuple[str, ...]:
    keys = tuple(dict.fromkeys(key for key in text.split(",") if key))
    for key in keys:
        if key not in USAGE_KEYS:
            raise InvalidRequest(f"by must be of {', '.join(USAGE_KEYS)} [Received by={printable(text)}]")
    return keys


def _days(asked: Asked) -> tuple[int, int]:
    today = int(asked.services.clock.wall() // DAY_SECONDS)
    last = _day(asked, "to", today)
    first = _day(asked, "from", last - DEFAULT_DAYS + 1)
    if not 0 <= last - first < MOST_DAYS:
        raise InvalidRequest(f"from must not be after to, and at most {MOST_DAYS} days before it")
    return first, last


def _day(asked: Asked, name: str, otherwise: int) -> int:
    text = asked.query.get(name)
    if text is None:
        return otherwise
    try:
        return (date.fromisoformat(text) - date(1970, 1, 1)).days
    except ValueError:
        raise InvalidRequest(f"{name} must be a day as in 2026-03-02 [Received {name}={printable(text)}]") from None


def _text(day: int) -> str:
    return datetime.fromtimestamp(day * DAY_SECONDS, UTC).date().isoformat()


OPERATIONS = (Operation("GET", "/ringback/usage", usage),)
