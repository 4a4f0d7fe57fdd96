"""linphone's pictures and a browser's, both ways: its own stack, its own codecs, its own way of asking for pictures."""

import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from interop.peers.browser import Chromium, RoomPage
from interop.peers.linphone import Linphone
from interop.peers.server import Server
from interop.peers.waiting import until
from interop.test_video import address, joined

pytestmark = pytest.mark.needs("chromium", "linphonec")

PATIENCE_S = 60

# Debian's linphone has no camera but a still: 572x468, an orange and two white spots where these look.
LOOK = """
() => [...document.querySelectorAll("video")].filter((video) => video.videoWidth === 572).map((video) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  const at = (x, y) => [...context.getImageData(canvas.width * x, canvas.height * y, 1, 1).data.slice(0, 3)];
  return [at(5 / 12, 0.2), at(3 / 12, 0.8), at(11 / 12, 0.8)];
})
"""

# Size of a JPEG, and colours above the middle and below it.
READ = """
async () => {
  const bytes = Uint8Array.from(atob("%s"), (letter) => letter.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const at = (y) => [...context.getImageData(image.width / 5, image.height * y, 1, 1).data.slice(0, 3)];
  return [image.width, image.height, at(0.35), at(0.65)];
}
"""


async def sees_the_still(page: RoomPage) -> None:
    last: list[Any] = []

    async def still() -> bool | None:
        last[:] = await page.evaluate(LOOK)
        for (red, green, blue), *white in last:
            if red > green + 40 > blue + 80 and all(min(colour) > 220 for colour in white):
                return True
        return None

    try:
        await until(still, "the page shows linphone's still", PATIENCE_S)
    except AssertionError as error:
        raise AssertionError(f"{error}; it shows {last}") from None


async def sees_a_camera(phone: Linphone, page: RoomPage, folder: Path) -> tuple[int, int]:
    """Chromium's pretended camera is green, but for what moves on it. Size of the picture."""
    seen: list[Any] = []
    shown: set[bytes] = set()

    async def green_and_moving() -> bool | None:
        picture = await phone.picture(folder)
        if picture is None:
            return None
        shown.add(picture)
        seen[:] = await page.evaluate(READ % b64encode(picture).decode())
        green = [colour for colour in seen[2:] if colour[1] > max(colour[0], colour[2]) + 40]
        return True if green and len(shown) > 1 else None

    try:
        await until(green_and_moving, "linphone shows the browser's camera, and it moves", PATIENCE_S)
    except AssertionError as error:
        raise AssertionError(f"{error}; it shows {seen}\n{phone.log()[-3000:]}") from None
    return int(seen[0]), int(seen[1])


async def counted(server: Server, call: str, name: str) -> int:
    return int((await server.rest("GET", f"/ringback/calls/{call}")).body["sound"][name])


async def asked_by_info(server: Server, call: str, direction: str) -> int:
    """How many whole pictures were asked for by INFO, by us (``out``) or by the phone (``in``), and agreed to (200).

    The trace keeps no bodies of INFO, which may be keys: here nobody presses any.
    """
    said = (await server.rest("GET", f"/ringback/calls/{call}/trace")).body["messages"]
    back = "in" if direction == "out" else "out"
    agreed = {sequence(one) for one in said if one["direction"] == back and one["summary"].startswith("SIP/2.0 200")}
    wanted = [one for one in said if one["direction"] == direction and one["summary"].startswith("INFO sip:")]
    return len([one for one in wanted if sequence(one) in agreed])


def sequence(message: dict[str, Any]) -> str:
    """Its CSeq, number and method."""
    found = re.search(r"^CSeq: *(\d+ +\w+)", message["text"], re.MULTILINE | re.IGNORECASE)
    return found[1] if found else ""


@pytest.mark.needs("/usr/lib/x86_64-linux-gnu/mediastreamer/plugins/libmsopenh264.so")
async def test_linphone_of_h264_dials_in_and_whole_pictures_are_asked_for_by_info_both_ways(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    """RFC 5168: where no RTCP for it was agreed on."""
    page = await joined(server, chromium)

    async with Linphone(tmp_path / "phone", video="H264", asks_by_rtcp=False) as phone:
        await phone.dial(await address(server))
        await sees_the_still(page)
        # Nobody here sends H.264: it is shown a picture that is made for it, as large as is usual.
        assert await sees_a_camera(phone, page, tmp_path) == (1280, 720)
        call = str((await server.rest("GET", "/ringback/calls")).body["data"][0]["id"])

        # We ask it: somebody else comes to see it.
        ours, came = await asked_by_info(server, call, "out"), await counted(server, call, "video_key_frames_received")
        second = await chromium.open(f"{server.url}/studio")
        await second.join("Ben")
        await sees_the_still(second)

        async def asked_it() -> bool | None:
            return await asked_by_info(server, call, "out") > ours or None

        await until(asked_it, "the phone was asked by INFO for a whole picture, and agreed")

        async def sent_it() -> bool | None:
            return await counted(server, call, "video_key_frames_received") > came or None

        await until(sent_it, "the phone sent a whole picture")
        assert "picture_fast_update" in phone.log()

        # It asks us.
        theirs = await asked_by_info(server, call, "in")
        wanted = await counted(server, call, "video_key_frames_wanted")
        await phone.type("vfureq")

        async def asked_us() -> bool | None:
            return await asked_by_info(server, call, "in") > theirs or None

        await until(asked_us, "the phone asked us by INFO for a whole picture, and we agreed")
        assert await counted(server, call, "video_key_frames_wanted") > wanted
        made = await counted(server, call, "video_pictures_made")

        async def made_more() -> bool | None:
            return await counted(server, call, "video_pictures_made") > made or None

        await until(made_more, "pictures are made for it after that")
        await sees_a_camera(phone, page, tmp_path)


async def test_linphone_of_vp8_is_dialled_pauses_and_resumes(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium)

    async with Linphone(tmp_path / "phone", video="VP8", answer=True) as phone:
        settings = {"width": 1280, "height": 720, "fps": 15, "videoBitrate": 900}
        await server.dial_out("studio", phone.uri, video=True, videoSettings=settings, codecs={"video": ["VP8"]})
        await page.event("dialout-answered")
        await sees_the_still(page)
        width, height = await sees_a_camera(phone, page, tmp_path)
        assert 0 < width <= 1280 and 0 < height <= 720

        await phone.type("pause")

        async def dark() -> bool | None:
            return not await page.evaluate(LOOK) or None

        await until(dark, "its picture is gone from the page", PATIENCE_S)
        # We know sooner than it does: what it is told before is lost.
        await phone.says("is now paused")
        await phone.type("resume")
        await sees_the_still(page)
        await sees_a_camera(phone, page, tmp_path)
        assert await page.events("dialout-warning") == []


@pytest.mark.soak
async def test_linphone_adds_its_pictures_to_a_call_that_is_up(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium)

    async with Linphone(tmp_path / "phone", video="VP8") as phone:
        await phone.type("camera off")
        await phone.dial(await address(server))
        await page.event("participant-joined")
        assert await page.evaluate(LOOK) == []

        await phone.type("camera on")

        await sees_the_still(page)
        await sees_a_camera(phone, page, tmp_path)
        assert await page.events("dialin-warning") == []
