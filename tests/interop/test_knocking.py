"""Somebody without a token knocks at a private room, in a real browser, and an owner opens."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import pytest

from interop.peers.browser import Chromium, RoomPage
from interop.peers.server import Server
from interop.peers.waiting import until

EVE_HZ, ANN_HZ = 660, 880

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.listens]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """One that may send webhooks to this machine."""
    async with Server(tmp_path / "server", {"WEBHOOKS__ALLOW_PRIVATE": "true"}) as running:
        yield running


@pytest.fixture
async def hooks(server: Server) -> AsyncIterator[list[str]]:
    """Types of the webhooks that came."""
    told: list[str] = []

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length:")[2].split()[0])
                body = (await reader.readexactly(length)).decode()
                told.append(body.partition('"type":"')[2].partition('"')[0])
                writer.write(f"HTTP/1.1 {HTTPStatus.OK.value} OK\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()

    listener = await asyncio.start_server(receive, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    wanted = ["waiting-participant.joined", "waiting-participant.left"]
    answer = await server.rest("POST", "/webhooks", {"url": f"http://127.0.0.1:{port}/", "eventTypes": wanted})
    assert answer.status == HTTPStatus.OK, answer
    yield told
    listener.close()


async def knock(page: RoomPage, name: str) -> None:
    await page.page.get_by_label("Your name").fill(name)
    await page.page.get_by_role("button", name="Join").click()
    await page.page.get_by_test_id("waits").wait_for(timeout=20_000)


async def test_who_knocks_is_turned_away_or_let_in_and_then_heard(
    server: Server, chromium: Chromium, hooks: list[str]
) -> None:
    answer = await server.rest(
        "POST", "/rooms", {"name": "private", "privacy": "private", "properties": {"enable_knocking": True}}
    )
    assert answer.status == HTTPStatus.OK, answer
    grants = {"properties": {"room_name": "private", "is_owner": True}}
    token = (await server.rest("POST", "/meeting-tokens", grants)).body["token"]
    eve = await chromium.open(f"{server.url}/private", hz=EVE_HZ)
    await knock(eve, "Eve")

    ann = await chromium.open(f"{server.url}/private?t={token}", hz=ANN_HZ)
    await ann.join("Ann")
    waiting = ann.page.get_by_test_id("waiting")
    await waiting.get_by_text("Eve").wait_for(timeout=20_000)
    await waiting.get_by_test_id("turn-away").click()
    await eve.shows("You were not let in.")
    await knock(eve, "Eve")
    await waiting.get_by_test_id("let-in").click()
    await eve.page.get_by_test_id("leave").wait_for(timeout=20_000)

    await ann.hears(EVE_HZ)
    await eve.hears(ANN_HZ)
    await waiting.wait_for(state="detached", timeout=20_000)
    await until(lambda: len(hooks) > 4 or None, "four webhooks and their test came", 30)
    assert sorted(filter(None, hooks)) == [*["waiting-participant.joined"] * 2, *["waiting-participant.left"] * 2]
