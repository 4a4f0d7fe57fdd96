"""``/v1`` itself: the domain and the properties that hold in all its rooms."""

from ringback.rest.routing import Asked, Operation
from ringback.rooms.checks import not_allowed


async def show(asked: Asked) -> object:
    return asked.services.domains.describe(asked.domain)


async def change(asked: Asked) -> object:
    for key, value in asked.body.items():
        if key != "properties":
            raise not_allowed(key, value)
    domains = asked.services.domains
    return domains.describe(await domains.configure(asked.domain.id, asked.body.get("properties")))


OPERATIONS = (
    Operation("GET", "", show),
    Operation("POST", "", change),
)
