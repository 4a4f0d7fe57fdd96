"""An event's payload and its text."""

import json

import pytest

from ringback.model.payload import Payload, json_text, write_json, write_json_utf8


def test_the_text_is_written_once_and_is_json_without_spaces():
    payload = Payload(who="ann", tracks={"audio": {"state": "off"}}, at=[1, None, True])

    text = payload.text

    assert text == '{"who":"ann","tracks":{"audio":{"state":"off"}},"at":[1,null,true]}'
    assert payload.text is text
    assert json_text(payload) is text


def test_a_plain_mapping_and_a_payload_are_written_alike():
    fields = {"name": "Zoë \udcff\u2028", "n": 1.5}

    assert json_text(fields) == Payload(fields).text
    assert json.loads(json_text(fields)) == fields


@pytest.mark.parametrize(
    "value",
    [
        'Zoë \udcff\u2028\x00"',
        1.5,
        10**30,
        True,
        None,
        [],
        {},
        [{"a": [None, -0.0]}],
        {"b": 1, "a": {1: "x"}},
        (1, "2"),
    ],
)
def test_a_value_is_written_as_the_standard_library_writes_it(value):
    assert write_json(value) == json.dumps(value, separators=(",", ":"))
    assert write_json_utf8(value) == json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def test_what_json_has_no_word_for_is_an_error():
    with pytest.raises(TypeError):
        write_json({"at": object()})
    holds_itself: list[object] = []
    holds_itself.append(holds_itself)
    with pytest.raises(RecursionError):
        write_json(holds_itself)
