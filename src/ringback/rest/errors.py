"""The one place that turns an error into a status and Daily's envelope ``{"error", "info"}``."""

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from ringback.model.errors import (
    BadAuthorizationHeader,
    Forbidden,
    InvalidRequest,
    NotFound,
    NotJson,
    NotStored,
    NumberRefused,
    RateLimited,
    RingbackError,
    Unauthenticated,
    Unavailable,
)

log = structlog.get_logger()

STATUS: dict[type[RingbackError], int] = {
    BadAuthorizationHeader: 400,
    NotJson: 400,
    InvalidRequest: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    NumberRefused: 422,
    RateLimited: 429,
    Unavailable: 503,
}


def status_of(error: RingbackError) -> int:
    """The status of the nearest kind in the table."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 400)


def error_response(error: RingbackError) -> JSONResponse:
    """The answer to a request that cannot be done."""
    headers = {}
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(max(1, error.retry_after))
    if isinstance(error, NotStored):
        headers["Retry-After"] = "5"
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, NumberRefused):
        # The one answer with another body: the published API hands its carrier's own through.
        fault = {"detail": error.info, "status": "422", "title": "Unprocessable Entity", "code": error.code}
        return JSONResponse({"errors": [fault]}, 422, headers)
    return JSONResponse({"error": error.code, "info": error.info}, status_of(error), headers)


async def on_ringback_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RingbackError), "registered for that kind only"
    return error_response(error)


async def on_http_exception(request: Request, error: Exception) -> JSONResponse:
    """No such path, or no such method on it: both are ``not-found``, as the published API has no 405."""
    assert isinstance(error, HTTPException), "registered for that kind only"
    if error.status_code in (404, 405):
        return error_response(NotFound(f"there is no {request.method} {printable(request.url.path)}"))
    return error_response(InvalidRequest(str(error.detail)))


async def on_bug(request: Request, error: Exception) -> JSONResponse:
    """Ours: told in the log with its trace, and to the client without."""
    log.error("http.failed", method=request.method, path=printable(request.url.path), exc_info=error)
    return JSONResponse({"error": "server-error", "info": "something went wrong on our side"}, 500)


def printable(text: str, longest: int = 200) -> str:
    """Text from a stranger, fit for a log or an answer."""
    return "".join(character if character.isprintable() else "?" for character in text[:longest])
