"""The room's page says what a video phone is being shown."""

from pathlib import Path

import pytest

from interop.peers.baresip import Baresip
from interop.peers.browser import Chromium, RoomPage
from interop.peers.server import Server
from interop.peers.waiting import until
from interop.test_video import address, joined, sees_bars

pytestmark = [pytest.mark.needs("baresip", "chromium"), pytest.mark.needs("/usr/lib/baresip/modules/avcodec.so")]


async def badges(page: RoomPage) -> list[str]:
    return list(await page.page.get_by_test_id("sees").all_text_contents())


async def test_phones_with_cameras_are_tiles_that_say_what_the_phone_is_shown(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium)

    async with Baresip(tmp_path / "one", video="VP8") as one:
        await one.dial(await address(server))
        await sees_bars(page, (640, 360))
        assert await page.page.locator("[data-testid=tile] video").count() == 2

        async def passed_on() -> bool | None:
            return await badges(page) == ["Sees you"] or None

        await until(passed_on, "the tile says whom the phone sees", 30)

        two = await chromium.open(f"{server.url}/studio")
        await two.join("Bob")

        async def still_one() -> bool | None:
            return (await badges(two))[:1] in (["Sees Ann"], ["Sees you"]) or None

        await until(still_one, "whoever comes later is told, too", 30)
