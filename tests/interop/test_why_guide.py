"""The guide to silence does what it prints: a room calls a phone that says nothing, and one command says so."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interop.peers.process import Process
from interop.peers.server import RINGBACK, ROOT, Server
from interop.peers.waiting import free_port, until
from interop.test_ladder import BLOCK, run


@pytest.fixture
async def dev(tmp_path: Path) -> AsyncIterator[Server]:
    async with Server(tmp_path / "dev", command=("dev", "--no-self-test")) as running:
        await until(lambda: "Ctrl-C ends it" in running.log() or None, "the room is ready", 60)
        yield running


async def test_the_guide_to_silence_does_what_it_prints(dev: Server, tmp_path: Path) -> None:
    port = free_port()
    text = (ROOT / "docs" / "guides" / "why-no-audio.md").read_text()
    here = text.replace("127.0.0.1:7880", f"127.0.0.1:{dev.ports.http}").replace("127.0.0.1:5070", f"127.0.0.1:{port}")
    (_, dial), (_, why), (_, said), (_, curl), (_, answer) = BLOCK.findall(here)
    phone = Process([RINGBACK, "phone", "answer", "--port", str(port), "--json"], tmp_path / "phone.txt", cwd=tmp_path)
    await phone.start()
    try:
        await until(lambda: '"waiting"' in phone.output() or None, "the phone waits")
        await run(dial, dev)
        await until(lambda: '"answered"' in phone.output() or None, "the phone answers")

        first, second, third, seen = (await run(why, dev)).splitlines()[:4]
        found = json.loads(await run(curl, dev))
        shown = await run(f"{RINGBACK} calls show {found['call']}", dev)
        await run(f"{RINGBACK} usage", dev)
    finally:
        await phone.stop()

    printed = said.splitlines()
    assert [first, second, third] == printed[:3]
    assert re.sub(r"\d+$", "N", seen) == re.sub(r"\d+$", "N", printed[3])
    shape = json.loads(answer)
    assert found.keys() == shape.keys() and found["verdict"].keys() == shape["verdict"].keys()
    assert {name: found[name] for name in ("state", "healthy")} == {"state": "answered", "healthy": False}
    assert found["counters"]["packets_received"] > 20 and found["others"]
    assert re.search(r"\dZ  answered  codec PCMU\n", shown) and "first-sent" in shown
