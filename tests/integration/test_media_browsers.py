"""Headless Chromium against the real engine: sound by its frequency, pictures by their colour."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from integration.media_browser import BrowserPeer, Chromium
from integration.media_events import Seen
from interop.peers.waiting import until
from ringback.core import new_engine
from ringback.media.service import Media
from ringback.model.ids import MeetingId, ParticipantId

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.asyncio(loop_scope="module")]

ROOM = MeetingId("room")
Join = Callable[[str], Awaitable[BrowserPeer]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Chromium]:
    async with Chromium() as browser:
        yield browser


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest_asyncio.fixture(loop_scope="module")
async def media(seen: Seen) -> AsyncIterator[Media]:
    engine = new_engine("127.0.0.1", 0, ["127.0.0.1"], "127.0.0.1", 22000, 22999)
    media = Media(engine, asyncio.get_running_loop(), seen, phone_host="127.0.0.1")
    media.open_meeting(ROOM)
    yield media
    media.close()


@pytest_asyncio.fixture(loop_scope="module")
async def join(media: Media, chromium: Chromium) -> AsyncIterator[Join]:
    pages: list[BrowserPeer] = []

    async def join(leg: str) -> BrowserPeer:
        await media.open_webrtc(ROOM, ParticipantId(leg))
        pages.append(await chromium.page(media, leg))
        return pages[-1]

    yield join
    for page in pages:
        await page.close()


async def test_two_browsers_hear_and_see_each_other(join: Join, seen: Seen) -> None:
    ann, bob = await join("ann"), await join("bob")
    await ann.send_tone(440)
    await ann.send_colour("#00c000")
    await bob.send_tone(880)
    await bob.send_colour("#0000c0", ["H264"])
    from_bob, bobs_face = await ann.receive("bob", "audio"), await ann.receive("bob", "video")
    from_ann, anns_face = await bob.receive("ann", "audio"), await bob.receive("ann", "video")

    await ann.negotiate()
    await bob.negotiate()

    async def hears(who: BrowserPeer, index: int, hz: float) -> bool:
        return (await who.heard(index, hz))[0] > 30

    async def sees(who: BrowserPeer, index: int, channel: int) -> bool:
        colour = await who.colour(index)
        return colour is not None and colour[channel] > 120 and sum(colour) - colour[channel] < 120

    await until(lambda: hears(ann, from_bob, 880), "ann hears bob")
    await until(lambda: hears(bob, from_ann, 440), "bob hears ann")
    await until(lambda: sees(ann, bobs_face, 2), "ann sees blue")
    await until(lambda: sees(bob, anns_face, 1), "bob sees green")
    assert {("ann", "connected"), ("bob", "connected")} <= set(seen.states)
    assert {("ann", "audio"), ("ann", "video"), ("bob", "audio"), ("bob", "video")} <= set(seen.started)
    assert seen.speakers and seen.speakers[0][0] == ROOM
