"""``/rooms/{name}/dialOut``, ``sipCallTransfer`` and ``sipRefer``: calls out of a room, and to elsewhere."""

import re

from ringback.model.errors import InvalidRequest
from ringback.model.ids import RoomName
from ringback.rest.routing import Asked, Operation
from ringback.rooms.checks import not_allowed, refusal

IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")


def idempotency_key(asked: Asked) -> str | None:
    """The key under which a command is carried out once, if it has one."""
    key = asked.headers.get("idempotency-key")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidRequest("Idempotency-Key must be 1 to 255 printable ASCII characters without spaces")
    return key


async def start(asked: Asked) -> object:
    call = await asked.services.calls.start_dial_out(
        asked.domain.id,
        RoomName(asked.params["name"]),
        asked.body,
        idempotency_key=idempotency_key(asked),
        asker=asked.asker(),
    )
    return {"ok": "true", "sessionId": call}


async def stop(asked: Asked) -> object:
    for name, value in asked.body.items():
        if name != "sessionId":
            raise not_allowed(name, value)
    session_id = asked.body.get("sessionId")
    if session_id is None:
        raise InvalidRequest("missing required field")
    if not isinstance(session_id, str):
        raise refusal("sessionId", "must be a string", session_id)
    await asked.services.calls.stop_dial_out(asked.domain.id, RoomName(asked.params["name"]), session_id)
    return {"ok": "true"}


async def send_dtmf(asked: Asked) -> object:
    await asked.services.calls.send_dtmf(
        asked.domain.id, RoomName(asked.params["name"]), asked.body, idempotency_key=idempotency_key(asked)
    )
    return {"ok": "true"}


async def transfer(asked: Asked) -> object:
    """Move a call to another room, or connect it with an address or number."""
    _not_empty(asked)
    await asked.services.calls.transfer(
        asked.domain.id,
        RoomName(asked.params["name"]),
        asked.body,
        idempotency_key=idempotency_key(asked),
        asker=asked.asker(),
    )
    return {"ok": True}


async def refer(asked: Asked) -> object:
    """Ask a call's far end to call somebody else itself."""
    _not_empty(asked)
    await asked.services.calls.refer(
        asked.domain.id, RoomName(asked.params["name"]), asked.body, idempotency_key=idempotency_key(asked)
    )
    return {"ok": True}


def _not_empty(asked: Asked) -> None:
    if not asked.body:
        raise InvalidRequest("missing required field")


OPERATIONS = (
    Operation("POST", "/rooms/{name}/dialOut/start", start, "dial"),
    Operation("POST", "/rooms/{name}/dialOut/stop", stop),
    Operation("POST", "/rooms/{name}/dialOut/sendDTMF", send_dtmf),
    Operation("POST", "/rooms/{name}/sipCallTransfer", transfer, "dial"),
    Operation("POST", "/rooms/{name}/sipRefer", refer, "dial"),
)
