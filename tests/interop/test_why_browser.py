"""What is said of a telephone's call with a real browser: that all is well, and that its microphone is off."""

from pathlib import Path
from typing import Any

import pytest

from interop.peers.browser import Chromium
from interop.peers.phone import Phone
from interop.peers.server import Server
from interop.peers.waiting import until

BROWSER_HZ, PHONE_HZ = 880, 440

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.listens]


async def test_a_browser_that_switches_its_microphone_off_is_named(
    server: Server, chromium: Chromium, tmp_path: Path
) -> None:
    room = await server.room("front-desk")
    page = await chromium.open(f"{server.url}/front-desk", hz=BROWSER_HZ)
    await page.join()
    await page.event("dialin-ready")
    uri = room["config"]["sip_uri"]["endpoint"]
    async with Phone(tmp_path / "phone", "dial", uri, "--for", "60", hz=PHONE_HZ) as phone:
        await page.hears(PHONE_HZ)
        await until(lambda: phone.hears(BROWSER_HZ) or None, f"the phone hears {BROWSER_HZ} Hz", 20)
        (call,) = (await server.rest("GET", "/ringback/calls?ongoing=true")).body["data"]

        async def why() -> dict[str, Any]:
            return dict((await server.rest("GET", f"/ringback/calls/{call['id']}/diagnosis")).body)

        before = await why()
        await page.evaluate("window.ringback.call.setLocalAudio(false)")
        await page.event("participant-updated")
        after = await why()

    assert before["healthy"], before["verdicts"]
    (browser,) = before["others"]
    assert browser["webrtc"] == "connected" and browser["packets_received"] > 50 and browser["frames_speech"] > 25
    assert [verdict["code"] for verdict in after["verdicts"]] == ["microphone-off"], after["verdicts"]
