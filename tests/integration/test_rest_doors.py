"""Who knocks at the API's door: strangers, floods, garbage; and a store that fails."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from contract.house import KEY, a_house
from ringback.rest.api import OPERATIONS
from ringback.store.errors import StoreError


async def test_refusals_are_logged_once_a_minute_per_source(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        with capture_logs() as lines:
            for _ in range(30):
                await house.stranger.get("/v1/rooms", headers={"Authorization": "Bearer \x1b[31mred"})
            await house.clock.run_for(61)
            await house.stranger.get("/v1/rooms/%0d%0aevil", headers={"Authorization": "Bearer guess"})

    assert [(line["event"], line["silent"]) for line in lines] == [("http.refused", 0), ("http.refused", 29)]
    assert "guess" not in str(lines) and "\n" not in str(lines[1]["path"])


async def test_a_guesser_is_told_to_wait_and_others_are_not(tmp_path: Path) -> None:
    async with a_house(tmp_path, rate_limits=True) as house:
        answers = [await house.stranger.get("/v1/rooms", headers={"Authorization": "Bearer no"}) for _ in range(60)]

        assert answers[0].status_code == 401
        assert answers[-1].status_code == 429 and int(answers[-1].headers["retry-after"]) >= 1
        assert answers[-1].json()["error"] == "rate-limit-error"
        assert (await house.http.get("/v1/rooms")).status_code == 200


async def test_a_domain_that_asks_too_often_is_told_to_wait(tmp_path: Path) -> None:
    async with a_house(tmp_path, rate_limits=True) as house:
        answers = [(await house.http.get("/v1")).status_code for _ in range(150)]

        assert answers == [200] * 100 + [429] * 50
        await house.clock.run_for(1)
        assert (await house.http.get("/v1")).status_code == 200


async def test_twenty_dial_outs_at_once_draw_no_429(tmp_path: Path) -> None:
    async with a_house(tmp_path, rate_limits=True) as house:
        properties = {"enable_dialout": True, "dialout_config": {"allow_room_start": True}}
        for number in range(20):
            await house.ask("POST", "/v1/rooms", {"name": f"r{number}", "properties": properties})

        answers = await asyncio.gather(
            *(
                house.ask("POST", f"/v1/rooms/r{number}/dialOut/start", {"sipUri": f"sip:bob{number}@phones.example"})
                for number in range(20)
            )
        )

        assert {status for status, _ in answers} == {200}
        assert len({answer["sessionId"] for _, answer in answers}) == 20


async def test_a_body_beyond_the_limit_is_refused_before_it_is_read_whole(tmp_path: Path) -> None:
    """C16."""
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while sent < 100 * 2**20:
            sent += 2**16
            yield b" " * 2**16

    async with a_house(tmp_path) as house:
        response = await house.http.post("/v1/rooms", content=endless())
        declared = await house.http.post(
            "/v1/rooms", content=b"{}", headers={"Content-Length": "999999999999999999999"}
        )

    assert response.status_code == declared.status_code == 400
    assert "larger than 262144" in response.json()["info"] and sent < 2**20


async def test_a_store_that_fails_is_our_fault_and_the_next_request_works(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        insert = house.database.rooms.insert

        async def full(rooms: object) -> None:
            raise StoreError("RINGBACK_DATABASE_URL: the disk is full")

        house.database.rooms.insert = full  # type: ignore[method-assign,assignment]
        assert await house.ask("POST", "/v1/rooms", {"name": "desk"}) == (
            503,
            {"error": "server-error", "info": "RINGBACK_DATABASE_URL: the disk is full"},
        )
        house.database.rooms.insert = insert  # type: ignore[method-assign]
        assert (await house.ask("POST", "/v1/rooms", {"name": "desk"}))[0] == 200


async def test_a_bug_of_ours_is_told_without_its_insides(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:

        def broken(*_: object) -> None:
            raise ZeroDivisionError("insides")

        house.meetings.presence_all = broken  # type: ignore[method-assign,assignment]
        with capture_logs() as lines:
            status, answer = await house.ask("GET", "/v1/presence")

    assert (status, answer["error"]) == (500, "server-error") and "insides" not in str(answer)
    assert [line["event"] for line in lines] == ["http.failed"]


PATHS = st.sampled_from(sorted({operation.path for operation in OPERATIONS})).map(lambda path: "/v1" + path)
NAMES = st.text(max_size=20) | st.sampled_from(["desk", "..", "%00", "a/b", "🙂"])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "privacy",
                    "properties",
                    "sip",
                    "exp",
                    "rooms",
                    "room_names",
                    "ids",
                    "user_ids",
                    "data",
                    "recipient",
                    "sipUri",
                    "codecs",
                    "sessionId",
                    "tones",
                    "display_name",
                    "sip_mode",
                    "num_endpoints",
                    "permissions",
                    "canSend",
                    "label",
                    "domain",
                    "streaming_endpoints",
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


async def test_no_body_path_or_query_breaks_an_operation(tmp_path: Path) -> None:
    """Each answer is one of the published statuses in the published envelope, never our fault."""
    async with a_house(tmp_path) as house:
        await house.ask("POST", "/v1/rooms", {"name": "desk", "properties": {"enable_dialout": True}})
        loop = asyncio.get_running_loop()

        async def ask(method: str, path: str, body: object, query: dict[str, str]) -> httpx.Response:
            return await house.http.request(method, path, json=body, params=query)

        @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
        @given(
            st.sampled_from(["GET", "POST", "DELETE"]),
            PATHS,
            NAMES,
            JSON,
            st.dictionaries(
                st.sampled_from(
                    [
                        "limit",
                        "starting_after",
                        "ending_before",
                        "ongoing",
                        "room",
                        "timeframe_start",
                        "userId",
                        "ignoreNbf",
                    ]
                ),
                st.text(max_size=8),
            ),
        )
        def attack(method: str, path: str, name: str, body: object, query: dict[str, str]) -> None:
            try:
                for word in ("{name}", "{token}", "{meeting}", "{call}", "{key}"):
                    path = path.replace(word, httpx.URL(path="/" + name).path.strip("/"))
                request = ask(method, path, body, query)
            except (httpx.InvalidURL, UnicodeEncodeError, ValueError):
                return
            try:
                response = asyncio.run_coroutine_threadsafe(request, loop).result(30)
            except (httpx.InvalidURL, UnicodeEncodeError):
                return
            assert response.status_code in (200, 400, 403, 404), (method, path, body, response.text)
            if response.status_code != 200:
                assert set(response.json()) == {"error", "info"}

        await asyncio.to_thread(attack)


@pytest.mark.parametrize("name", ["Bearer", "authorization"])
async def test_a_key_in_the_address_is_not_looked_at(tmp_path: Path, name: str) -> None:
    async with a_house(tmp_path) as house:
        assert (await house.stranger.get(f"/v1/rooms?{name}={KEY}")).status_code == 400
