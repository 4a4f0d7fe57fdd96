"""What the command line makes of arguments, answers and failures."""

import json
from typing import Any

import httpx
import pytest
import typer

from ringback.cli.client import Client, parse_properties, show_fields, show_table


def client(answer: Any) -> Client:
    return Client("http://server.test", "key", httpx.MockTransport(answer))


def failure(capsys: pytest.CaptureFixture[str], answer: Any) -> str:
    with pytest.raises(typer.Exit) as caught:
        client(answer).get("/rooms")
    assert caught.value.exit_code == 1
    text = capsys.readouterr().err
    assert text.startswith("ringback: ") and text.count("\n") == 1
    return text


def test_properties_are_json_or_text_and_dots_go_down() -> None:
    pairs = ["enable_dialout=true", "sip.num_endpoints=2", "sip.display_name=Front desk", "exp=null", "a=[1]", "b=1=2"]

    assert parse_properties(pairs) == {
        "enable_dialout": True,
        "sip": {"num_endpoints": 2, "display_name": "Front desk"},
        "exp": None,
        "a": [1],
        "b": "1=2",
    }


@pytest.mark.parametrize("pairs", [["enable_dialout"], ["=1"], ["a=1", "a.b=2"]])
def test_a_property_that_is_none_is_told(pairs: list[str]) -> None:
    with pytest.raises(typer.Exit):
        parse_properties(pairs)


def test_the_key_goes_into_the_header_and_empty_questions_are_left_out() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    client(answer).get("/rooms", limit=1, room=None, ongoing=True)

    assert str(seen[0].url) == "http://server.test/v1/rooms?limit=1&ongoing=true"
    assert seen[0].headers["authorization"] == "Bearer key"


def test_all_pages_are_read() -> None:
    rows = [{"id": str(number)} for number in range(250)]

    def answer(request: httpx.Request) -> httpx.Response:
        after = request.url.params.get("starting_after")
        start = 0 if after is None else int(after) + 1
        return httpx.Response(200, json={"data": rows[start : start + int(request.url.params["limit"])]})

    assert list(client(answer).pages("/rooms")) == rows


def test_a_refusal_is_told_in_the_servers_words(capsys: pytest.CaptureFixture[str]) -> None:
    body = {"error": "invalid-request-error", "info": "a room named desk already exists\x1b[2J"}

    assert "a room named desk already exists?[2J" in failure(capsys, lambda request: httpx.Response(400, json=body))


def test_an_unknown_key_says_which_setting(capsys: pytest.CaptureFixture[str]) -> None:
    body = {"error": "authentication-error"}

    assert "RINGBACK_API_KEY" in failure(capsys, lambda request: httpx.Response(401, json=body))


def test_no_server_says_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    assert "ringback dev" in failure(capsys, refuse)


def test_another_server_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    assert "does not look like" in failure(capsys, lambda request: httpx.Response(200, text="<html>"))


def test_names_from_strangers_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_table([{"name": "[red]x\x1b[2J"}], {"name": "name"}, "none")
    show_fields({"name": "y\x1b[2J", "empty": None})

    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["name", "[red]x?[2J", "name  y?[2J"]


def test_values_of_any_kind_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show_table([{"a": 1, "b": {"c": True}}], {"A": "a", "B": "b", "C": "c"}, "none")

    out = capsys.readouterr().out
    assert "1" in out and json.dumps({"c": True}) in out


def test_a_vendors_refusal_is_told_in_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(422, json={"errors": [{"detail": "+14155550123 is not available", "status": "422"}]})

    assert failure(capsys, answer) == "ringback: +14155550123 is not available\n"
