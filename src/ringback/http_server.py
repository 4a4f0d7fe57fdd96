"""The HTTP server as ours: on a socket we bound, inside a loop that is not its own, deaf to signals."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from ringback.config import Settings
from ringback.http_protocol import KEPT_FOR, Impatience, impatient
from ringback.model.ids import DomainId
from ringback.rooms.domains import Domains
from ringback.signalling.server import MAX_FRAME
from ringback.telephony.tls import check_pair
from ringback.websocket_protocol import BatchingProtocol

PING_INTERVAL, PING_TIMEOUT = 10.0, 20.0
"""Seconds between WebSocket pings, and how long a client may leave one unanswered."""

CLOSE_WITHIN = 3
"""Seconds that open requests get when the server stops."""


def http_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How it serves: no access log (REST keeps its own measures), no headers that tell what runs here."""
    http = settings.http
    return uvicorn.Config(
        app,
        http=impatient(Impatience(asyncio.get_running_loop())),
        log_config=None,
        log_level="error",
        access_log=False,
        lifespan="off",
        server_header=False,
        ws=BatchingProtocol,
        ws_max_size=MAX_FRAME,
        ws_per_message_deflate=False,  # costs more CPU than all else about a frame, and saves little on small ones
        ws_ping_interval=PING_INTERVAL,
        ws_ping_timeout=PING_TIMEOUT,
        timeout_graceful_shutdown=CLOSE_WITHIN,
        timeout_keep_alive=KEPT_FOR,
        ssl_certfile=str(http.certificate) if http.certificate else None,
        ssl_keyfile=str(http.key) if http.key else None,
    )


class HttpServer(uvicorn.Server):
    """uvicorn's server, minus its signal handlers.

    Attributes:
        up: Set once it accepts connections.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the command's business."""
        yield

    def reload_certificate(self) -> None:
        """New connections get what is in the files now. Raises ``TlsFailed``; then what was read before stays."""
        config = self.config
        if config.ssl is None or config.ssl_certfile is None or config.ssl_keyfile is None:
            return
        files = Path(config.ssl_certfile), Path(config.ssl_keyfile)
        check_pair(*files, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        check_pair(*files, config.ssl)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


class HostDomains:
    """Which domain a host names: ``acme.rooms.example`` the domain ``acme``, any other host the first domain."""

    def __init__(self, domains: Domains) -> None:
        self._domains = domains

    async def __call__(self, host: str) -> DomainId:
        label = host.partition(".")[0].lower()
        named = await self._domains.by_name(label) if "." in host else None
        return (named or await self._domains.first()).id
