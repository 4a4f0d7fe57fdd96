"""SIPp calls rooms of one server, all its scenarios at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from conftest import need_commands
from interop.peers.house import House
from interop.peers.sipp import Sipp
from interop.peers.together import Together, together
from interop.peers.waiting import free_port
from interop.scenarios.callers import CASES
from interop.scenarios.case import Case

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Together]:
    """Every scenario that is asked for, under way."""
    need_commands("sipp")
    folder = tmp_path_factory.mktemp("callers")
    async with House(folder / "server") as house:
        async with together(request, lambda name: run(house, name, CASES[name], folder / name)) as started:
            yield started
        await house.idle()


async def run(house: House, name: str, case: Case, folder: Path) -> None:
    """Play it, drive the server, and look at the call's row."""
    if case.t1 is None:
        await play(house, name, case, folder)
        return
    async with House(folder / "server", media={"rtp_ports": "23000-23099"}) as hurried:
        hurried.hurry(case.t1)
        await play(hurried, name, case, folder)


async def play(house: House, name: str, case: Case, folder: Path) -> None:
    user = case.user or await house.room(name, **case.room)
    sipp = Sipp(folder, case.script, port=free_port(), target=house.sip, user=user, transport=case.transport)
    driving = asyncio.create_task(case.drive(house, name)) if case.drive else None
    await sipp.run(case.longest_s)
    if driving is not None:
        await driving
    if case.ending is not None:
        row = await house.state(name, "ended")
        assert row["end"]["reason"] in case.ending.split(), f"{row}\n{sipp.log()}"


@pytest.mark.parametrize("name", CASES)
async def test_sipp_calls_a_room(name: str, runs: Together) -> None:
    await runs(name)
