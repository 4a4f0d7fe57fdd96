"""``/rooms`` and ``/batch/rooms``."""

from typing import Any

from ringback.model.dialin import DialinType
from ringback.model.errors import InvalidRequest
from ringback.model.room import Room
from ringback.rest.routing import Asked, Operation
from ringback.rooms.checks import not_allowed


async def create(asked: Asked) -> object:
    rooms = asked.services.rooms
    return await _shown(asked, await rooms.create(asked.domain.id, asked.body))


async def index(asked: Asked) -> object:
    rooms = asked.services.rooms
    total, page = await rooms.page(
        asked.domain.id,
        limit=asked.limit(),
        after=asked.query.get("starting_after"),
        before=asked.query.get("ending_before"),
    )
    return {"total_count": total, "data": [await _shown(asked, room) for room in page]}


async def show(asked: Asked) -> object:
    rooms = asked.services.rooms
    return await _shown(asked, await rooms.get(asked.domain.id, asked.params["name"]))


async def change(asked: Asked) -> object:
    rooms = asked.services.rooms
    return await _shown(asked, await rooms.update(asked.domain.id, asked.params["name"], asked.body))


async def remove(asked: Asked) -> object:
    name = asked.params["name"]
    await asked.services.rooms.delete(asked.domain.id, name)
    return {"deleted": True, "name": name}


async def create_many(asked: Asked) -> object:
    rooms = asked.services.rooms
    made = await rooms.create_all(asked.domain.id, _only_list(asked, "rooms"))
    return [await _shown(asked, room) for room in made]


async def remove_many(asked: Asked) -> object:
    count = await asked.services.rooms.delete_all(asked.domain.id, _only_list(asked, "room_names"))
    return {"deleted_count": count}


async def _shown(asked: Asked, room: Room) -> dict[str, Any]:
    """A room as Daily shows it; with the number at which its code counts, where there is one."""
    described: dict[str, Any] = dict(await asked.services.rooms.describe(room))
    config = described["config"]
    if "dialin" in config:
        own = [item["phone_number"] for item in config["dialin"].get("room_numbers", ())]
        if number := next(iter(own), None) or _asking(asked):
            described["config"] = {**config, "dialin_number": number}
    return described


def _asking(asked: Asked) -> str | None:
    """The domain's first number that asks for codes: by its configuration, or because nothing else takes its calls."""
    configs = asked.services.dialin_configs.all(asked.domain.id)
    by_config = [config.phone_number for config in configs if config.type is DialinType.PIN]
    taken = {config.phone_number for config in configs}
    numbers = asked.services.numbers.numbers_of(asked.domain.id)
    free = (kept.number for kept in numbers if not kept.room and kept.number not in taken)
    return next(iter(by_config), None) or next(free, None)


def _only_list(asked: Asked, name: str) -> list[object]:
    for key, value in asked.body.items():
        if key != name:
            raise not_allowed(key, value)
    found = asked.body.get(name)
    if not isinstance(found, list):
        raise InvalidRequest(f'"{name}" must be an array')
    return found


OPERATIONS = (
    Operation("POST", "/rooms", create),
    Operation("GET", "/rooms", index),
    Operation("GET", "/rooms/{name}", show),
    Operation("POST", "/rooms/{name}", change),
    Operation("DELETE", "/rooms/{name}", remove, "slow"),
    Operation("POST", "/batch/rooms", create_many),
    Operation("DELETE", "/batch/rooms", remove_many, "slow"),
)
