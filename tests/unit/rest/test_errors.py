"""Every kind of error has its status and the published envelope."""

import json

import pytest

from ringback.access.errors import TokenRefused
from ringback.model import errors
from ringback.rest.errors import error_response
from ringback.store.errors import DuplicateKey, StoreError

CASES = [
    (errors.BadAuthorizationHeader("i"), 400, "authorization-header-error"),
    (errors.NotJson("i"), 400, "json-parsing-error"),
    (errors.InvalidRequest("i"), 400, "invalid-request-error"),
    (errors.Unauthenticated("i"), 401, "authentication-error"),
    (errors.Forbidden("i"), 403, "forbidden-error"),
    (errors.NumberNotAllowed("i"), 403, "number-not-allowed"),
    (errors.NotFound("i"), 404, "not-found"),
    (errors.RateLimited("i", 3), 429, "rate-limit-error"),
    (errors.Unavailable("i"), 503, "server-error"),
    (errors.NotStored("i"), 503, "server-error"),
    (StoreError("i"), 503, "server-error"),
    (DuplicateKey("i"), 400, "invalid-request-error"),
    (TokenRefused("exp-token", "i"), 400, "invalid-request-error"),
]


@pytest.mark.parametrize(("error", "status", "code"), CASES, ids=lambda value: type(value).__name__)
def test_an_error_has_its_status_and_code(error: errors.RingbackError, status: int, code: str) -> None:
    response = error_response(error)

    assert response.status_code == status
    assert json.loads(bytes(response.body)) == {"error": code, "info": error.info}


def test_every_kind_is_covered() -> None:
    kinds = {
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.RingbackError)
    }

    # NumberRefused has another body, below.
    assert kinds - {errors.RingbackError, errors.NumberRefused} <= {type(error) for error, _, _ in CASES}


def test_too_many_requests_are_told_when_to_come_back() -> None:
    assert error_response(errors.RateLimited("i", 0)).headers["retry-after"] == "1"
    assert error_response(errors.RateLimited("i", 7)).headers["retry-after"] == "7"


def test_a_number_that_is_not_sold_is_answered_in_the_vendors_shape() -> None:
    response = error_response(errors.NumberRefused("gone"))

    fault = {"detail": "gone", "status": "422", "title": "Unprocessable Entity", "code": "number-refused"}
    assert (response.status_code, json.loads(bytes(response.body))) == (422, {"errors": [fault]})
