"""The guide to failed calls does what it prints, and ladders of real calls tell what happened in them."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interop.peers.phone import Phone
from interop.peers.server import KEY, RINGBACK, ROOT, Server
from interop.peers.waiting import free_port, until

BLOCK = re.compile(r"^```(sh|json|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIMES = re.compile(r"^ +\d+\.\d{3}", re.MULTILINE)


@pytest.fixture
async def dev(tmp_path: Path) -> AsyncIterator[Server]:
    async with Server(tmp_path / "dev", command=("dev", "--no-self-test")) as running:
        await until(lambda: "Ctrl-C ends it" in running.log() or None, "the room is ready", 60)
        yield running


async def run(command: str, server: Server) -> str:
    """What a shell command prints, as somebody in the project's folder has it."""
    env = {**os.environ, "RINGBACK_API_KEY": KEY, "RINGBACK_URL": server.url}
    shell = await asyncio.create_subprocess_exec(
        "sh", "-eu", "-c", command, stdout=asyncio.subprocess.PIPE, env=env, cwd=ROOT
    )
    printed, _ = await asyncio.wait_for(shell.communicate(), 30)
    assert shell.returncode == 0, printed
    return printed.decode()


async def ended(server: Server, room: str) -> str:
    """The id of a room's last call, once it has ended."""

    async def over() -> str | None:
        rows = (await server.rest("GET", f"/ringback/calls?room={room}&limit=1")).body["data"]
        return str(rows[0]["id"]) if rows and rows[0]["state"] == "ended" else None

    return await until(over, "the call has ended")


async def test_the_guide_to_failed_calls_does_what_it_prints(dev: Server, tmp_path: Path) -> None:
    port = free_port()
    text = (ROOT / "docs" / "guides" / "why-did-my-call-fail.md").read_text()
    here = text.replace("127.0.0.1:7880", f"127.0.0.1:{dev.ports.http}").replace("127.0.0.1:5070", f"127.0.0.1:{port}")
    (_, dial), (_, show), (_, ladder), (_, curl), (_, answer) = BLOCK.findall(here)
    async with Phone(tmp_path / "phone", "answer", "--port", str(port), "--refuse", "486") as phone:
        await phone.event("waiting")
        await run(dial, dev)
        await ended(dev, "hello")

        drawn = await run(show, dev)
        found = json.loads(await run(curl, dev))

    assert "\x1b" not in drawn
    # Ports have as many digits as they have, so spaces are not compared.
    assert TIMES.sub("", drawn).split() == TIMES.sub("", ladder).split()
    printed = json.loads(answer)
    assert found.keys() == printed.keys() and found["dropped"] == 0
    first = {key: found["messages"][0][key] for key in ("direction", "peer", "transport", "summary")}
    assert first.items() <= printed["messages"][0].items()
    assert found["messages"][0].keys() == printed["messages"][0].keys()


async def test_a_dialled_in_call_that_went_well_says_so(dev: Server, tmp_path: Path) -> None:
    uri = (await dev.rest("GET", "/rooms/hello")).body["config"]["sip_uri"]["endpoint"]
    async with Phone(tmp_path / "phone", "dial", uri, "--for", "1") as phone:
        await phone.event("answered")
        call = await ended(dev, "hello")

    drawn = await run(f"{RINGBACK} calls show {call} --ladder", dev)
    messages = json.loads(await run(f"{RINGBACK} calls show {call} --ladder --json", dev))

    assert re.search(r"── INVITE \+ SDP ─+▶\n", drawn) and re.search(r"◀── 200 OK \+ SDP ─+\n", drawn), drawn
    assert drawn.splitlines()[-1].startswith("Nothing failed: ")
    assert [one["direction"] for one in messages if one["summary"].startswith("BYE ")] == ["in"]


async def test_an_address_where_nobody_answers_is_told_with_how_long_we_waited(
    dev: Server, tmp_path: Path, unused_udp: int
) -> None:
    await dev.dial_out("hello", f"sip:bob@127.0.0.1:{unused_udp}")
    call = await ended(dev, "hello")

    drawn = await run(f"{RINGBACK} calls show {call} --ladder", dev)

    *_, failure, to_do = drawn.splitlines()
    assert failure == "First failure: no answer to INVITE within 4 s."
    assert to_do.startswith("  do: Nothing comes back from there")
    assert "INVITE + SDP again" in drawn


@pytest.fixture
async def unused_udp() -> AsyncIterator[int]:
    """A port that takes datagrams and never says a word."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    yield transport.get_extra_info("sockname")[1]
    transport.close()
