"""Two domains in one server: nothing of the other's is seen, changed or told from what is not there."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from contract.house import House, a_house

Ask = Callable[..., Awaitable[tuple[int, Any]]]


async def neighbour(house: House) -> Ask:
    """Asks with the key of another domain."""
    headers = {"Authorization": f"Bearer {await house.other_key()}"}

    async def ask(method: str, path: str, body: object = None) -> tuple[int, Any]:
        response = await house.stranger.request(method, path, json=body, headers=headers)
        return response.status_code, response.json()

    return ask


async def test_another_domains_rooms_do_not_exist(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        as_other = await neighbour(house)
        _, room = await house.ask("POST", "/v1/rooms", {"name": "desk"})

        absent = {"error": "not-found", "info": "room desk not found"}
        assert await as_other("GET", "/v1/rooms/desk") == (404, absent)
        assert await as_other("POST", "/v1/rooms/desk", {"privacy": "private"}) == (404, absent)
        assert await as_other("DELETE", "/v1/rooms/desk") == (404, absent)
        assert await as_other("GET", "/v1/rooms/desk/presence") == (404, absent)
        assert (await as_other("POST", "/v1/rooms/desk/dialOut/start", {"sipUri": "sip:a@b.example"}))[0] == 404
        assert (await as_other("POST", "/v1/rooms/desk/dialOut/stop", {"sessionId": "x"}))[0] == 404
        assert (await as_other("POST", "/v1/rooms/desk/eject", {"ids": ["x"]}))[0] == 404
        assert await as_other("GET", "/v1/rooms") == (200, {"total_count": 0, "data": []})
        assert (await as_other("GET", f"/v1/rooms?starting_after={room['id']}"))[0] == 400
        assert await house.ask("GET", "/v1/rooms/desk") == (200, room)


async def test_two_domains_may_use_one_name_and_see_their_own(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        as_other = await neighbour(house)
        _, ours = await house.ask("POST", "/v1/rooms", {"name": "desk"})
        status, theirs = await as_other("POST", "/v1/rooms", {"name": "desk"})

        assert status == 200 and theirs["id"] != ours["id"]
        assert theirs["url"] == "https://other.rooms.example.test/desk"
        assert await as_other("DELETE", "/v1/rooms/desk") == (200, {"deleted": True, "name": "desk"})
        assert await house.ask("GET", "/v1/rooms/desk") == (200, ours)


async def test_another_domains_calls_and_meetings_are_not_there(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        as_other = await neighbour(house)
        properties = {"enable_dialout": True, "dialout_config": {"allow_room_start": True}}
        await house.ask("POST", "/v1/rooms", {"name": "desk", "properties": properties})
        _, started = await house.ask("POST", "/v1/rooms/desk/dialOut/start", {"sipUri": "sip:bob@phones.example"})
        _, calls = await house.ask("GET", "/v1/ringback/calls")
        assert [call["id"] for call in calls["data"]] == [started["sessionId"]]
        call, meeting = calls["data"][0]["id"], calls["data"][0]["meeting_id"]

        assert (await as_other("GET", f"/v1/ringback/calls/{call}"))[0] == 404
        assert (await as_other("GET", f"/v1/ringback/calls?starting_after={call}"))[0] == 400
        assert (await as_other("GET", f"/v1/meetings/{meeting}"))[0] == 404
        assert await as_other("GET", "/v1/meetings") == (200, {"total_count": 0, "data": []})
        assert (await house.ask("GET", f"/v1/ringback/calls/{call}"))[0] == 200


async def test_another_domains_calls_are_not_transferred(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        as_other = await neighbour(house)
        properties = {"enable_dialout": True, "dialout_config": {"allow_room_start": True}}
        await house.ask("POST", "/v1/rooms", {"name": "desk", "properties": properties})
        await as_other("POST", "/v1/rooms", {"name": "desk", "properties": properties})
        _, started = await house.ask("POST", "/v1/rooms/desk/dialOut/start", {"sipUri": "sip:bob@phones.example"})
        call = started["sessionId"]
        warm, to = f"/v1/ringback/calls/{call}/warm-transfer", {"toEndPoint": "sip:carol@phones.example"}

        for verb in ("sipCallTransfer", "sipRefer"):
            assert (await as_other("POST", f"/v1/rooms/desk/{verb}", {"sessionId": call, **to}))[0] == 404
        assert (await as_other("POST", "/v1/rooms/desk/dialOut/sendDTMF", {"sessionId": call, "tones": "1"}))[0] == 404
        assert (await as_other("POST", warm, to))[0] == 404
        for last in ("accept", "merge", "return"):
            assert (await as_other("POST", f"{warm}/{last}"))[0] == 404
            assert (await house.ask("POST", f"{warm}/{last}", {"why": "so"}))[0] == 400
        for path in (warm, f"/v1/ringback/calls/{call}/transfers"):
            assert (await as_other("GET", path))[0] == 404
        assert await house.ask("GET", f"/v1/ringback/calls/{call}/transfers") == (200, {"total_count": 0, "data": []})
        assert (await house.ask("GET", warm))[0] == 404
        assert (await house.ask("POST", warm, to))[0] == 400, "it has not been answered"


async def test_keys_are_the_operators_business(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        as_other = await neighbour(house)
        _, made = await house.ask("POST", "/v1/ringback/keys", {"label": "ci", "domain": "other"})

        assert (await as_other("GET", "/v1/ringback/keys"))[0] == 403
        assert (await as_other("POST", "/v1/ringback/keys", {}))[0] == 403
        assert (await as_other("DELETE", f"/v1/ringback/keys/{made['id']}"))[0] == 403
        _, listed = await house.ask("GET", "/v1/ringback/keys")
        assert sorted(row["domain"] for row in listed["data"]) == ["acme", "other", "other"]
        assert all("key" not in row for row in listed["data"])
        assert made["key"].startswith("rb_")
        assert await house.ask("DELETE", f"/v1/ringback/keys/{made['id']}") == (
            200,
            {"revoked": True, "id": made["id"]},
        )
