"""The commands in docs/guides do what the guides say: each is run as printed, and its answer has the printed shape."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from interop.peers.browser import Chromium
from interop.peers.phone import Phone
from interop.peers.process import Process
from interop.peers.server import KEY, ROOT, Server, wait_present
from interop.peers.waiting import free_port, until

BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def steps(guide: str) -> list[tuple[str, Any]]:
    """Commands of a guide, each with the answer printed after it."""
    blocks = BLOCK.findall((ROOT / "docs" / "guides" / f"{guide}.md").read_text())
    assert [kind for kind, _ in blocks] == ["sh", "json"] * (len(blocks) // 2), "a command, then its answer"
    texts = [text for _, text in blocks]
    return [(command, json.loads(answer)) for command, answer in zip(texts[::2], texts[1::2], strict=True)]


def blocks(guide: str, kind: str) -> list[str]:
    """Blocks of one kind in a guide."""
    text = (ROOT / "docs" / "guides" / f"{guide}.md").read_text()
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
async def dev(tmp_path: Path) -> AsyncIterator[Server]:
    """``ringback dev``, as somebody who follows a guide has it."""
    async with Server(tmp_path / "dev", command=("dev",)) as running:
        yield running


def run(command: str, server: Server, phone_port: int) -> Any:
    """Run a printed command with only the addresses changed."""
    here = command.replace("127.0.0.1:7880", f"127.0.0.1:{server.ports.http}")
    here = here.replace("127.0.0.1:5070", f"127.0.0.1:{phone_port}")
    env = {**os.environ, "RINGBACK_API_KEY": KEY}
    done = subprocess.run(["sh", "-eu", "-c", here], capture_output=True, text=True, env=env, check=True, timeout=30)
    return json.loads(done.stdout)


def check_shape(found: Any, printed: Any, at: str = "") -> None:
    """Everything printed is there: keys and types; settings and names with their values; lists with their lengths."""
    assert type(found) is type(printed), at
    if isinstance(printed, Mapping):
        for key, value in printed.items():
            assert key in found, f"{at}.{key}"
            check_shape(found[key], value, f"{at}.{key}")
    elif isinstance(printed, list):
        assert len(found) == len(printed), at
        for number, (one, other) in enumerate(zip(found, printed, strict=True)):
            check_shape(one, other, f"{at}[{number}]")
    elif isinstance(printed, str) and printed.startswith("sip:"):
        assert re.fullmatch(r"sip:\d{12}@127\.0\.0\.1:\d+", found), at
    elif not at.endswith("sessionId"):
        assert found == printed, at


async def test_the_dial_in_guide_does_what_it_prints(dev: Server) -> None:
    for command, printed in steps("dial-in"):
        check_shape(run(command, dev, 0), printed)


async def test_the_dial_out_guide_does_what_it_prints(dev: Server, tmp_path: Path) -> None:
    port = free_port()
    async with Phone(tmp_path / "phone", "answer", "--port", str(port), "--stay") as phone:
        await phone.event("waiting")
        for number, (command, printed) in enumerate(steps("dial-out"), start=1):
            check_shape(run(command, dev, port), printed)
            await phone.events_of("incoming", number)
            await dev.hang_up_all("hello")
        first = (await phone.events_of("incoming", 1))[0]
    assert first["headers"] == {"X-Case": "17", "X-Lang": "de"}


async def test_the_guide_to_transfers_does_what_it_prints(dev: Server, tmp_path: Path) -> None:
    other = free_port()
    for number, (command, printed) in enumerate(steps("transfers")):
        port = free_port()
        bob = Phone(tmp_path / f"bob{number}", "answer", "--port", str(port))
        carol = Phone(tmp_path / f"carol{number}", "answer", "--port", str(other))
        async with bob, carol:
            await bob.event("waiting")
            await carol.event("waiting")
            answer = await asyncio.to_thread(run, command.replace("127.0.0.1:5071", f"127.0.0.1:{other}"), dev, port)
            check_shape(answer, printed)
            if "5071" in command:
                await carol.event("answered")
            elif "sales" in command:
                await wait_present(dev, "sales", 1)


async def test_the_trunks_guide_does_what_it_prints(dev: Server, tmp_path: Path) -> None:
    port = free_port()
    async with Phone(tmp_path / "phone", "answer", "--port", str(port), "--stay") as phone:
        await phone.event("waiting")
        for command, printed in steps("trunks"):
            check_shape(run(command, dev, port), printed)
        call = (await phone.events_of("incoming", 1))[0]
        await dev.hang_up_all("hello")
    assert call["from"].startswith("sip:+4940999888@")


def check_kinds(found: Any, printed: Any, at: str = "") -> None:
    """As ``check_shape``, for answers whose texts are different every time."""
    assert type(found) is type(printed), at
    if isinstance(printed, Mapping):
        for key, value in printed.items():
            assert key in found, f"{at}.{key}"
            check_kinds(found[key], value, f"{at}.{key}")


async def test_the_guide_to_dialling_in_by_number_does_what_it_prints(dev: Server, tmp_path: Path) -> None:
    """And its example takes a held call: the telephone is in the room that was made for it."""
    port = free_port()
    for command, printed in steps("dial-in-by-number"):
        answer = run(command.replace("127.0.0.1:8900", f"127.0.0.1:{port}"), dev, 0)
        check_kinds(answer, printed)
    config = answer["config"]
    env = {"RINGBACK_API_KEY": KEY, "RINGBACK_URL": dev.url}
    receiver = [sys.executable, str(ROOT / "examples/held_calls.py"), config["hmac"], str(port)]
    async with Process(receiver, tmp_path / "receiver.txt", env=env, cwd=tmp_path) as example:
        await until(lambda: "waiting" in example.output(), "the example runs")
        async with Phone(tmp_path / "phone", "dial", config["sip_uri"], "--for", "30") as phone:
            await phone.event("answered")
            await until(lambda: " is in " in example.output(), "the caller is in its room")
            calls = (await dev.rest("GET", "/ringback/calls?ongoing=true")).body["data"]
            assert [call["room"] for call in calls] == [example.output().split()[-1]]


async def test_the_guide_to_the_pretend_carrier_does_what_it_prints(dev: Server) -> None:
    for command, printed in steps("pretend-carrier"):
        check_shape(await asyncio.to_thread(run, command, dev, 0), printed)

    async def talked() -> bool:
        rows = (await dev.rest("GET", "/ringback/pretend/calls")).body["data"]
        return len(rows) == 2 and all(row["state"] == "up" and row["packets_heard"] > 20 for row in rows)

    await until(talked, "both calls have sound")


@pytest.mark.needs("chromium")
@pytest.mark.listens
async def test_the_dial_out_guide_with_video_warns_everybody_in_the_room(
    dev: Server, tmp_path: Path, chromium: Chromium
) -> None:
    [(command, printed)] = [step for step in steps("dial-out") if '"video": true' in step[0]]
    page = await chromium.open(f"{dev.url}/hello")
    await page.join()
    port = free_port()
    async with Phone(tmp_path / "phone", "answer", "--port", str(port)) as phone:
        await phone.event("waiting")

        answer = run(command, dev, port)

        check_shape(answer, printed)
        warning = await page.event("dialout-warning")
        assert warning["sessionId"] == answer["sessionId"]
        assert "video" in warning["errorMsg"]
        await page.event("dialout-answered")


async def test_the_guide_to_sip_clients_does_what_it_prints(dev: Server) -> None:
    for command, printed in steps("sip-clients"):
        here = command.replace("127.0.0.1:5060", f"127.0.0.1:{dev.ports.sip}")
        answer = json.loads(json.dumps(run(here, dev, 0)).replace(f"127.0.0.1:{dev.ports.sip}", "127.0.0.1:5060"))
        assert answer.keys() == printed.keys()
        assert {**answer, "sessionId": ""} == {**printed, "sessionId": ""}


async def test_one_endpoint_has_no_extra_ones_and_two_have_exactly_one(dev: Server) -> None:
    answers = [run(command, dev, 0) for command, _ in steps("dial-in")]

    assert "extra_endpoints" not in answers[0]["config"]["sip_uri"]
    assert len(answers[1]["config"]["sip_uri"]["extra_endpoints"]) == 1
    assert "extra_endpoints" not in answers[2]["config"]["sip_uri"]
    first = {answer["config"]["sip_uri"]["endpoint"] for answer in answers}
    assert len(first) == 1, "the address survives updates"


def shell(command: str, folder: Path) -> str:
    """Run a printed command in a folder, with our own programs on the path; what it says."""
    env = {**os.environ, "RINGBACK_API_KEY": KEY, "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"}
    wanted = ["sh", "-eu", "-c", command]
    done = subprocess.run(wanted, capture_output=True, text=True, env=env, cwd=folder, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.needs("openssl")
async def test_the_guide_to_transports_does_what_it_says(tmp_path: Path) -> None:
    certificate, call, upgrade = blocks("sip-transports", "sh")
    (settings,) = blocks("sip-transports", "toml")
    port = free_port()
    await asyncio.to_thread(shell, certificate, tmp_path)
    (tmp_path / "ringback.toml").write_text(settings.replace("5061", str(port)))
    async with Server(tmp_path, command=("dev",)) as server:
        here = (text.replace("127.0.0.1:7880", f"127.0.0.1:{server.ports.http}") for text in (call, upgrade))
        said = [await asyncio.to_thread(shell, text.replace(":5061", f":{port}"), tmp_path) for text in here]

    assert '"answered"' in said[0]
