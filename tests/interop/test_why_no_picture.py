"""Why a video phone shows nothing, said by the diagnosis where the cause is real."""

from pathlib import Path

import pytest

from interop.peers.baresip import Baresip
from interop.peers.browser import Chromium
from interop.peers.server import Server
from interop.peers.waiting import until
from interop.test_video import address, joined

pytestmark = [pytest.mark.needs("baresip", "chromium"), pytest.mark.needs("/usr/lib/baresip/modules/avcodec.so")]


async def verdicts(server: Server) -> list[str]:
    calls = (await server.rest("GET", "/ringback/calls")).body["data"]
    found = (await server.rest("GET", f"/ringback/calls/{calls[0]['id']}/diagnosis")).body
    return [verdict["code"] for verdict in found["verdicts"]]


async def test_a_pixel_program_that_does_not_run_is_named_by_the_diagnosis_and_at_the_start(
    tmp_path: Path, chromium: Chromium
) -> None:
    """The phone speaks H.264 and the browser VP8, so that a picture has to be made."""
    async with Server(tmp_path / "server", {"MEDIA__PIXELS": "/bin/false"}) as server:
        await joined(server, chromium)
        async with Baresip(tmp_path / "phone", video="H264") as phone:
            await phone.dial(await address(server))

            async def named() -> bool | None:
                return "video-program-down" in await verdicts(server) or None

            await until(named, "the diagnosis names the program", 40)

        # The log is as it was written; what is wrong is said before anybody calls.
        log = (tmp_path / "server" / "server.txt").read_text()
        assert "pictures.limited" in log and "/bin/false is broken" in log


async def test_a_phone_without_a_camera_codec_of_ours_is_named(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    await joined(server, chromium)
    async with Baresip(tmp_path / "phone") as phone:
        await phone.dial(await address(server))

        async def named() -> bool | None:
            return "video-not-agreed" in await verdicts(server) or None

        await until(named, "the diagnosis names what was not agreed on", 40)
