"""The pretend carrier on real sockets."""

import asyncio
import subprocess
import sys
from pathlib import Path

from interop.peers.server import ROOT
from ringback.testing.carrier import PretendCarrier, sound
from ringback.testing.server import LocalServer


async def test_it_echoes_is_busy_and_hears_keys() -> None:
    async with PretendCarrier() as there, PretendCarrier(server=there.address) as here:
        echo, busy, keys = (here.call(f"+121255501{who}") for who in ("01", "03", "11"))

        await echo.answer(within=5)
        await echo.say(sound.tone(440, 2.0))
        await busy.over(within=5)
        await keys.answer(within=5)
        await keys.press("42#")
        await there.calls[-1].until(lambda: "42#" in there.calls[-1].keys or None, within=5)

        assert max(_shares(echo.heard, 440)) > 0.9
        assert (busy.status, busy.q850) == (486, 17)


async def test_the_example_of_a_tested_bot_passes_as_it_is_printed() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        str(ROOT / "examples" / "test_my_bot.py"),
    ]

    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, cwd=ROOT, timeout=110, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


async def test_a_person_calls_a_number_and_talks_with_who_is_in_its_room(tmp_path: Path) -> None:
    async with LocalServer(tmp_path) as server:
        me = await server.join("hello")
        added = await server.api.post("/ringback/numbers", json={"number": "+12125550150", "room": "hello"})
        assert added.is_success, added.text

        call = server.carrier.call("+12125550150", from_="+442079460001")
        await call.answer(within=10)
        await call.say(sound.tone(440, 2.0))
        await call.wait(0.3)
        me.say(sound.tone(880, 2.0))
        await call.wait(2.5)

        rows = (await server.api.get("/ringback/calls")).json()["data"]
        assert (rows[0]["direction"], rows[0]["remote"], rows[0]["trunk"]) == ("dial-in", "+442079460001", "pretend")
        assert max(_shares(bytes(me.heard), 440)) > 0.9
        assert max(_shares(call.heard, 880)) > 0.9
        call.hang_up()
        ended = await server.becomes(rows[0]["id"], "ended")
        assert ended["end"]["reason"] == "hangup-remote"


async def test_people_are_shown_and_sent_to_call_over_rest(tmp_path: Path) -> None:
    async with LocalServer(tmp_path) as server:
        room = await server.room("hello")
        await server.join("hello")
        people = (await server.api.get("/ringback/pretend/people")).json()["data"]
        assert people[1]["persona"] == "echoes" and people[1]["number"] == "+12125550101"

        wrong = await server.api.post("/ringback/pretend/calls", json={"to": "+12125550150", "persona": "nobody"})
        assert wrong.status_code == 400 and "persona must be one of talks" in wrong.json()["info"]
        to = room["config"]["sip_uri"]["endpoint"]
        made = (await server.api.post("/ringback/pretend/calls", json={"to": to, "persona": "test-tone"})).json()
        await server.carrier.calls[-1].until(lambda: server.carrier.calls[-1].state == "up" or None, within=10)
        gone = await server.api.delete(f"/ringback/pretend/calls/{made['id']}")

        assert gone.json()["state"] == "over"
        calls = (await server.api.get("/ringback/pretend/calls")).json()["data"]
        assert [event["kind"] for event in calls[0]["events"]][:2] == ["calling", "answered"]


def _shares(data: bytes, hz: float) -> list[float]:
    """How pure a tone is in each fifth of a second."""
    step = 2 * sound.RATE // 5
    return [sound.share(data[at : at + step], hz) for at in range(0, len(data) - step + 1, step)] or [0.0]
