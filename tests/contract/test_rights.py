"""Who may do what with telephones: the key of one domain acts on that domain, at every telephony endpoint."""

from pathlib import Path
from typing import Any

import pytest

from contract.house import House, a_house
from ringback.rest.api import OPERATIONS
from ringback.testing.carrier import FakePhone

TALKS = {"enable_dialout": True, "dialout_config": {"allow_room_start": True}}
VERBS = ("dialOut/", "sipCallTransfer", "sipRefer", "warm-transfer", "hold")
IN_A_ROOM = sorted(
    operation.path
    for operation in OPERATIONS
    if operation.method == "POST" and "{name}" in operation.path and any(verb in operation.path for verb in VERBS)
)
OPERATORS = sorted(
    {
        (operation.method, operation.path)
        for operation in OPERATIONS
        if operation.path.startswith(("/ringback/trunks", "/ringback/number-stock"))
        or (operation.method, operation.path) == ("POST", "/ringback/dialout-policy")
    }
)
"""What takes the operator's key: never another's, whatever the body."""


async def talking(house: House) -> tuple[str, FakePhone]:
    """A room of the first domain with a telephone that was dialled and answered."""
    assert (await house.ask("POST", "/v1/rooms", {"name": "desk", "properties": TALKS}))[0] == 200
    _, answer = await house.ask("POST", "/v1/rooms/desk/dialOut/start", {"sipUri": "sip:bob@phones.example"})
    phone = house.carrier.phone_of(answer["sessionId"])
    phone.pick_up()
    await house.clock.run_for(1)
    return str(answer["sessionId"]), phone


def bodies(session: str) -> list[dict[str, Any]]:
    """Every body that any of the verbs would take."""
    return [
        {"sessionId": session},
        {"sessionId": session, "tones": "1"},
        {"sessionId": session, "toEndPoint": "sip:mallory@phones.example"},
        {"sipUri": "sip:mallory@phones.example"},
    ]


def test_the_verbs_are_all_there() -> None:
    assert {path.rpartition("/")[2] for path in IN_A_ROOM} >= {
        "start",
        "stop",
        "sendDTMF",
        "check",
        "sipCallTransfer",
        "sipRefer",
    }


@pytest.mark.parametrize("path", IN_A_ROOM)
async def test_another_domains_key_finds_neither_room_nor_call_and_touches_neither(path: str, tmp_path: Path) -> None:
    """G7."""
    async with a_house(tmp_path) as house:
        session, phone = await talking(house)
        headers = {"Authorization": f"Bearer {await house.other_key()}"}
        # A room of the same name in their own domain leads them nowhere, either.
        await house.stranger.post("/v1/rooms", json={"name": "desk", "properties": TALKS}, headers=headers)
        sent = len(house.carrier.sent)

        for name in ("desk", "other"):
            for body in bodies(session):
                if path.endswith(("start", "check")) and name == "desk":
                    continue  # that is their own room
                response = await house.stranger.post("/v1" + path.replace("{name}", name), json=body, headers=headers)
                assert response.status_code in (400, 404), (name, body, response.text)
        await house.clock.run_for(1)

        assert phone.state == "answered" and len(house.carrier.sent) == sent
        phone.hang_up()
        await house.clock.run_for(1)


async def test_a_call_of_another_domain_is_not_there_under_its_own_id(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        session, phone = await talking(house)
        headers = {"Authorization": f"Bearer {await house.other_key()}"}

        for operation in OPERATIONS:
            if "{call}" not in operation.path or "pretend" in operation.path:
                continue
            path = "/v1" + operation.path.replace("{call}", session)
            response = await house.stranger.request(operation.method, path, json={}, headers=headers)
            assert response.status_code in (400, 404), (path, response.text)
        assert phone.state == "answered"
        phone.hang_up()
        await house.clock.run_for(1)


@pytest.mark.parametrize(("method", "path"), OPERATORS)
async def test_what_belongs_to_the_operator_takes_the_operators_key(method: str, path: str, tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        headers = {"Authorization": f"Bearer {await house.other_key()}"}
        await house.ask("POST", "/v1/ringback/trunks", {"name": "acme", "hosts": ["sip.acme.example"]})

        where = "/v1" + path.replace("{trunk}", "acme").replace("{number}", "+14155550123")
        response = await house.stranger.request(method, where, json={}, headers=headers)

        assert (response.status_code, response.json()["error"]) == (403, "forbidden-error")
