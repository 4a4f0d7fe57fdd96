"""Video phones that others wrote and a browser that speaks another codec: pictures are made for both."""

import os
import signal
from pathlib import Path

import pytest

from interop.peers.baresip import Baresip
from interop.peers.browser import Chromium
from interop.peers.png import Image
from interop.peers.server import Server
from interop.peers.waiting import until
from interop.test_video import address, joined, sees_bars

pytestmark = pytest.mark.needs("baresip", "chromium")

PACE_S = 60


async def sees_green(phone: Baresip, size: tuple[int, int]) -> Image:
    """Chromium's pretended camera is green all over, but for what moves on it."""
    last: list[object] = []

    async def green() -> Image | None:
        seen = await phone.picture()
        if seen is None:
            return None
        red, green, blue = seen.mean(0.1, 0.3, 0.4, 0.6)
        last[:] = [(seen.width, seen.height), (red, green, blue)]
        return seen if green > red + 40 and green > blue + 40 and (seen.width, seen.height) == size else None

    try:
        return await until(green, "the phone shows the browser's camera", PACE_S)
    except AssertionError as error:
        raise AssertionError(f"{error}; it shows {last}\n{phone.log()[-3000:]}") from None


def pixel_process() -> int | None:
    """The program that makes this room's picture."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _is_pixels(folder):
            return int(folder.name)
    return None


def _is_pixels(folder: Path) -> bool:
    """One of a server in this test's own network: other tests may run beside."""
    try:
        if not (folder / "comm").read_text().startswith("ringback-pixels"):
            return False
        status = (folder / "status").read_text()
        parent = next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:"))
        return Path(f"/proc/{parent}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
    except OSError:
        return False


async def test_a_phone_of_h264_sees_a_browser_of_vp8_and_goes_on_when_the_pixel_process_is_killed(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium)

    async with Baresip(tmp_path / "phone", video="H264") as phone:
        await phone.dial(await address(server))
        await sees_bars(page, (640, 360))

        first = await sees_green(phone, (1280, 720))
        second = await sees_green(phone, (1280, 720))
        assert first.rows != second.rows, "and it moves"

        killed = pixel_process()
        assert killed is not None
        os.kill(killed, signal.SIGKILL)

        async def another() -> bool | None:
            return pixel_process() not in (killed, None) or None

        await until(another, "another pixel process runs", 30)
        await sees_green(phone, (1280, 720))
