"""Who takes the calls to numbers and static addresses, and ``pinlessCallUpdate``, in Daily's shapes."""

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from ringback.dialin.configs import fields_of
from ringback.model.dialin import DialinConfig
from ringback.rest.paging import page
from ringback.rest.routing import Asked, Operation
from ringback.rooms.addresses import sip_address

if TYPE_CHECKING:
    from ringback.rest.api import Services


async def create(asked: Asked) -> object:
    return row(asked.services, await asked.services.dialin_configs.create(asked.domain.id, asked.body))


async def index(asked: Asked) -> object:
    """Newest first. ``phone_numbers`` takes parts of numbers, separated by commas."""
    query = asked.query
    parts = [part for part in query.get("phone_numbers", "").split(",") if part]
    rows = [
        config
        for config in reversed(asked.services.dialin_configs.all(asked.domain.id))
        if query.get("type", config.type) == config.type
        and query.get("phone_number", config.phone_number) == config.phone_number
        and (not parts or any(part in config.phone_number for part in parts))
        and query.get("sip_username", config.address_user) == config.address_user
        and query.get("name_prefix", config.text("name_prefix")) == config.text("name_prefix")
    ]
    shown = page(asked, rows, lambda config: config.id, "dial-in config")
    return {"total_count": len(rows), "data": [row(asked.services, config) for config in shown]}


async def show(asked: Asked) -> object:
    return row(asked.services, asked.services.dialin_configs.get(asked.domain.id, asked.params["id"]))


async def change(asked: Asked) -> object:
    configs = asked.services.dialin_configs
    return row(asked.services, await configs.change(asked.domain.id, asked.params["id"], asked.body))


async def remove(asked: Asked) -> object:
    await asked.services.dialin_configs.delete(asked.domain.id, asked.params["id"])
    return {"status": "ok"}


async def update_call(asked: Asked) -> object:
    """``"true"`` is a string, as in the published reference."""
    await asked.services.dialin.connect(asked.domain.id, asked.body)
    return JSONResponse({"ok": "true"})


def row(services: "Services", config: DialinConfig) -> dict[str, object]:
    return {"id": config.id, "type": config.type.value, "config": fields(services, config)}


def fields(services: "Services", config: DialinConfig) -> dict[str, object]:
    """A configuration as it stands in a list of the domain's."""
    addresses = services.addresses
    return fields_of(config, sip_address(config.address_user, addresses.sip_domain, addresses.bare_endpoints))


OPERATIONS = (
    Operation("POST", "/domain-dialin-config", create),
    Operation("GET", "/domain-dialin-config", index),
    Operation("GET", "/domain-dialin-config/{id}", show),
    Operation("PUT", "/domain-dialin-config/{id}", change),
    Operation("DELETE", "/domain-dialin-config/{id}", remove),
    Operation("POST", "/dialin/pinlessCallUpdate", update_call),
)
