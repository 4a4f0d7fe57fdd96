"""Reads a request's JSON, whatever its content type says, within limits of size and depth."""

import json
import math
from typing import Any

from starlette.requests import ClientDisconnect, Request

from ringback.model.errors import InvalidRequest, NotJson

LARGEST_BODY = 256 * 1024
DEEPEST = 32


async def json_object(request: Request) -> dict[str, Any]:
    """The body as an object; empty is ``{}``.

    Raises:
        NotJson: It does not parse as JSON (RFC 8259) in UTF-8.
        InvalidRequest: It is too large, too deep, or no object.
    """
    value = parse(await _read(request))
    if not isinstance(value, dict):
        raise InvalidRequest("the body must be a JSON object")
    return value


def parse(body: bytes) -> object:
    """As ``json_object``, for octets that are there already; any JSON value."""
    if not body.strip(b" \t\r\n"):
        return {}
    try:
        value: object = json.loads(body.decode(), parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError, an integer of thousands of digits
        raise NotJson(f"the body is not JSON: {error}"[:200]) from None
    if body.count(b"{") + body.count(b"[") > DEEPEST and _depth(value) > DEEPEST:
        raise _too_deep()
    if b"\\u" in body:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise NotJson("the body is not JSON: half of a surrogate pair") from None
    return value


async def _read(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:12]) > LARGEST_BODY:
        raise _too_large()
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > LARGEST_BODY:
                raise _too_large()
            chunks.append(chunk)
    except ClientDisconnect:
        raise NotJson("the body ended early") from None
    return b"".join(chunks)


def _depth(value: object) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        each, depth = waiting.pop()
        deepest = max(deepest, depth)
        inner = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        waiting += [(item, depth + 1) for item in inner if isinstance(item, dict | list)]
    return deepest


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("number out of range")
    return number


def _too_large() -> InvalidRequest:
    return InvalidRequest(f"the body is larger than {LARGEST_BODY} octets")


def _too_deep() -> InvalidRequest:
    return InvalidRequest(f"the body is nested deeper than {DEEPEST} levels")
