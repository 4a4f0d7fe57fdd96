"""Dial-in configurations over REST: shapes, errors, both views of one store."""

import base64
from typing import Any

from contract.house import House

NUMBER = "+15550100123"
HOOK = "https://app.example.test/start"


async def number(house: House, text: str = NUMBER) -> str:
    await house.services.numbers.put_number(house.domain.id, text, "")  # type: ignore[arg-type]
    return text


async def made(house: House, **fields: Any) -> dict[str, Any]:
    status, answer = await house.ask("POST", "/v1/domain-dialin-config", fields)
    assert status == 200, answer
    return dict(answer)


async def test_a_pinless_configuration_is_made_shown_changed_and_deleted(house: House) -> None:
    body = {
        "type": "pinless_dialin",
        "phone_number": await number(house),
        "room_creation_api": HOOK,
        "name_prefix": "Support",
        "hold_music_url": "https://app.example.test/music.mp3",
        "timeout_config": {"message": "Nobody is here."},
    }
    config = await made(house, **body)

    fields = config["config"]
    assert set(config) == {"id", "type", "config"} and config["type"] == "pinless_dialin"
    assert {**body, "type": None} | fields == {**fields, "type": None}
    assert len(base64.b64decode(fields["hmac"])) == 32
    assert fields["sip_uri"].startswith("sip:static-") and fields["sip_uri"].endswith("@sip.example.test")
    path = f"/v1/domain-dialin-config/{config['id']}"
    assert await house.ask("GET", path) == (200, config)

    _, changed = await house.ask("PUT", path, {"name_prefix": "Sales", "hold_music_url": None})
    assert changed["config"] == {
        **{key: value for key, value in fields.items() if key != "hold_music_url"},
        "name_prefix": "Sales",
    }, "the secret and the address stay"
    assert await house.ask("DELETE", path) == (200, {"status": "ok"})
    assert (await house.ask("GET", path))[0] == 404


async def test_a_pin_configuration_has_a_greeting_and_no_address(house: House) -> None:
    body = {"phone_number": await number(house), "ivr_greeting": {"message": "Welcome."}}

    config = await made(house, type="pin_dialin", **body)

    assert config["config"] == body


async def test_what_is_wrong_is_refused_in_the_published_words(house: House) -> None:
    await number(house)
    for body, info in (
        ({}, '"type" is required'),
        ({"type": "other"}, '"type" must be one of [pin_dialin, pinless_dialin] [Received type=other]'),
        ({"type": "pin_dialin"}, '"phone_number" is required'),
        ({"type": "pinless_dialin"}, '"room_creation_api" is required'),
        (
            {"type": "pin_dialin", "phone_number": NUMBER, "room_creation_api": HOOK},
            f'"room_creation_api" is not allowed [Received room_creation_api={HOOK}]',
        ),
        (
            {"type": "pinless_dialin", "room_creation_api": "http://app.example.test/"},
            '"room_creation_api" must be a valid uri with https [Received room_creation_api=http://app.example.test/]',
        ),
        (
            {"type": "pinless_dialin", "room_creation_api": HOOK, "hmac": "not base64!"},
            '"hmac" must be a base64 string [Received hmac=(hidden)]',
        ),
        (
            {"type": "pin_dialin", "phone_number": "+15550100999"},
            "phone_number +15550100999 is not a number of this domain",
        ),
    ):
        status, answer = await house.ask("POST", "/v1/domain-dialin-config", body)
        assert (status, answer) == (400, {"error": "invalid-request-error", "info": info})


async def test_a_number_belongs_to_one_configuration(house: House) -> None:
    await made(house, type="pin_dialin", phone_number=await number(house))

    status, answer = await house.ask(
        "POST",
        "/v1/domain-dialin-config",
        {"type": "pinless_dialin", "phone_number": NUMBER, "room_creation_api": HOOK},
    )

    assert (status, answer["info"]) == (400, f"phone_number {NUMBER} is already used by another config")


async def test_the_list_is_filtered_and_paged_newest_first(house: House) -> None:
    first = await made(house, type="pin_dialin", phone_number=await number(house), name_prefix="A")
    second = await made(house, type="pinless_dialin", room_creation_api=HOOK, name_prefix="B")
    third = await made(house, type="pinless_dialin", room_creation_api=HOOK)
    user = second["config"]["sip_uri"].removeprefix("sip:").partition("@")[0]

    async def ids(query: str) -> list[str]:
        _, answer = await house.ask("GET", f"/v1/domain-dialin-config?{query}")
        return [each["id"] for each in answer["data"]]

    assert await house.ask("GET", "/v1/domain-dialin-config") == (
        200,
        {"total_count": 3, "data": [third, second, first]},
    )
    assert await ids("type=pin_dialin") == [first["id"]]
    assert await ids(f"phone_number=%2B{NUMBER[1:]}") == [first["id"]]
    assert await ids("phone_numbers=999,0100") == [first["id"]]
    assert await ids(f"sip_username={user}") == [second["id"]]
    assert await ids("name_prefix=B") == [second["id"]]
    assert await ids(f"limit=1&starting_after={third['id']}") == [second["id"]]
    assert await ids(f"ending_before={first['id']}") == [third["id"], second["id"]]
    assert (await house.ask("GET", "/v1/domain-dialin-config?starting_after=x"))[0] == 400


async def test_the_domains_property_is_another_view_of_the_same_store(house: House) -> None:
    before = await made(house, type="pinless_dialin", phone_number=await number(house), room_creation_api=HOOK)
    await made(house, type="pinless_dialin", room_creation_api=HOOK)

    status, answer = await house.ask(
        "POST",
        "/v1",
        {"properties": {"pinless_dialin": [{"phone_number": NUMBER, "room_creation_api": f"{HOOK}2"}]}},
    )

    assert status == 200
    (item,) = answer["config"]["pinless_dialin"]
    assert item["room_creation_api"] == f"{HOOK}2" and item["sip_uri"] == before["config"]["sip_uri"]
    assert item["hmac"] != before["config"]["hmac"], "left out, it is made anew"
    _, listed = await house.ask("GET", "/v1/domain-dialin-config")
    assert listed["data"] == [{"id": before["id"], "type": "pinless_dialin", "config": item}]


async def test_a_list_with_one_wrong_item_changes_nothing(house: House) -> None:
    config = await made(house, type="pinless_dialin", room_creation_api=HOOK)

    status, _ = await house.ask(
        "POST", "/v1", {"properties": {"lang": "de", "pinless_dialin": [{"room_creation_api": HOOK}, {}]}}
    )

    assert status == 400
    _, listed = await house.ask("GET", "/v1/domain-dialin-config")
    assert listed["data"] == [config]
    assert (await house.ask("GET", "/v1"))[1]["config"]["lang"] == "en"


async def test_another_domain_sees_and_changes_nothing(house: House) -> None:
    config = await made(house, type="pinless_dialin", room_creation_api=HOOK)
    headers = {"Authorization": f"Bearer {await house.other_key()}"}
    path = f"/v1/domain-dialin-config/{config['id']}"

    for method, body in (("GET", None), ("PUT", {"name_prefix": "x"}), ("DELETE", None)):
        assert (await house.ask(method, path, body, headers=headers))[0] == 404
    assert await house.ask("GET", "/v1/domain-dialin-config", headers=headers) == (200, {"total_count": 0, "data": []})


async def test_an_update_of_no_held_call_is_refused(house: House) -> None:
    status, answer = await house.ask(
        "POST",
        "/v1/dialin/pinlessCallUpdate",
        {"callId": "a", "callDomain": house.domain.id, "sipUri": "sip:123456789012@sip.example.test"},
    )
    assert (status, answer["error"]) == (404, "not-found")
    assert (await house.ask("POST", "/v1/dialin/pinlessCallUpdate", {}))[0] == 400


async def test_a_room_for_callers_has_a_code_that_survives_updates_and_goes_with_the_property(house: House) -> None:
    exp = house.clock.wall() + 86400
    _, room = await house.ask("POST", "/v1/rooms", {"name": "a", "properties": {"exp": exp, "dialin": {}}})
    code = room["config"]["dialin_code"]
    assert len(code) == 11 and code.isdigit() and code[0] != "0"

    _, changed = await house.ask("POST", "/v1/rooms/a", {"properties": {"dialin": {"wait_for_meeting_start": True}}})
    assert changed["config"]["dialin_code"] == code
    found = await house.services.rooms.by_code(code)
    assert found is not None and found.name == "a"

    _, without = await house.ask("POST", "/v1/rooms/a", {"properties": {"dialin": None}})
    assert "dialin_code" not in without["config"]
    assert await house.services.rooms.by_code(code) is None


async def test_what_was_set_is_there_after_a_restart(house: House) -> None:
    config = await made(house, type="pinless_dialin", room_creation_api=HOOK)
    configs = house.services.dialin_configs
    before = configs.get(house.domain.id, config["id"])

    await configs.start()

    assert configs.get(house.domain.id, config["id"]) == before
    assert configs.by_user(f"sip:{before.address_user}") == before


async def test_a_room_with_a_code_names_the_number_at_which_it_counts(house: House) -> None:
    """``dialin_number`` of rest-shaped rooms: the room's own first number, else the first that asks for codes."""
    exp = int(house.clock.wall()) + 3600
    room = {"name": "help", "properties": {"dialin": {"display_name": "Caller"}, "exp": exp}}
    _, made_room = await house.ask("POST", "/v1/rooms", room)
    assert "dialin_number" not in made_room["config"], "there is no number"

    first = await number(house, "+15550100111")
    assert (await house.ask("GET", "/v1/rooms/help"))[1]["config"]["dialin_number"] == first, "nothing else takes it"
    await made(house, type="pin_dialin", phone_number=await number(house))
    _, shown = await house.ask("GET", "/v1/rooms/help")
    assert shown["config"]["dialin_number"] == NUMBER
    _, listed = await house.ask("GET", "/v1/rooms")
    assert [each["config"]["dialin_number"] for each in listed["data"]] == [NUMBER]

    own = {"display_name": "Caller", "room_numbers": [{"phone_number": "+15550100999"}]}
    status, changed = await house.ask("POST", "/v1/rooms/help", {"properties": {"dialin": own}})
    assert (status, changed["config"]["dialin_number"]) == (200, "+15550100999")
