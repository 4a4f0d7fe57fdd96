"""The part of a list that is kept in memory between two ids, as every list of the API is paged."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from ringback.model.errors import InvalidRequest
from ringback.rest.routing import Asked

T = TypeVar("T")


def page(asked: Asked, rows: Sequence[T], id_of: Callable[[T], str], what: str) -> list[T]:
    """At most ``limit`` rows after ``starting_after`` or before ``ending_before``. Raises ``InvalidRequest``."""
    after, before = asked.query.get("starting_after"), asked.query.get("ending_before")
    if after is not None and before is not None:
        raise InvalidRequest("starting_after and ending_before cannot be combined")
    limit = asked.limit()
    ids = [id_of(row) for row in rows]
    cursor = after if after is not None else before
    if cursor is not None and cursor not in ids:
        raise InvalidRequest(f"starting_after and ending_before must be the id of a {what}")
    if after is not None:
        return list(rows[ids.index(after) + 1 :][:limit])
    if before is not None:
        return list(rows[: ids.index(before)][-limit:])
    return list(rows[:limit])
