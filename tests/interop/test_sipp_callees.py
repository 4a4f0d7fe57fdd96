"""Rooms of one server call SIPp, all its scenarios at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from conftest import need_commands
from interop.peers.house import House
from interop.peers.sipp import Sipp
from interop.peers.together import Together, together
from interop.peers.waiting import free_port, until
from interop.scenarios.callees import CASES
from interop.scenarios.case import Case

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Together]:
    """Every scenario that is asked for, under way."""
    need_commands("sipp")
    folder = tmp_path_factory.mktemp("callees")
    async with House(folder / "server") as house:
        async with together(request, lambda name: run(house, name, CASES[name], folder / name)) as started:
            yield started
        await house.idle()


async def run(house: House, name: str, case: Case, folder: Path) -> None:
    """Make a room call it, drive the server, and look at the call's row."""
    await house.room(name, **case.room)
    port = free_port()
    sipp = Sipp(folder, case.script, port=port, target=house.sip, transport=case.transport)
    playing = asyncio.create_task(sipp.run(case.longest_s))
    await until(lambda: listens(port, case.transport), "SIPp listens")
    transport = ";transport=tcp" if case.transport == "t1" else ""
    await house.dial_out(name, f"sip:{name}@127.0.0.1:{port}{transport}", **case.dial)
    driving = asyncio.create_task(case.drive(house, name)) if case.drive else None
    await playing
    if driving is not None:
        await driving
    row = await house.state(name, "ended")
    assert row["end"]["reason"] in case.ending.split(), f"{row}\n{sipp.log()}"


def listens(port: int, transport: str) -> bool:
    """Whether somebody has a port of 127.0.0.1."""
    table = Path("/proc/net/tcp" if transport == "t1" else "/proc/net/udp").read_text()
    return f"0100007F:{port:04X} " in table


@pytest.mark.parametrize("name", CASES)
async def test_a_room_calls_sipp(name: str, runs: Together) -> None:
    await runs(name)
