"""``/rooms/{name}/dialOut``: calls out of a room."""

import re

from ringback.model.errors import InvalidRequest
from ringback.model.ids import RoomName
from ringback.rest.routing import Asked, Operation
from ringback.rooms.checks import not_allowed, refusal

IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")


async def start(asked: Asked) -> object:
    key = asked.headers.get("idempotency-key")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidRequest("Idempotency-Key must be 1 to 255 printable ASCII characters without spaces")
    call = await asked.services.calls.start_dial_out(
        asked.domain.id, RoomName(asked.params["name"]), asked.body, idempotency_key=key
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
    await asked.services.calls.send_dtmf(asked.domain.id, RoomName(asked.params["name"]), asked.body)
    return {"ok": "true"}


OPERATIONS = (
    Operation("POST", "/rooms/{name}/dialOut/start", start, "dial"),
    Operation("POST", "/rooms/{name}/dialOut/stop", stop),
    Operation("POST", "/rooms/{name}/dialOut/sendDTMF", send_dtmf),
)
