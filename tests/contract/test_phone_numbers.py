"""Buying numbers and what they are good for, through the real application."""

from pathlib import Path
from typing import Any

from contract.house import House, a_house

TRUNK = {"name": "acme", "hosts": ["sip.acme.example"]}
SIP = {"sip_mode": "dial-in", "display_name": "x"}
PROPERTIES = {"enable_dialout": True, "dialout_config": {"allow_room_start": True}, "sip": SIP}
ROOM = {"name": "desk", "properties": PROPERTIES}
CALLEE = "+4930123456"


async def stocked(house: House, *numbers: str, trunk: dict[str, Any] = TRUNK) -> None:
    assert (await house.ask("POST", "/v1/ringback/trunks", trunk))[0] == 200
    status, answer = await house.ask(
        "POST", "/v1/ringback/number-stock", {"trunk": trunk["name"], "numbers": list(numbers)}
    )
    assert status == 200, answer
    assert (await house.ask("POST", "/v1/rooms", ROOM))[0] == 200


async def bought(house: House, number: str) -> str:
    status, answer = await house.ask("POST", "/v1/buy-phone-number", {"number": number})
    assert status == 200, answer
    return str(answer["id"])


async def shown(house: House, **body: Any) -> str:
    """The number that a call out shows."""
    status, answer = await house.ask("POST", "/v1/rooms/desk/dialOut/start", {"phoneNumber": CALLEE, **body})
    assert status == 200, answer
    phone = house.carrier.phone_of(answer["sessionId"])
    await house.ask("POST", "/v1/rooms/desk/dialOut/stop", {"sessionId": answer["sessionId"]})
    return phone.attempts[0].from_uri


async def test_a_call_shows_the_oldest_number_or_the_one_that_is_named_by_id_or_number(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await stocked(house, "+14155550123", "+12125550199")
        await bought(house, "+12125550199")
        await house.clock.run_for(5)
        second = await bought(house, "+14155550123")

        assert await shown(house) == "sip:+12125550199@sip.example.test"
        assert await shown(house, callerId=second) == "sip:+14155550123@sip.example.test"
        assert await shown(house, callerId=second.upper()) == "sip:+14155550123@sip.example.test"
        assert await shown(house, callerId="+14155550123") == "sip:+14155550123@sip.example.test"


async def test_a_number_that_is_not_owned_is_not_shown(tmp_path: Path) -> None:
    """D11."""
    async with a_house(tmp_path) as house:
        await stocked(house, "+14155550123", "+12125550199")
        await bought(house, "+14155550123")

        for wrong in ("+12125550199", "+15005550006", "7f6e2cf2-8d5b-4b7a-9f5e-000000000000"):
            status, answer = await house.ask(
                "POST", "/v1/rooms/desk/dialOut/start", {"phoneNumber": CALLEE, "callerId": wrong}
            )
            assert (status, answer["error"]) == (400, "invalid-request-error")
            assert answer["info"].startswith(f"Incorrect callerID! No phone number maps to: {wrong}")


async def test_events_name_the_number_by_its_id(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await stocked(house, "+14155550123")
        known = await bought(house, "+14155550123")
        _, answer = await house.ask("POST", "/v1/rooms/desk/dialOut/start", {"phoneNumber": CALLEE})
        phone = house.carrier.phone_of(answer["sessionId"])
        phone.pick_up()
        await house.clock.run_for(1)

        (webhook_free,) = [call for call in house.meetings.by_call if call == answer["sessionId"]]
        machine = house.meetings.by_call[webhook_free].calls[webhook_free]
        assert machine.facts.caller_id == known  # type: ignore[attr-defined]
        phone.hang_up()


async def test_a_bought_number_rings_the_room_it_is_given(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await stocked(house, "+14155550123")
        nobodys = house.carrier.call_in("+14155550123", trunk="acme", called_number="+14155550123")
        await house.clock.run_for(1)
        assert nobodys.status == 404
        key = (await house.services.access.add_key(house.domain.id, "not the operator's")).secret
        refused = await house.stranger.post(
            "/v1/ringback/numbers",
            json={"number": "+14155550123", "room": "desk"},
            headers={"Authorization": f"Bearer {key}"},
        )
        assert (refused.status_code, "can be bought" in refused.json()["info"]) == (400, True)

        await bought(house, "+14155550123")
        _, row = await house.ask(
            "POST", "/v1/ringback/numbers", {"number": "+14155550123", "room": "desk", "name": "hotline"}
        )
        assert (row["room"], row["trunk"], row["name"]) == ("desk", "acme", "hotline")
        _, answer = await house.ask("GET", "/v1/purchased-phone-numbers?filter_name=hot")
        assert [each["name"] for each in answer["data"]] == ["hotline"]


async def test_a_number_that_is_given_back_can_be_bought_again_and_no_longer_rings(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await stocked(house, "+14155550123")
        known = await bought(house, "+14155550123")
        await house.ask("POST", "/v1/ringback/numbers", {"number": "+14155550123", "room": "desk"})

        assert await house.ask("DELETE", f"/v1/release-phone-number/{known}") == (
            200,
            {"status": "ok", "deleted": True, "id": known},
        )
        phone = house.carrier.call_in("+14155550123", trunk="acme", called_number="+14155550123")
        await house.clock.run_for(1)
        assert phone.status == 404
        assert (await house.ask("DELETE", f"/v1/release-phone-number/{known}"))[0] == 404
        assert await bought(house, "+14155550123") != known


async def test_a_new_number_is_kept_for_as_many_days_as_the_operator_says(tmp_path: Path) -> None:
    async with a_house(tmp_path, release_after=14 * 86400) as house:
        await stocked(house, "+14155550123")
        known = await bought(house, "+14155550123")

        assert await house.ask("DELETE", f"/v1/release-phone-number/{known}") == (
            400,
            {"error": "invalid-request-error", "info": "Failed to release new number, try again in 14 days"},
        )
        await house.clock.run_for(14 * 86400)
        assert (await house.ask("DELETE", f"/v1/release-phone-number/{known}"))[0] == 200


async def test_another_domain_sees_neither_numbers_nor_stock_of_trunks_that_are_not_for_it(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        other = {"Authorization": f"Bearer {await house.other_key()}"}
        await stocked(house, "+14155550123", "+12125550199", trunk={**TRUNK, "domains": ["acme"]})
        known = await bought(house, "+14155550123")

        async def as_other(method: str, path: str, body: object = None) -> tuple[int, Any]:
            response = await house.stranger.request(method, path, json=body, headers=other)
            return response.status_code, response.json()

        assert await as_other("GET", "/v1/list-available-numbers") == (200, {"total_count": 0, "data": []})
        assert await as_other("GET", "/v1/purchased-phone-numbers") == (200, {"total_count": 0, "data": []})
        assert (await as_other("POST", "/v1/buy-phone-number", {"number": "+12125550199"}))[0] == 422
        assert (await as_other("POST", "/v1/buy-phone-number", {"number": "+14155550123"}))[0] == 422
        assert (await as_other("DELETE", f"/v1/release-phone-number/{known}"))[0] == 404
        assert (await as_other("GET", "/v1/ringback/number-stock"))[0] == 403
        assert (await as_other("POST", "/v1/ringback/number-stock", {}))[0] == 403
        assert (await as_other("DELETE", "/v1/ringback/number-stock/+12125550199"))[0] == 403


async def test_the_stock_is_the_operators_to_fill_and_to_empty(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await stocked(house, "+14155550123")

        for body in (
            {},
            {"trunk": "acme"},
            {"trunk": "acme", "numbers": []},
            {"trunk": "acme", "numbers": [7]},
            {"trunk": "acme", "numbers": ["911"]},
            {"trunk": "acme", "numbers": ["+1911"]},
            {"trunk": "acme", "numbers": [{"number": "+14155550124", "zip": "x"}]},
        ):
            assert (await house.ask("POST", "/v1/ringback/number-stock", body))[0] == 400, body
        assert (await house.ask("POST", "/v1/ringback/number-stock", {"trunk": "x", "numbers": ["+14155550124"]}))[
            0
        ] == 404
        assert (await house.ask("DELETE", "/v1/ringback/number-stock/+14155550123"))[0] == 200
        assert (await house.ask("DELETE", "/v1/ringback/number-stock/+14155550123"))[0] == 404
        assert (await house.ask("GET", "/v1/ringback/number-stock")) == (200, {"data": []})


async def test_the_operator_gives_a_number_out_of_stock_and_it_goes_back_there(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await stocked(house, "+14155550123")

        status, row = await house.ask("POST", "/v1/ringback/numbers", {"number": "+14155550123", "room": "desk"})
        assert (status, row["trunk"], row["room"]) == (200, "acme", "desk")
        assert (await house.ask("GET", "/v1/list-available-numbers"))[1]["total_count"] == 0
        assert (await house.ask("DELETE", "/v1/ringback/numbers/+14155550123"))[0] == 200
        assert (await house.ask("GET", "/v1/list-available-numbers"))[1]["total_count"] == 1


async def test_a_number_that_is_given_back_takes_its_dial_in_config_with_it(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await stocked(house, "+14155550123")
        known = await bought(house, "+14155550123")
        body = {"type": "pin_dialin", "phone_number": "+14155550123", "name_prefix": "desk"}
        status, config = await house.ask("POST", "/v1/domain-dialin-config", body)
        assert status == 200, config

        assert (await house.ask("DELETE", f"/v1/release-phone-number/{known}"))[0] == 200

        assert (await house.ask("GET", f"/v1/domain-dialin-config/{config['id']}"))[0] == 404
