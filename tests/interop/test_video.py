"""Pictures between video phones that others wrote and a browser."""

from pathlib import Path

import pytest

from interop.peers.baresip import Baresip
from interop.peers.browser import Chromium, RoomPage
from interop.peers.png import Image
from interop.peers.server import Server, wait_present
from interop.peers.waiting import until

SIP = {"display_name": "Caller", "sip_mode": "dial-in", "num_endpoints": 2, "video": True}

pytestmark = pytest.mark.needs("baresip", "chromium")

# Of every picture that the page plays: name of the track's size, and the colours a sixth from the left, in the middle
# and a sixth from the right.
LOOK = """
() => [...document.querySelectorAll("video")].filter((video) => video.videoWidth).map((video) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  const at = (share) => [...context.getImageData(canvas.width * share, canvas.height / 2, 1, 1).data.slice(0, 3)];
  return { width: video.videoWidth, height: video.videoHeight, colours: [1 / 6, 1 / 2, 5 / 6].map(at) };
})
"""


async def sees_bars(page: RoomPage, size: tuple[int, int]) -> None:
    """The three bars of baresip's camera."""
    last: list[object] = []

    async def bars() -> bool | None:
        last[:] = await page.evaluate(LOOK)
        for picture in last:
            assert isinstance(picture, dict)
            strongest = [max(range(3), key=colour.__getitem__) for colour in picture["colours"]]
            if strongest == [0, 1, 2] and (picture["width"], picture["height"]) == size:
                return True
        return None

    try:
        await until(bars, "the page shows the bars", 40)
    except AssertionError as error:
        raise AssertionError(f"{error}; it shows {last}") from None


async def joined(server: Server, chromium: Chromium) -> RoomPage:
    await server.room("studio", sip=SIP)
    page = await chromium.open(f"{server.url}/studio")
    await page.join()
    await page.event("dialin-ready")
    return page


async def address(server: Server) -> str:
    return str((await server.rest("GET", "/rooms/studio")).body["config"]["sip_uri"]["endpoint"])


@pytest.mark.needs("/usr/lib/baresip/modules/avcodec.so")
@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_browser_sees_a_video_phone_that_dials_in(
    codec: str, tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium)

    async with Baresip(tmp_path / "phone", video=codec) as phone:
        await phone.dial(await address(server))

        await sees_bars(page, (640, 360))


async def sees_a_camera(phone: Baresip) -> tuple[int, int]:
    """Chromium's pretend camera: mostly green, and something moves. Size of the picture."""
    seen: list[Image] = []

    async def moving() -> bool | None:
        if (picture := await phone.picture()) is not None:
            seen.append(picture)
        return len({picture.rows for picture in seen}) > 1 or None

    await until(moving, "baresip is shown two different pictures", 40)
    red, green, blue = seen[-1].mean(0, 0, 1, 1)
    assert green > 1.3 * max(red, blue), (red, green, blue)
    return seen[-1].width, seen[-1].height


async def test_a_dialled_video_phone_is_seen_and_sees_also_after_a_hold(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium)

    async with Baresip(tmp_path / "phone", video="VP8") as phone:
        settings = {"width": 1280, "height": 720, "fps": 15, "videoBitrate": 900}
        call = await server.dial_out("studio", phone.uri, video=True, videoSettings=settings, codecs={"video": ["VP8"]})
        await page.event("dialout-answered")

        await sees_bars(page, (640, 360))
        width, height = await sees_a_camera(phone)
        assert 0 < width <= 1280 and 0 < height <= 720
        assert await page.events("dialout-warning") == []
        people = await wait_present(server, "studio", 2)
        assert call in [one["id"] for one in people]
        row = (await server.rest("GET", f"/ringback/calls/{call}")).body
        assert row["video_codec"] == "VP8"

        # Pictures pause with the sound, and come back with it.
        await phone.command("hold")
        await until(lambda: "a=inactive" in phone.log() or "a=recvonly" in phone.log(), "the hold is agreed on")
        await phone.command("resume")
        await sees_bars(page, (640, 360))
