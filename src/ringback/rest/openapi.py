"""Our API in its own words: an OpenAPI 3.0 description, written from the same rows that the application is made of.

Operations of telephony are described field by field, those of the published API as it describes them; the others by
their paths.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ringback.rest.described import DESCRIBED, Described
from ringback.rest.routing import Operation

NAMES = {"/rooms/{name}": {"name": "room_name"}}
"""Path parameters that the published API calls otherwise."""

ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "info": {"type": "string"}},
    "required": ["error"],
    "additionalProperties": False,
}
RESPONSES = {
    "400": ("What is asked for cannot be done as asked", "invalid-request-error", "missing required field"),
    "401": ("The key is unknown or revoked", "authentication-error", "the API key is unknown or revoked"),
    "403": ("The key may not do this, or a rule forbids it", "forbidden-error", "destination-not-allowed: …"),
    "404": ("There is no such thing", "not-found", "room hello not found"),
    "429": ("Too many requests", "rate-limit-error", "too many requests; wait, then try again more slowly"),
    "500": ("Our fault", "server-error", "something went wrong on our side"),
    "503": ("Not now", "server-error", "this server is shutting down and starts no new calls"),
}


def document(operations: Iterable[Operation], version: str, base: str) -> dict[str, Any]:
    """The description of all operations.

    Args:
        version: Ours.
        base: URL that the paths are under, with ``/v1``.
    """
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = _path(operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, path)
    return {
        "openapi": "3.0.3",
        "info": {"title": "Ringback", "version": version},
        "servers": [{"url": base}],
        "security": [{"bearerAuth": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "error": ERROR,
                **{name: schema for about in DESCRIBED.values() for name, schema in about.schemas},
            },
        },
    }


def _operation(operation: Operation, path: str) -> dict[str, Any]:
    about = DESCRIBED.get((operation.method, operation.path), Described())
    found: dict[str, Any] = {
        "operationId": about.operation_id or _made_up(operation.method, path),
        "tags": [about.tag or path.strip("/").partition("/")[0] or "domain"],
        "summary": about.summary or f"{operation.method} {path}",
        "responses": {"200": _answer(about), **{status: _error(status) for status in RESPONSES}},
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]
    parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in about.query.items()]
    if about.takes_key:
        parameters.append({"name": "Idempotency-Key", "in": "header", "schema": IDEMPOTENCY_KEY})
    if parameters:
        found["parameters"] = parameters
    if about.body is not None:
        found["requestBody"] = {"content": {"application/json": {"schema": about.body}}}
    elif operation.method in ("POST", "PUT", "PATCH"):
        found["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}}
    found["responses"] |= {
        status: _json("The vendor refuses", schema) for status, schema in about.other_answers.items()
    }
    return found


IDEMPOTENCY_KEY = {"type": "string", "pattern": "^[!-~]{1,255}$"}


def _path(path: str) -> str:
    for beginning, names in NAMES.items():
        if path == beginning or path.startswith(beginning + "/"):
            for ours, published in names.items():
                path = path.replace(f"{{{ours}}}", f"{{{published}}}")
    return path or "/"


def _answer(about: Described) -> dict[str, Any]:
    return _json("200", about.answer if about.answer is not None else {})


def _error(status: str) -> dict[str, Any]:
    words, code, info = RESPONSES[status]
    found = _json(words, {"$ref": "#/components/schemas/error"})
    found["content"]["application/json"]["example"] = {"error": code, "info": info}
    return found


def _json(words: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": dict(schema)}}}


def _made_up(method: str, path: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", path)
    return method.capitalize() + "".join(word[:1].upper() + word[1:] for word in words)
