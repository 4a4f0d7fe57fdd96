"""Paths and keys as they come in."""

import pytest

from ringback.model.errors import BadAuthorizationHeader
from ringback.rest.api import OPERATIONS
from ringback.rest.routing import PREFIX, CanonicalPaths, bearer_key


async def nothing(scope: object, receive: object, send: object) -> None:
    raise NotImplementedError


PATHS = CanonicalPaths(nothing, [PREFIX + operation.path for operation in OPERATIONS])


@pytest.mark.parametrize(
    ("came", "means"),
    [
        ("/v1", "/v1"),
        ("/V1/", "/v1"),
        ("/v1/ROOMS/", "/v1/rooms"),
        ("/v1/rooms/MyRoom/dialout/START", "/v1/rooms/MyRoom/dialOut/start"),
        ("/v1/Rooms/rooms", "/v1/rooms/rooms"),
        ("/v1/batch/rooms", "/v1/batch/rooms"),
        ("/v1/Ringback/Calls/ABC/", "/v1/ringback/calls/ABC"),
        ("/v1/unknown/Path", "/v1/unknown/Path"),
        ("/v1//rooms", "/v1//rooms"),
        ("/v1x/rooms", "/v1x/rooms"),
    ],
)
def test_fixed_words_are_written_as_routes_have_them(came: str, means: str) -> None:
    assert PATHS.canonical(came) == means


@pytest.mark.parametrize("header", ["Bearer k", "bearer k", "BEARER   k  "])
def test_a_bearer_key_is_found(header: str) -> None:
    assert bearer_key(header) == "k"


@pytest.mark.parametrize("header", [None, "", "k", "Basic k", "Bearer", "Bearer ", "Bearer a b", "Bearer " + "k" * 513])
def test_any_other_header_is_malformed(header: str | None) -> None:
    with pytest.raises(BadAuthorizationHeader, match="bad Authorization header format"):
        bearer_key(header)


def test_no_operation_is_there_twice() -> None:
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)
