"""What a server still does when twice as many calls come as it can take, and whether the calls that stand notice.

First the best pace is looked for: calls a second that succeed at rising paces. Then twice the best comes. What counts
is the share of the best that still succeeds (new calls beyond it are told 503), and that calls which were up before are
up afterwards and were hung up on by nobody.
"""

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

from server_calls import ENDPOINTS, SCENARIO, call, cpu_us, rooms_held_open

from interop.peers.process import Process
from interop.peers.server import Server
from interop.peers.waiting import free_port, until

PACES = (150, 200, 250, 300, 350, 400, 500)
SECONDS = 6
ROOMS = 200
STANDING = 40
"""Calls that are up all the while."""

SHARE = 80
"""Per cent of the best that must still succeed at twice of it."""


async def run(folder: Path, target: str, users: list[str], rate: int) -> float:
    """Calls a second that succeed when ``rate`` a second come."""
    count = rate * SECONDS
    began = time.monotonic()
    failed, _ = await call(folder, target, users, count, rate, all_of_them=False)
    took = max(SECONDS, time.monotonic() - began)
    return (count - failed) / took


async def measure(folder: Path) -> None:
    settings = {"SIP__LAG_LIMIT": "0.2"}
    async with Server(folder / "server", settings) as server, contextlib.AsyncExitStack() as stack:
        users = await rooms_held_open(server, stack, ROOMS)
        target = f"127.0.0.1:{server.ports.sip}"
        standing, users = users[:STANDING], users[STANDING:]
        await call(folder, target, users, 500, 100, all_of_them=False)
        best, at = 0.0, 0
        for rate in PACES:
            good = await run(folder, target, users, rate)
            print(f"{rate} a second come, {good:.0f} succeed", file=sys.stderr)
            if good > best:
                best, at = good, rate
        # They send no sound, so they would be given up after a minute.
        async with _calls_that_stand(folder / "standing", target, standing) as stand:
            await until(lambda: _up(server), "the calls that stand are up", 30)
            before = cpu_us(server.process.pid)
            good = await run(folder, target, users, 2 * at)
            share = 100 * good / best
            print(f"{2 * at} a second come, {good:.0f} succeed", file=sys.stderr)
            per_call = (cpu_us(server.process.pid) - before) / (2 * at * SECONDS)
            still = await _up(server, exactly=False)
            assert stand.running, "the far end of the standing calls is still there"
        rows = [
            {"name": "overload/best: calls a second that succeed", "us": best, "unit": "calls"},
            {
                "name": f"overload/missing of the best at {2 * at} a second, per cent",
                "us": 100 - share,
                "unit": "calls",
            },
            {"name": f"overload/standing calls lost of {STANDING}", "us": STANDING - still, "unit": "calls"},
            {"name": "overload/CPU per call that comes", "us": per_call, "unit": "CPU us per call"},
        ]
        rows[1]["target"], rows[2]["target"] = 100 - SHARE, 0
        for row in rows:
            print(json.dumps(row), flush=True)


def _calls_that_stand(folder: Path, target: str, users: list[str]) -> Process:
    folder.mkdir(parents=True, exist_ok=True)
    scenario, names = folder / "stand.xml", folder / "users.csv"
    long = SCENARIO.replace(
        '  <send retrans="500"><![CDATA[\nBYE',
        '  <pause milliseconds="3600000"/>\n  <send retrans="500"><![CDATA[\nBYE',
    )
    scenario.write_text(long)
    names.write_text("SEQUENTIAL\n" + "".join(f"{user};\n" for user in users))
    command = ["sipp", "-sf", str(scenario), "-inf", str(names), target, "-i", "127.0.0.1", "-p", str(free_port())]
    return Process([*command, "-r", "20", "-m", str(len(users)), "-nostdin"], folder / "sipp.txt", cwd=folder)


async def _up(server: Server, exactly: bool = True) -> int:
    """How many of the standing calls are up; 0 while some are missing, where ``exactly``."""
    up = 0
    for number in range(STANDING // ENDPOINTS):
        rows = (await server.rest("GET", f"/ringback/calls?room=bench-{number}&ongoing=true")).body["data"]
        up += sum(row["answered_at"] is not None for row in rows)
    return up if up == STANDING or not exactly else 0


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        await measure(Path(name))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
