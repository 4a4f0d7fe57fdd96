"""Frames from clients."""

import json

import pytest

from ringback.model.errors import InvalidRequest
from ringback.signalling.requests import (
    Join,
    Resume,
    clean,
    json_length,
    read_counters,
    read_frame,
    read_join,
    read_layers,
    read_offer,
    read_recipients,
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        "{}",
        '{"id": 1}',
        '{"type": "join"}',
        '{"id": "1", "type": "join"}',
        '{"id": true, "type": "join"}',
        '{"id": -1, "type": "join"}',
        '{"id": 1, "type": 2}',
        '{"id": 1, "type": "join", "x": NaN}',
        '{"id": 1e400, "type": "join"}',
        '{"id": 1, "type": "join", "x": ' + "[" * 40 + "]" * 40 + "}",
        "[" * 100_000,
    ],
)
def test_what_is_no_request_is_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_frame(text)


def test_a_room_is_named_by_its_name_or_by_its_url_with_a_token_in_it() -> None:
    plain = read_join({"room": "hello", "userName": "Ann"}, "meet.example")
    by_url = read_join({"room": "https://acme.meet.example/hello?t=abc"}, "other.example")
    assert plain == Join("hello", "meet.example", None, "Ann", None)
    assert by_url == Join("hello", "acme.meet.example", "abc", "", None)


def test_a_token_given_outright_goes_before_the_one_in_the_url() -> None:
    asked = read_join({"room": "https://meet.example/hello?t=abc", "token": "def"}, "")
    assert isinstance(asked, Join)
    assert asked.token == "def"


def test_coming_back_names_the_session_its_secret_and_the_last_event_seen() -> None:
    asked = read_join({"resume": {"session_id": "s", "secret": "x", "seq": 7}}, "")
    assert asked == Resume("s", "x", 7)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"room": 1},
        {"room": "x" * 3000},
        {"room": "hello", "token": 5},
        {"room": "hello", "userName": "x" * 201},
        {"room": "hello", "userData": "x" * 5000},
        {"resume": []},
        {"resume": {"session_id": "s"}},
        {"resume": {"session_id": "s", "secret": "x", "seq": "7"}},
    ],
)
def test_a_join_that_is_wrong_names_the_field(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest, match='"'):
        read_join(fields, "")


def test_names_lose_what_could_forge_the_text_around_them() -> None:
    assert clean(" Ann\r\n\x1b[31m\u202eevil\u2066 ") == "Ann[31mevil"


def test_an_offer_names_its_lines() -> None:
    offer = read_offer(
        {
            "sdp": "v=0",
            "send": [{"mid": "0", "track": "audio"}],
            "receive": [{"mid": "1", "session_id": "s", "track": "video"}],
        }
    )
    assert offer.send == {"0": "audio"}
    assert offer.receive == {"1": ("s", "video")}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"sdp": 1},
        {"sdp": "v=0", "send": {}},
        {"sdp": "v=0", "send": [1]},
        {"sdp": "v=0", "send": [{"mid": "0"}]},
        {"sdp": "v=0", "receive": [{"mid": "0", "track": "audio"}]},
        {"sdp": "v=0", "send": [{"mid": str(n), "track": "audio"} for n in range(501)]},
    ],
)
def test_an_offer_that_is_wrong_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        read_offer(fields)


def test_a_message_goes_to_everybody_to_one_or_to_some() -> None:
    assert read_recipients({}) is None
    assert read_recipients({"to": "*"}) is None
    assert read_recipients({"to": "a"}) == ("a",)
    assert read_recipients({"to": ["a", "b"]}) == ("a", "b")
    with pytest.raises(InvalidRequest):
        read_recipients({"to": [1]})


def test_a_frame_keeps_its_fields() -> None:
    frame = read_frame(json.dumps({"id": 3, "type": "ping", "x": [1]}))
    assert (frame.id, frame.type, frame.fields["x"]) == (3, "ping", [1])


def test_lengths_are_counted_as_a_browser_counts_them() -> None:
    assert json_length({"a": [1, 2], "b": "x"}) == len('{"a":[1,2],"b":"x"}')
    assert json_length("\U0001f600") == 4
    assert json_length("\ud83d") == 3


def test_counters_of_a_client_are_numbers_by_names_we_know():
    told = {"counters": {"underruns_bot": 3, "ticks_late": 0, "of-its-own": 9}}

    assert read_counters(told) == {"underruns_bot": 3, "underruns_path": 0, "ticks_late": 0}
    for bad in (-1, 1.5, True, "3", 2**53):
        with pytest.raises(InvalidRequest, match="underruns_bot"):
            read_counters({"counters": {"underruns_bot": bad}})


def test_layers_are_named_for_somebody_or_everybody() -> None:
    lines = [
        {"session_id": "*", "track": "video", "layer": 0},
        {"session_id": "ann", "track": "video", "layer": 2},
    ]

    assert read_layers({"layers": lines}) == {("*", "video"): 0, ("ann", "video"): 2}
    assert read_layers({}) == {}


@pytest.mark.parametrize("layer", [None, -1, 16, "1", True, 1.5])
def test_a_layer_is_a_small_number(layer: object) -> None:
    with pytest.raises(InvalidRequest, match="layer"):
        read_layers({"layers": [{"session_id": "*", "track": "video", "layer": layer}]})
