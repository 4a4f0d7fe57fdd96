"""A browser flashes and beeps at once; how far apart both come to a telephone, at the wire."""

import statistics
import struct
import time
from collections.abc import Sequence

import pytest

from interop.peers.browser import Chromium
from interop.peers.server import Server
from interop.peers.waiting import until
from interop.peers.watcher import Watcher

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.soak]

SIP = {"display_name": "Caller", "sip_mode": "dial-in", "video": True}
FLASHES = 12
IN_STEP_MS = 80
PATIENCE_S = 90.0
LOUD = 0x30
"""Of µ-law without its sign: the smaller, the louder."""

# A camera that is dark, and every 1.5 s is full of noise for 0.4 s, while the microphone sounds.
FLASH = """
async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [320, 240];
  const context = canvas.getContext("2d");
  const noise = context.createImageData(320, 240);
  crypto.getRandomValues(noise.data.subarray(0, 65536));
  for (let at = 65536; at < noise.data.length; at += 1) noise.data[at] = noise.data[at - 65536];
  for (let at = 3; at < noise.data.length; at += 4) noise.data[at] = 255;
  let bright = false;
  const draw = () => {
    context.fillStyle = "#000";
    context.fillRect(0, 0, 320, 240);
    if (bright) context.putImageData(noise, 0, 0);
  };
  setInterval(draw, 33);
  const before = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (!wanted?.video) return before(wanted);
    const stream = wanted.audio ? await before({ audio: wanted.audio }) : new MediaStream();
    stream.addTrack(canvas.captureStream(30).getVideoTracks()[0]);
    return stream;
  };
  const { gain } = window.__microphone;
  const set = (on) => {
    bright = on;
    gain.gain.value = on ? 0.5 : 0;
    draw();
  };
  set(false);
  setInterval(() => { set(true); setTimeout(() => set(false), 400); }, 1500);
  await window.ringback.call.setLocalVideo(false);
  await window.ringback.call.setLocalVideo(true);
}
"""


def beeps(sound: Sequence[tuple[float, bytes]]) -> list[float]:
    """When sound began after at least half a second of none."""
    found: list[float] = []
    last = 0.0
    for at, data in sound:
        if len(data) > 12 and sum(octet & 0x7F < LOUD for octet in data[12:]) > 40:
            if at - last > 0.5:
                found.append(at)
            last = at
    return found


def flashes(pictures: Sequence[tuple[float, bytes]]) -> list[float]:
    """When a picture came that was far larger than those before: noise costs bits, darkness none."""
    sizes: dict[int, tuple[float, int]] = {}
    for at, data in pictures:
        if len(data) > 12 and not 64 <= data[1] & 0x7F < 96:
            timestamp = struct.unpack("!I", data[4:8])[0]
            sizes[timestamp] = (at, sizes.get(timestamp, (at, 0))[1] + len(data) - 12)
    found: list[float] = []
    last = 0.0
    for at, size in sizes.values():
        if size > 3000:
            if at - last > 0.5:
                found.append(at)
            last = at
    return found


@pytest.mark.timeout(600)
async def test_a_flash_and_its_beep_come_to_a_telephone_in_step(server: Server, chromium: Chromium) -> None:
    address = str((await server.room("studio", sip=SIP))["config"]["sip_uri"]["endpoint"])
    page = await chromium.open(f"{server.url}/studio")
    await page.join()
    await page.event("dialin-ready")
    async with Watcher() as watcher:
        await watcher.dial(server, address)
        await until(lambda: page.evaluate("() => window.__microphone !== undefined"), "the microphone is on")
        await page.evaluate(FLASH)
        begun = time.monotonic()

        def seen_and_heard() -> bool | None:
            return min(len(beeps(watcher.sound)), len(flashes(watcher.pictures))) > FLASHES or None

        try:
            await until(seen_and_heard, "there were flashes and beeps", PATIENCE_S)
        except AssertionError as error:
            seen = (len(beeps(watcher.sound)), len(flashes(watcher.pictures)), len(watcher.pictures))
            raise AssertionError(f"{error}: {seen}\n" + "\n".join(page.console[-10:])) from None

    sounds = [at for at in beeps(watcher.sound) if at > begun]
    apart = [min((sound - at for sound in sounds), key=abs) * 1000 for at in flashes(watcher.pictures) if at > begun]
    middle = statistics.median(apart)
    print(f"the beep comes {middle:.0f} ms after its flash, {min(apart):.0f} to {max(apart):.0f}")
    assert abs(middle) <= IN_STEP_MS, apart
