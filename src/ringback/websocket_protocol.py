"""uvicorn's WebSocket protocol, that takes many texts in one message: what happens in a meeting comes by the handful.

Each message passes a dozen layers between an application and its socket, and ends in a write of its own.
"""

from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

GONE_WITHIN = 10.0
"""Seconds that a far end has to take the last of what it is sent; a connection that closes waits for that otherwise."""


class BatchingProtocol(WebSocketsSansIOProtocol):
    """One connection. ``{"type": "websocket.send", "texts": […]}`` sends a frame for each text, in one write."""

    async def run_asgi(self) -> None:
        try:
            await super().run_asgi()
        finally:
            self.loop.call_later(GONE_WITHIN, self.transport.abort)

    async def send(self, message: Any) -> None:
        texts = message.get("texts")
        if not texts:
            await super().send(message)
            return
        try:
            for text in texts[:-1]:
                self.conn.send_text(text.encode())
        except InvalidState:  # it is closing, or closed
            raise ClientDisconnected from None
        await super().send({"type": "websocket.send", "text": texts[-1]})
