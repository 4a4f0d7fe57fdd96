"""What is opened beside the API: pages, health, metrics."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from contract.house import KEY, House, a_house
from ringback.rest.api import create_api


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    (tmp_path / "web" / "assets").mkdir(parents=True)
    (tmp_path / "web" / "index.html").write_text("<!doctype html><title>room</title>")
    (tmp_path / "web" / "assets" / "index-1.js").write_text("let a = 1")
    (tmp_path / "secret").write_text("not yours")
    async with a_house(tmp_path) as built:
        yield built


async def test_any_room_name_opens_the_page_with_its_policy(house: House) -> None:
    response = await house.stranger.get("/desk-1_A?t=token")

    assert response.status_code == 200 and "<title>room</title>" in response.text
    policy = response.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "microphone=(self)" in response.headers["permissions-policy"]


@pytest.mark.parametrize(
    "path", ["/desk/more", "/%2e%2e", "/a%00", "/a.b", "/docs", "/console", "/rtc", "/" + "n" * 129]
)
async def test_everything_else_is_nothing(house: House, path: str) -> None:
    assert (await house.stranger.get(path)).status_code == 404


async def test_assets_are_served_with_their_type_and_nothing_beside_them(house: House) -> None:
    response = await house.stranger.get("/assets/index-1.js")

    assert response.status_code == 200 and "javascript" in response.headers["content-type"]
    assert response.headers["x-content-type-options"] == "nosniff"
    for path in (
        "/assets/",
        "/assets/%2e%2e/%2e%2e/secret",
        "/assets/..%2f..%2fsecret",
        "/assets//etc/passwd",
    ):
        assert (await house.stranger.get(path)).status_code == 404


async def test_a_page_that_was_not_built_says_how(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        response = await house.stranger.get("/desk")

    assert response.status_code == 503 and "make build" in response.text


async def test_the_bare_host_says_what_this_is(house: House) -> None:
    text = (await house.stranger.get("/")).text

    assert "https://rooms.example.test/v1/rooms" in text and KEY not in text


async def test_health_readiness_and_why_not(house: House) -> None:
    async def draining() -> str | None:
        return "draining"

    assert (await house.stranger.get("/healthz")).json() == {"ok": True}
    assert (await house.stranger.get("/readyz")).status_code == 200
    house.services.ready = draining
    response = await house.stranger.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"ok": False, "info": "draining"})


async def test_requests_are_counted_by_their_template(house: House) -> None:
    await house.ask("POST", "/v1/rooms", {"name": "desk"})
    await house.ask("GET", "/v1/rooms/desk")
    await house.ask("GET", "/v1/rooms/none")

    text = (await house.stranger.get("/metrics")).text

    assert 'ringback_http_requests_total{method="GET",path="/v1/rooms/{name}",status="404"} 1.0' in text
    assert "ringback_meetings 0.0" in text and "desk" not in text


async def test_metrics_are_for_this_machine_or_the_operator(house: House) -> None:
    other = await house.other_key()
    far = httpx.ASGITransport(create_api(house.services), client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=far, base_url="http://t") as stranger:
        assert (await stranger.get("/metrics")).status_code == 403
        assert (await stranger.get("/metrics", headers={"Authorization": f"Bearer {other}"})).status_code == 403
        assert (await stranger.get("/metrics", headers={"Authorization": f"Bearer {KEY}"})).status_code == 200
    proxied = {"X-Forwarded-For": "192.0.2.1"}
    assert (await house.stranger.get("/metrics", headers=proxied)).status_code == 403


async def test_status_lists_what_nothing_acts_on(house: House) -> None:
    _, status = await house.ask("GET", "/v1/ringback/status")

    idle = status["not_acted_on"]
    assert "hipaa" in idle["domain_properties"] and "lang" in idle["token_properties"]
    assert "start_audio_off" not in {*idle["room_properties"], *idle["token_properties"]}, "the SDK obeys it"
    assert "sip" not in idle["room_properties"] and "sip.dialin_config.hold_music_enabled" in idle["room_properties"]
