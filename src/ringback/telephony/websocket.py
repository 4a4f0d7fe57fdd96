"""SIP over WebSocket at ``/sip`` (RFC 7118): browsers' phones, each a flow of its own that only it can open.

A message is a frame, text or binary. What is in it is admitted and read as any datagram is.
"""

import asyncio
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ringback.sip.flow import Flow
from ringback.sip.framing import PING, PONG
from ringback.sip.limits import LIMITS
from ringback.telephony.service import Telephony

PATH = "/sip"
SUBPROTOCOL = "sip"
PATIENCE = 10.0
"""Seconds that somebody who has connected has for a first message."""

IDLE = 600.0
"""Seconds without a message or a keep-alive after which a socket without a call is closed."""

MOST_WAITING = 256
"""Messages waiting to be taken by a browser at which its socket is given up."""

TAKING = 10.0
"""Seconds that a browser has to take a message."""

POLICY, TOO_BIG, GOING_AWAY = 1008, 1009, 1001
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Browser:
    """One WebSocket as a ``Connection``."""

    ours = False

    def __init__(self, flow: Flow, now: float) -> None:
        self.flow = flow
        self.heard = now
        self.code = GOING_AWAY
        self.waiting: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_WAITING)

    def send(self, data: bytes) -> None:
        try:
            self.waiting.put_nowait(data)
        except asyncio.QueueFull:
            self.abort()

    def abort(self, code: int = GOING_AWAY) -> None:
        """Close it, without what is still waiting; ``code`` as in RFC 6455 §7.4.1."""
        self.code = code
        while not self.waiting.empty():
            self.waiting.get_nowait()
        self.waiting.put_nowait(None)


class SipWebSockets:
    """The route.

    Args:
        telephony: Where messages go.
        origins: Origins of pages that may connect (``https://phone.example``), ``*`` for all of them; those of the
            server's own pages always may, and so may programs, which name none.
        public_url: What the server is called from outside, where a proxy stands before it.
    """

    def __init__(
        self, telephony: Telephony, origins: Sequence[str] = (), public_url: Callable[[], str] = lambda: ""
    ) -> None:
        self._stack = telephony.way_in
        self._any = "*" in origins
        self._origins = [_origin(text) for text in origins if text != "*"]
        self._public_url = public_url

    def routes(self) -> list[WebSocketRoute]:
        return [WebSocketRoute(PATH, self._serve)]

    async def _serve(self, socket: WebSocket) -> None:
        loop = asyncio.get_running_loop()
        client = socket.client
        transport = "wss" if socket.url.scheme == "wss" else "ws"
        browser = Browser(Flow(transport, client.host if client else "", client.port if client else 0), loop.time())
        rule = self._refusal(socket) or ("" if self._stack.admits(browser.flow) else "rate limit")
        if not rule and not self._stack.attach(browser):
            rule = "connections of one source"
        if rule:
            self._stack.on_refused(browser.flow, f"websocket: {rule}")
            await socket.close(POLICY)
            return
        try:
            await socket.accept(SUBPROTOCOL)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._speak(socket, browser))
                browser.abort(await self._hear(socket, browser))
        except* (WebSocketDisconnect, OSError, RuntimeError, TimeoutError):
            pass  # it went away while it was spoken to, or no longer listens
        finally:
            self._stack.detach(browser)

    def _refusal(self, socket: WebSocket) -> str:
        """Which rule turns a handshake away; empty for none."""
        if SUBPROTOCOL not in socket.scope.get("subprotocols", ()):
            return "subprotocol"
        named = socket.headers.get("origin")
        if named is None or self._any:
            return ""
        here = _origin(f"{'https' if socket.url.scheme == 'wss' else 'http'}://{socket.headers.get('host', '')}")
        welcome = [here, _origin(self._public_url()), *self._origins]
        return "" if _origin(named) in welcome and _origin(named) is not None else "origin"

    async def _hear(self, socket: WebSocket, browser: Browser) -> int:
        """Until it is to be closed; the code that says why."""
        loop = asyncio.get_running_loop()
        patience = PATIENCE
        while True:
            try:
                async with asyncio.timeout(patience):
                    message = await socket.receive()
            except TimeoutError:
                if self._stack.uses(browser.flow):
                    continue
                return POLICY
            if message["type"] == "websocket.disconnect":
                return GOING_AWAY
            data = message.get("bytes") or (message.get("text") or "").encode("utf-8", "surrogateescape")
            browser.heard = loop.time()
            if len(data) > LIMITS.message:
                return TOO_BIG
            patience = IDLE
            if data == PING:
                browser.send(PONG)
            else:
                self._stack.on_datagram(data, browser.flow)

    async def _speak(self, socket: WebSocket, browser: Browser) -> None:
        while (data := await browser.waiting.get()) is not None:
            async with asyncio.timeout(TAKING):
                try:
                    await socket.send_text(data.decode())
                except UnicodeDecodeError:
                    await socket.send_bytes(data)
        await socket.close(browser.code)


def _origin(text: str) -> tuple[str, str, int] | None:
    """Scheme, host and port (RFC 6454); ``None`` for what has none."""
    try:
        parts = urlsplit(text)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname.lower(), port) if parts.scheme and parts.hostname else None
