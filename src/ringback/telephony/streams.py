"""Connections that carry SIP as a stream of octets: TCP, and TLS on it (RFC 3261 §18, RFC 5626 §3.5.1).

How long a stranger may take: 5 s for a TLS handshake, 10 s for a message; how many connections it may have: 64.
"""

import asyncio
import re
import socket
from collections import Counter
from collections.abc import Callable
from typing import Protocol, cast

import structlog

from ringback.sip.errors import SipParseError
from ringback.sip.flow import DEFAULT_PORTS, Flow, TlsPolicy
from ringback.sip.framing import PING, PONG, Framer
from ringback.telephony.datagrams import mark
from ringback.telephony.receiver import Receiver
from ringback.telephony.tls import HANDSHAKE_SECONDS, ClientContexts, ServerCertificate, TlsFailed, TlsSession

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 3.0
REACH_SECONDS = 3.5
"""For a connection we open and its TLS handshake: a call is given up when nothing has come back in 4 s."""

KEEP_ALIVE = 28.0
"""Seconds between our pings on a connection in use: NATs forget TCP after minutes, some after 30 s."""

LOOK_AGAIN = 60.0
"""Seconds between looks at a quiet connection that may not be closed yet."""

PONG_SECONDS = 10.0
"""How long a far end that has answered pings before may take for one (RFC 5626 §4.4.1)."""

_SENT_BY = re.compile(rb"\r\nVia: SIP/2\.0/[A-Z]+ ([^\s;:\[]{1,255}|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?[;\s]")

_FULL = 1_000_000
"""Octets waiting to be taken by a far end at which its connection is given up."""

_FULL_FOR_STRANGERS = 65_536
"""The same for who opened a connection and has no call and no registration over it: it may have 64 of them."""


class Connection(Protocol):
    """Anything that carries messages to one far end: a stream here, a WebSocket in ``websocket``."""

    flow: Flow
    ours: bool
    heard: float

    def send(self, data: bytes) -> None: ...
    def abort(self) -> None: ...


class Streams:
    """Every connection there is, by its flow.

    Args:
        per_source: Most connections opened to us by one address; ``None`` for any number.
        most: Most connections in all; beyond them the one quiet for longest is closed.
        dscp: Class of service of what is sent.
    """

    def __init__(self, per_source: int | None = 64, most: int = 2048, dscp: int = 0) -> None:
        self.receiver: Receiver | None = None
        self.dscp = dscp
        self._per_source = per_source
        self._most = most
        self._open: dict[Flow, Connection] = {}
        self._sources: Counter[str] = Counter()
        self._connecting: dict[Flow, list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._contexts = ClientContexts()
        self._servers: list[asyncio.Server] = []

    async def listen(self, host: str, port: int, certificate: ServerCertificate | None = None) -> int:
        """Take connections on an address, by TLS if there is a certificate. Returns the port. Raises ``OSError``."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Stream(self, certificate=certificate), host, port, backlog=256)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for connection in list(self._open.values()):
            connection.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def forget_listeners(self) -> None:
        """Undo ``listen``, when another address of the same stack was taken."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    def is_open(self, flow: Flow) -> bool:
        return flow in self._open

    def peer_names(self, flow: Flow) -> tuple[str, ...]:
        connection = self._open.get(flow)
        return connection.peer_names if isinstance(connection, Stream) else ()

    def send(self, flow: Flow, data: bytes) -> None:
        """Over the connection that is there, else, for a request that is not to a WebSocket, over a new one."""
        connection = self._open.get(flow)
        if flow in self._connecting:
            self._connecting[flow].append(data)
        elif connection is not None:
            connection.send(data)
        elif data.startswith(b"SIP/2.0 "):
            self._answer_anew(flow, data)
        elif flow.transport in ("tcp", "tls"):
            self._send_anew(flow, data)
        else:
            asyncio.get_running_loop().call_soon(self.unreachable, flow, "the connection is gone")

    def _answer_anew(self, flow: Flow, data: bytes) -> None:
        """§18.2.2: the connection a request came by is gone; its sender may listen at the port that Via names.

        Only the port is believed, and only of somebody with whom there is a call: answers never go to third parties.
        """
        found = _SENT_BY.search(data)
        receiver = self.receiver
        if found is None or receiver is None or flow.transport not in ("tcp", "tls") or not receiver.uses(flow):
            return
        port = int(found[2] or DEFAULT_PORTS[flow.transport])
        tls = receiver.tls_for(found[1].decode("ascii", "replace"), flow) if flow.transport == "tls" else None
        other = Flow(flow.transport, flow.host, port, tls)
        if not 1024 <= port <= 65535 or other == flow:
            return
        connection = self._open.get(other)
        if connection is not None and other not in self._connecting:
            connection.send(data)
        else:
            self._send_anew(other, data)

    def _send_anew(self, flow: Flow, data: bytes) -> None:
        if flow in self._connecting:
            self._connecting[flow].append(data)
            return
        self._connecting[flow] = [data]
        task = asyncio.get_running_loop().create_task(self._connect(flow))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def unreachable(self, flow: Flow, why: str = "") -> None:
        if self.receiver is not None:
            self.receiver.on_unreachable(flow, why)

    async def _connect(self, flow: Flow) -> None:
        why = ""
        stream: Stream | None = None
        try:
            async with asyncio.timeout(REACH_SECONDS):
                stream = await self._open_stream(flow)
                await asyncio.shield(stream.ready)
        except TimeoutError:
            why = "tls: the handshake took too long" if stream is not None else ""
        except TlsFailed as error:
            why = str(error)
        except OSError:
            pass
        waiting = self._connecting.pop(flow, [])
        if stream is not None and stream.is_ready:
            for data in waiting:
                stream.send(data)
            return
        if stream is not None:
            stream.abort()
        if why:
            log.warning("sip.tls-failed", peer=str(flow), reason=why)
        self.unreachable(flow, why)

    async def _open_stream(self, flow: Flow) -> "Stream":
        """Raises ``TimeoutError``, ``OSError``, ``TlsFailed``."""
        loop = asyncio.get_running_loop()
        session = self._session(flow)
        async with asyncio.timeout(CONNECT_SECONDS):
            _, stream = await loop.create_connection(lambda: Stream(self, flow, session=session), flow.host, flow.port)
        return stream

    def _session(self, flow: Flow) -> TlsSession | None:
        """Raises ``TlsFailed``."""
        if flow.transport != "tls":
            return None
        policy = flow.tls or TlsPolicy(flow.host)
        if not policy.verify and not policy.pin:
            log.warning("sip.tls-unverified", peer=str(flow), because="its trunk says verify=off: anybody may be there")
        return TlsSession(self._contexts(policy), policy)

    # ── for connections ──

    def admits(self, flow: Flow) -> bool:
        """Whether a connection that was opened to us may go on to be heard."""
        return self._per_source is None or self._sources[flow.source] < self._per_source

    def opened(self, connection: Connection) -> None:
        if len(self._open) >= self._most:
            min(self._open.values(), key=self._worth).abort()
        self._open[connection.flow] = connection
        if not connection.ours:
            self._sources[connection.flow.source] += 1

    def _worth(self, connection: Connection) -> tuple[bool, float]:
        """What is lost with a connection: those with a call come last, then those heard lately."""
        used = connection.ours or (self.receiver is not None and self.receiver.uses(connection.flow))
        return used, connection.heard

    def closed(self, connection: Connection, why: str = "") -> None:
        flow = connection.flow
        if self._open.get(flow) is not connection:
            return
        del self._open[flow]
        if not connection.ours:
            self._sources[flow.source] -= 1
            if not self._sources[flow.source]:
                del self._sources[flow.source]
        if flow not in self._connecting:
            self.unreachable(flow, why)


class Stream(asyncio.Protocol):
    """One TCP connection, with TLS on it or without.

    Args:
        flow: For those we opened.
        session: For those of them that are TLS.
        certificate: For those opened to us that are TLS.

    Attributes:
        ready: Done when messages may be sent; fails with ``TlsFailed`` or ``ConnectionError``.
        peer_names: What the far end's certificate is for, when it proved one.
    """

    def __init__(
        self,
        streams: Streams,
        flow: Flow | None = None,
        *,
        session: TlsSession | None = None,
        certificate: ServerCertificate | None = None,
    ) -> None:
        self._streams = streams
        self._loop = asyncio.get_running_loop()
        self.ours = flow is not None
        self.flow = flow or Flow("tcp", "", 0)
        self.heard = 0.0
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self._session = session
        self._certificate = certificate
        self._transport: asyncio.Transport | None = None
        self._framer: Framer | None = None
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._pinged: float | None = None
        self._pongs = False

    @property
    def peer_names(self) -> tuple[str, ...]:
        return self._session.peer_names if self._session is not None else ()

    @property
    def is_ready(self) -> bool:
        return self.ready.done() and not self.ready.cancelled() and self.ready.exception() is None

    # ── asyncio.Protocol ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)
        self.heard = self._loop.time()
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is not None and self._streams.dscp:
            mark(sock, self._streams.dscp)
        if not self.ours and not self._admitted(transport):
            transport.abort()
            return
        self._streams.opened(self)
        if self._session is not None and self.ours:
            transport.write(self._session.start())
        elif self._session is not None:
            self._at(self.heard + HANDSHAKE_SECONDS, self._give_up)
        else:
            self._begin()

    def data_received(self, data: bytes) -> None:
        self.heard = self._loop.time()
        if self._session is None:
            self._take(data)
            return
        was_ready = self._session.ready
        try:
            said, answer = self._session.feed(data)
        except TlsFailed as error:
            self._fail(error)
            return
        self._write(answer)
        if self._session.ready and not was_ready:
            self._begin()
        if said:
            self._take(said)
        if self._session.closed:
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._streams.closed(self)
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the connection was closed"))
            self.ready.exception()  # who waits for it hears it; else nobody need

    # ── Connection ──

    def send(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing() or not self.is_ready:
            return
        waiting = self._transport.get_write_buffer_size()
        if waiting > _FULL_FOR_STRANGERS and (waiting > _FULL or self._is_strangers()):
            self.abort()
            return
        self._write(data if self._session is None else self._session.write(data))

    def close(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            if self._session is not None:
                self._write(self._session.farewell())
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # ── inside ──

    def _is_strangers(self) -> bool:
        receiver = self._streams.receiver
        return not self.ours and receiver is not None and not receiver.uses(self.flow)

    def _admitted(self, transport: asyncio.Transport) -> bool:
        """Whether somebody who connected to us may go on. Costs no more than the connection, whatever is on it."""
        peer = transport.get_extra_info("peername")
        if not peer:
            return False
        self.flow = Flow("tls" if self._certificate is not None else "tcp", peer[0], peer[1])
        if not self._streams.admits(self.flow):
            return False
        if self._certificate is not None:
            receiver = self._streams.receiver
            if receiver is not None and not receiver.admits_handshake(self.flow):
                return False
            self._certificate.refresh()
            self._session = TlsSession(self._certificate.context)
        return True

    def _begin(self) -> None:
        """The way is free for messages."""
        self._stop(self._give_up)
        self._framer = Framer(self._loop.time())
        if not self.ready.done():
            self.ready.set_result(None)
        if self.ours:
            self._at(self._loop.time() + KEEP_ALIVE, self._keep_alive)
        else:
            self._watch()

    def _take(self, data: bytes) -> None:
        receiver, framer = self._streams.receiver, self._framer
        if receiver is None or framer is None:
            return
        if not receiver.admits(self.flow):
            self.abort()
            return
        try:
            messages = framer.feed(data, self.heard)
        except SipParseError as error:
            receiver.on_broken_stream(framer.head, error, self.flow)
            self.close()
            return
        self._answer_pings(framer)
        for number, message in enumerate(messages):
            # The read itself has paid for its first message.
            if number and not receiver.admits(self.flow):
                self.abort()
                return
            receiver.on_message(message, self.flow)
        timer = self._timers.get(self._watch)
        if timer is not None and framer.closes_at() < timer.when():
            self._watch()

    def _answer_pings(self, framer: Framer) -> None:
        if framer.pongs:
            framer.pongs = 0
            self._pongs = True
            self._pinged = None
        while framer.pings:
            framer.pings -= 1
            self.send(PONG)

    def _keep_alive(self) -> None:
        """RFC 5626 §4.4.1: ping while there is a call. Only who has answered before is missed when it does not."""
        now, receiver, framer = self._loop.time(), self._streams.receiver, self._framer
        if receiver is None or framer is None:
            return
        if self._pinged is not None and self._pongs and self.heard < self._pinged:
            self.abort()
            return
        if receiver.uses(self.flow):
            self._pinged = now
            framer.expect_pong()
            self.send(PING)
            self._at(now + (PONG_SECONDS if self._pongs else KEEP_ALIVE), self._look_for_pong)
        else:
            self._watch()
            self._at(now + KEEP_ALIVE, self._keep_alive)

    def _look_for_pong(self) -> None:
        if self._pongs and self._pinged is not None and self.heard < self._pinged:
            self.abort()
            return
        self._pinged = None
        self._at(self._loop.time() + KEEP_ALIVE, self._keep_alive)

    def _watch(self) -> None:
        """Close the connection when its framer's patience ends; looked at again whenever that may have moved."""
        assert self._framer is not None, "watched once messages may come"
        receiver, due, now = self._streams.receiver, self._framer.closes_at(), self._loop.time()
        if due > now:
            if not self.ours:
                self._at(due, self._watch)
        elif receiver is not None and receiver.uses(self.flow) and (self.ours or self._framer.is_idle):
            # Quiet, but a call may last for hours without a word, and a phone that registered waits to be called.
            if not self.ours:
                self._at(now + LOOK_AGAIN, self._watch)
        else:
            self.abort()

    def _give_up(self) -> None:
        self._fail(TlsFailed("tls: the handshake took too long"))

    def _fail(self, error: TlsFailed) -> None:
        if not self.ours and self._streams.receiver is not None:
            self._streams.receiver.on_refused(self.flow, str(error))
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()
        if self._session is not None:
            self._write(self._session.farewell())
        if self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _at(self, when: float, what: Callable[[], None]) -> None:
        self._stop(what)
        self._timers[what] = self._loop.call_at(when, what)

    def _stop(self, what: Callable[[], None]) -> None:
        timer = self._timers.pop(what, None)
        if timer is not None:
            timer.cancel()
