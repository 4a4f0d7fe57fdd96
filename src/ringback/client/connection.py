"""The WebSocket to the server: requests with replies, events in order, and coming back after it broke (signalling.md).

A broken socket is resumed with growing pauses for as long as the server keeps our place (``grace_s``); meanwhile
requests wait. Events that were seen before are dropped by their ``seq``.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus

from ringback.client.errors import CallError, JoinRefused, Refused, Unreachable

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 4.0
OPEN_TIMEOUT_S = 8.0
REPLY_TIMEOUT_S = 30.0
PING_EVERY_S, SILENCE_LIMIT_S = 10.0, 8.0
FIRST_JOIN_ATTEMPTS = 3
LONGEST_FRAME = 16 << 20
"""Bytes. The join reply of a large room is long."""

Fields = Mapping[str, Any]
Entered = tuple[dict[str, Any], list[dict[str, Any]]]
"""A join's reply, and the events that overtook it."""


@dataclass(slots=True)
class _Pending:
    frame: dict[str, Any]
    retry: bool
    sent: bool
    reply: asyncio.Future[dict[str, Any]]


def signalling_url(room_url: str) -> str:
    """``https://host/<room>?t=…`` → ``wss://host/rtc``. ``ValueError`` for what is no http(s) URL with a room."""
    url = urlsplit(room_url)
    if url.scheme not in ("http", "https") or not url.netloc or not url.path.strip("/"):
        raise ValueError(f"a room's URL looks like https://host/room, not like {room_url!r}")
    return f"{'wss' if url.scheme == 'https' else 'ws'}://{url.netloc}/rtc"


class Connection:
    """One stay in a meeting, over as many sockets as it takes.

    Args:
        url: From ``signalling_url``.
        event: Told every event's name and payload, once and in order.
        network: Told ``interrupted``, and ``resumed`` with the reply (whose ``resync`` says that its participants
            replace what was known).
        lost: Told why, when our place is gone. Nothing follows.
        ssl: Whose certificates to trust, instead of the system's.
    """

    def __init__(
        self,
        url: str,
        event: Callable[[str, Fields], None],
        network: Callable[[str, Fields], None],
        lost: Callable[[CallError], None],
        ssl: SSLContext | None = None,
    ) -> None:
        self._url = url
        self._event = event
        self._network = network
        self._lost = lost
        self._tls: dict[str, Any] = {} if ssl is None else {"ssl": ssl}
        self._socket: ClientConnection | None = None
        self._joined: Fields = {}
        self._pending: dict[int, _Pending] = {}
        self._last_id = 0
        self._seq = 0
        self._closed = False
        self._reader: asyncio.Task[None] | None = None

    async def join(self, fields: Fields) -> Fields:
        """Open a socket and join with it.

        Raises:
            JoinRefused: The server said no.
            Unreachable: Nothing answers.
        """
        for attempt in range(FIRST_JOIN_ATTEMPTS):
            try:
                reply, early = await self._enter({**fields, "resume": None})
                break
            except Unreachable:
                if attempt == FIRST_JOIN_ATTEMPTS - 1:
                    raise
                await asyncio.sleep(_pause(attempt))
        self._joined, self._seq = reply, int(reply["seq"])
        self._reader = asyncio.create_task(self._run(early))
        return reply

    async def request(self, kind: str, fields: Fields | None = None, *, retry: bool = True) -> Fields:
        """One request. ``retry``: it may be sent again when the socket broke before the reply.

        Raises:
            Refused: The server said no.
            CallError: There is no connection any more, or no answer within 30 s.
        """
        if self._closed:
            raise CallError("connection-error", "the call is over")
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        frame = {"id": self._next_id(), "type": kind, **(fields or {})}
        pending = _Pending(frame, retry, False, reply)
        self._pending[frame["id"]] = pending
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                await self._transmit(pending)
                return await reply
        except TimeoutError:
            raise CallError("connection-error", f"the server did not answer {kind!r} within 30 s") from None
        finally:
            self._pending.pop(frame["id"], None)

    async def leave(self) -> None:
        """Say goodbye, best effort, and close. Nothing is told afterwards."""
        if not self._closed and self._socket is not None:
            with contextlib.suppress(ConnectionClosed, TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._socket.send(json.dumps({"id": self._next_id(), "type": "leave"}))
                    await self._socket.wait_closed()
        await self.close()

    async def close(self) -> None:
        """Close without a word, as after a fatal error of the server's. Idempotent."""
        self._end(CallError("connection-error", "the call is over"))
        reader, self._reader = self._reader, None
        if reader is not None and reader is not asyncio.current_task():
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader
        if self._socket is not None:
            await self._socket.close()

    # ── one socket ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _enter(self, fields: Fields) -> Entered:
        """A socket that has joined."""
        host = urlsplit(self._url).netloc
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                socket = await connect(
                    self._url,
                    open_timeout=None,
                    max_size=LONGEST_FRAME,
                    ping_interval=PING_EVERY_S,
                    ping_timeout=SILENCE_LIMIT_S,
                    close_timeout=1.0,
                    **self._tls,
                )
                return await self._ask_to_join(socket, fields)
        except TimeoutError:
            raise Unreachable(f"{host} does not answer within {OPEN_TIMEOUT_S:g} s") from None
        except InvalidStatus as error:
            status = error.response.status_code
            raise Unreachable(f"{host} is no Ringback server: it answers {status} to {self._url}") from None
        except (InvalidHandshake, InvalidMessage, ConnectionClosed) as error:
            raise Unreachable(f"{host} closes the connection: {error}") from None
        except OSError as error:
            raise Unreachable(f"cannot reach {host}: {error.strerror or error}") from None

    async def _ask_to_join(
        self, socket: ClientConnection, fields: Fields
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        id, early = self._next_id(), []
        try:
            await socket.send(json.dumps({"id": id, "type": "join", **fields}))
            while True:
                frame = _read(await socket.recv())
                if frame.get("type") == "event":
                    early.append(frame)
                elif frame.get("type") == "reply" and frame.get("id") in (id, None):
                    break
        except BaseException:
            await socket.close()
            raise
        if not frame.get("ok"):
            await socket.close()
            raise JoinRefused(*_refusal(frame))
        self._socket = socket
        return frame, early

    async def _run(self, early: list[dict[str, Any]]) -> None:
        """Read until our place is gone, over one socket after another."""
        while True:
            for frame in early:
                self._told(frame)
            await self._read_all()
            self._socket = None
            if self._closed:
                return
            self._network("interrupted", {})
            try:
                reply, early = await self._resume()
            except CallError as error:
                self._end(error)
                self._lost(error)
                return
            self._network("resumed", reply)
            for pending in list(self._pending.values()):
                if pending.sent and not pending.retry:
                    _fail(pending, CallError("connection-error", "the connection broke before the server answered"))
                else:
                    await self._transmit(pending)

    async def _read_all(self) -> None:
        assert self._socket is not None, "a socket is read once it has joined"
        with contextlib.suppress(ConnectionClosed):
            async for text in self._socket:
                frame = _read(text)
                if frame.get("type") == "event":
                    self._told(frame)
                elif frame.get("type") == "reply":
                    self._replied(frame)

    async def _resume(self) -> tuple[Fields, list[dict[str, Any]]]:
        loop = asyncio.get_running_loop()
        until = loop.time() + float(self._joined["grace_s"])
        place = {"session_id": self._joined["session_id"], "secret": self._joined["resume_secret"]}
        attempt = 0
        while True:
            await asyncio.sleep(min(_pause(attempt), max(0.0, until - loop.time())))
            attempt += 1
            try:
                reply, early = await self._enter({"resume": {**place, "seq": self._seq}})
            except Unreachable as error:
                if loop.time() >= until:
                    raise CallError("connection-error", f"the connection to the server was lost: {error}") from None
                continue
            if reply.get("resync"):
                self._seq = int(reply["seq"])
            return reply, early

    # ── frames ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _told(self, frame: dict[str, Any]) -> None:
        seq, name = frame.get("seq"), frame.get("event")
        if not isinstance(seq, int) or not isinstance(name, str) or seq <= self._seq or self._closed:
            return
        self._seq = seq
        self._event(name, frame.get("payload") or {})

    def _replied(self, frame: dict[str, Any]) -> None:
        pending = self._pending.get(frame["id"]) if isinstance(frame.get("id"), int) else None
        if pending is None or pending.reply.done():
            return
        if frame.get("ok"):
            pending.reply.set_result(frame)
        else:
            pending.reply.set_exception(Refused(*_refusal(frame)))

    async def _transmit(self, pending: _Pending) -> None:
        if self._socket is None:
            return
        pending.sent = True
        # A socket that broke is noticed by its reader, and what waits is sent again or refused there.
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(json.dumps(pending.frame))

    def _end(self, error: CallError) -> None:
        self._closed = True
        for pending in self._pending.values():
            _fail(pending, error)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id


def _read(text: str | bytes) -> dict[str, Any]:
    try:
        frame = json.loads(text)
    except ValueError:
        return {}
    return frame if isinstance(frame, dict) else {}


def _refusal(frame: Fields) -> tuple[str, str]:
    error = frame.get("error") or {}
    return str(error.get("type", "connection-error")), str(error.get("msg", "the server refused"))


def _fail(pending: _Pending, error: CallError) -> None:
    if not pending.reply.done():
        pending.reply.set_exception(error)


def _pause(attempt: int) -> float:
    """250 ms, 500 ms, 1 s … 4 s, each up to a fifth longer so that many clients do not return in step."""
    return min(FIRST_PAUSE_S * 2.0**attempt, LONGEST_PAUSE_S) * (1 + random.random() / 5)
