"""Garbage to every open port while people talk: it is answered or dropped, and nobody is disturbed."""

import asyncio
import contextlib
import socket
from pathlib import Path
from random import Random

import pytest

from interop.peers.baresip import Baresip
from interop.peers.browser import Chromium
from interop.peers.server import Server
from interop.peers.waiting import until

pytestmark = [pytest.mark.needs("baresip", "chromium"), pytest.mark.listens]

PACKETS = 400
SIP_PIECES = [
    b"INVITE sip:1@127.0.0.1 SIP/2.0\r\n",
    b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n",
    b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n",
    b"Content-Length: 99999999999999999999\r\n\r\n",
    b"CSeq: 4294967296 INVITE\r\nFrom: <sip:\xff\xfe@[::1>;tag=\r\n",
    b"\r\n\r\n",
    b"\x00" * 40,
]


def garbage(chance: Random) -> bytes:
    """Random bytes, or SIP that was cut up and put together wrongly."""
    if chance.random() < 0.5:
        return chance.randbytes(chance.randint(0, 1400))
    pieces = [chance.choice(SIP_PIECES) for _ in range(chance.randint(1, 6))]
    mixed = bytearray(b"".join(pieces))
    for _ in range(chance.randint(0, 5)):
        mixed[chance.randrange(len(mixed))] = chance.randrange(256)
    return bytes(mixed[:1400])


async def throw_datagrams(port: int, chance: Random) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for number in range(PACKETS):
            out.sendto(garbage(chance), ("127.0.0.1", port))
            if number % 20 == 0:
                await asyncio.sleep(0)  # lets the other throwers go on


async def throw_streams(port: int, chance: Random) -> None:
    for _ in range(20):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(5):
                writer.write(garbage(chance))
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.drain(), 2)
            writer.close()


async def throw_frames(port: int, chance: Random) -> None:
    """Proper WebSockets with improper words."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    words = ["", "{", "null", "[]", '{"id":1}', '{"id":{},"type":"join"}', '{"id":1,"type":"join","room":7}', "\x00"]
    for _ in range(10):
        async with connect(f"ws://127.0.0.1:{port}/rtc") as out:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(20):
                    await out.send(chance.choice(words) if chance.random() < 0.8 else chance.randbytes(100))


async def test_garbage_on_every_port_disturbs_nobody(tmp_path: Path, server: Server, chromium: Chromium) -> None:
    room = await server.room("busy")
    page = await chromium.open(f"{server.url}/busy", hz=880)
    await page.join()
    await page.event("dialin-ready")
    async with Baresip(tmp_path / "phone", hz=440) as phone:
        await phone.dial(room["config"]["sip_uri"]["endpoint"])
        await page.hears(440)
        call = (await server.rest("GET", "/ringback/calls")).body["data"][0]
        rtp = int(call["media"].rpartition(":")[2])
        lines = server.log().count("\n")

        ports = server.ports
        await asyncio.gather(
            throw_datagrams(ports.sip, Random(1)),
            throw_datagrams(ports.media, Random(2)),
            throw_datagrams(rtp, Random(3)),
            throw_datagrams(rtp + 1, Random(4)),
            throw_streams(ports.sip, Random(5)),
            throw_streams(ports.media, Random(6)),
            throw_streams(ports.http, Random(7)),
            throw_frames(ports.http, Random(8)),
        )

        await page.hears(440)
        await until(lambda: phone.hears(880) or None, "the phone still hears the browser")
        # One line per source and minute and kind of door; thousands of packets came.
        assert server.log().count("\n") - lines < 60, server.log()[-4000:]
        await phone.command("hangup")
        await page.event("dialin-stopped")
    assert (await server.rest("GET", "/rooms/busy")).status == 200
