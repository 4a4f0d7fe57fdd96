"""The page for who is woken at night does what it prints, and a wrong address of ours is told by its first command."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import ringback
from interop.peers.phone import Phone
from interop.peers.process import Process
from interop.peers.server import KEY, ROOT, Server
from interop.peers.waiting import free_port, until

PAGE = ROOT / "docs" / "guides" / "woken-at-night.md"
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SIP = {"sip_mode": "dial-in", "display_name": "Caller"}
ELSEWHERE = "127.0.0.77"
"""Where nobody listens."""


async def said(command: str, server: Server) -> str:
    """What a shell command prints; how it ends is not looked at, as the doctor may find this machine too busy."""
    env = {**os.environ, "RINGBACK_API_KEY": KEY, "RINGBACK_URL": server.url}
    shell = await asyncio.create_subprocess_exec(
        "sh", "-u", "-c", command, stdout=asyncio.subprocess.PIPE, env=env, cwd=ROOT
    )
    printed, _ = await asyncio.wait_for(shell.communicate(), 60)
    return printed.decode()


@pytest.fixture
async def dev(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    settings = getattr(request, "param", {})
    async with Server(tmp_path / "dev", settings, command=("dev", "--no-self-test")) as running:
        await until(lambda: "Ctrl-C ends it" in running.log() or None, "the room is ready", 60)
        yield running


async def address(server: Server) -> str:
    """The room's, at the port that listens whatever the server advertises."""
    uri = (await server.rest("GET", "/rooms/hello")).body["config"]["sip_uri"]["endpoint"]
    return f"{uri.partition('@')[0]}@127.0.0.1:{server.ports.sip}"


async def over(server: Server) -> bool:
    rows = (await server.rest("GET", "/ringback/calls?limit=1")).body["data"]
    return bool(rows) and rows[0]["state"] == "ended"


async def test_the_page_for_who_is_woken_does_what_it_prints(dev: Server, tmp_path: Path) -> None:
    (_, doctor), (_, found), (_, why), (_, first) = BLOCK.findall(PAGE.read_text())
    async with Phone(tmp_path / "phone", "dial", await address(dev), "--for", "1") as phone:
        await phone.event("answered")
        await until(lambda: over(dev), "the call is over")

    checked = await said(doctor, dev)
    looked = await said(why, dev)

    checks = [line.split()[:2] for line in checked.splitlines()]
    assert [check for _, check in checks if check in found.split()] == found.split()[1::2], checked
    assert ["ok", "server"] in checks and ["ok", "store"] in checks, checked
    assert first in looked, looked


@pytest.mark.parametrize("dev", [{"MEDIA__PUBLIC_ADDRESS": ELSEWHERE}], indirect=True)
async def test_an_address_of_ours_that_nobody_reaches_is_named_with_its_setting(dev: Server, tmp_path: Path) -> None:
    """The commonest night of all: an answer that cannot be acknowledged, and silence both ways."""
    async with Phone(tmp_path / "phone", "dial", await address(dev), "--for", "30") as phone:
        await phone.event("answered")
        looked = await said(".venv/bin/ringback calls why last", dev)

    verdict = looked.splitlines()[0]
    assert f"we are at {ELSEWHERE}" in verdict or "ack timeout" in verdict, looked
    assert "RINGBACK_SIP__PUBLIC_ADDRESS" in looked


async def test_a_carrier_that_refuses_every_call_is_told_from_a_wrong_password(dev: Server, tmp_path: Path) -> None:
    port = free_port()
    async with Phone(tmp_path / "carrier", "answer", "--port", str(port), "--refuse", "503") as carrier:
        await carrier.event("waiting")
        trunk = {"name": "gateway", "hosts": [f"127.0.0.1:{port}"], "options_interval": 0}
        assert (await dev.rest("POST", "/ringback/trunks", trunk)).status == 200
        answer = await dev.rest("POST", "/rooms/hello/dialOut/start", {"phoneNumber": "+4940123456"})
        assert answer.status == 200, answer
        await until(lambda: over(dev), "the call is over")

    looked = await said(".venv/bin/ringback calls why last", dev)
    assert "rejected (503 Service Unavailable)" in looked and "It cannot take calls now" in looked, looked
    assert "password" not in looked


async def test_a_bot_that_joined_and_never_spoke_is_told_of_while_the_call_lasts_and_afterwards(
    dev: Server, tmp_path: Path
) -> None:
    """Every packet arrives, and the caller hears nothing."""
    made = await dev.rest("POST", "/rooms", {"name": "night", "properties": {"sip": SIP}})
    user = made.body["config"]["sip_uri"]["endpoint"].partition("@")[0]
    async with ringback.join(f"{dev.url}/night", name="Mute") as bot:
        async with Phone(tmp_path / "phone", "dial", f"{user}@127.0.0.1:{dev.ports.sip}") as phone:
            await phone.event("answered")
            await until(lambda: bot.phones or None, "the caller is there")
            meanwhile = await said(".venv/bin/ringback calls why last", dev)
            assert await said(".venv/bin/ringback calls hangup last", dev) == "hung up\n"
            await until(lambda: over(dev), "the call is over")
        afterwards = await said(".venv/bin/ringback calls why last", dev)

    # A bot that has only just come may not hear the caller yet either, which is said as well.
    assert "Mute is connected and sends no sound.\n" in meanwhile, meanwhile
    assert "a bot has to play something" in meanwhile
    assert "nothing but silence: nobody in the room was heard" in afterwards, afterwards


@pytest.mark.parametrize("dev", [{"SIP__SRTP": "required", "SIP__SRTP_WITHOUT_TLS": "true"}], indirect=True)
async def test_a_phone_without_encryption_where_it_is_demanded_is_not_said_to_lack_a_codec(
    dev: Server, tmp_path: Path
) -> None:
    port = free_port()
    async with Phone(tmp_path / "plain", "answer", "--port", str(port)) as plain:
        await plain.event("waiting")
        answer = await dev.rest("POST", "/rooms/hello/dialOut/start", {"sipUri": f"sip:bob@127.0.0.1:{port}"})
        assert answer.status == 200, answer
        await until(lambda: over(dev), "the call is over")

    looked = await said(".venv/bin/ringback calls why last", dev)
    assert looked.startswith("The call was never answered: not protected (488"), looked
    assert "RINGBACK_SIP__SRTP" in looked and "codecs.audio" not in looked


@pytest.mark.soak
async def test_a_processor_that_others_take_is_told_from_a_server_with_too_many_calls(tmp_path: Path) -> None:
    """The server gives way to three programs that never rest, on one processor."""
    inside = ("nice", "-n", "12", "taskset", "-c", "0")
    busy = ["taskset", "-c", "0", "sh", "-c", "while :; do :; done"]
    async with Server(tmp_path / "server", inside=inside) as server, contextlib.AsyncExitStack() as stack:
        for number in range(3):
            await stack.enter_async_context(Process(busy, tmp_path / f"busy{number}.txt"))

        async def told() -> bool | None:
            return "others take the rest" in await said(".venv/bin/ringback doctor", server) or None

        await until(told, "the doctor names who takes the processor", 120)
