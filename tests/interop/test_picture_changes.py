"""How soon a telephone is shown somebody else, with real phones that begin to speak, come and go; timed at the wire."""

import statistics
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from interop.peers.baresip import Baresip
from interop.peers.server import Server, wait_present
from interop.peers.waiting import until
from interop.peers.watcher import Watcher

pytestmark = [pytest.mark.needs("baresip"), pytest.mark.soak]

STARTS = {"allow_room_start": True, "max_idle_timeout_sec": 600}
SIP = {"display_name": "Caller", "sip_mode": "dial-in", "num_endpoints": 3, "video": True, "dialin_config": STARTS}
WIDE, NARROW = 640, 320
CHANGES = 8
PATIENCE_S = 30.0
MOST_S = 5.0
"""In the middle, on a machine that does other things too; the limit itself is held on a virtual clock."""


async def shown(watcher: Watcher, width: int, since: float, what: str) -> float:
    """Seconds from then until a picture of that width came."""
    came = await until(lambda: watcher.first_of(width, since), what, PATIENCE_S)
    return came - since


@pytest.mark.timeout(600)
async def test_whoever_speaks_comes_and_goes_is_soon_seen(tmp_path: Path, server: Server) -> None:
    sip_uri = (await server.room("studio", sip=SIP))["config"]["sip_uri"]
    first, second, third = (sip_uri["endpoint"], *sip_uri["extra_endpoints"])

    async with AsyncExitStack() as stack:
        watcher = await stack.enter_async_context(Watcher())
        await watcher.dial(server, first)
        wide = await stack.enter_async_context(Baresip(tmp_path / "wide", video="VP8", size="640x360", hz=440))
        called = time.monotonic()
        await wide.dial(second)
        answered = time.monotonic()
        join_s = await shown(watcher, WIDE, called, "the first who comes is shown")
        narrow = await stack.enter_async_context(
            Baresip(tmp_path / "narrow", video="VP8", size="320x240", hz=660, rtp_ports="14200-14300")
        )
        await narrow.dial(third)
        await wait_present(server, "studio", 3)
        # Both speak from the start: one of them stops, and then they take turns.
        await narrow.command("mute")
        await shown(watcher, WIDE, time.monotonic() - 60, "who speaks is shown")

        took: list[float] = []
        speaks, silent = wide, narrow
        for _ in range(CHANGES):
            width = NARROW if silent is narrow else WIDE
            await silent.command("mute")
            began = time.monotonic()
            await speaks.command("mute")
            took.append(await shown(watcher, width, began, f"{width} is shown"))
            speaks, silent = silent, speaks

        width = NARROW if silent is narrow else WIDE
        went = time.monotonic()
        await speaks.command("hangup")
        leave_s = await shown(watcher, width, went, "whoever is left is shown")

    middle, least, most = (round(1000 * of(took)) for of in (statistics.median, min, max))
    came, answer, went_ms = (round(1000 * seconds) for seconds in (join_s, answered - called, leave_s))
    figures = (
        f"another speaks: {middle} ms in the middle, {least} to {most}; the first comes: {came} ms after it dialled, "
        f"{answer} of them until it was answered; the speaker goes: {went_ms} ms"
    )
    print(figures)
    assert middle <= 1000 * MOST_S and leave_s <= PATIENCE_S, figures
