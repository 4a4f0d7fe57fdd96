"""Checks of what an application says about a webhook."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ringback.model.webhook import RetryType
from ringback.rooms.checks import not_allowed, refusal
from ringback.webhooks import signing
from ringback.webhooks.bodies import KNOWN_TYPES

LONGEST_URL = 2048
LONGEST_SECRET = 512
FEWEST_SECRET_OCTETS = 8
NAMES = ("url", "eventTypes", "basicAuth", "retryType", "hmac")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A checked body; ``None`` is what was left out."""

    url: str | None = None
    event_types: tuple[str, ...] | None = None
    basic_auth: str | None = None
    retry_type: RetryType | None = None
    hmac: str | None = None


def check(body: Mapping[str, object]) -> Wanted:
    """Raises ``InvalidRequest`` that names the field."""
    for name, value in body.items():
        if name not in NAMES:
            raise not_allowed(name, value)
    return Wanted(
        url=_url(body["url"]) if "url" in body else None,
        event_types=_types(body["eventTypes"]) if body.get("eventTypes") is not None else None,
        basic_auth=_basic_auth(body["basicAuth"]) if body.get("basicAuth") is not None else None,
        retry_type=_retry_type(body["retryType"]) if body.get("retryType") is not None else None,
        hmac=_hmac(body["hmac"]) if body.get("hmac") is not None else None,
    )


def _url(value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > LONGEST_URL or not value.isascii():
        raise refusal("url", f"must be a URL of at most {LONGEST_URL} ASCII characters", value)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise refusal("url", "must be a URL", value) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or any(c <= " " or c == "\x7f" for c in value):
        raise refusal("url", "must be a URL that begins with https://", value)
    if parts.username is not None or parts.password is not None:
        raise refusal("url", "must not carry a user or password; use basicAuth", "…")
    if port == 0 or parts.fragment:
        raise refusal("url", "must have no fragment and a real port", value)
    return value


def _types(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > len(KNOWN_TYPES):
        raise refusal("eventTypes", "must be an array of event types", value)
    for each in value:
        if not isinstance(each, str) or each not in KNOWN_TYPES:
            raise refusal("eventTypes", "must name event types such as dialin.connected", each)
    return tuple(dict.fromkeys(value))


def _basic_auth(value: object) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_SECRET or not value.isascii() or not value.isprintable():
        raise refusal("basicAuth", f"must be at most {LONGEST_SECRET} printable ASCII characters", "…")
    if ":" in value:
        # It goes out behind "Basic " as it is; a plain user:password is what people mean.
        return base64.b64encode(value.encode()).decode()
    return value


def _retry_type(value: object) -> RetryType:
    try:
        return RetryType(str(value))
    except ValueError:
        raise refusal("retryType", 'must be "circuit-breaker" or "exponential"', value) from None


def _hmac(value: object) -> str:
    try:
        if not isinstance(value, str) or len(value) > LONGEST_SECRET:
            raise ValueError
        key = signing.decode(value)
    except ValueError:
        raise refusal("hmac", "must be base64", "…") from None
    if len(key) < FEWEST_SECRET_OCTETS:
        raise refusal("hmac", f"must hold at least {FEWEST_SECRET_OCTETS} octets", "…")
    return value
