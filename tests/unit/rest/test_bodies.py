"""Reading JSON from strangers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.model.errors import InvalidRequest, NotJson
from ringback.rest.bodies import DEEPEST, parse

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_json_is_read_as_it_is(value: object) -> None:
    try:
        wanted = json.dumps(value).encode()
    except UnicodeEncodeError:
        return
    try:
        assert parse(wanted) == value
    except NotJson:
        assert any(0xD800 <= ord(character) <= 0xDFFF for character in json.dumps(value, ensure_ascii=False))


@given(st.binary(max_size=300) | st.text(alphabet='{}[]",:0123eE+-.\\u ntfalse', max_size=100).map(str.encode))
def test_anything_else_is_one_of_two_errors(body: bytes) -> None:
    try:
        parse(body)
    except (NotJson, InvalidRequest) as error:
        assert len(error.info) < 300


@pytest.mark.parametrize("body", [b"", b" ", b"\r\n\t "])
def test_nothing_is_an_empty_object(body: bytes) -> None:
    assert parse(body) == {}


def test_depth_is_counted_not_brackets() -> None:
    """C16."""
    deepest: object = 7
    for _ in range(DEEPEST):
        deepest = [deepest]
    assert parse(json.dumps(deepest).encode()) == deepest
    assert parse(json.dumps([[]] * 1000).encode()) == [[]] * 1000
    assert parse(json.dumps({"a": "[" * 100}).encode()) == {"a": "[" * 100}
    with pytest.raises(InvalidRequest):
        parse(json.dumps([deepest]).encode())


@pytest.mark.parametrize(
    "body", [b"[NaN]", b"[Infinity]", b"[-Infinity]", b"[1e400]", b"[-1e400]", b"[" + b"1" * 5000 + b"]"]
)
def test_numbers_that_nothing_can_hold_are_not_json(body: bytes) -> None:
    with pytest.raises(NotJson):
        parse(body)
