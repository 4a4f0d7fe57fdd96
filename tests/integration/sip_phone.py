"""A real SIP side on loopback, and a plain socket to poke it with."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ringback.calls.ports.carrier import OutgoingInvite
from ringback.clock import SystemClock
from ringback.model.ids import CallId
from ringback.sdp.negotiation import make_offer
from ringback.telephony.service import Telephony, TelephonySettings

OFFER = make_offer(1, 1, "127.0.0.1", 14000, ["PCMU", "PCMA"])
OPTIONS = (
    b"OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK%d;rport\r\nMax-Forwards: 70\r\n"
    b"From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:x@127.0.0.1>\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\n"
    b"Content-Length: 0\r\n\r\n"
)


class Phone:
    """Our SIP side on a free port.

    Attributes:
        events: What it was told, as (name, arguments).
        telephony: The side itself.
    """

    telephony: Telephony

    def __init__(self) -> None:
        self.events: asyncio.Queue[tuple[str, tuple[Any, ...]]] = asyncio.Queue()
        self._dialled = 0

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.events.put_nowait((name, arguments))

    @property
    def address(self) -> str:
        return self.telephony.local_addresses[0]

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def dial(self, target: str, offer: bytes = OFFER) -> CallId:
        self._dialled += 1
        call = CallId(f"call-{self._dialled}")
        self.telephony.invite(OutgoingInvite(call, self.telephony.prepare(target, call, "room"), offer))
        return call

    async def told(self, name: str) -> Any:
        """The next event of that name; its only argument, or all of them."""
        async with asyncio.timeout(20):
            while True:
                kind, arguments = await self.events.get()
                if kind == name:
                    return arguments[0] if len(arguments) == 1 else arguments


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Phone]:
    """A SIP side that is up for as long as the block."""
    phone = Phone()
    chosen = TelephonySettings(**{"port": 0, "rate_limits": None, "lag_limit": None, "allow_private": True, **settings})
    phone.telephony = Telephony(chosen, SystemClock(asyncio.get_running_loop()), phone)
    await phone.telephony.start()
    try:
        yield phone
    finally:
        await phone.telephony.stop()


async def ask(port: int, data: bytes, *, wait: float = 2.0) -> list[int]:
    """Send a datagram and take the status codes that come back, until a final one."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        await loop.sock_sendto(sock, data, ("127.0.0.1", port))
        found: list[int] = []
        try:
            async with asyncio.timeout(wait):
                while not found or found[-1] < 200:
                    answer = await loop.sock_recv(sock, 65_535)
                    assert answer.startswith(b"SIP/2.0 ")
                    found.append(int(answer[8:11]))
        except TimeoutError:
            pass
        return found
