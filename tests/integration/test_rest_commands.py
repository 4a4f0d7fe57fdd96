"""``ringback rooms``, ``tokens`` and ``keys`` against a server on a real port."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvicorn
from typer.testing import CliRunner

from contract.house import KEY, House, a_house
from ringback.cli.main import app
from ringback.rest.api import create_api

Run = Callable[..., Awaitable[str]]


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    async with a_house(tmp_path) as built:
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_api(built.services), lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve([listener]))
        monkeypatch.setenv("RINGBACK_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("RINGBACK_API_KEY", KEY)
        monkeypatch.chdir(tmp_path)
        yield built
        server.should_exit = True
        await serving


@pytest.fixture
def run(house: House) -> Run:
    async def ringback(*arguments: str, status: int = 0) -> str:
        outcome = await asyncio.to_thread(CliRunner().invoke, app, list(arguments))
        assert outcome.exit_code == status, outcome.output
        return outcome.output

    return ringback


async def test_a_room_from_its_making_to_its_end(run: Run) -> None:
    assert "There are no rooms" in await run("rooms", "list")

    made = json.loads(await run("rooms", "create", "desk", "max_participants=5", "--sip", "--dialout", "--json"))
    assert made["config"]["enable_dialout"] is True and made["config"]["max_participants"] == 5
    address = made["config"]["sip_uri"]["endpoint"]

    assert address in await run("rooms", "list")
    assert address in await run("rooms", "show", "desk")
    changed = json.loads(await run("rooms", "update", "desk", "sip=null", "--privacy", "private", "--json"))
    assert changed["privacy"] == "private" and "sip" not in changed["config"]
    assert "deleted desk" in await run("rooms", "delete", "desk")
    assert "room desk not found" in await run("rooms", "show", "desk", status=1)


async def test_a_room_without_a_name_gets_one(run: Run) -> None:
    made = json.loads(await run("rooms", "create", "start_audio_off=true", "--json"))

    assert len(made["name"]) == 20 and made["config"] == {"start_audio_off": True}


async def test_a_token_is_made_and_read(run: Run) -> None:
    token = (await run("tokens", "create", "--room", "desk", "--owner", "--user-name", "Ann")).strip()

    assert json.loads(await run("tokens", "show", token, "--json")) == {
        "room_name": "desk",
        "is_owner": True,
        "user_name": "Ann",
    }
    assert "invalid-token" in await run("tokens", "show", token + "x", status=1)


async def test_a_key_is_made_used_and_revoked(run: Run, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    made = json.loads(await run("keys", "add", "for the bots", "--json"))
    assert "for the bots" in await run("keys", "list") and made["key"] not in await run("keys", "list")

    monkeypatch.setenv("RINGBACK_API_KEY", made["key"])
    assert "There are no rooms" in await run("rooms", "list")
    assert "operator's key" in await run("keys", "list", status=1)

    monkeypatch.setenv("RINGBACK_API_KEY", KEY)
    await run("keys", "revoke", made["id"])
    monkeypatch.setenv("RINGBACK_API_KEY", made["key"])
    assert "set RINGBACK_API_KEY" in await run("rooms", "list", status=1)


async def test_the_generated_key_of_the_data_folder_is_found(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RINGBACK_API_KEY")
    assert "no API key" in await run("rooms", "list", status=1)

    (tmp_path / "ringback-data").mkdir()
    (tmp_path / "ringback-data" / "api-key").write_text(KEY + "\n")
    assert "There are no rooms" in await run("rooms", "list")


async def test_trunks_and_numbers_are_added_shown_tried_and_removed(run: Run, house: House) -> None:
    await run("rooms", "create", "desk", "--sip")
    secret = "credentials.password=do-not-tell"
    rules = 'outbound_rules=[{"match": "+49*", "strip": 3, "prepend": "0"}]'
    made = await run("trunks", "add", "acme", "hosts=sip.acme.example:5070", "credentials.username=me", secret, rules)
    await run("trunks", "set", "acme", "max_calls=3")

    assert "do-not-tell" not in made + await run("trunks", "show", "acme")
    assert json.loads(await run("trunks", "show", "acme", "--json"))["max_calls"] == 3
    assert "sip.acme.example:5070" in await run("trunks", "list")
    assert "sip:030123456@sip.acme.example:5070" in await run("trunks", "dry-run", "acme", "+4930123456")
    assert "emergency" in await run("trunks", "dry-run", "acme", "+49112", status=1)
    assert "telnyx" in await run("trunks", "profiles")
    assert "rings desk" in await run("numbers", "add", "+4930123456", "--room", "desk")
    assert "+4930123456" in await run("numbers", "list")
    assert "removed" in await run("numbers", "remove", "+4930123456")
    assert "colour" in await run("trunks", "set", "acme", "colour=red", status=1)
    assert "removed acme" in await run("trunks", "remove", "acme")
    assert "There are no trunks" in await run("trunks", "list")


async def test_the_newest_of_no_calls_is_told_to_be_none(run: Run) -> None:
    for verb in (("show",), ("why",), ("hangup",), ("transfers",), ("press", "12")):
        assert "there are no calls" in await run("calls", verb[0], "last", *verb[1:], status=1)
