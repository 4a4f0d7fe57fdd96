"""The `/rtc` route: admits sockets, per source and in all, and gives each a ``Connection``."""

from collections import Counter
from collections.abc import Sequence

import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ringback.signalling.connection import TRY_LATER, Connection, Desk

log = structlog.get_logger()

PATH = "/rtc"

MAX_FRAME = 256 * 1024
"""Octets in a frame; the HTTP server enforces it before a frame is whole."""

MAX_PER_SOURCE = 200
MAX_IN_ALL = 20_000


class StarletteWire:
    """A Starlette WebSocket as ``connection.Wire``."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def receive(self) -> str | None:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        return message.get("text") or ""

    async def send(self, texts: Sequence[str]) -> None:
        if self._socket.application_state is WebSocketState.CONNECTED:
            await self._socket.send({"type": "websocket.send", "texts": texts})  # see ``websocket_protocol``

    async def close(self, code: int, reason: str = "") -> None:
        if (
            self._socket.client_state is WebSocketState.CONNECTED
            and self._socket.application_state is WebSocketState.CONNECTED
        ):
            await self._socket.close(code, reason)


class Signalling:
    """All sockets of this process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sources: Counter[str] = Counter()

    def routes(self) -> list[WebSocketRoute]:
        return [WebSocketRoute(PATH, self._serve)]

    async def _serve(self, socket: WebSocket) -> None:
        source = socket.client.host if socket.client else "unknown"
        if self._sources[source] >= MAX_PER_SOURCE or self._sources.total() >= MAX_IN_ALL:
            await socket.close(TRY_LATER, "too many connections")
            return
        self._sources[source] += 1
        try:
            await socket.accept()
            await Connection(StarletteWire(socket), self._desk, socket.headers.get("host", ""), source).serve()
        except* (WebSocketDisconnect, OSError):
            pass
        except* Exception:
            log.exception("signalling.connection-broken", source=source)
        finally:
            self._sources[source] -= 1
            if not self._sources[source]:
                del self._sources[source]
