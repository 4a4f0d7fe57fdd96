"""``/ringback/pretend``: the people of the pretend carrier, their calls, and calls that they are asked to make."""

from ringback.model.errors import NotFound
from ringback.rest.ports import PretendNetwork
from ringback.rest.routing import Asked, Operation


async def people(asked: Asked) -> object:
    return {"data": list(_network(asked).people())}


async def calls(asked: Asked) -> object:
    return {"data": list(_network(asked).calls())}


async def call(asked: Asked) -> object:
    """Body ``to``, and if wanted ``persona`` (``talks``), ``from`` and ``name``."""
    return _network(asked).call(asked.body)


async def hang_up(asked: Asked) -> object:
    return _network(asked).hang_up(asked.params["call"])


def _network(asked: Asked) -> PretendNetwork:
    asked.require_operator()
    network = asked.services.pretend
    if network is None:
        raise NotFound("there is no pretend carrier here: it is part of 'ringback dev'")
    return network


OPERATIONS = (
    Operation("GET", "/ringback/pretend/people", people),
    Operation("GET", "/ringback/pretend/calls", calls),
    Operation("POST", "/ringback/pretend/calls", call),
    Operation("DELETE", "/ringback/pretend/calls/{call}", hang_up),
)
