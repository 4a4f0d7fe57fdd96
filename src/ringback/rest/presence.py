"""Who is where, and what can be done to those who are: ``/presence``, eject, permissions, messages."""

import json

from ringback.model.errors import InvalidRequest
from ringback.model.presence import Presence
from ringback.model.room import Room
from ringback.model.times import iso
from ringback.rest.routing import Asked, Operation
from ringback.rooms.checks import Rules, boolean, listing, not_allowed, refusal, text

MOST_EJECTED = 100


async def everywhere(asked: Asked) -> object:
    return {
        name: [_entry(one) for one in people]
        for name, people in asked.services.meetings.presence_all(asked.domain.id).items()
        if people
    }


async def in_room(asked: Asked) -> object:
    room = await _room(asked)
    people = asked.services.meetings.presence(asked.domain.id, room.name)
    if (user_id := asked.query.get("userId")) is not None:
        people = [one for one in people if one.user_id == user_id]
    if (user_name := asked.query.get("userName")) is not None:
        people = [one for one in people if one.user_name == user_name]
    return {"total_count": len(people), "data": [_entry(one) for one in people[: asked.limit()]]}


async def eject(asked: Asked) -> object:
    rules = Rules(now=asked.services.clock.wall())
    fields = {"ids": listing(text(64), most=MOST_EJECTED), "user_ids": listing(text(64), most=MOST_EJECTED)}
    found: dict[str, list[str]] = {"ids": [], "user_ids": []}
    ban = False
    for key, value in asked.body.items():
        if key in fields:
            checked = fields[key](key, value, rules)
            assert isinstance(checked, list), "a listing gives a list"
            found[key] = checked
        elif key == "ban":
            ban = boolean(key, value, rules) is True
        else:
            raise not_allowed(key, value)
    if not found["ids"] and not found["user_ids"]:
        raise InvalidRequest("one of ids and user_ids is required")
    room = await _room(asked)
    gone = await asked.services.meetings.eject(asked.domain.id, room.name, found["ids"], found["user_ids"], ban)
    return {"ejectedIds": gone}


async def update_permissions(asked: Asked) -> object:
    for key, value in asked.body.items():
        if key != "data":
            raise not_allowed(key, value)
    data = asked.body.get("data")
    if data is None:
        raise InvalidRequest("missing required field")
    if not isinstance(data, dict) or not data or len(data) > MOST_EJECTED:
        raise refusal("data", f"must be an object of 1 to {MOST_EJECTED} participant ids, or *", data)
    for who, change in data.items():
        if not isinstance(change, dict):
            raise refusal(f"data.{who}", "must be an object", change)
    room = await _room(asked)
    await asked.services.meetings.update_permissions(asked.domain.id, room.name, data)
    return {}


async def send_app_message(asked: Asked) -> object:
    for key, value in asked.body.items():
        if key not in ("data", "recipient"):
            raise not_allowed(key, value)
    data, recipient = asked.body.get("data"), asked.body.get("recipient", "*")
    if not isinstance(data, dict):
        raise refusal("data", "must be an object", data)
    if not isinstance(recipient, str):
        raise refusal("recipient", "must be a string", recipient)
    room = await _room(asked)
    most = (await asked.services.rooms.settings(room)).max_app_message_size
    if len(json.dumps(data, ensure_ascii=False, separators=(",", ":"))) > most:
        raise InvalidRequest(f"data is larger than {most} characters")
    await asked.services.meetings.send_app_message(asked.domain.id, room.name, data, recipient)
    return {"sent": True}


async def _room(asked: Asked) -> Room:
    return await asked.services.rooms.get(asked.domain.id, asked.params["name"])


def _entry(one: Presence) -> dict[str, object]:
    return {
        "room": one.room,
        "id": one.id,
        "userId": one.user_id,
        "userName": one.user_name,
        "mtgSessionId": one.meeting,
        "joinTime": iso(one.join_time),
        "duration": int(one.duration),
    }


OPERATIONS = (
    Operation("GET", "/presence", everywhere),
    Operation("GET", "/rooms/{name}/presence", in_room),
    Operation("POST", "/rooms/{name}/eject", eject),
    Operation("POST", "/rooms/{name}/update-permissions", update_permissions),
    Operation("POST", "/rooms/{name}/send-app-message", send_app_message),
)
