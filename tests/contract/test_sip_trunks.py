"""``/sip-trunk``: shapes, admission rules, the signed test, both ways of changing secrets."""

from typing import Any

import pytest

from contract.house import House

HOOK = "https://app.example.test/trunk"
BODY: dict[str, Any] = {
    "trunk_name": "support",
    "room_template": {"enable_chat": True, "sip": {"display_name": "Caller"}},
    "notification": {"webhook_url": HOOK},
    "trunk_config": {"allowed_ips": ["192.0.2.0/24", "198.51.100.7"]},
}


async def made(house: House, **changes: Any) -> dict[str, Any]:
    status, answer = await house.ask("POST", "/v1/sip-trunk", {**BODY, **changes})
    assert status == 200, answer
    return dict(answer)


async def test_a_trunk_is_made_shown_changed_and_deleted(house: House) -> None:
    trunk = await made(house, description="the support line")

    secret = trunk["config"]["notification"]["hmac"]
    assert trunk["sip_uri"] == "sip:acme-support.siptrunk.sip.example.test" and trunk["enabled"] is True
    assert trunk["config"]["trunk_config"] == {
        "allowed_ips": ["192.0.2.0/24", "198.51.100.7"],
        "is_open": False,
        "exp_offset": 3600,
    }
    path = f"/v1/sip-trunk/{trunk['id']}"
    assert await house.ask("GET", path) == (200, trunk)

    _, changed = await house.ask("PUT", path, {"enabled": False, "trunk_config": {"exp_offset": 60}})
    assert changed["enabled"] is False and changed["config"]["trunk_config"]["exp_offset"] == 60
    assert changed["config"]["notification"]["hmac"] == secret
    _, rotated = await house.ask("PUT", path, {"notification": {"hmac": None}})
    assert rotated["config"]["notification"]["hmac"] not in (None, secret)

    gone = await house.http.request("DELETE", path)
    assert (gone.status_code, gone.content) == (200, b"")
    assert (await house.ask("GET", path))[0] == 404


async def test_a_password_is_never_shown_again_and_null_takes_it_away(house: House) -> None:
    proof = {"username": "carrier", "password": "a-password-of-12"}
    trunk = await made(house, trunk_config={"credential": proof})
    assert trunk["config"]["trunk_config"]["credential"] == {"username": "carrier"}

    path = f"/v1/sip-trunk/{trunk['id']}"
    status, answer = await house.ask("PUT", path, {"trunk_config": {"credential": None}})
    assert status == 400 and "not both" in answer["info"], "it would be open without a word"
    status, answer = await house.ask("PUT", path, {"trunk_config": {"credential": None, "is_open": True}})
    assert status == 200 and "credential" not in answer["config"]["trunk_config"]


@pytest.mark.parametrize(
    ("change", "info"),
    [
        ({"trunk_name": None}, '"trunk_name" is required'),
        ({"room_template": None}, '"room_template" is required'),
        ({"notification": None}, '"notification" is required'),
        ({"trunk_name": "No-Such"}, '"trunk_name" must be 3 to 63 lower-case letters and digits'),
        ({"trunk_name": "a" * 60}, '"trunk_name" is too long'),
        ({"trunk_config": {}}, "trunk_config needs allowed_ips or credential, or else is_open: true, not both"),
        ({"trunk_config": {"is_open": True, "allowed_ips": ["192.0.2.1"]}}, "not both"),
        ({"trunk_config": {"allowed_ips": ["192.0.2.1/24"]}}, "canonical CIDR"),
        ({"trunk_config": {"allowed_ips": ["2001:db8::1"]}}, "IPv4"),
        ({"trunk_config": {"allowed_ips": ["192.0.2.1"] * 26}}, "less than or equal to 25"),
        ({"trunk_config": {"credential": {"username": "a", "password": "short"}}}, '"password" must be 12 to 64'),
        ({"trunk_config": {"is_open": True, "exp_offset": 59}}, '"exp_offset" must be greater than or equal to 60'),
        ({"trunk_config": {"is_open": True, "exp_offset": 86401}}, '"exp_offset" must be less than or equal to 86400'),
        ({"room_template": {"exp": 9999999999}}, '"room_template.exp" is not allowed'),
        ({"room_template": {"no_such": 1}}, '"no_such" is not allowed'),
        ({"notification": {"webhook_url": "http://app.example.test/"}}, "https"),
        (
            {"notification": {"webhook_url": "https://down.example.test/"}},
            "did not answer the test with 2xx",
        ),
        ({"extra": 1}, '"extra" is not allowed'),
    ],
)
async def test_what_is_wrong_is_refused_and_nothing_is_made(house: House, change: dict[str, Any], info: str) -> None:
    status, answer = await house.ask("POST", "/v1/sip-trunk", {**BODY, **change})

    assert (status, answer["error"]) == (400, "invalid-request-error") and info in answer["info"], answer
    assert await house.ask("GET", "/v1/sip-trunk") == (200, {"total_count": 0, "data": []})


async def test_the_list_is_filtered_and_paged_and_of_one_domain(house: House) -> None:
    first = await made(house, description="first line")
    second = await made(house, trunk_name="sales", enabled=False)

    async def ids(query: str) -> list[str]:
        return [each["id"] for each in (await house.ask("GET", f"/v1/sip-trunk?{query}"))[1]["data"]]

    assert await ids("") == [second["id"], first["id"]]
    assert await ids("trunk_name=upp") == [first["id"]] == await ids("description=first") == await ids("enabled=true")
    assert await ids(f"limit=1&starting_after={second['id']}") == [first["id"]]
    assert (await house.ask("POST", "/v1/sip-trunk", BODY))[1]["info"] == "a sip trunk named support already exists"
    headers = {"Authorization": f"Bearer {await house.other_key()}"}
    assert (await house.ask("GET", f"/v1/sip-trunk/{first['id']}", headers=headers))[0] == 404
    await house.services.sip_trunks.start()
    assert await ids("") == [second["id"], first["id"]], "they are kept"
