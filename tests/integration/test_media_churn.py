"""Legs that come and go by the thousand leave nothing behind: no port, no descriptor, no memory."""

import asyncio
import gc
import os
import time
from pathlib import Path

import numpy as np
import pytest

from integration.media_events import Seen
from integration.media_phone import CODECS, FarPhone
from interop.peers.tones import level_db
from interop.peers.waiting import until
from ringback.calls.ports.streams import PhoneMedia
from ringback.core import new_engine
from ringback.media.service import Media
from ringback.model.ids import MeetingId, ParticipantId

ALL = tuple(CODECS.values())
PAIRS = 6
"""Rooms a round, each with two phones of different codecs that hear each other: 24 legs with their far ends."""
PORTS = 60
"""Pairs that there are to give: a round uses nearly half of them, so what is not given back is missed soon."""
MIX = [("PCMU", "PCMA"), ("PCMU", "OPUS"), ("G722", "PCMA"), ("OPUS", "G722")]


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def memory_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def one_round(media: Media, number: int) -> None:
    """Phones call, speak, are heard, and hang up."""
    rooms = [MeetingId(f"churn-{number}-{n}") for n in range(PAIRS)]
    fars: list[FarPhone] = []
    for n, room in enumerate(rooms):
        media.open_meeting(room)
        for side, codec in zip("ab", MIX[n % len(MIX)], strict=True):
            far = FarPhone(media, f"{room}{side}", codec)
            leg = ParticipantId(f"{room}{side}")
            far.connect(media.open_phone(room, leg))
            media.set_phone(leg, PhoneMedia(far.address, far.codec, ALL))
            fars.append(far)
    for n, far in enumerate(fars):
        far.speak(900 if n % 2 else 500, 1.5)

    deaf = dict(enumerate(fars))

    def all_heard() -> bool:
        for n, far in list(deaf.items()):
            if level_db(far.heard(), far.rate, 500 if n % 2 else 900) > 25:
                del deaf[n]
        return not deaf

    try:
        await until(all_heard, "each hears the other")
    except AssertionError as error:
        legs = [leg for far in deaf.values() for leg in (far.line, ParticipantId(far.room.removeprefix("far-")))]
        counters = {leg: dict(media.stats(leg)) for leg in legs}
        raise AssertionError(f"{error}: {counters}") from None
    for far in fars:
        media.close_leg(far.line)
        media.close_leg(far.voice)
        media.close_meeting(far.room)
    for room in rooms:
        for side in "ab":
            media.close_leg(ParticipantId(f"{room}{side}"))
        media.close_meeting(room)


async def churn(seconds: float) -> int:
    """Rounds until the time is over; returns how many legs there were."""
    engine = new_engine("127.0.0.1", 0, ["127.0.0.1"], "127.0.0.1", 25000, 25000 + 2 * PORTS - 1)
    seen = Seen()
    media = Media(engine, asyncio.get_running_loop(), seen, phone_host="127.0.0.1")
    number = 0
    for number in range(3):
        await one_round(media, number)
    gc.collect()
    await until(lambda: media.engine_stats()["legs"] == 0, "the first rounds are over")
    before, memory = descriptors(), memory_mb()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        number += 1
        await one_round(media, number)
    await until(lambda: media.engine_stats()["legs"] == 0, "no leg is left")
    await until(lambda: descriptors() == before, f"descriptors are {before} again", 5)
    gc.collect()
    assert memory_mb() < memory + 20
    assert media.engine_stats()["leg_failures"] == 0 and not seen.failed
    media.open_meeting(MeetingId("last"))
    ports = {media.open_phone(MeetingId("last"), ParticipantId(f"last-{n}"))[1] for n in range(PORTS)}
    assert len(ports) == PORTS, "every pair of ports can be had again"
    media.close()
    return (number + 1) * PAIRS * 4


async def test_legs_that_come_and_go_leave_nothing() -> None:
    assert await churn(20) >= 120


@pytest.mark.soak
@pytest.mark.timeout(3900)
async def test_legs_that_come_and_go_for_an_hour_leave_nothing() -> None:
    assert np.isfinite(await churn(3300))
