"""``/meeting-tokens``."""

from ringback.rest.routing import Asked, Operation
from ringback.rooms.checks import not_allowed


async def create(asked: Asked) -> object:
    for key, value in asked.body.items():
        if key != "properties":
            raise not_allowed(key, value)
    return {"token": await asked.services.access.mint(asked.domain.id, asked.body.get("properties"))}


async def show(asked: Asked) -> object:
    grants = await asked.services.access.check_token(
        asked.params["token"],
        now=asked.services.clock.wall(),
        ignore_nbf=asked.flag("ignoreNbf") is True,
        domain=asked.domain.id,
    )
    return dict(grants.properties)


OPERATIONS = (
    Operation("POST", "/meeting-tokens", create),
    Operation("GET", "/meeting-tokens/{token}", show),
)
