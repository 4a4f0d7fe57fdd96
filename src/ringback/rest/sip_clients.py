"""``/sip-clients``: accounts with which plain SIP phones register and call."""

from ringback.access.sip_clients import DEFAULT_PAGE, MOST_PER_PAGE, Fresh
from ringback.model.sip_client import SipClient
from ringback.model.times import iso
from ringback.rest.routing import Asked, Operation
from ringback.sip.uri import format_host_port

MOST_OFFSET = 1_000_000


async def create(asked: Asked) -> object:
    """The password is in this answer and nowhere else."""
    return _fresh(asked, await asked.services.sip_clients.create(asked.domain, asked.body))


async def index(asked: Asked) -> object:
    limit = asked.number("limit", DEFAULT_PAGE, 1, MOST_PER_PAGE)
    offset = asked.number("offset", 0, 0, MOST_OFFSET)
    page = asked.services.sip_clients.page(asked.domain.id, limit, offset)
    return {"sip_clients": [_row(asked, client) for client in page]}


async def show(asked: Asked) -> object:
    return _row(asked, asked.services.sip_clients.get(asked.domain.id, asked.params["username"]))


async def rotate(asked: Asked) -> object:
    """As ``create``: the new password is shown once."""
    fresh = await asked.services.sip_clients.rotate(asked.domain, asked.params["username"], asked.body)
    return _fresh(asked, fresh)


async def change(asked: Asked) -> object:
    """Ours: the published resource has no update."""
    client = await asked.services.sip_clients.change(asked.domain.id, asked.params["username"], asked.body)
    return _row(asked, client)


async def remove(asked: Asked) -> object:
    username = asked.params["username"]
    await asked.services.sip_clients.delete(asked.domain.id, username)
    return {"deleted": True, "username": username}


async def registrations(asked: Asked) -> object:
    """Where the domain's accounts are registered now, newest account first."""
    services = asked.services
    rows = [
        {
            "username": client.username,
            "contact": binding.contact,
            "source": f"{binding.transport}:{format_host_port(binding.host, binding.port)}",
            "path": list(binding.path),
            "user_agent": binding.user_agent,
            "expires_at": iso(binding.expires_at),
        }
        for client in services.sip_clients.page(asked.domain.id, MOST_PER_PAGE, 0)
        for binding in services.places(client)
    ]
    return {"data": rows}


def _row(asked: Asked, client: SipClient) -> dict[str, object]:
    host = asked.services.sip_clients.host(client)
    own = {"ringback": {"dial_numbers": True}} if client.dials_numbers else {}
    return {
        "username": client.username,
        "domain": host,
        "sip_uri": f"sip:{client.username}@{host}",
        "expires_at": None if client.expires_at is None else iso(client.expires_at),
        **own,
    }


def _fresh(asked: Asked, fresh: Fresh) -> dict[str, object]:
    row = _row(asked, fresh.client)
    expires_at = row.pop("expires_at")
    return {**row, "password": fresh.password, "expires_at": expires_at}


OPERATIONS = (
    Operation("POST", "/sip-clients", create),
    Operation("GET", "/sip-clients", index),
    Operation("GET", "/sip-clients/{username}", show),
    Operation("POST", "/sip-clients/{username}", change),
    Operation("POST", "/sip-clients/{username}/rotate", rotate),
    Operation("DELETE", "/sip-clients/{username}", remove),
    Operation("GET", "/ringback/registrations", registrations),
)
