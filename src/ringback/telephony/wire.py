"""The sockets: one UDP and one TCP listener on the same address, and connections we open ourselves."""

import asyncio
import contextlib
import errno
import select
import socket
import sys
from typing import Protocol, cast

from ringback.sip.errors import SipParseError
from ringback.sip.flow import Flow
from ringback.sip.framing import PONG, Framer
from ringback.sip.message import Message

_LINUX = sys.platform == "linux"
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_MSG_ERRQUEUE = 0x2000
_RECEIVE_BUFFER = 8 * 1024 * 1024
_AT_ONCE = 64
CONNECT_SECONDS = 3.0


class Receiver(Protocol):
    """Who is told what comes in. No method raises."""

    def on_datagram(self, data: bytes, flow: Flow) -> None: ...
    def on_message(self, message: Message, flow: Flow) -> None:
        """A message from a stream, already admitted and parsed."""

    def on_broken_stream(self, head: bytes, error: SipParseError, flow: Flow) -> None:
        """A stream that made no sense; an answer may still be sent before it is closed."""

    def on_unreachable(self, flow: Flow) -> None: ...
    def admits(self, flow: Flow) -> bool:
        """Whether a source may be heard now (asked for each read of a stream)."""


class Wire(Protocol):
    """How a stack reaches the network; ``ringback.testing.link`` has one without sockets."""

    async def start(self, receiver: Receiver) -> None: ...
    async def stop(self) -> None: ...
    def send(self, flow: Flow, data: bytes) -> None:
        """Send now or never; what cannot be sent is told by ``on_unreachable``."""

    def local(self, flow: Flow) -> tuple[str, int]:
        """Address and port that a far end would see as ours."""

    def is_open(self, flow: Flow) -> bool:
        """Whether a TCP connection is there."""

    @property
    def families(self) -> frozenset[int]:
        """IP versions it can send to."""


class Sockets:
    """The real thing.

    Args:
        host, port: Where to listen; port 0 takes any free one, the same for UDP and TCP.
        tcp: Whether to listen and connect by TCP too.
        connections_per_source: Most TCP connections of one address; ``None`` for any number.
        connections: Most TCP connections in all; beyond them the one quiet for longest is closed.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tcp: bool = True,
        connections_per_source: int | None = 64,
        connections: int = 2048,
    ) -> None:
        self.host = host
        self.port = port
        self._tcp = tcp
        self._per_source = connections_per_source
        self._most = connections
        self._receiver: Receiver | None = None
        self._udp: socket.socket | None = None
        self._epoll: select.epoll | None = None
        self._server: asyncio.Server | None = None
        self._streams: dict[tuple[str, int], _Stream] = {}
        self._connecting: dict[tuple[str, int], list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._routes: dict[str, str] = {}

    @property
    def families(self) -> frozenset[int]:
        return frozenset({6}) if ":" in self.host else frozenset({4})

    async def start(self, receiver: Receiver) -> None:
        """Bind. Raises ``OSError`` with the address in its text when that fails."""
        self._receiver = receiver
        loop = asyncio.get_running_loop()
        for chances in reversed(range(1 if self.port else 20)):
            try:
                self._udp = self._bind_udp()
                port = self._udp.getsockname()[1]
                if self._tcp:
                    self._server = await loop.create_server(lambda: _Stream(self), self.host, port, backlog=256)
            except OSError as error:
                self._close_udp()
                if not chances:
                    message = f"cannot listen for SIP on {self.host}:{self.port}: {error.strerror or error}"
                    raise OSError(error.errno, message) from error
            else:
                self.port = port
                loop.add_reader(self._watched(self._udp), self._read_udp)
                return

    async def stop(self) -> None:
        loop = asyncio.get_running_loop()
        if self._udp is not None:
            loop.remove_reader(self._epoll.fileno() if self._epoll is not None else self._udp.fileno())
        self._close_udp()
        if self._server is not None:
            self._server.close()
        for stream in list(self._streams.values()):
            stream.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def send(self, flow: Flow, data: bytes) -> None:
        if flow.transport == "udp":
            self._send_udp(flow, data)
        else:
            self._send_tcp(flow, data)

    def local(self, flow: Flow) -> tuple[str, int]:
        if self.host not in ("0.0.0.0", "::", ""):
            return self.host, self.port
        if flow.host not in self._routes:
            if len(self._routes) > 1024:
                self._routes.clear()
            self._routes[flow.host] = _route_to(flow.host)
        return self._routes[flow.host], self.port

    def is_open(self, flow: Flow) -> bool:
        return (flow.host, flow.port) in self._streams

    # ── UDP ──

    def _bind_udp(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            udp.setblocking(False)
            with contextlib.suppress(OSError):
                udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            if _LINUX:
                # ICMP errors are queued with the address they are about: an unconnected socket hears none otherwise.
                level, name = (
                    (socket.IPPROTO_IPV6, _IPV6_RECVERR)
                    if family == socket.AF_INET6
                    else (socket.IPPROTO_IP, _IP_RECVERR)
                )
                udp.setsockopt(level, name, 1)
            udp.bind((self.host, self.port))
        except OSError:
            udp.close()
            raise
        return udp

    def _watched(self, udp: socket.socket) -> int:
        """The descriptor to watch for reading.

        libuv stops watching a descriptor on which an error is pending, and ICMP puts errors on this one. An epoll
        around it is merely readable then.
        """
        if not _LINUX:
            return udp.fileno()
        self._epoll = select.epoll()
        self._epoll.register(udp.fileno(), select.EPOLLIN | select.EPOLLERR)
        return self._epoll.fileno()

    def _close_udp(self) -> None:
        if self._epoll is not None:
            self._epoll.close()
            self._epoll = None
        if self._udp is not None:
            self._udp.close()
            self._udp = None

    def _read_udp(self) -> None:
        """Take up to 64 datagrams per wake-up, so that a flood cannot keep the loop from everything else."""
        receiver = self._receiver
        for _ in range(_AT_ONCE):
            if self._udp is None or receiver is None:
                return
            try:
                data, address = self._udp.recvfrom(65_535)
            except BlockingIOError:
                return
            except OSError:
                self._read_errors()
                continue
            receiver.on_datagram(data, Flow("udp", address[0], address[1]))

    def _read_errors(self) -> None:
        if not _LINUX:
            return
        for _ in range(_AT_ONCE):
            try:
                if self._udp is None:
                    return
                _, _, _, address = self._udp.recvmsg(2048, 512, _MSG_ERRQUEUE)
            except OSError:
                return
            if self._receiver is not None and address:
                self._receiver.on_unreachable(Flow("udp", address[0], address[1]))

    def _send_udp(self, flow: Flow, data: bytes) -> None:
        for _ in range(2):
            try:
                if self._udp is not None:
                    self._udp.sendto(data, (flow.host, flow.port))
                return
            except BlockingIOError:
                return
            except OSError as error:
                # An error of an earlier datagram, to whomever, is told on the next send: that one did not go out.
                self._read_errors()
                if error.errno not in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPERM):
                    break
        if self._receiver is not None:
            self._receiver.on_unreachable(flow)

    # ── TCP ──

    def _send_tcp(self, flow: Flow, data: bytes) -> None:
        key = (flow.host, flow.port)
        stream = self._streams.get(key)
        if stream is not None:
            stream.send(data)
        elif key in self._connecting:
            self._connecting[key].append(data)
        elif data.startswith(b"SIP/2.0 ") or not self._tcp:
            # §18.2.2 would have us connect to what Via says; answers go back the way the request came, or nowhere.
            return
        else:
            self._connecting[key] = [data]
            task = asyncio.get_running_loop().create_task(self._connect(flow))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, flow: Flow) -> None:
        key = (flow.host, flow.port)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, stream = await loop.create_connection(lambda: _Stream(self, flow), flow.host, flow.port)
        except OSError:
            self._connecting.pop(key, None)
            if self._receiver is not None:
                self._receiver.on_unreachable(flow)
            return
        for data in self._connecting.pop(key, []):
            stream.send(data)

    def opened(self, stream: "_Stream") -> bool:
        """Whether a connection may stay."""
        host = stream.flow.host
        if not stream.ours and self._per_source is not None:
            count = sum(1 for other in self._streams.values() if other.flow.host == host and not other.ours)
            if count >= self._per_source:
                return False
        if len(self._streams) >= self._most:
            min(self._streams.values(), key=lambda other: other.heard).abort()
        self._streams[host, stream.flow.port] = stream
        return True

    def closed(self, stream: "_Stream") -> None:
        key = (stream.flow.host, stream.flow.port)
        if self._streams.get(key) is stream:
            del self._streams[key]
            if stream.ours and self._receiver is not None:
                self._receiver.on_unreachable(stream.flow)

    @property
    def receiver(self) -> Receiver | None:
        return self._receiver


class _Stream(asyncio.Protocol):
    """One TCP connection. ``flow`` is given for those we opened."""

    def __init__(self, sockets: Sockets, flow: Flow | None = None) -> None:
        self._sockets = sockets
        self.ours = flow is not None
        self.flow = flow or Flow("tcp", "", 0)
        self.heard = 0.0
        self._transport: asyncio.Transport | None = None
        self._framer: Framer | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)
        self.heard = self._loop.time()
        if not self.ours:
            peer = transport.get_extra_info("peername")
            if not peer:
                transport.abort()
                return
            self.flow = Flow("tcp", peer[0], peer[1])
        if not self._sockets.opened(self):
            transport.abort()
            return
        self._framer = Framer(self.heard)
        if not self.ours:
            self._watch()

    def data_received(self, data: bytes) -> None:
        receiver, framer = self._sockets.receiver, self._framer
        if receiver is None or framer is None:
            return
        self.heard = self._loop.time()
        if not receiver.admits(self.flow):
            self.abort()
            return
        try:
            messages = framer.feed(data, self.heard)
        except SipParseError as error:
            receiver.on_broken_stream(framer.head, error, self.flow)
            self.close()
            return
        while framer.pings:
            framer.pings -= 1
            self.send(PONG)
        for number, message in enumerate(messages):
            # The read itself has paid for its first message.
            if number and not receiver.admits(self.flow):
                self.abort()
                return
            receiver.on_message(message, self.flow)
        if self._timer is not None and framer.closes_at() < self._timer.when():
            self._timer.cancel()
            self._watch()

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._sockets.closed(self)

    def send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            if self._transport.get_write_buffer_size() > 1_000_000:
                self.abort()
                return
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _watch(self) -> None:
        """Close the connection when its framer's patience ends; looked at again whenever that may have moved."""
        assert self._framer is not None, "watched from the start"
        due = self._framer.closes_at()
        if due <= self._loop.time():
            self.abort()
        else:
            self._timer = self._loop.call_at(due, self._watch)


def _route_to(host: str) -> str:
    """Our address on the way to a far end; nothing is sent."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return "127.0.0.1" if family == socket.AF_INET else "::1"
        return str(probe.getsockname()[0])
