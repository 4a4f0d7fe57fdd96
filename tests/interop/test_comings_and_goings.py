"""Telephones call and hang up by the hundred: the server is as it was before, in ports, descriptors and memory."""

import time
from pathlib import Path

import pytest

from interop.peers.server import Server
from interop.peers.sipp import Caller
from interop.peers.waiting import until
from interop.test_sip_sipp import sipp

pytestmark = pytest.mark.needs("sipp")

STARTS = {"allow_room_start": True, "max_idle_timeout_sec": 60}
ROOMS, ADDRESSES = 20, 5
CALLS = ROOMS * ADDRESSES
"""Of a round: each address is called once."""

RATE = 30
"""Calls that begin in a second, as long as the server keeps up."""

MOST_MORE_MB = 20
"""Of memory after all rounds than after the first."""


class AnAddress(Caller):
    """Calls the next address of a list."""

    uri = "sip:[field0]@[remote_ip]:[remote_port]"


async def addresses(server: Server, folder: Path) -> Path:
    """A list of addresses for SIPp, of rooms that telephones may begin."""
    sip = {"sip_mode": "dial-in", "display_name": "Caller", "num_endpoints": ADDRESSES, "dialin_config": STARTS}
    lines = ["SEQUENTIAL"]
    for number in range(ROOMS):
        uris = (await server.room(f"room-{number}", sip=sip))["config"]["sip_uri"]
        lines += [
            uri.removeprefix("sip:").partition("@")[0] + ";" for uri in (uris["endpoint"], *uris["extra_endpoints"])
        ]
    path = folder / "addresses.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def descriptors(server: Server) -> int:
    return sum(1 for _ in Path(f"/proc/{server.process.pid}/fd").iterdir())


def memory_mb(server: Server) -> float:
    """What the server has of its own."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


async def a_round(server: Server, folder: Path, numbers: Path) -> None:
    """Every address is called, answered, and hung up on; nothing of it goes on afterwards."""
    scenario = folder / "call.xml"
    scenario.write_text(AnAddress().call().pause(0.5).bye().xml("comes and goes"))
    where = f"127.0.0.1:{server.ports.sip}"
    arguments = ("-sf", str(scenario), "-inf", str(numbers), where, "-m", str(CALLS), "-r", str(RATE), "-mp", "14200")

    assert await sipp(*arguments, folder=folder, seconds=120) == 0, "each call goes as it should"

    async def over() -> bool:
        return not (await server.rest("GET", "/ringback/calls?ongoing=true")).body["data"]

    await until(over, "all calls are over")


async def come_and_go(server: Server, folder: Path, *, calls: int = 0, seconds: float = 0.0) -> int:
    """Rounds until there were so many calls and so much time has passed; returns how many calls there were."""
    numbers = await addresses(server, folder)
    idle = descriptors(server)
    await a_round(server, folder, numbers)
    await until(lambda: descriptors(server) <= idle + 2, f"about {idle} descriptors are open after the first round")
    before, memory, made = descriptors(server), memory_mb(server), CALLS
    end = time.monotonic() + seconds
    while made < calls or time.monotonic() < end:
        await a_round(server, folder, numbers)
        made += CALLS

    # Two sockets of a telephone are two descriptors: where none is left, neither is a port.
    await until(lambda: descriptors(server) <= before, f"{before} descriptors are open again")
    await until(lambda: memory_mb(server) < memory + MOST_MORE_MB, f"memory is {memory:.0f} MB again")
    return made


@pytest.mark.timeout(300)
async def test_five_hundred_calls_up_and_down_leave_nothing(tmp_path: Path, server: Server) -> None:
    assert await come_and_go(server, tmp_path, calls=500) == 500


@pytest.mark.soak
@pytest.mark.timeout(4200)
async def test_calls_up_and_down_for_an_hour_leave_nothing(tmp_path: Path, server: Server) -> None:
    assert await come_and_go(server, tmp_path, seconds=3600) > 1000
