"""Which user parts can name an endpoint."""

import pytest

from ringback.numbers.endpoints import endpoint_user


@pytest.mark.parametrize(
    "user",
    [
        "123456789012",
        "+123456789012",
        "123456789012;phone-context=x",
        "sip:123456789012",
        "SIP:123456789012",
        "123456789012:secret",
    ],
)
def test_twelve_digits_are_found_however_they_are_wrapped(user: str):
    assert endpoint_user(user) == "123456789012"


@pytest.mark.parametrize(
    "user",
    [
        "",
        "12345678901",
        "1234567890123",
        "12345678901a",
        "１２３４５６７８９０１２",
        "hello",
        "hello.0",
        ":",
        "sip:",
        "+",
        " 123456789012",
    ],
)
def test_anything_else_names_none(user: str):
    assert endpoint_user(user) is None
