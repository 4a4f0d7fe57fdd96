"""What people and machines open beside the API: the room's page and its assets, health, metrics, a word of welcome."""

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from ringback.model.errors import RingbackError
from ringback.rest.metrics import Metrics
from ringback.rest.routing import bearer_key
from ringback.rooms.names import LONGEST_NAME, NAME, RESERVED

if TYPE_CHECKING:
    from ringback.rest.api import Services

PAGE_HEADERS = {
    # No script but our own files; media and pictures also from blobs the page makes itself.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; "
        "img-src 'self' data: blob:; media-src 'self' blob: mediastream:; worker-src 'self' blob:; "
        "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), autoplay=(self)",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

WELCOME = """\
Ringback {version}: rooms that browsers, telephones and voice agents join.

  Make a room      curl -X POST {base}/v1/rooms -H "Authorization: Bearer $RINGBACK_API_KEY" -d '{{"name": "hello"}}'
  Open it          {base}/hello
  Ring it          give the room the property sip, then dial what config.sip_uri says
  What is idle     {base}/v1/ringback/status
  How it is        {base}/healthz  {base}/readyz  {base}/metrics
"""


def routes(services: "Services", metrics: Metrics, description: Callable[[str], dict[str, object]]) -> list[BaseRoute]:
    """In this order: the room's page takes whatever is left of one segment.

    Args:
        description: The API's own, under a base URL.
    """

    async def welcome(_request: Request) -> Response:
        return PlainTextResponse(
            WELCOME.format(version=services.version, base=services.addresses.public_url), headers={"Vary": "Accept"}
        )

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"ok": True})

    async def readyz(_request: Request) -> Response:
        problem = await services.ready()
        return JSONResponse({"ok": problem is None, "info": problem}, 200 if problem is None else 503)

    async def show_metrics(request: Request) -> Response:
        if not _may_read_metrics(services, request):
            return PlainTextResponse("metrics are for this machine, or with the operator's key\n", 403)
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def describe(_request: Request) -> Response:
        return JSONResponse(description(services.addresses.public_url))

    return [
        Route("/", welcome),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", show_metrics),
        Route("/docs/openapi.json", describe),
        Mount("/assets", StaticFiles(directory=services.web / "assets", check_dir=False)),
        Route("/{room}", _room_page(services.web)),
    ]


def _room_page(web: Path) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        name = request.path_params["room"]
        if name in RESERVED or len(name) > LONGEST_NAME or not NAME.fullmatch(name):
            return PlainTextResponse("There is nothing here. A room is at /<its name>.\n", 404)
        file = web / "index.html"
        if not file.is_file():
            return PlainTextResponse("The room's page was not built; run: make build\n", 503)
        return FileResponse(file, media_type="text/html; charset=utf-8", headers=PAGE_HEADERS)

    return page


def _may_read_metrics(services: "Services", request: Request) -> bool:
    forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    if not forwarded and request.client and _is_loopback(request.client.host):
        return True
    try:
        return services.access.is_operator(bearer_key(request.headers.get("authorization")))
    except RingbackError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
