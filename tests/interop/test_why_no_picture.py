"""Why a video phone shows nothing, said by the diagnosis where the cause is real."""

from pathlib import Path
from typing import Any

import pytest

from interop.peers.baresip import Baresip
from interop.peers.browser import Chromium
from interop.peers.server import Server
from interop.peers.waiting import until
from interop.test_video import address, joined, sees_a_camera, sees_bars

pytestmark = [pytest.mark.needs("baresip", "chromium"), pytest.mark.needs("/usr/lib/baresip/modules/avcodec.so")]


BUSY = ("video-frozen", "video-frozen-out", "video-encoder-limited", "video-waiting", "video-loss", "video-loss-out")
"""What may be true of a call on a machine with too much to do."""


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


async def test_of_a_call_that_is_over_its_pictures_are_told(tmp_path: Path, server: Server, chromium: Chromium) -> None:
    """Nobody looked while it lasted: pictures made both ways, a hold, and a browser that was the one who was seen."""
    page = await joined(server, chromium)
    async with Baresip(tmp_path / "phone", video="H264") as phone:
        await phone.dial(await address(server))
        await sees_bars(page, (640, 360))
        await sees_a_camera(phone)
        await phone.command("hold")
        await until(lambda: _steps(server, "video-held"), "the hold is noted", 30)
        await phone.command("resume")
        await until(lambda: _steps(server, "video-resumed"), "so is its end", 30)
        # Of calls of less than three seconds nothing is said.
        await until(lambda: _shown(server, 90), "it has been shown pictures for some seconds", 60)
        await phone.command("hangup")
        (call,) = await until(lambda: _ended(server), "the call is over", 30)

    found = (await server.rest("GET", f"/ringback/calls/{call['id']}/diagnosis")).body
    codes = {verdict["code"] for verdict in found["verdicts"] if verdict["code"].startswith("video-")}
    assert codes and codes <= {"video-well", *BUSY}, found["verdicts"]
    sound = found["counters"]
    assert sound["video_agreed"] == "H264" and sound["video_at_the_end"] == "sendrecv"
    assert sound["video_pictures_received"] > 10 and sound["video_pictures_sent"] > 10, sound
    assert (sound["video_size_received"], sound["video_size_sent"]) == ("640x368", "1280x720"), sound
    assert sound["video_make_seconds"] > 0, sound

    row = (await server.rest("GET", f"/ringback/calls/{call['id']}")).body
    steps = [step["step"] for step in row["timeline"]]
    for step in ("video-added", "first-picture-in", "first-picture-out", "video-held", "video-resumed"):
        assert steps.count(step) == 1, steps
    assert "composed" in [step.get("way") for step in row["timeline"]]
    trace = (await server.rest("GET", f"/ringback/calls/{call['id']}/trace")).body["pictures"]
    assert trace["steps"] == [step for step in row["timeline"] if "video" in step["step"] or "picture" in step["step"]]
    assert (
        trace["key_frames"]["received"] > 0 and trace["key_frames"]["asked"] == row["sound"]["video_key_frames_asked"]
    )


async def _steps(server: Server, wanted: str) -> bool | None:
    (call,) = (await server.rest("GET", "/ringback/calls")).body["data"]
    steps = (await server.rest("GET", f"/ringback/calls/{call['id']}")).body["timeline"]
    return any(step["step"] == wanted for step in steps) or None


async def _shown(server: Server, pictures: int) -> bool | None:
    (call,) = (await server.rest("GET", "/ringback/calls")).body["data"]
    row = (await server.rest("GET", f"/ringback/calls/{call['id']}")).body
    return row["sound"]["video_pictures_sent"] >= pictures or None


async def _ended(server: Server) -> list[dict[str, Any]] | None:
    calls: list[dict[str, Any]] = (await server.rest("GET", "/ringback/calls")).body["data"]
    return calls if all(call["state"] == "ended" for call in calls) else None
