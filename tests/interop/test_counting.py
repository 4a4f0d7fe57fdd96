"""Everybody in a room counts at once, in tones of their own: each hears each of the others count, nothing lost and
nothing twice, whatever codec it speaks and whichever way its sound goes.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest

from interop.peers import tones
from interop.peers.browser import KEPT_RATE, Chromium, RoomPage
from interop.peers.counting import LOUD, NUMBERS, PAUSE_S, WORD_S, hertz, longest_count, numbers, write_counting
from interop.peers.phone import Phone
from interop.peers.server import Server
from interop.peers.waiting import until

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.soak, pytest.mark.timeout(900)]

CODECS = ("PCMU", "PCMA", "G722", "OPUS")
BROWSER = len(CODECS)
"""Its voice; a phone's is the place of its codec."""

ENOUGH = NUMBERS
"""Numbers in a row. A busy machine may break off a count that has begun, but not each one."""

LAST_S = 12
"""So much of what was heard last is looked at."""

WITHIN_S = 90.0
"""For each step, on a machine that has much else to do."""


async def browser_in_a_room(server: Server, chromium: Chromium) -> tuple[RoomPage, list[str]]:
    """A browser that counts, and the addresses of its room."""
    sip = {"sip_mode": "dial-in", "display_name": "Caller", "num_endpoints": len(CODECS)}
    room = await server.room("counting", sip=sip)
    page = await chromium.open(f"{server.url}/counting", lenient=True)
    await page.join()
    await page.event("dialin-ready")
    await page.say([hertz(BROWSER, number) for number in range(NUMBERS)], LOUD, WORD_S, PAUSE_S)
    await page.keep_sound()
    uris = room["config"]["sip_uri"]
    return page, [uris["endpoint"], *uris["extra_endpoints"]]


class Ear:
    """How far each of some voices has counted without a mistake, in what came last."""

    def __init__(self, *voices: int) -> None:
        self.best = dict.fromkeys(voices, 0)
        self._length = 0

    def listen(self, sound: tones.Samples, rate: int) -> bool:
        """All of a recording so far; it is looked through once a second. Whether every voice was heard to count."""
        if len(sound) >= self._length + rate:
            self._length = len(sound)
            for voice in self.best:
                self.best[voice] = longest_count(numbers(sound[-LAST_S * rate :], rate, voice))
        return all(count >= ENOUGH for count in self.best.values())


async def hears(fact: Callable[[], Awaitable[bool]], ear: Ear, who: str) -> None:
    try:
        await until(fact, f"{who} hears others count", WITHIN_S)
    except AssertionError as error:
        raise AssertionError(f"{error}; numbers in a row, by voice: {ear.best}") from None


async def phone_hears(phone: Phone, *voices: int) -> None:
    """Wait until a phone has heard each of these count."""
    ear = Ear(*voices)

    async def fact() -> bool:
        return phone.recording.exists() and ear.listen(*tones.read_wav(phone.recording))

    await hears(fact, ear, phone.recording.parent.name)


async def page_hears(page: RoomPage, *voices: int) -> None:
    """Wait until the browser has heard each of these count."""
    ear = Ear(*voices)
    kept = np.zeros(0)

    async def fact() -> bool:
        nonlocal kept
        kept = np.concatenate([kept, await page.heard()])
        return ear.listen(kept, KEPT_RATE)

    await hears(fact, ear, "the browser")


def counting_phone(folder: Path, voice: int, address: str) -> Phone:
    folder = folder / CODECS[voice]
    folder.mkdir()
    says = write_counting(folder / "counting.wav", voice)
    return Phone(folder, "dial", address, "--codec", CODECS[voice], says=says)


async def test_phones_of_every_codec_and_a_browser_hear_each_other_count(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    """Mixed for the phones, each in another codec, and forwarded to the browser."""
    page, addresses = await browser_in_a_room(server, chromium)

    async with AsyncExitStack() as stack:
        phones = []
        for voice, address in enumerate(addresses):
            phones.append(await stack.enter_async_context(counting_phone(tmp_path, voice, address)))
            assert (await phones[-1].event("answered", WITHIN_S))["codec"] == CODECS[voice]

        await page_hears(page, *range(BROWSER))
        for own, phone in enumerate(phones):
            await phone_hears(phone, *(voice for voice in range(BROWSER + 1) if voice != own))
            sound, rate = tones.read_wav(phone.recording)
            assert longest_count(numbers(sound, rate, own)) < ENOUGH, "nobody hears itself"
