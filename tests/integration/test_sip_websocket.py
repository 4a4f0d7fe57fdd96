"""SIP over WebSocket against a whole server: calls by a browser's rules, and everything RFC 6455 and 7118 forbid."""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from interop.peers.waiting import free_port, until
from ringback import websocket_protocol
from ringback.app import Application
from ringback.config import Settings
from ringback.model.ids import RoomName
from ringback.sdp.negotiation import make_offer
from ringback.sip.digest import Credential, answer_challenge
from ringback.sip.message import Request, Response
from ringback.sip.parser import parse
from ringback.telephony import websocket

SIP = [Subprotocol("sip")]
OFFER = make_offer(1, 1, "127.0.0.1", 14000, ["PCMU"])


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Application]:
    """A room answers whoever calls."""
    ports = {"http": {"port": free_port()}, "media": {"udp_port": 0}}
    sip = {"port": 0, "origins": "https://phone.example", "known": "127.0.0.1"}
    app = Application(Settings(data_dir=tmp_path, sip=sip, **ports))  # type: ignore[arg-type]
    await app.start()
    room = {"display_name": "Caller", "sip_mode": "dial-in", "dialin_config": {"allow_room_start": True}}
    await app.rooms.create(app.domain.id, {"name": "open", "properties": {"sip": room}})
    yield app
    await app.stop()


def url(server: Application) -> str:
    return server.addresses.public_url.replace("http", "ws", 1) + "/sip"


def request(method: str, uri: str, *, to_tag: str = "", cseq: int = 1, body: bytes = b"", call: str = "c1") -> bytes:
    """As a browser writes it: nobody can reach the host in its Via and Contact."""
    tag = f";tag={to_tag}" if to_tag else ""
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK{call}{method}{cseq}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:ann@web.example>;tag=ann\r\nTo: <{uri}>{tag}\r\nCall-ID: {call}\r\n"
        f"CSeq: {cseq} {method}\r\nContact: <sip:ann@df7jal23ls0d.invalid;transport=ws>\r\n{kind}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def answer(socket: ClientConnection) -> tuple[int, str]:
    """The next final answer."""
    while True:
        text = str(await asyncio.wait_for(socket.recv(), 20))
        if text.startswith("SIP/2.0 ") and not text.startswith("SIP/2.0 1"):
            return int(text[8:11]), text


async def test_a_browser_calls_a_room_and_is_hung_up_on_over_the_way_it_came(server: Application) -> None:
    """RFC 7118 §5: its ``.invalid`` Contact is no address, its WebSocket is."""
    room = await server.rooms.find(server.domain.id, RoomName("open"))
    assert room is not None
    uri = f"sip:{room.endpoints[0]}@{server.addresses.sip_domain}"
    async with connect(url(server), subprotocols=SIP) as socket:
        await socket.send(request("INVITE", uri, body=OFFER).decode())
        status, text = await answer(socket)
        assert status == 200
        assert ";transport=ws>" in text.partition("\nContact: ")[2].partition("\n")[0]
        tag = text.partition("\nTo: ")[2].partition(";tag=")[2].partition("\r")[0]
        await socket.send(request("ACK", uri, to_tag=tag))
        await until(lambda: server.meetings.by_call, "the call is up")

        await server.rooms.delete(server.domain.id, RoomName("open"))
        bye = str(await asyncio.wait_for(socket.recv(), 20))

        assert bye.startswith("BYE sip:ann@df7jal23ls0d.invalid;transport=ws SIP/2.0\r\nVia: SIP/2.0/WS ")


async def test_a_browser_registers_and_is_called_by_a_room_over_the_way_it_came(server: Application) -> None:
    """RFC 7118 §5, §6: nothing but its WebSocket leads to it."""
    fresh = await server.sip_clients.create(server.domain, {"username": "ann", "password": "pass-word-1234"})
    await server.rooms.create(
        server.domain.id,
        {"name": "out", "properties": {"enable_dialout": True, "dialout_config": {"allow_room_start": True}}},
    )
    address = server.sip_clients.address(server.domain.id, "ann")
    assert address is not None
    host = address.partition("@")[2]
    async with connect(url(server), subprotocols=SIP) as socket:
        first = parse(request("REGISTER", f"sip:ann@{host}"))
        first.headers.rows[:] = [
            (name, f"<sip:ann@{host}>;tag=ann" if name == "From" else value) for name, value in first.headers.rows
        ]
        assert isinstance(first, Request)
        await socket.send(first.to_bytes().decode())
        status, text = await answer(socket)
        assert status == 401
        challenge = parse(text.encode())
        assert isinstance(challenge, Response)
        credential = Credential("127.0.0.1", "ann", fresh.password)
        proof = answer_challenge([credential], first, challenge, "127.0.0.1", "cnonce")
        assert proof is not None
        again = parse(first.to_bytes().replace(b"CSeq: 1 ", b"CSeq: 2 ").replace(b"REGISTER1\r\n", b"REGISTER2\r\n"))
        again.headers.rows.append(proof)
        await socket.send(again.to_bytes().decode())
        assert (await answer(socket))[0] == 200

        await server.calls.start_dial_out(server.domain.id, RoomName("out"), {"sipUri": address})
        invite = str(await asyncio.wait_for(socket.recv(), 20))

        assert invite.startswith("INVITE sip:ann@df7jal23ls0d.invalid;transport=ws SIP/2.0\r\nVia: SIP/2.0/WS ")


async def test_a_browser_that_goes_away_leaves_nothing_behind(server: Application) -> None:
    async with connect(url(server), subprotocols=SIP) as socket:
        await socket.send(request("OPTIONS", "sip:x@127.0.0.1"))
        assert (await answer(socket))[0] == 200
    streams = server.telephony._wire._streams  # type: ignore[attr-defined]
    await until(lambda: not streams._open and not streams._sources, "the flow is forgotten")


async def test_keep_alives_are_answered_and_messages_in_octets_are_read(server: Application) -> None:
    async with connect(url(server), subprotocols=SIP) as socket:
        await socket.send("\r\n\r\n")
        assert await asyncio.wait_for(socket.recv(), 20) == "\r\n"
        await socket.send(request("OPTIONS", "sip:x@127.0.0.1"))
        assert (await answer(socket))[0] == 200


@pytest.mark.parametrize("protocols", [None, [Subprotocol("msrp")]])
async def test_without_its_subprotocol_nobody_comes_in(
    server: Application, protocols: list[Subprotocol] | None
) -> None:
    """F8."""
    with pytest.raises(InvalidStatus):
        await connect(url(server), subprotocols=protocols)


@pytest.mark.parametrize("origin", ["https://evil.example", "http://phone.example", "null", "https://"])
async def test_pages_from_elsewhere_do_not_come_in(server: Application, origin: str) -> None:
    """F8."""
    with pytest.raises(InvalidStatus):
        await connect(url(server), subprotocols=SIP, origin=Origin(origin))


async def test_our_own_pages_and_those_on_the_list_come_in(server: Application) -> None:
    for origin in (server.addresses.public_url, "https://phone.example"):
        async with connect(url(server), subprotocols=SIP, origin=Origin(origin)) as socket:
            assert socket.subprotocol == "sip"


async def test_frames_that_are_too_long_end_the_connection(server: Application) -> None:
    """F8, C7."""
    for size in (70_000, 300_000):
        async with connect(url(server), subprotocols=SIP) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                await socket.send(b"x" * size)
                await asyncio.wait_for(socket.recv(), 20)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009


async def test_a_message_in_pieces_is_one_message(server: Application) -> None:
    """F8, RFC 6455 §5.4."""
    data = request("OPTIONS", "sip:x@127.0.0.1").decode()
    async with connect(url(server), subprotocols=SIP) as socket:
        await socket.send([data[:10], data[10:100], data[100:]])
        assert (await answer(socket))[0] == 200


async def test_frames_without_a_mask_end_the_connection(server: Application) -> None:
    """F8, RFC 6455 §5.1."""
    port = int(server.addresses.public_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET /sip HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: sip\r\n\r\n"
    )
    assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    writer.write(b"\x81\x04\r\n\r\n")
    frame = await asyncio.wait_for(reader.read(), 20)
    writer.close()

    assert frame[:1] == b"\x88"
    assert struct.unpack(">H", frame[2:4])[0] == 1002


async def test_garbage_is_answered_or_dropped_and_disturbs_nobody(server: Application) -> None:
    async with connect(url(server), subprotocols=SIP) as socket:
        for _ in range(10):
            await socket.send(os.urandom(500))
        await socket.send(request("INVITE", "sip:x@127.0.0.1").replace(b"CSeq: 1", b"CSeq: x"))
        assert (await answer(socket))[0] == 400
        await socket.send(request("OPTIONS", "sip:x@127.0.0.1"))
        assert (await answer(socket))[0] == 200


async def test_who_connects_and_says_nothing_is_cut_off(server: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """C9."""
    monkeypatch.setattr(websocket, "PATIENCE", 0.2)
    async with connect(url(server), subprotocols=SIP) as socket:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 9)  # less than the patience that a server has


def frame(data: bytes) -> bytes:
    """A masked frame of octets, its mask all zeros."""
    return b"\x82\xfe" + struct.pack(">H", len(data)) + bytes(4) + data


async def test_who_asks_and_never_takes_the_answers_is_cut_off(
    server: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C9: it would hold its connection, and what waits for it, for as long as it does not listen."""
    monkeypatch.setattr(websocket, "TAKING", 0.2)
    monkeypatch.setattr(websocket_protocol, "GONE_WITHIN", 0.2)
    loop, streams = asyncio.get_running_loop(), server.telephony._wire._streams  # type: ignore[attr-defined]
    long = request("OPTIONS", "sip:x@127.0.0.1").replace(b"From: <", b'From: "' + b"c" * 8000 + b'" <')
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", int(server.addresses.public_url.rpartition(":")[2])))
        deaf.setblocking(False)
        await loop.sock_sendall(
            deaf,
            b"GET /sip HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Protocol: sip\r\n\r\n",
        )
        await until(lambda: streams._open, "it is let in")

        with pytest.raises(ConnectionError):
            async with asyncio.timeout(60):
                for number in range(10_000):
                    await loop.sock_sendall(deaf, frame(long.replace(b"c1OPTIONS", b"%dOPTIONS" % number)))

        assert not streams._open


async def test_one_source_has_64_connections_and_no_more(server: Application) -> None:
    """C9."""
    async with contextlib.AsyncExitStack() as opened:
        with pytest.raises(InvalidStatus):
            for _ in range(65):
                await opened.enter_async_context(connect(url(server), subprotocols=SIP))
        streams = server.telephony._wire._streams  # type: ignore[attr-defined]
        assert streams._sources == {"127.0.0.1": 64}
