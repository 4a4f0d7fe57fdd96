"""``/ringback``: what Daily's API has no place for. Status and keys."""

from ringback.access.claims import CLAIMS
from ringback.access.ports import ApiKey
from ringback.model.errors import NotFound
from ringback.model.times import iso
from ringback.rest.routing import Asked, Operation
from ringback.rooms.checks import not_allowed, refusal
from ringback.rooms.properties import DOMAIN_PROPERTIES, ROOM_PROPERTIES, idle_properties

MOST_LABEL = 200


async def status(asked: Asked) -> object:
    """What is accepted, kept and returned, but changes nothing yet."""
    return {
        "version": asked.services.version,
        "node": asked.services.node,
        "not_acted_on": {
            "room_properties": idle_properties(ROOM_PROPERTIES),
            "domain_properties": idle_properties(DOMAIN_PROPERTIES),
            "token_properties": sorted(claim.name for claim in CLAIMS if claim.idle),
            "settings": sorted(asked.services.idle_settings),
        },
    }


async def keys(asked: Asked) -> object:
    asked.require_operator()
    return {"data": [await _key_row(asked, key) for key in asked.services.access.active_keys()]}


async def add_key(asked: Asked) -> object:
    """Body ``label`` and ``domain`` (its name; the first when left out). The key is in this answer and nowhere else."""
    asked.require_operator()
    for name, value in asked.body.items():
        if name not in ("label", "domain"):
            raise not_allowed(name, value)
        if not isinstance(value, str) or len(value) > MOST_LABEL or not value.isprintable():
            raise refusal(name, f"must be a string of at most {MOST_LABEL} printable characters", value)
    domains = asked.services.domains
    wanted = asked.body.get("domain")
    domain = await domains.by_name(wanted) if wanted else asked.domain
    if domain is None:
        raise NotFound(f"domain {wanted} not found")
    key = await asked.services.access.add_key(domain.id, asked.body.get("label", ""))
    return {**await _key_row(asked, key), "key": key.secret}


async def revoke_key(asked: Asked) -> object:
    asked.require_operator()
    key = await asked.services.access.revoke_key(asked.params["key"])
    return {"revoked": True, "id": key.id}


async def _key_row(asked: Asked, key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "domain": (await asked.services.domains.get(key.domain)).name,
        "label": key.label,
        "operator": key.operator,
        "ends_with": key.secret[-4:] if len(key.secret) >= 16 else None,
        "created_at": iso(key.created_at),
    }


OPERATIONS = (
    Operation("GET", "/ringback/status", status),
    Operation("GET", "/ringback/keys", keys),
    Operation("POST", "/ringback/keys", add_key),
    Operation("DELETE", "/ringback/keys/{key}", revoke_key),
)
