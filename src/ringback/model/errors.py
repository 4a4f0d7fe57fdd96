"""Errors an application can cause, each with Daily's ``error`` code and an ``info`` sentence for people.

``rest/errors.py`` is the only place that turns one into an HTTP status, ``signalling`` into a reply.
"""


class RingbackError(Exception):
    """The application asked for something that cannot be done as asked.

    Args:
        info: One sentence for people: which field or setting, and what to do.

    Attributes:
        code: Daily's machine-readable ``error`` value.
    """

    code = "invalid-request-error"

    def __init__(self, info: str) -> None:
        super().__init__(info)
        self.info = info


class InvalidRequest(RingbackError):
    """Something in the request is wrong (Daily: 400 ``invalid-request-error``)."""


class NotFound(RingbackError):
    """What the request names does not exist (Daily: 404 ``not-found``)."""

    code = "not-found"


class Forbidden(RingbackError):
    """The caller is known but may not do this (Daily: 403 ``forbidden-error``)."""

    code = "forbidden-error"


class NumberNotAllowed(Forbidden):
    """A telephone number that is not called: an emergency service, a short code, or one that rules deny (403)."""

    code = "number-not-allowed"


class NumberRefused(RingbackError):
    """A vendor of telephone numbers does not sell or take this one (Daily: 422, in the vendor's own shape)."""

    code = "number-refused"


class Unauthenticated(RingbackError):
    """The key or token is unknown or revoked (Daily: 401 ``authentication-error``)."""

    code = "authentication-error"


class BadAuthorizationHeader(RingbackError):
    """No usable ``Authorization: Bearer`` header (Daily: 400 ``authorization-header-error``)."""

    code = "authorization-header-error"


class NotJson(RingbackError):
    """The body is not JSON (Daily: 400 ``json-parsing-error``)."""

    code = "json-parsing-error"


class RateLimited(RingbackError):
    """Too many requests (Daily: 429 ``rate-limit-error``).

    Args:
        info: As for every error.
        retry_after: Whole seconds until a retry can succeed, at least 1.
    """

    code = "rate-limit-error"

    def __init__(self, info: str, retry_after: int = 1) -> None:
        super().__init__(info)
        self.retry_after = retry_after


class Unavailable(RingbackError):
    """The node cannot do this now: draining, or out of a resource of its own (503 ``server-error``)."""

    code = "server-error"


class NotStored(Unavailable):
    """What was asked for has to be stored first, and cannot be now: a full disk, a database that is away (503)."""
