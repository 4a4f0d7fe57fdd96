"""From a request to a handler and back: authentication, limits, body, answer. Every operation goes this way.

Fixed words of a path match in any case and with or without a trailing slash, as published programs write them; names
stay as they are.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ringback.calls.ports.paid import Asker
from ringback.model.domain import Domain
from ringback.model.errors import (
    BadAuthorizationHeader,
    Forbidden,
    InvalidRequest,
    RingbackError,
    Unauthenticated,
)
from ringback.rest.bodies import json_object
from ringback.rest.errors import error_response, printable, status_of
from ringback.rest.limits import Quiet, RequestLimits
from ringback.rest.metrics import Metrics

if TYPE_CHECKING:
    from ringback.rest.api import Services

log = structlog.get_logger()

PREFIX = "/v1"
MOST_PER_PAGE = 100
LONGEST_KEY = 512


@dataclass(frozen=True, slots=True)
class Asked:
    """One authenticated request, as handlers see it."""

    services: "Services"
    domain: Domain
    bearer: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: dict[str, Any]

    def limit(self) -> int:
        """``limit`` of a list: 1 to 100, 100 when left out. Raises ``InvalidRequest``."""
        return self.number("limit", MOST_PER_PAGE, 1, MOST_PER_PAGE)

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A query parameter that is a whole number within bounds. Raises ``InvalidRequest``."""
        text = self.query.get(name, str(default))
        if not text.isdecimal() or not text.isascii() or not low <= int(text[:9]) <= high:
            raise InvalidRequest(f"{name} must be a number from {low} to {high} [Received {name}={printable(text)}]")
        return int(text)

    def flag(self, name: str) -> bool | None:
        """A boolean query parameter; ``None`` when left out. Raises ``InvalidRequest``."""
        text = self.query.get(name)
        if text is None:
            return None
        if text.lower() not in ("true", "false", "1", "0"):
            raise InvalidRequest(f"{name} must be true or false [Received {name}={printable(text)}]")
        return text.lower() in ("true", "1")

    def asker(self) -> Asker:
        """On whose word a call is made: this key's."""
        return Asker(self.domain.id, "key", self.services.access.key_id(self.bearer))

    def moment(self, name: str) -> float | None:
        """A query parameter in Unix seconds; ``None`` when left out. Raises ``InvalidRequest``."""
        text = self.query.get(name)
        if text is None:
            return None
        if not text.isascii() or not text.replace(".", "", 1).isdecimal() or len(text) > 20:
            raise InvalidRequest(
                f"{name} was '{printable(text)}' but should be a number of seconds since the unix epoch"
            )
        return float(text)

    def require_operator(self) -> None:
        """Raises ``Forbidden`` for a key that is not the operator's."""
        if not self.services.access.is_operator(self.bearer):
            raise Forbidden("this needs the operator's key (RINGBACK_API_KEY)")


Handler = Callable[[Asked], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the API.

    Attributes:
        path: Under ``/v1``, names in braces.
        rate: Class of ``limits.RATES``.
    """

    method: str
    path: str
    handler: Handler
    rate: str = "normal"


@dataclass(slots=True)
class Door:
    """What every operation passes through."""

    services: "Services"
    limits: RequestLimits
    metrics: Metrics
    quiet: Quiet = field(default_factory=Quiet)

    def route(self, operation: Operation) -> Route:
        """The operation as a route of the application."""

        async def serve(request: Request) -> Response:
            started = self.services.clock.monotonic()
            response = await self._serve(operation, request)
            took = self.services.clock.monotonic() - started
            self.metrics.request(operation.method, PREFIX + operation.path, response.status_code, took)
            return response

        return Route(PREFIX + operation.path, serve, methods=[operation.method])

    async def _serve(self, operation: Operation, request: Request) -> Response:
        try:
            bearer, domain = await self._authenticate(request)
            self.limits.admit(domain.id, operation.rate, self.services.clock.monotonic())
            asked = Asked(
                services=self.services,
                domain=domain,
                bearer=bearer,
                params=request.path_params,
                query=request.query_params,
                headers=request.headers,
                body={} if operation.method == "GET" else await json_object(request),
            )
            answer = await operation.handler(asked)
            return answer if isinstance(answer, Response) else JSONResponse(answer)
        except RingbackError as error:
            if status_of(error) >= 500:
                log.warning("http.unavailable", operation=operation.path, info=error.info)
            return error_response(error)

    async def _authenticate(self, request: Request) -> tuple[str, Domain]:
        try:
            bearer = bearer_key(request.headers.get("authorization"))
            return bearer, await self.services.access.key_domain(bearer)
        except (BadAuthorizationHeader, Unauthenticated) as error:
            source = request.client.host if request.client else ""
            now = self.services.clock.monotonic()
            if (silent := self.quiet.line(source, now)) is not None:
                log.info(
                    "http.refused", source=source, path=printable(request.url.path), error=error.code, silent=silent
                )
            self.limits.refused(source, now)
            raise


def bearer_key(header: str | None) -> str:
    """The key in an ``Authorization`` header. Raises ``BadAuthorizationHeader``."""
    scheme, _, key = (header or "").strip().partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key or len(key) > LONGEST_KEY or " " in key:
        raise BadAuthorizationHeader("bad Authorization header format")
    return key


class CanonicalPaths:
    """ASGI middleware that writes a path's fixed words as the routes have them.

    Args:
        app: What comes next.
        paths: The routes' paths, names in braces.
    """

    def __init__(self, app: ASGIApp, paths: Iterable[str]) -> None:
        self._app = app
        self._words: dict[int, list[tuple[str, ...]]] = {}
        for path in paths:
            words = tuple(path.strip("/").split("/"))
            self._words.setdefault(len(words), []).append(words)
        for templates in self._words.values():  # a fixed word wins over a name
            templates.sort(key=lambda words: [word.startswith("{") for word in words])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"][:3].lower() == PREFIX:
            path = self.canonical(scope["path"])
            if path != scope["path"]:
                scope = {**scope, "path": path}
        await self._app(scope, receive, send)

    def canonical(self, path: str) -> str:
        """``/V1/Rooms/Mine/dialout/START/`` → ``/v1/rooms/Mine/dialOut/start``; what matches nothing stays."""
        parts = path.strip("/").split("/")
        for words in self._words.get(len(parts), ()):
            if all(
                word.startswith("{") or word.lower() == part.lower() for word, part in zip(words, parts, strict=True)
            ):
                named = (part if word.startswith("{") else word for word, part in zip(words, parts, strict=True))
                return "/" + "/".join(named)
        return path
