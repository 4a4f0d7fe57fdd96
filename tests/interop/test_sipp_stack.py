"""SIPp against the SIP side alone, all scenarios at once: reliable ringing, UPDATE, REFER both ways, Replaces, INFO."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from conftest import need_commands
from integration.sip_phone import Phone, running
from interop.peers.sipp import Sipp
from interop.peers.together import Together, together
from interop.peers.waiting import free_port, until
from interop.scenarios.stack import CALLERS, DRIVEN, serve
from ringback.model.ids import CallId

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Together]:
    """Every scenario that is asked for, under way."""
    need_commands("sipp")
    folder = tmp_path_factory.mktemp("stack")
    async with running() as phone:
        serve(phone)
        up = note(phone)
        # A PRACK that is answered late is said again, and then answered when these scripts expect another answer.
        async with together(request, lambda name: run(phone, up, name, folder / name), ahead=0) as started:
            yield started
        assert phone.telephony.calls == 0


def note(phone: Phone) -> dict[int, CallId]:
    """Calls by the port they came from, once they are acknowledged; and outcomes of transfers."""
    up: dict[int, CallId] = {}
    phone.outcomes = {}  # type: ignore[attr-defined]

    def acknowledged(call: CallId, sdp: bytes | None) -> None:
        up[phone.telephony._agent.calls[call].flow.port] = call

    def refer_progress(call: CallId, status: int, reason: str, final: bool, notified: bool = False) -> None:
        if final:
            phone.outcomes[call] = status  # type: ignore[attr-defined]

    phone.acknowledged, phone.refer_progress = acknowledged, refer_progress  # type: ignore[attr-defined]
    return up


async def run(phone: Phone, up: dict[int, CallId], name: str, folder: Path) -> None:
    drive = None
    if name in DRIVEN:
        (drive, script), user = DRIVEN[name], "plain"
    else:
        user, script = CALLERS[name]
    port = free_port()
    sipp = Sipp(folder, script, port=port, target=phone.address, user=user)
    playing = asyncio.create_task(sipp.run())
    if drive is not None:
        call = await until(lambda: up.get(port), "the call is up")
        await drive(phone, call, folder)
    await playing


@pytest.mark.parametrize("name", [*CALLERS, *DRIVEN])
async def test_sipp_calls_the_sip_side(name: str, runs: Together) -> None:
    await runs(name)
