"""Webhooks over real HTTP: who may be spoken to, and what hostile servers can do."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from integration.certificates import Authority
from ringback.http_client import CheckedClient
from ringback.http_requests import LARGEST_ANSWER
from ringback.webhooks.ports import Posted

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextlib.asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[int]:
    """A server that does as it is told with each connection; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One request: head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return head, await reader.readexactly(length)


def answering(answer: bytes) -> tuple[Talk, list[tuple[bytes, bytes]]]:
    heard: list[tuple[bytes, bytes]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heard.append(await request(reader))
            writer.write(answer)
            await writer.drain()

    return talk, heard


async def post(port: int, *, seconds: float = 5.0, host: str = "127.0.0.1", scheme: str = "http") -> Posted:
    client = CheckedClient(lambda address, to: True, seconds)
    try:
        return await client.post(f"{scheme}://{host}:{port}/hook?a=1", b'{"a":1}', {"X-Webhook-Signature": "abc"})
    finally:
        await client.close()


async def test_a_delivery_arrives_whole() -> None:
    talk, heard = answering(OK)
    async with serving(talk) as port:
        assert await post(port, host="localhost") == Posted(200)
    ((head, body),) = heard
    assert head.startswith(b"POST /hook?a=1 HTTP/1.1\r\n")
    assert f"\r\nHost: localhost:{port}\r\n".encode() in head
    assert b"\r\nX-Webhook-Signature: abc\r\n" in head
    assert body == b'{"a":1}'


async def test_one_connection_serves_many_deliveries() -> None:
    connections = 0
    talk, heard = answering(OK)

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await talk(reader, writer)

    client = CheckedClient(lambda address, to: True)
    async with serving(counted) as port:
        for _ in range(5):
            assert (await client.post(f"http://127.0.0.1:{port}/", b"{}", {})).status == 200
        await client.close()
    assert (len(heard), connections) == (5, 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1"])
async def test_a_private_address_is_not_even_connected_to_however_it_is_written(host: str) -> None:
    """D13: the address is checked after the name was looked up, and is the one that is used."""
    talk, heard = answering(OK)
    asked: list[str] = []

    def allows(address: str, port: int) -> bool:
        asked.append(address)
        return False

    client = CheckedClient(allows, 5.0)
    async with serving(talk) as port:
        posted = await client.post(f"http://{host}:{port}/", b"{}", {})
        await client.close()
    assert posted.status == 0
    assert heard == []
    if asked:
        assert "RINGBACK_WEBHOOKS__ALLOW_PRIVATE" in posted.error


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    other, heard = answering(OK)
    async with serving(other) as target:
        away = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{target}/\r\nContent-Length: 0\r\n\r\n"
        talk, _ = answering(away.encode())
        async with serving(talk) as port:
            assert await post(port) == Posted(302)
    assert heard == []


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as port:
        assert await post(port, seconds=0.3) == Posted(0, "no answer within 0.3 s")


async def test_a_server_that_dribbles_its_answer_is_given_up_too() -> None:
    async def dribbling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        for octet in OK * 1000:
            writer.write(bytes([octet]))
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(dribbling) as port:
        posted = await post(port, seconds=0.3)
    assert posted.status == 0


async def test_an_endless_answer_is_cut_off() -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
            await writer.drain()
            sent += 0x8000

    async with serving(endless) as port:
        assert await post(port) == Posted(200)
    assert sent < 100 * LARGEST_ANSWER


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02" * 100 + b"\r\n\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
        b"",
    ],
)
async def test_garbage_is_no_answer(garbage: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(garbage)
        await writer.drain()

    async with serving(talk) as port:
        posted = await post(port)
    assert (posted.status, bool(posted.error)) == (0, True)


async def test_nobody_listens() -> None:
    async with serving(answering(OK)[0]) as port:
        pass
    assert await post(port) == Posted(0, "the connection failed")


async def test_a_name_without_an_address() -> None:
    assert await post(80, host="nobody.invalid") == Posted(0, "no address for the host")


async def test_a_server_without_tls_is_not_spoken_to_in_the_clear() -> None:
    heard = b""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard = await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async with serving(talk) as port:
        posted = await post(port, scheme="https")
    assert posted.status == 0
    assert b"POST" not in heard


async def test_a_certificate_nobody_vouches_for_ends_it(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue("localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    talk, heard = answering(OK)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        posted = await post(server.sockets[0].getsockname()[1], host="localhost", scheme="https")
    assert posted.status == 0
    assert "certificate does not verify" in posted.error
    assert heard == []


def giving(answer: bytes) -> tuple[Talk, list[bytes]]:
    """A server that gives everybody this answer, and the requests it got."""
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()

    return talk, heard


async def fetched(talk: Talk, largest: int = 1000, *, allowed: bool = True) -> bytes:
    """What is got from a server, by the rules for addresses that customers name."""
    client = CheckedClient(lambda host, port: allowed, 2.0)
    async with serving(talk) as port:
        try:
            return await client.fetch(f"http://127.0.0.1:{port}/music.mp3", largest)
        finally:
            await client.close()


def file_of(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def test_music_is_fetched_within_its_limits() -> None:
    talk, _ = giving(file_of(b"m" * 1000))
    assert await fetched(talk) == b"m" * 1000


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (file_of(b"m" * 1001), "larger than 1000 octets"),
        (file_of(b"", "404 Not Found"), "answered 404"),
        (file_of(b"", "302 Found", "Location: http://127.0.0.1:1/\r\n"), "answered 302"),
        (b"what?\r\n\r\n", "not HTTP"),
    ],
)
async def test_music_that_cannot_be_had_is_said_to_be_so_in_a_sentence(answer: bytes, why: str) -> None:
    talk, _ = giving(answer)
    with pytest.raises(OSError, match=why):
        await fetched(talk)


async def test_music_of_a_private_address_is_not_even_asked_for() -> None:
    talk, heard = giving(file_of(b"m"))
    with pytest.raises(OSError, match="ALLOW_PRIVATE"):
        await fetched(talk, allowed=False)
    assert heard == []
