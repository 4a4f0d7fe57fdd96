"""Session timers between SIPp and rooms in their own time, a minute and more; ``make soak`` runs them."""

import asyncio
from pathlib import Path

import pytest

from interop import test_sipp_callees, test_sipp_callers
from interop.peers.house import House
from interop.scenarios.timers import CALLEES, CALLERS


@pytest.mark.soak
@pytest.mark.needs("sipp")
@pytest.mark.timeout(400)
async def test_refreshes_keep_calls_and_missing_ones_end_them(tmp_path: Path) -> None:
    async with House(tmp_path / "server") as house:
        await asyncio.gather(
            *(test_sipp_callers.run(house, name, case, tmp_path / name) for name, case in CALLERS.items()),
            *(
                test_sipp_callees.run(house, f"out-{name}", case, tmp_path / f"out-{name}")
                for name, case in CALLEES.items()
            ),
        )
        await house.idle(40)
