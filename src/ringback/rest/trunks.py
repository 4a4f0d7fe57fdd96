"""``/ringback/trunks`` (the operator's) and ``/ringback/numbers`` (a domain's): the ways to the telephone network."""

from dataclasses import asdict, replace

from ringback.model.errors import InvalidRequest
from ringback.model.ids import RoomName
from ringback.model.times import iso
from ringback.numbers.diagnosis import FAILED
from ringback.numbers.health import Health
from ringback.numbers.ports import KeptNumber, KeptTrunk, TrunkState
from ringback.numbers.profiles import PROFILES
from ringback.numbers.trunk_body import show_trunk
from ringback.rest.routing import Asked, Operation
from ringback.rooms.checks import not_allowed, refusal

MOST_NAME = 100
MOST_AT_ONCE = 1000


async def trunks(asked: Asked) -> object:
    asked.require_operator()
    return {
        "data": [_row(kept, asked.services.numbers.state(kept.trunk)) for kept in asked.services.numbers.all_trunks()]
    }


async def add(asked: Asked) -> object:
    asked.require_operator()
    return _described(asked, await asked.services.numbers.add_trunk(asked.body))


async def trunk(asked: Asked) -> object:
    asked.require_operator()
    return _described(asked, asked.services.numbers.trunk(asked.params["trunk"]))


async def change(asked: Asked) -> object:
    asked.require_operator()
    return _described(asked, await asked.services.numbers.change_trunk(asked.params["trunk"], asked.body))


async def delete(asked: Asked) -> object:
    asked.require_operator()
    await asked.services.numbers.delete_trunk(asked.params["trunk"])
    return {"deleted": True, "name": asked.params["trunk"]}


async def check(asked: Asked) -> object:
    """Ask its hosts with OPTIONS now."""
    asked.require_operator()
    await asked.services.numbers.check(asked.params["trunk"])
    return _described(asked, asked.services.numbers.trunk(asked.params["trunk"]))


async def examine(asked: Asked) -> object:
    """Look it over; with ``number`` in the body by a test call."""
    asked.require_operator()
    _only(asked, "number")
    number = _text(asked, "number", "") or None
    findings = await asked.services.numbers.examine(asked.params["trunk"], asked.domain.id, number)
    return {"well": all(finding.verdict != FAILED for finding in findings), "findings": [asdict(f) for f in findings]}


async def dry_run(asked: Asked) -> object:
    """Body ``number`` and ``direction`` (``outbound`` when left out): what the rules make of it."""
    asked.require_operator()
    _only(asked, "number", "direction")
    return asked.services.numbers.dry_run(
        asked.params["trunk"], _text(asked, "number"), _text(asked, "direction", "outbound")
    )


async def profiles(asked: Asked) -> object:
    """Known carriers: what a trunk with that profile starts from, and where that was learned."""
    return {"data": [{"name": name, **asdict(profile)} for name, profile in PROFILES.items()]}


async def numbers(asked: Asked) -> object:
    return {"data": [_number_row(kept) for kept in asked.services.numbers.numbers_of(asked.domain.id)]}


async def put_number(asked: Asked) -> object:
    """Body ``number`` and ``room``: from now on it rings that room; ``name`` is what the domain calls it."""
    _only(asked, "number", "room", "name")
    number, name = _text(asked, "number"), _text(asked, "name", "")
    if len(name) > MOST_NAME or not name.isprintable():
        raise refusal("name", f"must be at most {MOST_NAME} printable characters", name)
    room = RoomName(_text(asked, "room"))
    await asked.services.rooms.get(asked.domain.id, room)
    given = asked.services.access.is_operator(asked.bearer)
    kept = await asked.services.numbers.put_number(asked.domain.id, number, room, from_stock=given)
    if "name" in asked.body:
        kept = await asked.services.numbers.keep(replace(kept, name=name))
    return _number_row(kept)


async def delete_number(asked: Asked) -> object:
    await asked.services.purchases.delete(asked.domain.id, asked.params["number"])
    return {"deleted": True, "number": asked.params["number"]}


async def stock(asked: Asked) -> object:
    """What can be bought, and over which trunk its calls come."""
    asked.require_operator()
    return {"data": [_stock_row(kept) for kept in asked.services.purchases.in_stock()]}


async def add_stock(asked: Asked) -> object:
    """Body ``trunk`` and ``numbers``: each E.164, or an object of ``number``, ``region`` and ``city``."""
    asked.require_operator()
    _only(asked, "trunk", "numbers")
    trunk, listed = _text(asked, "trunk"), asked.body.get("numbers")
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_AT_ONCE:
        raise InvalidRequest(f"numbers must be a list of 1 to {MOST_AT_ONCE} numbers")
    rows = [_stocked(each) for each in listed]
    purchases = asked.services.purchases
    return {"data": [_stock_row(await purchases.stock(number, trunk, region, city)) for number, region, city in rows]}


async def delete_stock(asked: Asked) -> object:
    asked.require_operator()
    await asked.services.purchases.unstock(asked.params["number"])
    return {"deleted": True, "number": asked.params["number"]}


def _stocked(item: object) -> tuple[str, str, str]:
    """Number, region and city of one item of ``numbers``."""
    fields = item if isinstance(item, dict) else {"number": item}
    for name, value in fields.items():
        if name not in ("number", "region", "city"):
            raise not_allowed(f"numbers.{name}", value)
        if not isinstance(value, str) or len(value) > MOST_NAME or not value.isprintable():
            raise refusal(f"numbers.{name}", f"must be a string of at most {MOST_NAME} printable characters", value)
    return str(fields.get("number", "")), str(fields.get("region", "")), str(fields.get("city", ""))


def _described(asked: Asked, kept: KeptTrunk) -> dict[str, object]:
    return _row(kept, asked.services.numbers.state(kept.trunk))


def _row(kept: KeptTrunk, state: TrunkState) -> dict[str, object]:
    row = {
        **show_trunk(kept.trunk),
        "configured": kept.configured,
        "created_at": iso(kept.created_at),
        "updated_at": iso(kept.updated_at),
        "state": {
            "calls": state.calls,
            "registration": state.registration,
            "hosts": {host: _health(health) for host, health in state.hosts.items()},
        },
    }
    if not kept.trunk.tls.verify:
        row["warning"] = "tls.verify is off: whoever stands between can read and change every call"
    return row


def _health(health: Health) -> dict[str, object]:
    return {
        "state": health.state,
        "why": health.why,
        "since": None if health.since is None else iso(health.since),
        "checked_at": None if health.checked is None else iso(health.checked),
        "round_trip_ms": None if health.round_trip is None else round(health.round_trip * 1000, 1),
    }


def _number_row(kept: KeptNumber) -> dict[str, object]:
    return {
        "id": kept.id,
        "number": kept.number,
        "room": kept.room or None,
        "name": kept.name or None,
        "trunk": kept.trunk or None,
        "created_at": iso(kept.created_at),
    }


def _stock_row(kept: KeptNumber) -> dict[str, object]:
    where = {"region": kept.region or None, "city": kept.city or None}
    return {"number": kept.number, "trunk": kept.trunk, **where, "created_at": iso(kept.created_at)}


def _only(asked: Asked, *names: str) -> None:
    for name, value in asked.body.items():
        if name not in names:
            raise not_allowed(name, value)


def _text(asked: Asked, name: str, default: str | None = None) -> str:
    value = asked.body.get(name, default)
    if value is None:
        raise InvalidRequest(f"{name} is required")
    if not isinstance(value, str):
        raise refusal(name, "must be a string", value)
    return value


OPERATIONS = (
    Operation("GET", "/ringback/trunks", trunks),
    Operation("POST", "/ringback/trunks", add),
    Operation("GET", "/ringback/trunk-profiles", profiles),
    Operation("GET", "/ringback/trunks/{trunk}", trunk),
    Operation("POST", "/ringback/trunks/{trunk}", change),
    Operation("DELETE", "/ringback/trunks/{trunk}", delete),
    Operation("POST", "/ringback/trunks/{trunk}/check", check),
    Operation("POST", "/ringback/trunks/{trunk}/dry-run", dry_run),
    Operation("POST", "/ringback/trunks/{trunk}/examine", examine, "dial"),
    Operation("GET", "/ringback/numbers", numbers),
    Operation("POST", "/ringback/numbers", put_number),
    Operation("DELETE", "/ringback/numbers/{number}", delete_number),
    Operation("GET", "/ringback/number-stock", stock),
    Operation("POST", "/ringback/number-stock", add_stock),
    Operation("DELETE", "/ringback/number-stock/{number}", delete_stock),
)
