"""A browser's camera on a phone that takes less: the layer that fits, and the browser asked for no more of it."""

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from interop.peers.baresip import Baresip
from interop.peers.browser import Chromium, RoomPage
from interop.peers.server import Server
from interop.peers.waiting import until
from interop.test_video import joined

pytestmark = pytest.mark.needs("baresip", "chromium")

PACE_S = 60
RTP_HEADER = 12

# The most bits in a second of each of the camera's encodings, the lowest first.
LIMITS = """
() => [...window.ringback.call.session.peer.sending].filter(([name]) => name === "video")
  .flatMap(([, { sender }]) => sender.getParameters().encodings.map(({ maxBitrate }) => maxBitrate ?? 0))
"""


async def sent(server: Server, call: str) -> Mapping[str, float]:
    """Bits and packets of pictures that a phone was sent, and how they are made."""
    sound: Mapping[str, float] = (await server.rest("GET", f"/ringback/calls/{call}")).body["sound"]
    return sound


async def bitrate(server: Server, call: str, seconds: float = 10) -> float:
    """On the wire, RTP's headers with it, of about that long."""

    def bits(counted: Mapping[str, float]) -> float:
        return 8 * (counted["video_bytes_sent"] + RTP_HEADER * counted["video_packets_sent"])

    begun, before = time.monotonic(), await sent(server, call)

    async def later() -> bool | None:
        return time.monotonic() > begun + seconds or None

    await until(later, "it was measured for long enough", 2 * seconds)
    after = await sent(server, call)
    return (bits(after) - bits(before)) / (time.monotonic() - begun)


async def shows(phone: Baresip, size: tuple[int, int]) -> None:
    """It decodes the camera, which is green, at this size."""
    last: list[object] = []

    async def camera() -> bool | None:
        seen = await phone.picture()
        if seen is None:
            return None
        red, green, blue = seen.mean(0, 0, 1, 1)
        last[:] = [(seen.width, seen.height), (red, green, blue)]
        return (green > 1.3 * max(red, blue) and (seen.width, seen.height) == size) or None

    try:
        await until(camera, f"the phone shows the camera at {size}", PACE_S)
    except AssertionError as error:
        raise AssertionError(f"{error}; it shows {last}\n{phone.log()[-3000:]}") from None


async def limits(page: RoomPage, what: str, expected: list[int]) -> None:
    """Wait until the browser's encoders are limited so."""
    last: list[int] = []

    async def within() -> bool | None:
        last[:] = await page.evaluate(LIMITS)
        return last == expected or None

    try:
        await until(within, what, PACE_S)
    except AssertionError as error:
        raise AssertionError(f"{error}; they are {last}") from None


@pytest.mark.parametrize(
    ("kbps", "asked", "size", "limited"),
    [
        # The browser begins with little: its largest layer comes when its path has proved to carry it.
        pytest.param(900, (1280, 720), (1280, 720), (2, 860_000), marks=pytest.mark.soak),
        pytest.param(300, (640, 360), (640, 360), (1, 290_000)),
    ],
)
async def test_a_phone_is_passed_on_the_layer_that_fits_and_the_browser_sends_no_more_of_it(
    kbps: int,
    asked: tuple[int, int],
    size: tuple[int, int],
    limited: tuple[int, int],
    tmp_path: Path,
    server: Server,
    chromium: Chromium,
) -> None:
    page = await joined(server, chromium)
    await until(lambda: page.evaluate(LIMITS), "the camera is sent", PACE_S)
    free: list[int] = await page.evaluate(LIMITS)

    async with Baresip(tmp_path / "phone", video="VP8") as phone:
        settings = {"width": asked[0], "height": asked[1], "fps": 15, "videoBitrate": kbps}
        call = await server.dial_out("studio", phone.uri, video=True, videoSettings=settings, codecs={"video": ["VP8"]})
        await page.event("dialout-answered")

        await shows(phone, size)
        layer, most = limited
        expected = [min(one, most) if n == layer else one for n, one in enumerate(free)]
        await limits(page, "the browser was asked for what the phone takes", expected)
        on_the_wire = await bitrate(server, call)
        counted = await sent(server, call)
        assert counted["video_way"] == "forward"
        assert on_the_wire <= kbps * 1100, f"{on_the_wire:.0f} bit/s"
        await shows(phone, size)

    await limits(page, "the browser's encoders are free again", free)
