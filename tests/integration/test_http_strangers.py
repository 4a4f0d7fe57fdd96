"""What somebody who only opens connections can do to the HTTP server: nothing to anybody else."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from ringback import http_protocol
from ringback.config import load_settings
from ringback.http_server import HttpServer, http_config


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(http_protocol, "HEAD_WITHIN", 0.2)
    monkeypatch.setattr(http_protocol, "MOST_PER_SOURCE", 5)

    async def app(scope, receive, send):  # type: ignore[no-untyped-def]
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    listener = socket.create_server(("127.0.0.1", 0))
    server = HttpServer(http_config(app, load_settings()))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await server.up.wait()
    yield listener.getsockname()[1]
    server.should_exit = True
    await task


async def say(port: int, words: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(OSError):
        writer.write(words)
        await writer.drain()
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    except OSError:
        return b""
    finally:
        writer.close()


CLOSING = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def test_a_proper_request_is_answered(port: int) -> None:
    assert (await say(port, CLOSING)).endswith(b"ok")


@pytest.mark.parametrize("words", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_who_says_nothing_whole_is_not_waited_for(port: int, words: bytes) -> None:
    assert await say(port, words) == b""


async def test_a_head_without_end_is_not_kept(port: int) -> None:
    endless = b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (number, b"y" * 900) for number in range(200))
    assert not (await say(port, endless)).startswith(b"HTTP/1.1 200")


async def test_what_is_not_http_is_told_so(port: int) -> None:
    assert (await say(port, b"\x16\x03\x01\x00\xff\r\n\r\n")).startswith(b"HTTP/1.1 400")


async def test_one_address_cannot_use_up_the_connections(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_WITHIN", 30.0)
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
    refused = await say(port, CLOSING)
    for _, writer in idle:
        writer.close()
        await writer.wait_closed()
    answers = [await say(port, CLOSING) for _ in range(3)]
    assert refused == b""
    assert answers[-1].endswith(b"ok")


async def test_a_connection_that_asked_is_kept_for_the_next_question_and_of_too_many_the_first(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "MOST_KEPT", 3)
    monkeypatch.setattr(http_protocol, "KEPT_BRIEFLY", 0.05)
    kept = []
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await ask(reader, writer)
        kept.append((reader, writer))
    async with asyncio.timeout(20):
        assert [await reader.read() for reader, _ in kept[3:]] == [b"", b""]
    for reader, writer in kept[:3]:
        await ask(reader, writer)
    for _, writer in kept:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_it_is_kept_for_longer_than_clients_and_proxies_keep_theirs() -> None:
    assert http_config(lambda: None, load_settings()).timeout_keep_alive > 60  # type: ignore[arg-type]


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(20):
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
