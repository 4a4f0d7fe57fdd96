"""A carrier on loopback that does one thing wrong, told by a script."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from ringback.sip.message import Request, Response, Row, reply
from ringback.sip.parser import parse

RTP_PACKET = bytes([0x80, 0x00])


@dataclass(frozen=True, slots=True)
class Fault:
    """What the carrier does.

    Attributes:
        options: Status of its answer to OPTIONS; 0 for none.
        invite: Status of its answer to INVITE.
        rows: More headers of that answer.
        codecs: Formats and rtpmaps of its description.
        digits: Whether it takes telephone-events.
        sound: Address its description names.
        sends: Whether sound comes from it.
        source: Address its sound comes from.
        contact: Host of its Contact.
        hold: Status of its answer to a re-INVITE.
        challenge: Asks for a password before anything else, and never takes one.
    """

    options: int = 200
    invite: int = 200
    rows: tuple[Row, ...] = ()
    codecs: Mapping[str, str] = field(default_factory=lambda: {"0": "PCMU/8000"})
    digits: bool = True
    sound: str = "127.0.0.1"
    sends: bool = True
    source: str = "127.0.0.1"
    contact: str = "127.0.0.1"
    hold: int = 200
    challenge: bool = False


class FaultyCarrier(asyncio.DatagramProtocol):
    """One socket for SIP, one for sound.

    Attributes:
        port: Where it listens.
        heard: Methods it was sent, in order.
    """

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self._transport: asyncio.DatagramTransport | None = None
        self._rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtp.bind((fault.source, 0))
        self._sending: asyncio.Task[None] | None = None
        self._calls: set[str] = set()
        self.heard: list[str] = []

    @property
    def port(self) -> int:
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        request = parse(data)
        if not isinstance(request, Request):
            return
        self.heard.append(request.method)
        answer = self._answer(request)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer.to_bytes(), address)

    def close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
        self._rtp.close()
        if self._transport is not None:
            self._transport.close()

    def _answer(self, request: Request) -> Response | None:
        fault = self._fault
        if request.method == "ACK":
            return None
        if request.method == "OPTIONS":
            return reply(request, fault.options, to_tag="o") if fault.options else None
        if request.method != "INVITE":
            return reply(request, 200, to_tag="c")
        if request.to.tag:
            return self._described(request) if fault.hold == 200 else reply(request, fault.hold, to_tag="c")
        if fault.challenge:
            challenge = 'Digest realm="carrier", nonce="abc", algorithm=MD5, qop="auth"'
            return reply(request, 401, to_tag="c", rows=[("WWW-Authenticate", challenge)])
        if fault.invite != 200:
            return reply(request, fault.invite, to_tag="c", rows=list(fault.rows))
        if fault.sends and self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send(request.body))
        return self._described(request)

    def _described(self, request: Request) -> Response:
        fault = self._fault
        formats = dict(fault.codecs)
        if fault.digits:
            formats["101"] = "telephone-event/8000"
        lines = ["v=0", f"o=- 1 1 IN IP4 {fault.sound}", "s=-", f"c=IN IP4 {fault.sound}", "t=0 0"]
        lines.append(f"m=audio {self._rtp.getsockname()[1]} RTP/AVP {' '.join(formats)}")
        lines += [f"a=rtpmap:{number} {name}" for number, name in formats.items()]
        if b"a=sendonly" in request.body:
            lines.append("a=recvonly")
        rows = [("Contact", f"<sip:gw@{fault.contact}:{self.port}>"), ("Content-Type", "application/sdp"), *fault.rows]
        answer = reply(request, 200, to_tag="c", rows=rows)
        answer.body = "\r\n".join([*lines, ""]).encode()
        return answer

    async def _send(self, offer: bytes) -> None:
        port = int(offer.split(b"m=audio ", 1)[1].split(b" ", 1)[0])
        for number in range(500):
            head = RTP_PACKET + number.to_bytes(2, "big") + (number * 160).to_bytes(4, "big") + b"\0\0\0\1"
            self._rtp.sendto(head + b"\xff" * 160, ("127.0.0.1", port))
            await asyncio.sleep(0.02)


@asynccontextmanager
async def a_carrier(fault: Fault) -> AsyncIterator[FaultyCarrier]:
    """It is there for as long as the block."""
    carrier = FaultyCarrier(fault)
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: carrier, ("127.0.0.1", 0))
    try:
        yield carrier
    finally:
        carrier.close()
