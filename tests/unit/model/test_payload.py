"""An event's payload and its text."""

import json

from ringback.model.payload import Payload, json_text


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
