"""``/ringback/trunks`` and ``/ringback/numbers`` over the real application and a real SQLite file."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from contract.house import SIP_DOMAIN, House, a_house

TRUNK: dict[str, Any] = {
    "name": "acme",
    "hosts": ["sip.acme.example:5070"],
    "credentials": {"username": "me", "password": "do-not-tell"},
    "outbound_rules": [{"match": "+49*", "strip": 3, "prepend": "0"}, {"match": "+1900*", "deny": True}],
    "inbound_rules": [{"match": "0[1-9]*", "strip": 1, "prepend": "+49"}],
}


async def test_a_trunk_is_made_shown_changed_and_deleted_and_its_secrets_stay_inside(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        made = await house.ask("POST", "/v1/ringback/trunks", TRUNK)
        listed = await house.ask("GET", "/v1/ringback/trunks")
        changed = await house.ask("POST", "/v1/ringback/trunks/acme", {"max_calls": 5, "outbound_rules": None})
        shown = await house.ask("GET", "/v1/ringback/trunks/acme")

        assert made[0] == listed[0] == changed[0] == shown[0] == 200
        assert shown[1]["max_calls"] == 5
        assert shown[1]["outbound_rules"] == []
        assert shown[1]["hosts"][0] == {"host": "sip.acme.example", "port": 5070, "priority": 10, "weight": 10}
        assert "do-not-tell" not in json.dumps([made, listed, changed, shown])
        kept = house.services.numbers.trunk("acme").trunk.credentials
        assert kept is not None
        assert kept.password == "do-not-tell"
    assert b"do-not-tell" not in (tmp_path / "ringback.db").read_bytes()
    with sqlite3.connect(tmp_path / "ringback.db") as connection:
        assert connection.execute("SELECT count(*) FROM trunks").fetchone() == (1,)

    async with a_house(tmp_path) as house:
        kept = house.services.numbers.trunk("acme").trunk.credentials
        assert kept is not None
        assert kept.password == "do-not-tell"
        assert (await house.ask("DELETE", "/v1/ringback/trunks/acme"))[0] == 200
        assert (await house.ask("GET", "/v1/ringback/trunks/acme"))[0] == 404


async def test_trunks_are_the_operators_and_numbers_each_domains_own(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        key = {"Authorization": f"Bearer {await house.other_key()}"}
        await house.ask("POST", "/v1/rooms", {"name": "desk"})
        await house.ask("POST", "/v1/ringback/numbers", {"number": "+4930123456", "room": "desk"})

        assert (await house.ask("GET", "/v1/ringback/trunks", headers=key))[0] == 403
        assert (await house.ask("POST", "/v1/ringback/trunks", TRUNK, headers=key))[0] == 403
        assert (await house.ask("GET", "/v1/ringback/numbers", headers=key))[1] == {"data": []}
        assert (await house.ask("DELETE", "/v1/ringback/numbers/+4930123456", headers=key))[0] == 404
        await house.ask("POST", "/v1/rooms", {"name": "theirs"}, headers=key)
        taken = await house.ask(
            "POST", "/v1/ringback/numbers", {"number": "+4930123456", "room": "theirs"}, headers=key
        )
        assert "another domain" in taken[1]["info"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"hosts": ["a"]}, "name is required"),
        ({"name": "b", "hosts": ["a"], "colour": 1}, "colour"),
        ({"name": "b", "hosts": ["a"], "profile": "nobody"}, "profile"),
        ({"name": "b", "hosts": ["a"], "domains": ["nobody"]}, "domains"),
        ({"name": "b"}, "hosts, networks or inbound_credentials"),
    ],
)
async def test_a_trunk_that_cannot_be_is_refused_with_its_field(
    tmp_path: Path, body: dict[str, Any], words: str
) -> None:
    async with a_house(tmp_path) as house:
        status, answer = await house.ask("POST", "/v1/ringback/trunks", body)

        assert (status, answer["error"]) == (400, "invalid-request-error")
        assert words in answer["info"]


async def test_rules_can_be_tried_without_a_call(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.ask("POST", "/v1/ringback/trunks", TRUNK)

        async def dry(number: str, direction: str = "outbound") -> Any:
            path = "/v1/ringback/trunks/acme/dry-run"
            return (await house.ask("POST", path, {"number": number, "direction": direction}))[1]

        assert (await dry("+4930123456"))["request_uri"] == "sip:030123456@sip.acme.example:5070"
        assert (await dry("+4930123456"))["steps"] == [{"rule": 1, "match": "+49*", "number": "030123456"}]
        assert "premium" in (await dry("+19005550100"))["refused"]
        assert "emergency" in (await dry("+49112"))["refused"]
        assert (await dry("030123456", "inbound"))["called_number"] == "+4930123456"


async def phone_room(house: House) -> None:
    await house.ask(
        "POST",
        "/v1/rooms",
        {
            "name": "desk",
            "properties": {
                "enable_dialout": True,
                "dialout_config": {"allow_room_start": True},
                "sip": {"sip_mode": "dial-in", "display_name": "d", "dialin_config": {"allow_room_start": True}},
            },
        },
    )


async def test_a_number_is_dialled_over_the_domains_trunk_and_its_row_names_it(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await phone_room(house)
        body = {"phoneNumber": "+4930123456"}
        without = await house.ask("POST", "/v1/rooms/desk/dialOut/start", body)
        await house.ask("POST", "/v1/ringback/trunks", {**TRUNK, "caller_ids": ["+4940999"]})
        help_ = await house.ask("POST", "/v1/rooms/desk/dialOut/start", {"phoneNumber": "+49110"})
        strange = await house.ask("POST", "/v1/rooms/desk/dialOut/start", {**body, "callerId": "+12125550100"})
        status, answer = await house.ask("POST", "/v1/rooms/desk/dialOut/start", body)

        phone = house.carrier.phone_of(answer["sessionId"])
        row = (await house.ask("GET", f"/v1/ringback/calls/{answer['sessionId']}"))[1]

        assert "ringback trunks add" in without[1]["info"]
        assert (help_[0], help_[1]["error"]) == (403, "number-not-allowed")
        assert "Incorrect callerID!" in strange[1]["info"]
        assert status == 200
        assert [attempt.uri for attempt in phone.attempts] == ["sip:030123456@sip.acme.example:5070"]
        assert phone.attempts[0].from_uri == f"sip:+4940999@{SIP_DOMAIN}"
        assert (row["trunk"], row["remote"]) == ("acme", "+4930123456")
        phone.refuse(486, "Busy Here")


async def test_a_number_that_is_called_rings_its_room(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await phone_room(house)
        await house.ask("POST", "/v1/ringback/numbers", {"number": "+4930123456", "room": "desk"})

        phone = house.carrier.call_in(
            "+4930123456", trunk="acme", called_number="+4930123456", caller="+12125550100", from_uri="sip:x@acme"
        )
        for _ in range(200):
            if phone.state == "answered":
                break
            await house.ask("GET", "/v1/ringback/calls")
        row = (await house.ask("GET", "/v1/ringback/calls"))[1]["data"][0]

        assert phone.state == "answered"
        assert (row["trunk"], row["remote"], row["room"]) == ("acme", "+12125550100", "desk")
        other = house.carrier.call_in("+491", trunk="acme", called_number="+4930999999")
        for _ in range(200):
            if other.state == "refused":
                break
            await house.ask("GET", "/v1/ringback/calls")
        assert other.status == 404
        phone.hang_up()


async def test_profiles_are_listed_with_their_sources(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        rows = (await house.ask("GET", "/v1/ringback/trunk-profiles"))[1]["data"]

        assert {"twilio", "telnyx", "asterisk"} <= {row["name"] for row in rows}
        made = (await house.ask("POST", "/v1/ringback/trunks", {"name": "t", "profile": "telnyx"}))[1]
        assert made["hosts"][0]["host"] == "sip.telnyx.com"
        assert made["calls_per_second"] == 50


async def test_metrics_show_each_trunks_calls_and_hosts(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.ask("POST", "/v1/ringback/trunks", TRUNK)

        shown = (await house.stranger.get("/metrics")).text

        assert 'ringback_trunk_calls{trunk="acme"} 0.0' in shown
        assert 'ringback_trunk_down{host="sip.acme.example:5070",trunk="acme"} 0.0' in shown
