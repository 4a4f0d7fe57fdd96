"""``ringback dialin``: what it asks the server for, and what people read."""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from ringback.cli import dialin

PIN = {
    "id": "one",
    "type": "pin_dialin",
    "config": {
        "phone_number": "+12125550151",
        "name_prefix": "desk\x1b[31m\u202e",
        "ivr_greeting": {"message": "Welcome\r\n"},
    },
}
TRUNK = {
    "id": "two",
    "trunk_name": "acme",
    "sip_uri": "sip:main-acme.siptrunk.example",
    "enabled": False,
    "config": {"trunk_config": {"allowed_ips": ["192.0.2.1"], "credential": {"username": "me"}, "is_open": False}},
}


class Server:
    """Answers as told, and remembers what it was asked."""

    asked: ClassVar[list[tuple[str, str, Any]]] = []

    def pages(self, path: str, **query: object) -> Iterator[dict[str, Any]]:
        yield TRUNK if path == "/sip-trunk" else PIN

    def get(self, path: str, **query: object) -> Any:
        return PIN

    def post(self, path: str, body: dict[str, Any]) -> Any:
        self.asked.append(("POST", path, body))
        return PIN

    def put(self, path: str, body: dict[str, Any]) -> Any:
        self.asked.append(("PUT", path, body))
        return PIN

    def delete(self, path: str) -> None:
        self.asked.append(("DELETE", path, None))


@pytest.fixture(autouse=True)
def _server(monkeypatch: pytest.MonkeyPatch) -> None:
    Server.asked = []
    monkeypatch.setattr(dialin, "connect", Server)


def run(*words: str) -> str:
    result = CliRunner().invoke(dialin.app, list(words))
    assert result.exit_code == 0, result.output
    return result.output


def test_a_number_asks_for_a_code_or_a_program() -> None:
    run("add-code", "+12125550151", "--greeting", "Hello", "--name", "desk")
    run("add-program", "https://shop.example/calls", "--music", "https://shop.example/a.mp3", "--message", "Sorry")

    assert [body for _, _, body in Server.asked] == [
        {
            "type": "pin_dialin",
            "phone_number": "+12125550151",
            "name_prefix": "desk",
            "ivr_greeting": {"message": "Hello"},
        },
        {
            "type": "pinless_dialin",
            "room_creation_api": "https://shop.example/calls",
            "hold_music_url": "https://shop.example/a.mp3",
            "timeout_config": {"message": "Sorry"},
        },
    ]


def test_what_is_named_is_changed_and_an_id_stays_one_segment() -> None:
    run("set", "../keys", "hold_music_url=null", "timeout_config.message=Sorry")
    run("remove", "one")

    assert Server.asked == [
        (
            "PUT",
            "/domain-dialin-config/..%2Fkeys",
            {"hold_music_url": None, "timeout_config": {"message": "Sorry"}},
        ),
        ("DELETE", "/domain-dialin-config/one", None),
    ]


@pytest.mark.parametrize("command", [["list"], ["show", "one"]])
def test_what_others_wrote_steers_no_terminal(command: list[str]) -> None:
    shown = run(*command)

    assert "desk?[31m?" in shown and "asks for a code" in shown
    assert not set(shown) & {"\x1b", "\u202e", "\r"}


def test_who_may_call_over_a_customers_trunk_is_said_in_words() -> None:
    shown = run("trunks")

    assert "192.0.2.1, who logs in as me" in shown
    assert "sip:main-acme.siptrunk.example" in shown
