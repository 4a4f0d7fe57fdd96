"""``/v1`` itself: the domain and the properties that hold in all its rooms."""

from ringback.model.dialin import DialinType
from ringback.model.domain import Domain
from ringback.rest import dialin
from ringback.rest.routing import Asked, Operation
from ringback.rooms.checks import not_allowed


async def show(asked: Asked) -> object:
    return _describe(asked, asked.domain)


async def change(asked: Asked) -> object:
    """Dial-in configurations that are named replace all of their kind; nothing changes where anything is wrong."""
    for key, value in asked.body.items():
        if key != "properties":
            raise not_allowed(key, value)
    domain, configs = asked.domain.id, asked.services.dialin_configs
    properties = asked.body.get("properties")
    drafts = {}
    if isinstance(properties, dict):
        drafts = {kind: configs.drafts(domain, kind, properties[kind]) for kind in DialinType if kind in properties}
        properties = {name: value for name, value in properties.items() if name not in drafts}
    after = await asked.services.domains.configure(domain, properties)
    for kind, wanted in drafts.items():
        await configs.replace(domain, kind, wanted)
    return _describe(asked, after)


def _describe(asked: Asked, domain: Domain) -> dict[str, object]:
    services = asked.services
    shown = services.domains.describe(domain)
    config = shown["config"]
    assert isinstance(config, dict), "it is shown as an object"
    known = services.dialin_configs.all(domain.id)
    lists = {kind.value: [dialin.fields(services, each) for each in known if each.type is kind] for kind in DialinType}
    return {**shown, "config": {**config, **{name: rows for name, rows in lists.items() if rows}}}


OPERATIONS = (
    Operation("GET", "", show),
    Operation("POST", "", change),
)
