"""A caller made of raw packets, so that a test can let go wrong what no telephone lets go wrong on purpose."""

import asyncio
import math
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from integration.media_phone import RtpPhone, mu_law
from integration.sip_phone import Phone, running
from interop.peers.house import House
from ringback.model.ids import CallId

SILENCE = b"\xff" * 160


def description(host: str, port: int, *, direction: str = "sendrecv", version: int = 1, crypto: str = "") -> bytes:
    """An SDP of PCMU alone."""
    profile = "RTP/SAVP" if crypto else "RTP/AVP"
    lines = [
        "v=0",
        f"o=- 7 {version} IN IP4 {host}",
        "s=-",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio {port} {profile} 0",
        "a=rtpmap:0 PCMU/8000",
        *([f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{crypto}"] if crypto else []),
        f"a={direction}",
    ]
    return "\r\n".join([*lines, ""]).encode()


class Caller:
    """Calls a room and sends what it is told to.

    Args:
        house: The server.
        host: Where it sends and receives its sound.
        told: Address in its SDP instead.
        crypto: Key in its SDP.

    Attributes:
        rtp: Its socket for sound.
        call: Its call at the server, once answered.
    """

    call: str

    def __init__(
        self, house: House, *, host: str = "127.0.0.1", told: tuple[str, int] | None = None, crypto: str = ""
    ) -> None:
        self._house = house
        self._host = host
        self._told = told
        self._crypto = crypto
        self._stack = AsyncExitStack()
        self._talking: asyncio.Task[None] | None = None
        self._line = CallId("")
        self._version = 1
        self.rtp = RtpPhone()
        self.sip: Phone

    async def __aenter__(self) -> Self:
        self.sip = await self._stack.enter_async_context(running())
        self.here = await self.rtp.open(self._host)
        self._stack.callback(self.rtp.close)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._talking is not None:
            self._talking.cancel()
        await self._stack.aclose()

    async def dial(self, room: str, user: str) -> Self:
        """Call it, and wait until it is answered."""
        self.ring(user)
        _, answer = await self.sip.told("answered")
        self.sip.telephony.confirm(self._line)
        self.call = (await self._house.state(room, "answered"))["id"]
        self.rtp._to = ("127.0.0.1", _port(answer))
        return self

    def ring(self, user: str) -> None:
        """Call it."""
        self._line = self.sip.dial(f"sip:{user}@{self._house.sip}", self._offer("sendrecv"))

    async def hold(self) -> None:
        """Put the room on hold."""
        self._version += 1
        self.sip.telephony.offer(self._line, self._offer("sendonly"))
        await self.sip.told("reoffer_answered")

    async def agree_to_hold(self) -> None:
        """Answer the room's re-INVITE."""
        await self.sip.told("reoffered")
        self._version += 1
        self.sip.telephony.answer_offer(self._line, self._offer("recvonly"))

    def talk(self, amplitude: float = 0.25, *, every_ms: float = 20.0, loses: float = 0.0, type: int = 0) -> None:
        """Send a tone from now on."""
        self._say(lambda: self._tone(amplitude), every_ms, loses, type)

    def hush(self) -> None:
        """Send silence from now on."""
        self._say(lambda: SILENCE, 20.0, 0.0, 0)

    def _say(self, payload: Callable[[], bytes], every_ms: float, loses: float, type: int) -> None:
        if self._talking is not None:
            self._talking.cancel()
        self._talking = asyncio.get_running_loop().create_task(self._speak(payload, every_ms, loses, type))

    async def _speak(self, payload: Callable[[], bytes], every_ms: float, loses: float, type: int) -> None:
        loop, chance = asyncio.get_running_loop(), random.Random(7)
        due = loop.time()
        while True:
            if chance.random() < loses:
                self.rtp.sequence += 1
                self.rtp.timestamp += 160
            else:
                self.rtp.send(type, payload())
            due += every_ms / 1000
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _tone(self, amplitude: float) -> bytes:
        # Eight samples long: 1000 Hz.
        sine = [amplitude * math.sin(math.pi * n / 4) for n in range(8)]
        return bytes([mu_law(max(-1.0, min(1.0, value))) for value in sine] * 20)

    def _offer(self, direction: str) -> bytes:
        host, port = self._told or self.here
        return description(host, port, direction=direction, version=self._version, crypto=self._crypto)


def _port(answer: bytes) -> int:
    line = next(line for line in answer.decode().splitlines() if line.startswith("m=audio "))
    return int(line.split()[1])
