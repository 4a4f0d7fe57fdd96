"""A carrier as they really are: scripted by hand, on real sockets, with signalling and sound from many addresses."""

import asyncio
import contextlib
import itertools
import secrets
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from integration.media_phone import RtpPhone
from interop.peers.tones import level_db
from interop.peers.waiting import until
from ringback.sdp.description import parse as parse_sdp
from ringback.sip.errors import SipParseError
from ringback.sip.framing import Framer
from ringback.sip.message import Message, Request, Response, reply
from ringback.sip.parser import parse

SOON_S = 10.0
Answerer = Callable[[bytes], Awaitable[None]]


def sdp(host: str, port: int, *lines: str, formats: str = "0 101", version: int = 1) -> bytes:
    """One audio stream; PCMU and keys unless said otherwise."""
    events = ["a=rtpmap:101 telephone-event/8000"] if "101" in formats.split() else []
    rows = ["v=0", f"o=- 7 {version} IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"]
    return "\r\n".join([*rows, f"m=audio {port} RTP/AVP {formats}", *events, *lines, ""]).encode()


class UglyCarrier(asyncio.DatagramProtocol):
    """One far end with one call.

    Args:
        server: ``(host, port)`` of the server's SIP.
        host: Where it signals from.
        media: Where its sound comes from.
        transport: ``udp``; ``tcp`` or ``tls``: a new connection for every request it sends.
        tls: Of a client that believes the server, for ``tls``.
        hz: Its voice.

    Attributes:
        sound: Its telephone.
    """

    def __init__(
        self,
        server: tuple[str, int],
        *,
        host: str = "127.0.0.2",
        media: str = "127.0.0.3",
        transport: str = "udp",
        tls: ssl.SSLContext | None = None,
        hz: float = 440.0,
    ) -> None:
        self.server, self.host, self.media = server, host, media
        self.transport_name, self._tls = transport, tls
        self.sound = RtpPhone(hz=hz, ssrc=secrets.randbits(32))
        self.port = 0
        self.sound_port = 0
        self.offer: bytes = b""
        self.call_id, self.tag, self.their_tag = secrets.token_hex(8), secrets.token_hex(8), ""
        self.local, self.remote, self.target = "", "", ""
        self._cseq = itertools.count(1)
        self._inbox: asyncio.Queue[tuple[Message, Answerer]] = asyncio.Queue()
        self._kept: list[tuple[Message, Answerer]] = []
        self._closing = contextlib.AsyncExitStack()
        self._socket: asyncio.DatagramTransport | None = None
        self._invite: tuple[Request, Answerer] | None = None
        self._said = b""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        _, self.sound_port = await self.sound.open(self.media)
        self._closing.callback(self.sound.close)
        if self.transport_name == "udp":
            self._socket, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.host, 0))
            self._closing.callback(self._socket.close)
            self.port = self._socket.get_extra_info("sockname")[1]
        else:
            listener = await asyncio.start_server(self._listen, self.host, 0)
            self._closing.callback(listener.close)
            self.port = listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    # ── sound ──

    def description(self, *lines: str, host: str = "", port: int = 0, **more: Any) -> bytes:
        """Its SDP: where its sound is, or where it says that it is."""
        return sdp(host or self.media, port or self.sound_port, *lines, **more)

    def talk(self, answer: bytes) -> None:
        """Send its tone where a description says."""
        self.sound.hush()
        self.sound.talk(self.address_of(answer))

    @staticmethod
    def address_of(description: bytes) -> tuple[str, int]:
        """Where a description wants sound."""
        found = parse_sdp(description)
        (stream,) = found.media
        return str(found.address(stream)), stream.port

    def jump(self) -> None:
        """Another SSRC, number and time from the next packet on, as where a carrier changes its gateway."""
        self.sound.ssrc = secrets.randbits(32)
        self.sound.sequence = secrets.randbits(16)
        self.sound.timestamp = secrets.randbits(31)

    async def hears(self, hz: float) -> None:
        """In what comes from now on."""
        begun = len(self.sound.received)

        def heard() -> bool:
            new = self.sound.sound()[-4000:]
            return len(self.sound.received) > begun + 30 and level_db(new, 8000, hz) > 30

        await until(heard, f"{self.host} hears {hz} Hz", 15)

    async def hears_nothing_of(self, hz: float) -> None:
        """Once what is on its way has come, and then for half a second."""

        def quiet() -> bool:
            return level_db(self.sound.sound()[-3200:], 8000, hz) < 20

        await until(quiet, f"{self.host} hears no {hz} Hz any more", 15)
        begun = len(self.sound.received)
        await until(lambda: len(self.sound.received) > begun + 25, "half a second has come", 15)
        assert quiet()

    # ── as caller ──

    async def call(self, user: str, offer: bytes) -> bytes:
        """INVITE and wait for the 200; returns its SDP. ``ack`` is the caller's own affair."""
        where = f"{self.server[0]}:{self.server[1]}"
        self.local, self.remote = f"<sip:carrier@{self.host}>", f"<sip:{user}@{where}>"
        self.target = f"sip:{user}@{where}"
        answer = await self.request("INVITE", offer)
        assert answer.status == 200, answer.status
        self.their_tag = answer.to.tag
        self.target = (answer.headers.get("contact") or "").strip("<>")
        return answer.body

    async def ack(self) -> None:
        """Of the last INVITE's 200."""
        await self._send(self._build("ACK", self._number))

    # ── as callee ──

    @property
    def uri(self) -> str:
        more = "" if self.transport_name == "udp" else f";transport={self.transport_name}"
        return f"sip:carrier@{self.host}:{self.port}{more}"

    async def rings(self) -> bytes:
        """Wait for the server's INVITE; its SDP."""
        self._invite = invite, _ = await self.expect("INVITE")
        self.call_id, self.their_tag = invite.call_id, invite.from_.tag
        self.local, self.remote = f"<{invite.to.uri}>", f"<{invite.from_.uri}>"
        self.target = (invite.headers.get("contact") or "").strip("<>")
        return invite.body

    async def answer(self, status: int, body: bytes = b"") -> None:
        """A response to that INVITE."""
        assert self._invite is not None, "it was not called"
        await self._reply(*self._invite, status, body)

    # ── in a call ──

    async def request(self, method: str, body: bytes = b"") -> Response:
        """Send a request in the call and wait for its final answer, however often it takes."""
        self._number = next(self._cseq)
        self._said = data = self._build(method, self._number, body)
        for wait in (0.5, 1.0, 2.0, 4.0, 4.0, 4.0):
            await self._send(data)
            with contextlib.suppress(TimeoutError):
                message, _ = await self._take(lambda found: _is_final(found, self._number, method), wait)
                assert isinstance(message, Response)
                return message
            assert self.transport_name == "udp" or wait < 4.0, f"no answer to {method}"
        raise AssertionError(f"no answer to {method}")

    async def cancel(self) -> Response:
        """CANCEL the last request, an INVITE, however late; the answer to the CANCEL."""
        invite = parse(self._said)
        assert isinstance(invite, Request) and invite.method == "INVITE", "only an INVITE can be cancelled"
        kept = [row for row in invite.headers.rows if row[0] in ("Via", "Max-Forwards", "From", "To", "Call-ID")]
        rows = [*kept, ("CSeq", f"{self._number} CANCEL")]
        await self._send(Request("CANCEL", invite.target, rows).to_bytes())
        answer, _ = await self._take(lambda found: _is_final(found, self._number, "CANCEL"), SOON_S)
        assert isinstance(answer, Response)
        return answer

    async def expect(self, method: str, timeout_s: float = SOON_S) -> tuple[Request, Answerer]:
        """The next request of a kind."""
        message, back = await self._take(lambda found: isinstance(found, Request) and found.method == method, timeout_s)
        assert isinstance(message, Request)
        return message, back

    async def is_hung_up_on(self, timeout_s: float = SOON_S) -> None:
        """BYE comes, and gets its 200."""
        await self._reply(*await self.expect("BYE", timeout_s), 200)

    # ── inside ──

    def _build(self, method: str, cseq: int, body: bytes = b"") -> bytes:
        to = f"{self.remote};tag={self.their_tag}" if self.their_tag else self.remote
        via = f"SIP/2.0/{self.transport_name.upper()} {self.host}:{self.port}"
        rows = [
            ("Via", f"{via};branch=z9hG4bK{secrets.token_hex(8)};rport"),
            ("Max-Forwards", "70"),
            ("From", f"{self.local};tag={self.tag}"),
            ("To", to),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
            ("Contact", f"<{self.uri}>"),
            *([("Content-Type", "application/sdp")] if body else []),
        ]
        return Request(method, self.target, rows, body).to_bytes()

    async def _reply(self, request: Request, back: Answerer, status: int, body: bytes = b"") -> None:
        rows = [("Contact", f"<{self.uri}>"), *([("Content-Type", "application/sdp")] if body else [])]
        await back(reply(request, status, to_tag=self.tag, rows=rows, body=body).to_bytes())

    async def _send(self, data: bytes) -> None:
        if self._socket is not None:
            self._socket.sendto(data, self.server)
            return
        reader, writer = await asyncio.open_connection(
            *self.server, ssl=self._tls, local_addr=(self.host, 0), server_hostname="localhost" if self._tls else None
        )
        self._closing.callback(writer.close)
        writer.write(data)
        task = asyncio.create_task(self._listen(reader, writer))
        self._closing.callback(task.cancel)

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def back(data: bytes) -> None:
            writer.write(data)

        framer = Framer(0.0)
        with contextlib.suppress(OSError, ssl.SSLError):
            while data := await reader.read(65_535):
                for message in framer.feed(data, 0.0):
                    self._inbox.put_nowait((message, back))
                    if isinstance(message, Response) and message.status >= 200:
                        # One connection per request: this one has served.
                        writer.close()
                        return

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        async def back(answer: bytes) -> None:
            assert self._socket is not None
            self._socket.sendto(answer, addr)

        with contextlib.suppress(SipParseError):
            self._inbox.put_nowait((parse(data), back))

    async def _take(self, wanted: Callable[[Message], bool], timeout_s: float) -> tuple[Message, Answerer]:
        async with asyncio.timeout(timeout_s):
            while True:
                for index, (message, _) in enumerate(self._kept):
                    if wanted(message):
                        return self._kept.pop(index)
                self._kept.append(await self._inbox.get())


def _is_final(message: Message, cseq: int, method: str) -> bool:
    return (
        isinstance(message, Response)
        and message.status >= 200
        and (message.cseq.number, message.cseq.method) == (cseq, method)
    )
