"""Phones that others wrote dial a room in which a browser sits: tones both ways, in every codec."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from interop.peers.baresip import Baresip
from interop.peers.browser import Chromium, RoomPage
from interop.peers.linphone import Linphone
from interop.peers.phone import Phone
from interop.peers.server import Server, wait_present
from interop.peers.waiting import until

CODECS = ["PCMU", "PCMA", "G722", "OPUS"]
# None is a sum or difference of the others and their octaves: there is where G.711 puts what it adds.
BROWSER_HZ, PHONE_HZ, OTHER_HZ = 880, 440, 1270

pytestmark = [pytest.mark.needs("baresip", "chromium", "linphonec"), pytest.mark.listens]


async def joined(server: Server, chromium: Chromium, room: str = "front-desk", **properties: object) -> RoomPage:
    """A room with one address, and a browser in it that may be called."""
    await server.room(room, **properties)
    page = await chromium.open(f"{server.url}/{room}", hz=BROWSER_HZ)
    await page.join()
    await page.event("dialin-ready")
    return page


async def address(server: Server, room: str = "front-desk", index: int = 0) -> str:
    config = (await server.rest("GET", f"/rooms/{room}")).body["config"]
    uris = [config["sip_uri"]["endpoint"], *config["sip_uri"].get("extra_endpoints", [])]
    return str(uris[index])


@pytest.mark.parametrize("codec", CODECS)
async def test_baresip_and_a_browser_hear_each_other(
    codec: str, tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium)

    async with Baresip(tmp_path / "phone", hz=PHONE_HZ, codecs=(codec,)) as phone:
        await phone.dial(await address(server))

        await page.hears(PHONE_HZ)
        await until(lambda: phone.hears(BROWSER_HZ) or None, f"baresip hears {BROWSER_HZ} Hz", 20)
        await phone.command("hangup")
        await page.event("dialin-stopped")
    await wait_present(server, "front-desk", 1)


@pytest.mark.parametrize("codec", CODECS)
async def test_linphone_and_a_browser_hear_each_other(
    codec: str, tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium)

    async with Linphone(tmp_path / "phone", hz=PHONE_HZ, codecs=(codec,)) as phone:
        await phone.dial(await address(server))

        await page.hears(PHONE_HZ)
        await until(lambda: phone.hears(BROWSER_HZ) or None, f"linphone hears {BROWSER_HZ} Hz", 20)
        await phone.hangup()
        await page.event("dialin-stopped")
    await wait_present(server, "front-desk", 1)


@pytest.mark.parametrize("codec", CODECS)
async def test_our_phone_and_a_browser_hear_each_other(
    codec: str, tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium)

    async with Phone(tmp_path, "dial", await address(server), "--codec", codec, hz=PHONE_HZ) as phone:
        answered = await phone.event("answered")
        assert answered["codec"] == codec

        await page.hears(PHONE_HZ)
        await until(lambda: phone.hears(BROWSER_HZ) or None, f"ringback phone hears {BROWSER_HZ} Hz", 20)


@pytest.mark.parametrize("codec", CODECS)
async def test_two_phones_and_a_browser_hear_the_others_and_not_themselves(
    codec: str, tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    sip = {"sip_mode": "dial-in", "display_name": "Caller", "num_endpoints": 2}
    page = await joined(server, chromium, sip=sip)

    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Baresip(tmp_path / "one", hz=PHONE_HZ, codecs=(codec,)))
        second = await stack.enter_async_context(Baresip(tmp_path / "two", hz=OTHER_HZ, codecs=(codec,), name="bob"))
        await first.dial(await address(server))
        await second.dial(await address(server, index=1))

        await page.hears(PHONE_HZ, OTHER_HZ)
        await page.does_not_hear(BROWSER_HZ)
        await until(lambda: (first.hears(BROWSER_HZ) and first.hears(OTHER_HZ)) or None, "the first hears both", 20)
        await until(lambda: (second.hears(BROWSER_HZ) and second.hears(PHONE_HZ)) or None, "the second hears both", 20)
        assert not first.hears(PHONE_HZ)
        assert not second.hears(OTHER_HZ)


async def test_a_page_is_told_of_a_caller_in_order_and_that_it_speaks(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium)
    await page.evaluate("window.ringback.call.setLocalAudio(false)")

    async with Baresip(tmp_path / "phone", hz=PHONE_HZ) as phone:
        await phone.dial(await address(server))
        caller = (await page.event("dialin-connected"))["sessionId"]

        async def speaks() -> bool:
            told = await page.events("active-speaker-change")
            return caller in [event["activeSpeaker"]["peerId"] for event in told]

        await until(speaks, "the page is told that the caller speaks")
        await phone.command("hangup")

        expected = ["participant-joined", "dialin-connected", "participant-left", "dialin-stopped"]
        assert await page.order(*expected, of=caller) == expected


async def test_a_call_over_tcp_is_heard(tmp_path: Path, server: Server, chromium: Chromium) -> None:
    page = await joined(server, chromium)

    async with Baresip(tmp_path / "phone", hz=PHONE_HZ, transport="tcp") as phone:
        await phone.dial(await address(server))  # it adds its account's transport

        await page.hears(PHONE_HZ)
        await until(lambda: phone.hears(BROWSER_HZ) or None, "baresip hears the browser", 20)


async def test_a_caller_on_hold_is_not_heard_and_is_heard_again(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium)

    async with Baresip(tmp_path / "phone", hz=PHONE_HZ) as phone:
        await phone.dial(await address(server))
        await page.hears(PHONE_HZ)

        await phone.command("hold")

        async def silent() -> bool:
            return max(await page.levels(PHONE_HZ)) < 20

        await until(silent, "a phone on hold is silent")
        assert (await page.event("dialin-held"))["heldBy"] == "far-end"
        await page.shows("On hold")
        await phone.command("resume")
        await page.hears(PHONE_HZ)
        await page.event("dialin-resumed")


@pytest.mark.parametrize("codec", ["PCMU", "OPUS"])
async def test_keys_pressed_at_a_phone_reach_the_browser(
    tmp_path: Path, server: Server, chromium: Chromium, codec: str
) -> None:
    """baresip knows ``telephone-event/8000`` alone, beside Opus too."""
    page = await joined(server, chromium)

    async with Baresip(tmp_path / "phone", hz=PHONE_HZ, codecs=(codec,)) as phone:
        await phone.dial(await address(server))
        await page.hears(PHONE_HZ)

        await phone.command("sndcode", "5")

        told = await page.event("dtmf-event")
        assert (told["tone"], told["method"]) == ("5", "telephone-event")


async def test_a_caller_is_named_as_the_address_says_and_an_address_can_be_redialled(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium)
    uri = await address(server)

    async with Baresip(tmp_path / "one", hz=PHONE_HZ) as phone:
        await phone.dial(f"{uri}?x-daily_display_name=Ann%20Lee")
        await page.shows("Ann Lee")
        async with Baresip(tmp_path / "two", name="bob") as second:
            await second.command("dial", uri)
            assert (await second.event("CALL_CLOSED"))["param"].startswith("486")
        await phone.command("hangup")
        await page.event("dialin-stopped")
    async with Baresip(tmp_path / "three", hz=PHONE_HZ) as again:
        await again.dial(uri)
        await page.hears(PHONE_HZ)


async def test_leaving_the_last_browser_hangs_up_on_the_phone(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await joined(server, chromium)

    async with Baresip(tmp_path / "phone") as phone:
        await phone.dial(await address(server))
        await wait_present(server, "front-desk", 2)

        await page.leave()

        await phone.event("CALL_CLOSED")
    await wait_present(server, "front-desk", 0)


async def test_turning_sip_off_hangs_up_and_frees_the_address(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    await joined(server, chromium)
    uri = await address(server)

    async with Baresip(tmp_path / "phone") as phone:
        await phone.dial(uri)
        await server.rest("POST", "/rooms/front-desk", {"properties": {"sip": None}})

        await phone.event("CALL_CLOSED")
        phone.forget()
        await phone.command("dial", uri)
        assert (await phone.event("CALL_CLOSED"))["param"].startswith("480")
