"""A server of two media workers: a bot and a telephone in each of two rooms, told apart by what is heard."""

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path

import httpx

import ringback
from interop.bots import RATE, event, hears, tone
from interop.peers.phone import Phone
from interop.peers.server import Server
from interop.peers.waiting import until
from ringback.client.events import DialIn

ROOMS = {"one": (440, 1000), "two": (600, 1500)}
"""Hz of the phone and of the bot in each."""


async def legs_of_workers(server: Server) -> list[int]:
    """Of each worker, by what the server tells whoever watches it."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{server.url}/metrics")).text
    return [int(float(legs)) for legs in re.findall(r'^ringback_media_worker_legs\{worker="\d+"\} (\S+)', text, re.M)]


async def test_bots_and_phones_hear_each_other_in_rooms_of_two_workers(tmp_path: Path) -> None:
    async with (
        Server(tmp_path / "server", {"MEDIA__WORKERS": "2", "MEDIA__UDP_PORT": "0"}) as server,
        AsyncExitStack() as calls,
    ):
        for name, (phone_hz, bot_hz) in ROOMS.items():
            room = await server.room(name, sip={"sip_mode": "dial-in", "display_name": "Caller"})
            token = await server.token(name, is_owner=True)
            bot = await calls.enter_async_context(ringback.join(f"{server.url}/{name}", token, name="Bot"))
            address = room["config"]["sip_uri"]["endpoint"]
            phone = await calls.enter_async_context(Phone(tmp_path / name, "dial", address, hz=phone_hz))
            await event(bot, DialIn, step="connected")
            await hears(bot.audio(), phone_hz, RATE)
            speaking = asyncio.create_task(bot.say(tone(bot_hz, 20.0)))
            await until(lambda phone=phone, hz=bot_hz: phone.hears(hz), f"the phone in room {name} hears its bot")
            bot.flush()
            await speaking

        assert await legs_of_workers(server) == [2, 2]
