"""Bots of the asyncio client in rooms with telephones: all sound is recognised by its frequency."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np

import ringback
from interop.peers import tones
from interop.peers.phone import Phone
from interop.peers.server import Server
from interop.peers.waiting import until
from ringback.client import Call
from ringback.client.events import DialIn, Event

RATE = 16000
PHONE_HZ, BOT_HZ, OTHER_HZ = 440, 1000, 1500
SIP = {"sip_mode": "dial-in", "display_name": "Caller"}


def tone(hz: float, seconds: float, rate: int = RATE) -> bytes:
    at = np.arange(int(seconds * rate)) / rate
    return bytes((8192 * np.sin(2 * np.pi * hz * at)).astype("<i2").tobytes())


def level(pcm: bytes, hz: float, rate: int = RATE) -> float:
    return tones.level_db(np.frombuffer(pcm, "<i2").astype(np.float64) / 32768, rate, hz)


async def hears(sound: AsyncGenerator[bytes, None], hz: float, rate: int = RATE, timeout_s: float = 15.0) -> None:
    """Wait for half a second of a tone."""
    heard = b""
    async with asyncio.timeout(timeout_s):
        async for piece in sound:
            heard = (heard + piece)[-rate:]
            if len(heard) == rate and level(heard, hz, rate) > 30:
                return


async def event(call: Call, kind: type[Event], timeout_s: float = 15.0, **fields: Any) -> Any:
    """The next event of a kind whose fields are these."""
    async with asyncio.timeout(timeout_s), aclosing(call.events()) as events:
        async for one in events:
            if isinstance(one, kind) and all(getattr(one, name) == value for name, value in fields.items()):
                return one
    raise AssertionError(f"the call ended: {call.ended}")


async def test_a_bot_and_a_phone_hear_each_other(server: Server, tmp_path: Path) -> None:
    room = await server.room("hello", sip=SIP)
    async with ringback.join(f"{server.url}/hello", name="Bot", rate=RATE) as bot:
        async with Phone(tmp_path / "phone", "dial", room["config"]["sip_uri"]["endpoint"], hz=PHONE_HZ) as phone:
            told = await event(bot, DialIn, step="connected")
            await hears(bot.audio(), PHONE_HZ)

            said = await bot.say(tone(BOT_HZ, 2.0))

            assert (said.heard_s, said.whole) == (2.0, True)
            await until(lambda: phone.hears(BOT_HZ), "the phone hears the bot", 5)
            assert [one.id for one in bot.phones] == [told.session_id]
        await event(bot, DialIn, step="stopped", session_id=told.session_id)
