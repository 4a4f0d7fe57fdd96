"""The client's WebSocket, with a server that does what a test tells it to."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from ringback.client.connection import Connection, signalling_url
from ringback.client.errors import CallError, JoinRefused, Refused, Unreachable

Script = Callable[["Socket"], Awaitable[None]]
JOINED = {"ok": True, "session_id": "s", "resume_secret": "x", "meeting_id": "m", "grace_s": 20, "seq": 0}


class Socket:
    """One socket as the server has it."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket

    async def request(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self._socket.recv())
        return frame

    async def reply(self, to: Mapping[str, Any], **fields: Any) -> None:
        await self._socket.send(json.dumps({"type": "reply", "id": to["id"], **fields}))

    async def event(self, seq: int, data: Any) -> None:
        payload = {"data": data, "fromId": "a"}
        await self._socket.send(json.dumps({"type": "event", "seq": seq, "event": "app-message", "payload": payload}))

    async def text(self, text: str) -> None:
        await self._socket.send(text)

    async def joins(self, **fields: Any) -> dict[str, Any]:
        asked = await self.request()
        await self.reply(asked, **{**JOINED, **fields})
        return asked

    def breaks(self) -> None:
        self._socket.transport.abort()

    async def stays(self) -> None:
        await self._socket.wait_closed()


class Told:
    """What a connection told."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.network: list[str] = []
        self.lost: asyncio.Future[CallError] = asyncio.get_running_loop().create_future()


@asynccontextmanager
async def scripted(*scripts: Script) -> AsyncIterator[tuple[Connection, Told]]:
    """A connection to a server that gives each socket its own script."""
    left = list(scripts)

    async def handle(socket: ServerConnection) -> None:
        await left.pop(0)(Socket(socket))

    told = Told()
    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        connection = Connection(
            signalling_url(f"http://127.0.0.1:{port}/hello"),
            lambda _, payload: told.events.append(payload["data"]),
            lambda news, _: told.network.append(news),
            told.lost.set_result,
        )
        yield connection, told
        await connection.close()


async def test_events_come_once_and_in_order_also_those_that_overtake_the_join_and_come_again():
    async def first(socket: Socket) -> None:
        asked = await socket.request()
        assert (asked["type"], asked["room"], asked["resume"]) == ("join", "hello", None)
        await socket.event(1, "early")
        await socket.reply(asked, **JOINED)
        await socket.event(2, "second")
        await socket.text("not JSON")
        await socket.event(2, "second")
        socket.breaks()

    async def second(socket: Socket) -> None:
        asked = await socket.joins()
        assert asked["resume"] == {"session_id": "s", "secret": "x", "seq": 2}
        await socket.event(2, "second")
        await socket.event(3, "third")
        await socket.reply(await socket.request())
        await socket.stays()

    async with scripted(first, second) as (connection, told):
        await connection.join({"room": "hello"})
        with pytest.raises(Refused):
            await connection.request("ping")

    assert told.events == ["early", "second", "third"]
    assert told.network == ["interrupted", "resumed"]


async def test_a_request_whose_reply_was_lost_is_sent_again_only_where_that_does_no_harm():
    async def first(socket: Socket) -> None:
        await socket.joins()
        await socket.request()
        await socket.request()
        socket.breaks()

    async def second(socket: Socket) -> None:
        await socket.joins()
        again = await socket.request()
        assert again["type"] == "set-user-name"
        await socket.reply(again, ok=True, userName="Ann")
        await socket.stays()

    async with scripted(first, second) as (connection, _):
        await connection.join({"room": "hello"})
        harmless = asyncio.create_task(connection.request("set-user-name"))
        harmful = asyncio.create_task(connection.request("send-dtmf", retry=False))

        assert (await harmless)["userName"] == "Ann"
        with pytest.raises(CallError, match="broke"):
            await harmful


async def test_a_place_that_is_gone_is_told_of():
    async def first(socket: Socket) -> None:
        await socket.joins()
        socket.breaks()

    async def second(socket: Socket) -> None:
        error = {"type": "connection-error", "msg": "away for too long"}
        await socket.reply(await socket.request(), ok=False, error=error)

    async with scripted(first, second) as (connection, told):
        await connection.join({"room": "hello"})
        async with asyncio.timeout(20):
            assert str(await told.lost) == "away for too long"
        with pytest.raises(CallError, match="over"):
            await connection.request("ping")


async def test_a_refused_join_says_what_the_server_said():
    async def full(socket: Socket) -> None:
        await socket.reply(await socket.request(), ok=False, error={"type": "meeting-full", "msg": "no seat is left"})

    async with scripted(full) as (connection, _):
        with pytest.raises(JoinRefused, match="no seat is left") as refused:
            await connection.join({"room": "hello"})

    assert refused.value.kind == "meeting-full"


@pytest.mark.parametrize("url", ["hello", "ftp://host/room", "https://host", "https://host/", "https:///room"])
def test_what_is_no_room_is_refused_before_anything_is_sent(url: str):
    with pytest.raises(ValueError, match="https://host/room"):
        signalling_url(url)


async def test_who_is_no_ringback_server_is_named():
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = Connection(f"ws://127.0.0.1:{port}/rtc", lambda *_: None, lambda *_: None, lambda _: None)
    async with server:
        with pytest.raises(Unreachable, match=rf"127\.0\.0\.1:{port} is no Ringback server: it answers 404"):
            await connection.join({"room": "hello"})
