"""Schemathesis attacks the telephony endpoints by their own description, for a bounded time, and finds nothing."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from contract.house import KEY, a_house
from ringback.rest.api import OPERATIONS, create_api
from ringback.rest.openapi import document

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
)
ATTACKED = (
    "/rooms/{room_name}/dialOut/start",
    "/rooms/{room_name}/dialOut/stop",
    "/rooms/{room_name}/dialOut/sendDTMF",
    "/rooms/{room_name}/dialOut/check",
    "/rooms/{room_name}/sipCallTransfer",
    "/rooms/{room_name}/sipRefer",
    "/list-available-numbers",
    "/buy-phone-number",
    "/purchased-phone-numbers",
    "/release-phone-number/{id}",
    "/ringback/numbers",
    "/ringback/audit",
    "/ringback/dialout-policy",
    "/domain-dialin-config",
    "/domain-dialin-config/{id}",
    "/dialin/pinlessCallUpdate",
    "/sip-trunk",
    "/sip-trunk/{id}",
    "/sip-clients",
    "/sip-clients/{username}",
    "/sip-clients/{username}/rotate",
    "/ringback/calls",
    "/ringback/calls/{call}",
    "/ringback/calls/{call}/diagnosis",
    "/ringback/calls/{call}/trace",
    "/ringback/calls/{call}/transfers",
    "/ringback/calls/{call}/warm-transfer",
    "/ringback/calls/{call}/warm-transfer/accept",
    "/ringback/calls/{call}/warm-transfer/merge",
    "/ringback/calls/{call}/warm-transfer/return",
    "/ringback/usage",
)
QUICK, LONG = 6, 60
"""Requests for each operation: with the other tests, and in `make soak`."""


def without_keys(described: dict[str, Any]) -> dict[str, Any]:
    """The description without its keys: each request gets a right one, and one made wrong would be put right."""
    del described["components"]["securitySchemes"]
    described.pop("security", None)
    for path in described["paths"].values():
        for operation in path.values():
            operation.pop("security", None)
    return described


SCHEMA = schemathesis.openapi.from_dict(without_keys(document(OPERATIONS, "0", "http://test/v1")))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real application on a port of its own, in a thread of its own."""
    address: list[str] = []
    up, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        folder: Path = tmp_path_factory.mktemp("attacked")
        async with a_house(folder) as house:
            starts = {"enable_dialout": True, "dialout_config": {"allow_room_start": True}}
            await house.ask("POST", "/v1/rooms", {"name": "desk", "properties": starts})
            await house.ask("POST", "/v1/ringback/trunks", {"name": "acme", "hosts": ["sip.acme.example"]})
            numbers = [f"+1415555{number:04}" for number in range(100, 200)]
            await house.ask("POST", "/v1/ringback/number-stock", {"trunk": "acme", "numbers": numbers})
            config = uvicorn.Config(create_api(house.services), port=0, log_config=None, lifespan="off")
            http = uvicorn.Server(config)
            serving = asyncio.create_task(http.serve())
            while not http.started:  # noqa: ASYNC110 (it tells nobody)
                await asyncio.sleep(0.01)
            host, port = http.servers[0].sockets[0].getsockname()
            address.append(f"http://{host}:{port}/v1")
            up.set()
            while not stop.is_set():  # noqa: ASYNC110 (set by another thread)
                await asyncio.sleep(0.05)
            http.should_exit = True
            await serving

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert up.wait(30), "the server did not come up"
    yield address[0]
    stop.set()
    thread.join(30)


operations = SCHEMA.include(path=list(ATTACKED))


def attacked(examples: int) -> settings:
    """So many requests for each operation, the same ones every time."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def answered_as_described(case: schemathesis.Case, server: str) -> None:
    """Send one request, and hold its answer against the description."""
    if "room_name" in case.path_parameters and len(str(case.path_parameters["room_name"])) % 2:
        case.path_parameters["room_name"] = "desk"  # every other time somebody is asked for who is there
    blank = isinstance(case.body, bytes) and not case.body.strip()
    checks = [check for check in CHECKS if not (blank and check is negative_data_rejection)]  # spaces are no body
    case.call_and_validate(base_url=server, headers={"Authorization": f"Bearer {KEY}"}, checks=checks)


@operations.parametrize()
@attacked(QUICK)
def test_nothing_that_is_sent_is_answered_otherwise_than_described(case: schemathesis.Case, server: str) -> None:
    answered_as_described(case, server)


@pytest.mark.soak
@pytest.mark.timeout(900)
@operations.parametrize()
@attacked(LONG)
def test_nothing_of_much_that_is_sent_is_answered_otherwise_than_described(
    case: schemathesis.Case, server: str
) -> None:
    answered_as_described(case, server)
