"""Two media workers: each has rooms and a WebRTC port of its own, and all is heard as with one."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from integration.media_browser import Chromium
from integration.media_events import Seen
from integration.media_phone import CODECS, TELEPHONE_EVENT, RtpPhone
from interop.peers.tones import level_db
from interop.peers.waiting import until
from ringback.calls.ports.streams import PhoneMedia
from ringback.core import new_engine
from ringback.media.service import Media
from ringback.model.ids import MeetingId, ParticipantId

ROOMS = {MeetingId("one"): (440, 880), MeetingId("two"): (600, 1200)}
"""Hz of the browser and of the phone in each."""


@pytest.fixture
async def media() -> AsyncIterator[Media]:
    engine = new_engine("127.0.0.1", 0, ["127.0.0.1"], "127.0.0.1", 26000, 26999, None, 2)
    seen = Seen()
    media = Media(engine, asyncio.get_running_loop(), seen, phone_host="127.0.0.1")
    yield media
    assert not seen.failed
    media.close()


async def call(media: Media, room: MeetingId, name: str, hz: float) -> RtpPhone:
    """A phone that hums."""
    phone = RtpPhone(hz=hz)
    address = await phone.open()
    here = media.open_phone(room, ParticipantId(name))
    codec = CODECS["PCMU"]
    media.set_phone(ParticipantId(name), PhoneMedia(address, codec, (codec,), TELEPHONE_EVENT, TELEPHONE_EVENT))
    phone.talk(here)
    return phone


def hears(phone: RtpPhone, hz: float) -> bool:
    return level_db(phone.sound()[-4000:], 8000, hz) > 30


@pytest.mark.needs("chromium")
async def test_browsers_and_phones_hear_each_other_in_rooms_of_two_workers(media: Media) -> None:
    ports: dict[MeetingId, set[int]] = {}
    async with Chromium() as chromium:
        for room, (browser_hz, phone_hz) in ROOMS.items():
            media.open_meeting(room)
            await media.open_webrtc(room, ParticipantId(f"browser-{room}"))
            browser = await chromium.page(media, f"browser-{room}")
            phone = await call(media, room, f"phone-{room}", phone_hz)
            await browser.send_tone(browser_hz)
            from_phone = await browser.receive(f"phone-{room}", "audio")
            answer = await browser.negotiate()
            ports[room] = {int(port) for port in re.findall(r"a=candidate:.* 127\.0\.0\.1 (\d+) typ host", answer)}

            async def hears_the_phone(who=browser, index=from_phone, hz=phone_hz) -> bool:  # type: ignore[no-untyped-def]
                return bool((await who.heard(index, hz))[0] > 30)

            await until(hears_the_phone, f"the browser in room {room} hears the phone")
            await until(lambda who=phone, hz=browser_hz: hears(who, hz), f"the phone in room {room} hears the browser")
            phone.close()

    assert [ports[room] for room in ROOMS] == [{port} for port in media.webrtc_ports]
    assert [of["legs"] for of in media.worker_stats()] == [2, 2]
    assert media.engine_stats()["legs"] == 4


async def test_a_phone_that_goes_to_another_workers_room_is_heard_there_on_the_same_port(media: Media) -> None:
    lobby, talk = ROOMS
    media.open_meeting(lobby)
    media.open_meeting(talk)
    waiting, there = await call(media, lobby, "waiting", 500), await call(media, talk, "there", 900)
    await until(lambda: len(waiting.received) > 20, "it is sent silence while it waits")

    media.move_phone(ParticipantId("waiting"), talk)
    media.set_sources(ParticipantId("waiting"), frozenset({ParticipantId("there")}))

    await until(lambda: hears(waiting, 900), "it hears who is there")
    await until(lambda: hears(there, 500), "and is heard")
    steps = {(b.sequence - a.sequence) & 0xFFFF for a, b in zip(waiting.received, waiting.received[1:], strict=False)}
    assert steps == {1} and len({packet.ssrc for packet in waiting.received}) == 1, "one stream all along"
    assert [of["legs"] for of in media.worker_stats()] == [0, 2]
    for phone in (waiting, there):
        phone.close()
