"""The published bodies with pictures, sent as they are: a phone that others wrote answers, and nobody is warned.

Which fields stand together is as in published guides and references; names, addresses and values are ours. One body
runs always, the others in ``make soak``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from interop.peers.baresip import Baresip
from interop.peers.browser import Chromium, RoomPage
from interop.peers.server import Server
from interop.peers.waiting import until

pytestmark = [pytest.mark.needs("baresip", "chromium"), pytest.mark.needs("/usr/lib/baresip/modules/avcodec.so")]

PACE_S = 60
HD = {"width": 1280, "height": 720, "fps": 15, "videoBitrate": 900}
LEAST = {"width": 320, "height": 180, "fps": 1, "videoBitrate": 100}
MOST = {"width": 1280, "height": 720, "fps": 30, "videoBitrate": 1000}

Body = Mapping[str, Any]

# What the phone on the far side speaks, and the body without the phone's address.
DIALLED: dict[str, tuple[str, Body]] = {
    "pictures": ("VP8", {"video": True}),
    "with-a-name": ("VP8", {"displayName": "Front desk", "userId": "desk-1", "video": True}),
    "settings": ("VP8", {"video": True, "videoSettings": HD}),
    "some-settings": ("VP8", {"video": True, "videoSettings": {"videoBitrate": 500}}),
    "least-settings": ("VP8", {"video": True, "videoSettings": LEAST}),
    "most-settings": ("H264", {"video": True, "videoSettings": MOST, "codecs": {"video": ["H264"]}}),
    "codec": ("VP8", {"video": True, "codecs": {"video": ["VP8"]}}),
    "another-codec": ("H264", {"video": True, "codecs": {"video": ["H264"]}}),
    "codecs": ("H264", {"video": True, "codecs": {"audio": ["PCMU", "PCMA"], "video": ["H264", "VP8"]}}),
    "everything": (
        "H264",
        {
            "displayName": "Front desk",
            "userId": "desk-1",
            "video": True,
            "videoSettings": HD,
            "codecs": {"audio": ["PCMU"], "video": ["H264"]},
            "provider": "daily",
            "permissions": {"canReceive": {"base": True}},
        },
    ),
}

# What the caller speaks, and the room's ``sip``.
DIALLED_IN: dict[str, tuple[str, Body]] = {
    "pictures": ("VP8", {"video": True}),
    "codec": ("VP8", {"video": True, "codecs": {"video": ["VP8"]}}),
    "another-codec": ("H264", {"video": True, "codecs": {"video": ["H264"]}}),
    "everything": (
        "H264",
        {
            "video": True,
            "num_endpoints": 2,
            "provider": "daily",
            "codecs": {"audio": ["PCMU", "PCMA"], "video": ["H264", "VP8"]},
        },
    ),
}


def cases(table: Mapping[str, tuple[str, Body]], *quick: str) -> list[Any]:
    """Of each table some are run always, and all when there is time."""
    return [
        pytest.param(*case, marks=[] if name in quick else pytest.mark.soak, id=name) for name, case in table.items()
    ]


async def pictures_flow_both_ways(server: Server, call: str, codec: str) -> None:
    """As the call's row tells while it is up."""
    last: Mapping[str, Any] = {}

    async def both_ways() -> bool | None:
        nonlocal last
        last = (await server.rest("GET", f"/ringback/calls/{call}")).body
        sound = last.get("sound") or {}
        ways = (sound.get("video_key_frames_received", 0), sound.get("video_packets_received", 0))
        return (min(ways) > 0 and sound.get("video_packets_sent", 0) > 20) or None

    try:
        await until(both_ways, "pictures go both ways", PACE_S)
    except AssertionError as error:
        raise AssertionError(f"{error}: {last}") from None
    assert last["video_codec"] == codec


async def nobody_is_warned(server: Server, page: RoomPage, call: str) -> None:
    assert await page.events("dialout-warning", "dialin-warning", "dialout-error", "dialin-error") == []
    assert "warning" not in str((await server.rest("GET", f"/ringback/calls/{call}")).body.get("end_reason", ""))


async def joined(server: Server, chromium: Chromium, **sip: Any) -> RoomPage:
    await server.room("studio", sip={"display_name": "Caller", "sip_mode": "dial-in", **sip})
    page = await chromium.open(f"{server.url}/studio")
    await page.join()
    return page


@pytest.mark.parametrize(("codec", "body"), cases(DIALLED, "everything"))
async def test_a_published_body_of_dial_out_brings_pictures_both_ways_and_no_warning(
    codec: str, body: Body, tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium)

    async with Baresip(tmp_path / "phone", video=codec) as phone:
        call = await server.dial_out("studio", phone.uri, **body)
        await page.event("dialout-answered", PACE_S)

        await pictures_flow_both_ways(server, call, codec)
        await nobody_is_warned(server, page, call)


@pytest.mark.parametrize(("codec", "sip"), cases(DIALLED_IN))
async def test_a_published_room_with_pictures_takes_a_caller_with_a_camera_and_warns_nobody(
    codec: str, sip: Body, tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium, **sip)
    await page.event("dialin-ready")
    address = str((await server.rest("GET", "/rooms/studio")).body["config"]["sip_uri"]["endpoint"])

    async with Baresip(tmp_path / "phone", video=codec) as phone:
        await phone.dial(address)
        await page.event("dialin-connected", PACE_S)

        call = str((await server.rest("GET", "/ringback/calls")).body["data"][0]["id"])
        await pictures_flow_both_ways(server, call, codec)
        await nobody_is_warned(server, page, call)


@pytest.mark.parametrize(
    "body",
    [{"video": False}, {"video": False, "videoSettings": HD}, {"videoSettings": HD, "codecs": {"video": ["VP8"]}}],
    ids=["none", "none-and-settings", "settings-alone"],
)
@pytest.mark.soak
async def test_a_published_body_without_pictures_calls_a_phone_that_has_a_camera_and_warns_nobody(
    body: Body, tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium)

    async with Baresip(tmp_path / "phone", video="VP8") as phone:
        call = await server.dial_out("studio", phone.uri, **body)
        await page.event("dialout-answered", PACE_S)

        await page.hears(440, timeout_s=PACE_S)
        await nobody_is_warned(server, page, call)
        assert (await server.rest("GET", f"/ringback/calls/{call}")).body["video_codec"] is None
