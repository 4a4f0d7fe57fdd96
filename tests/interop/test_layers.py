"""Simulcast with real browsers: one sends its camera in layers, another is given the one that it asks for."""

from collections.abc import Mapping
from typing import Any

import pytest

from interop.peers.browser import Chromium, RoomPage
from interop.peers.server import Server
from interop.peers.waiting import until

pytestmark = pytest.mark.needs("chromium")

STAYS = 20
"""Frames in a row."""

# A video of our own for the other's camera: its size, how many frames it showed, and the longest time between two.
WATCH = """
() => {
  const other = Object.values(window.ringback.call.participants()).find((who) => !who.local);
  const track = other?.tracks.video.persistentTrack;
  if (!track) return null;
  if (!window.__watch || window.__watch.track !== track) {
    const video = document.createElement("video");
    video.muted = true;
    video.srcObject = new MediaStream([track]);
    void video.play();
    const watch = (window.__watch = { track, video, frames: 0, gap: 0, last: null });
    const seen = (now) => {
      if (watch.last !== null) watch.gap = Math.max(watch.gap, now - watch.last);
      watch.last = now;
      watch.frames += 1;
      video.requestVideoFrameCallback(seen);
    };
    video.requestVideoFrameCallback(seen);
  }
  const { video, frames, gap } = window.__watch;
  return { width: video.videoWidth, frames, gap };
}
"""


async def seen(page: RoomPage) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = await page.evaluate(WATCH)
    return found if found and found["frames"] > 0 else None


async def shown(page: RoomPage, layer: int, least: int, most: int) -> Mapping[str, Any]:
    """Ask for a layer and wait until pictures of that width stay: a switch may have been under way."""
    await page.evaluate(f"window.ringback.call.updateReceiveSettings({{base: {{video: {{layer: {layer}}}}}}})")
    since: int | None = None

    async def stays() -> Mapping[str, Any] | None:
        nonlocal since
        now = await seen(page)
        if now is None or not least <= now["width"] <= most:
            since = None
            return None
        since = now["frames"] if since is None else since
        return now if now["frames"] >= since + STAYS else None

    try:
        return await until(stays, f"pictures of {least} to {most} pixels stay", 40)
    except AssertionError as error:
        raise AssertionError(f"{error}; it shows {await seen(page)}\n" + "\n".join(page.console[-20:])) from None


async def test_a_browser_is_shown_the_layer_it_asks_for(server: Server, chromium: Chromium) -> None:
    await server.room("seeing")
    ann = await chromium.open(f"{server.url}/seeing")
    await ann.join("Ann")
    await ann.evaluate("window.ringback.call.setLocalVideo(true)")
    ben = await chromium.open(f"{server.url}/seeing")
    await ben.join("Ben")
    await ben.evaluate("window.ringback.call.setLocalVideo(false)")
    await until(lambda: seen(ben), "Ben sees Ann", 30)

    small = await shown(ben, 0, 1, 320)
    larger = await shown(ben, 1, 321, 1280)
    again = await shown(ben, 0, 1, 320)

    # A busy browser sends a layer smaller than it might: the sizes of one layer need not be equal.
    assert small["width"] < larger["width"] > again["width"]
    settings = await ben.evaluate("window.ringback.call.getReceiveSettings('base')")
    assert settings == {"video": {"layer": 0}}
