"""A telephone whose screen shows nothing and notes when what came: our own SIP, and RTP that the test itself reads."""

import asyncio
import struct
import time
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from integration.sip_phone import Phone, running
from interop.peers.server import Server
from ringback.model.ids import CallId
from ringback.sdp.negotiation import make_offer
from ringback.sdp.video import VideoTerms

HOST = "127.0.0.1"
SILENCE = b"\xff" * 160
REPORT_S = 1.0


def frame_size(payload: bytes) -> tuple[int, int] | None:
    """Width and height of the VP8 key frame that begins here; ``None``: none begins (RFC 7741 §4.2, RFC 6386 §9.1)."""
    if len(payload) < 2 or not payload[0] & 0x10 or payload[0] & 0x07:
        return None
    at = 1
    if payload[0] & 0x80:
        flags, at = payload[1], 2
        if flags & 0x80:
            at += 2 if payload[at] & 0x80 else 1
        at += bool(flags & 0x40) + bool(flags & 0x30)
    frame = payload[at : at + 10]
    if len(frame) < 10 or frame[0] & 1 or frame[3:6] != b"\x9d\x01\x2a":
        return None
    width, height = struct.unpack("<HH", frame[6:10])
    return width & 0x3FFF, height & 0x3FFF


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, came: list[tuple[float, bytes]]) -> None:
        self._came = came

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        self._came.append((time.monotonic(), data))


class Watcher:
    """Dials in with VP8 and says nothing.

    Attributes:
        pictures: RTP and RTCP of its pictures, with when each came (seconds, monotonic).
        sound: The same of its sound.
    """

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self.pictures: list[tuple[float, bytes]] = []
        self.sound: list[tuple[float, bytes]] = []
        self._sip: Phone

    async def __aenter__(self) -> Self:
        self._sip = await self._stack.enter_async_context(running())
        self._audio = await self._open(self.sound)
        self._video = await self._open(self.pictures)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await self._stack.aclose()

    async def _open(self, came: list[tuple[float, bytes]]) -> asyncio.DatagramTransport:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Socket(came), local_addr=(HOST, 0))
        self._stack.callback(transport.close)
        return transport

    async def dial(self, server: Server, address: str) -> None:
        """Call a room, and watch and listen from then on."""
        user = address.removeprefix("sip:").partition("@")[0]
        video = VideoTerms(_port_of(self._video), codecs=("VP8",))
        offer = make_offer(7, 1, HOST, _port_of(self._audio), ("PCMU",), video=video)
        call = self._sip.dial(f"sip:{user}@{HOST}:{server.ports.sip}", offer)
        _, answer = await self._sip.told("answered")
        self._sip.telephony.confirm(CallId(call))
        audio, pictures = _ports(answer, "audio"), _ports(answer, "video")
        self._tasks = [
            asyncio.create_task(self._speak((HOST, audio))),
            asyncio.create_task(self._report((HOST, pictures))),
        ]

    async def _speak(self, to: tuple[str, int]) -> None:
        """Silence, 20 ms a packet: a far end that sends nothing is given up."""
        number = 0
        while True:
            self._audio.sendto(struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * 160, 7) + SILENCE, to)
            number += 1
            await asyncio.sleep(0.02)

    async def _report(self, to: tuple[str, int]) -> None:
        """That it is there: an empty RTP packet, as of a camera that is off, and a receiver's report."""
        number = 0
        while True:
            self._video.sendto(struct.pack("!BBHII", 0x80, 96, number & 0xFFFF, number * 90_000, 8), to)
            self._video.sendto(struct.pack("!BBHI", 0x80, 201, 1, 8), (to[0], to[1] + 1))
            number += 1
            await asyncio.sleep(REPORT_S)

    def sizes(self) -> list[tuple[float, int]]:
        """When each whole picture began to come, and its width."""
        found = []
        for at, data in self.pictures:
            if len(data) > 12 and data[0] == 0x80 and not 64 <= data[1] & 0x7F < 96 and (size := frame_size(data[12:])):
                found.append((at, size[0]))
        return found

    def first_of(self, width: int, since: float) -> float | None:
        """When a picture of that width first began to come after ``since``."""
        return next((at for at, came in self.sizes() if at >= since and came == width), None)


def _port_of(transport: asyncio.DatagramTransport) -> int:
    return int(transport.get_extra_info("sockname")[1])


def _ports(answer: bytes, kind: str) -> int:
    line = next(line for line in answer.decode().splitlines() if line.startswith(f"m={kind} "))
    return int(line.split()[1])
