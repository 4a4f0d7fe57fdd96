"""``/sip-trunk`` in Daily's shapes: customers' trunks, whose every call gets a room of its own."""

from starlette.responses import Response

from ringback.model.errors import InvalidRequest
from ringback.model.sip_trunk import SipTrunk
from ringback.rest.paging import page
from ringback.rest.routing import Asked, Operation


async def create(asked: Asked) -> object:
    return _row(asked, await asked.services.sip_trunks.create(asked.domain.id, asked.body))


async def index(asked: Asked) -> object:
    query = asked.query
    enabled = query.get("enabled")
    if enabled not in (None, "true", "false"):
        raise InvalidRequest("enabled must be true or false")
    rows = [
        trunk
        for trunk in reversed(asked.services.sip_trunks.all(asked.domain.id))
        if query.get("trunk_name", "") in trunk.name
        and query.get("description", "") in (trunk.description or "")
        and (enabled is None or trunk.enabled == (enabled == "true"))
    ]
    shown = page(asked, rows, lambda trunk: trunk.id, "sip trunk")
    return {"total_count": len(rows), "data": [_row(asked, trunk) for trunk in shown]}


async def show(asked: Asked) -> object:
    return _row(asked, asked.services.sip_trunks.get(asked.domain.id, asked.params["id"]))


async def change(asked: Asked) -> object:
    return _row(asked, await asked.services.sip_trunks.change(asked.domain.id, asked.params["id"], asked.body))


async def remove(asked: Asked) -> object:
    await asked.services.sip_trunks.delete(asked.domain.id, asked.params["id"])
    return Response()


def _row(asked: Asked, trunk: SipTrunk) -> dict[str, object]:
    """The password is never shown again."""
    credential = {"credential": {"username": trunk.username}} if trunk.username else {}
    return {
        "id": trunk.id,
        "trunk_name": trunk.name,
        "description": trunk.description,
        "sip_uri": f"sip:{trunk.label}.siptrunk.{asked.services.addresses.sip_domain}",
        "enabled": trunk.enabled,
        "config": {
            "room_template": trunk.template,
            "notification": {"webhook_url": trunk.webhook_url, "hmac": trunk.secret},
            "trunk_config": {
                "allowed_ips": list(trunk.allowed_ips),
                **credential,
                "is_open": trunk.is_open,
                "exp_offset": trunk.exp_offset,
            },
        },
    }


OPERATIONS = (
    Operation("POST", "/sip-trunk", create),
    Operation("GET", "/sip-trunk", index),
    Operation("GET", "/sip-trunk/{id}", show),
    Operation("PUT", "/sip-trunk/{id}", change),
    Operation("DELETE", "/sip-trunk/{id}", remove),
)
