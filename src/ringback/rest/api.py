"""The HTTP application: Daily's REST API under ``/v1``, our own beside it, and the pages."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ringback.access.service import Access
from ringback.access.sip_clients import SipClients
from ringback.calls.ports.clock import Clock
from ringback.dialin.configs import DialinConfigs
from ringback.dialin.desk import DialinDesk
from ringback.dialin.sip_trunks import SipTrunks
from ringback.model.errors import RingbackError
from ringback.model.sip_client import Binding, SipClient
from ringback.numbers.ports import AuditStore
from ringback.numbers.purchases import Purchases
from ringback.numbers.quota import GuardedQuota
from ringback.numbers.service import Numbers
from ringback.rest import (
    calls,
    dialin,
    dialout,
    domain,
    guards,
    meetings,
    own,
    pages,
    phone_numbers,
    presence,
    pretend,
    rooms,
    sip_clients,
    sip_trunks,
    tokens,
    traces,
    transfers,
    trunks,
    usage,
    webhooks,
)
from ringback.rest.errors import on_bug, on_http_exception, on_ringback_error
from ringback.rest.limits import RequestLimits
from ringback.rest.meters import Meters
from ringback.rest.metrics import Metrics
from ringback.rest.openapi import document
from ringback.rest.ports import Calls, Meetings, PretendNetwork, Reports, Traces, Usage
from ringback.rest.routing import PREFIX, CanonicalPaths, Door, Operation
from ringback.rooms.addresses import Addresses
from ringback.rooms.domains import Domains
from ringback.rooms.service import Rooms
from ringback.webhooks.service import Webhooks

OPERATIONS: tuple[Operation, ...] = (
    *domain.OPERATIONS,
    *dialin.OPERATIONS,
    *rooms.OPERATIONS,
    *tokens.OPERATIONS,
    *presence.OPERATIONS,
    *dialout.OPERATIONS,
    *meetings.OPERATIONS,
    *own.OPERATIONS,
    *calls.OPERATIONS,
    *usage.OPERATIONS,
    *traces.OPERATIONS,
    *transfers.OPERATIONS,
    *sip_clients.OPERATIONS,
    *sip_trunks.OPERATIONS,
    *trunks.OPERATIONS,
    *phone_numbers.OPERATIONS,
    *guards.OPERATIONS,
    *webhooks.OPERATIONS,
    *pretend.OPERATIONS,
)


async def always_ready() -> str | None:
    """For an application without anything to wait for."""
    return None


@dataclass(slots=True)
class Services:
    """What the application speaks with, built by ``app``.

    Attributes:
        addresses: Shared with ``Rooms``; filled in once the listeners have their ports.
        ready: Why the server is not ready, or ``None``; asked by ``/readyz``.
        rate_limits: Whether to answer 429.
        web: Folder of the built pages (``index.html``, ``assets/``).
        places: Where a SIP client is registered now.
        counts: How many there are now of what the SIP side has and of what waits for the store, for metrics.
        meters: What happened, for metrics.
        engine: Counters of the media engine, for metrics.
        engine_workers: The same of each of its workers.
        idle_settings: Names of settings that were given and that nothing acts on.
        pretend: The pretend carrier, where there is one.
    """

    rooms: Rooms
    domains: Domains
    access: Access
    meetings: Meetings
    calls: Calls
    reports: Reports
    traces: Traces
    addresses: Addresses
    clock: Clock
    version: str
    sip_clients: SipClients
    numbers: Numbers
    webhooks: Webhooks
    purchases: Purchases
    usage: Usage
    quota: GuardedQuota
    audit: AuditStore
    dialin_configs: DialinConfigs
    dialin: DialinDesk
    sip_trunks: SipTrunks
    node: str = "main"
    ready: Callable[[], Awaitable[str | None]] = always_ready
    rate_limits: bool = True
    web: Path = Path(__file__).parent.parent / "web"
    idle_settings: Collection[str] = ()
    pretend: PretendNetwork | None = None
    places: Callable[[SipClient], Sequence[Binding]] = lambda client: ()
    counts: Callable[[], Mapping[str, float]] = dict
    meters: Meters = field(default_factory=Meters)
    engine: Callable[[], Mapping[str, int]] = dict
    engine_workers: Callable[[], Sequence[Mapping[str, int]]] = tuple


def create_api(services: Services) -> FastAPI:
    """The application. Add further routes (``/rtc``) before serving; WebSocket routes do not meet the room's page."""
    app = FastAPI(title="Ringback", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    metrics = Metrics(
        lambda: {**services.meetings.counts(), **services.counts()},
        services.meters,
        services.engine,
        services.engine_workers,
    )
    metrics.watch_trunks(services.numbers.figures)
    door = Door(services, RequestLimits(services.rate_limits), metrics)
    app.router.routes += [door.route(operation) for operation in OPERATIONS]
    app.router.routes += pages.routes(
        services, metrics, lambda base: document(OPERATIONS, services.version, base + PREFIX)
    )
    app.add_exception_handler(RingbackError, on_ringback_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(Exception, on_bug)
    app.add_middleware(CanonicalPaths, paths=[PREFIX + operation.path for operation in OPERATIONS])
    app.add_middleware(SafeHeaders)
    return app


class SafeHeaders:
    """ASGI middleware: browsers must not guess types, and answers of the API are nobody's to keep."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        private = scope["path"][: len(PREFIX)].lower() == PREFIX

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
                if private:
                    message["headers"] += [(b"cache-control", b"no-store")]
            await send(message)

        await self._app(scope, receive, send_with_headers)
