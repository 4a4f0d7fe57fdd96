"""Daily's four verbs on phone numbers: look for one, buy it, list one's own, give one back."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime

from ringback.model.errors import InvalidRequest
from ringback.numbers.ports import KeptNumber, NumberSearch
from ringback.rest.errors import printable
from ringback.rest.routing import Asked, Operation
from ringback.rooms.checks import not_allowed, refusal

DIGITS = re.compile(r"[0-9]{3,7}")
AREA_CODE = re.compile(r"[0-9]{1,7}")
APART = (
    ("region", "areacode"),
    ("city", "areacode"),
    ("city", "starts_with"),
    ("city", "contains"),
    ("city", "ends_with"),
    ("starts_with", "contains"),
    ("starts_with", "ends_with"),
    ("ends_with", "contains"),
)
"""Filters that are not combined."""


async def available(asked: Asked) -> object:
    count, found = await asked.services.purchases.available(asked.domain.id, _search(asked))
    return {"total_count": count, "data": [{"number": each.number, "region": each.region} for each in found]}


async def buy(asked: Asked) -> object:
    for name, value in asked.body.items():
        if name != "number":
            raise not_allowed(name, value)
    number = asked.body.get("number")
    if number is not None and not isinstance(number, str):
        raise refusal("number", "must be a string", number)
    kept = await asked.services.purchases.buy(asked.domain.id, number)
    return {"id": kept.id, "number": kept.number}


async def purchased(asked: Asked) -> object:
    name, number = asked.query.get("filter_name", ""), asked.query.get("filter_number", "")
    rows = [
        kept
        for kept in asked.services.purchases.purchased(asked.domain.id)
        if name.casefold() in kept.name.casefold() and number in kept.number
    ]
    return {"total_count": len(rows), "data": [_row(kept) for kept in _page(asked, rows)]}


async def release(asked: Asked) -> object:
    kept = await asked.services.purchases.release(asked.domain.id, asked.params["id"])
    return {"status": "ok", "deleted": True, "id": kept.id}


def _search(asked: Asked) -> NumberSearch:
    wanted = {name: text for name in NumberSearch.__dataclass_fields__ if (text := asked.query.get(name))}
    for one, other in APART:
        if one in wanted and other in wanted:
            raise InvalidRequest(f"{one} cannot be used with {other}")
    if "city" in wanted and "region" not in wanted:
        raise InvalidRequest("city needs region")
    for name, form, words in (
        ("areacode", AREA_CODE, "1 to 7 digits"),
        ("contains", DIGITS, "3 to 7 digits"),
        ("starts_with", DIGITS, "3 to 7 digits"),
        ("ends_with", DIGITS, "3 to 7 digits"),
    ):
        text = asked.query.get(name)
        if text is not None and not form.fullmatch(text):
            raise InvalidRequest(f"{name} must be {words} [Received {name}={printable(text)}]")
    return NumberSearch(**wanted)


def _page(asked: Asked, rows: list[KeptNumber]) -> list[KeptNumber]:
    """The part of a list between two ids, newest first."""
    after, before = asked.query.get("starting_after"), asked.query.get("ending_before")
    if after is not None and before is not None:
        raise InvalidRequest("starting_after and ending_before cannot be combined")
    limit = asked.limit()
    ids = [kept.id for kept in rows]
    cursor = after if after is not None else before
    if cursor is not None and cursor not in ids:
        raise InvalidRequest("starting_after and ending_before must be the id of a purchased phone number")
    if after is not None:
        return rows[ids.index(after) + 1 :][:limit]
    if before is not None:
        return rows[: ids.index(before)][-limit:]
    return rows[:limit]


def _row(kept: KeptNumber) -> dict[str, object]:
    return {
        "id": kept.id,
        "name": kept.name or None,
        "number": kept.number,
        "type": "purchased_phone_number",
        "created_date": format_datetime(datetime.fromtimestamp(kept.created_at, UTC)),
        "status": "verified",
        "verified": True,
    }


OPERATIONS = (
    Operation("GET", "/list-available-numbers", available),
    Operation("POST", "/buy-phone-number", buy),
    Operation("GET", "/purchased-phone-numbers", purchased),
    Operation("DELETE", "/release-phone-number/{id}", release),
)
