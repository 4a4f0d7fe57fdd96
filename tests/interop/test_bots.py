"""Bots of the asyncio client in rooms with telephones: all sound is recognised by its frequency."""

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

import ringback
from interop.bots import RATE, event, hears, listen, runs, samples, tone
from interop.peers import tones
from interop.peers.phone import Phone
from interop.peers.process import Process
from interop.peers.server import ROOT, Server, wait_present
from interop.peers.waiting import free_port, until
from ringback.client import Call, JoinRefused, Refused, Unreachable
from ringback.client.events import (
    AppMessage,
    DialIn,
    DialOut,
    DigitPressed,
    Interrupted,
    ParticipantJoined,
    ParticipantLeft,
    RemoteRequest,
    Resumed,
    SpeechHeard,
)

PHONE_HZ, BOT_HZ, OTHER_HZ = 440, 1000, 1500
SIP = {"sip_mode": "dial-in", "display_name": "Caller"}
SILENT = 0
"""Hz of a phone's microphone that nobody hears."""


@asynccontextmanager
async def on_the_phone(
    server: Server, folder: Path, *more: str, hz: int = PHONE_HZ, rate: int = RATE, codec: str | None = None
) -> AsyncIterator[tuple[Call, Phone]]:
    """A bot in a room, and a phone that has called it."""
    room = await server.room("hello", sip=SIP)
    token = await server.token("hello", is_owner=True)
    address = room["config"]["sip_uri"]["endpoint"]
    async with (
        ringback.join(f"{server.url}/hello", token, name="Bot", rate=rate, codec=codec) as bot,
        Phone(folder / "phone", "dial", address, *more, hz=hz) as phone,
    ):
        await event(bot, DialIn, step="connected")
        yield bot, phone


@pytest.mark.parametrize(("rate", "codec"), [(8000, None), (24000, "opus"), (48000, "g722")])
async def test_a_bot_and_a_phone_hear_each_other(server: Server, tmp_path: Path, rate: int, codec: str | None) -> None:
    async with on_the_phone(server, tmp_path, rate=rate, codec=codec) as (bot, phone):
        await hears(bot.audio(), PHONE_HZ, rate)

        said = await bot.say(tone(BOT_HZ, 2.0, rate))

        assert (said.heard_s, said.whole) == (2.0, True)
        await until(lambda: phone.hears(BOT_HZ), "the phone hears the bot")
        assert [one.kind for one in bot.phones] == ["sip-dial-in"]


async def test_a_burst_of_ten_seconds_is_heard_whole_in_order_and_at_its_pace(server: Server, tmp_path: Path) -> None:
    steps = [500 + 100 * number for number in range(20)]
    async with on_the_phone(server, tmp_path, hz=SILENT, rate=8000) as (bot, phone):
        began = time.monotonic()
        for hz in steps:
            bot.play(tone(hz, 0.5, 8000), mark=str(hz))
        assert time.monotonic() - began < 5, "it was queued, not played"

        for hz in steps:
            told = await event(bot, SpeechHeard)
            assert (told.mark, told.heard_s, told.whole) == (str(hz), 0.5, True)
            at = (steps.index(hz) + 1) * 0.5
            # Never early; late by what a busy machine makes of it: the pace itself is in the recording.
            assert -0.3 < time.monotonic() - began - at < 3
        await until(lambda: phone.hears(steps[-1]), "the phone hears the last of it")
        await asyncio.sleep(0.5)
        heard = runs(*tones.read_wav(phone.recording))

    assert [hz for hz, _ in heard] == steps, "nothing lost, nothing repeated"
    assert all(seconds >= 0.46 for _, seconds in heard), heard
    # A busy machine lets a phone conceal a few frames; more than that would be another pace.
    assert sum(seconds for _, seconds in heard) == pytest.approx(10.0, abs=0.5)


async def test_a_flush_stops_speech_within_20_ms_and_says_how_much_was_heard(server: Server, tmp_path: Path) -> None:
    async with on_the_phone(server, tmp_path, hz=SILENT) as (bot, phone):
        began = time.monotonic()
        saying = asyncio.create_task(bot.say(tone(BOT_HZ, 10.0)))
        await asyncio.sleep(1.23)
        flushed = bot.flush()
        stopped = time.monotonic() - began

        said = await saying
        assert not said.whole and said.heard_s == flushed.heard_s
        # It began late by what a busy machine makes of it.
        assert stopped - 1 < flushed.heard_s <= stopped + 0.02
        assert flushed.heard_s + flushed.dropped_s == pytest.approx(10.0)
        await until(lambda: total(phone) >= flushed.heard_s - 0.04, "the phone has heard as much as was said")
        await asyncio.sleep(0.7)
        # A busy machine lets a phone conceal a few frames in between.
        assert total(phone) <= flushed.heard_s + 0.2

        # And the bot can speak again at once.
        bot.play(tone(OTHER_HZ, 1.5))
        await until(lambda: phone.hears(OTHER_HZ), "the phone hears what is said next")


async def test_a_bot_that_brings_its_speech_too_late_is_named_by_the_diagnosis(server: Server, tmp_path: Path) -> None:
    async with on_the_phone(server, tmp_path) as (bot, _):

        async def stammer() -> None:
            while True:
                await bot.say(tone(BOT_HZ, 0.1))
                await asyncio.sleep(0.06)

        async def named() -> list[str] | None:
            found = (await server.rest("GET", f"/ringback/calls/{bot.phones[0].id}/diagnosis")).body
            codes = [str(verdict["code"]) for verdict in found["verdicts"]]
            return codes if "bot-late" in codes else None

        stammering = asyncio.create_task(stammer())
        await until(named, "the bot is named", 30)
        stammering.cancel()

        assert bot.stats()["underruns_bot"] > 2


async def test_keys_travel_both_ways(server: Server, tmp_path: Path) -> None:
    async with on_the_phone(server, tmp_path, "--dtmf", "12#") as (bot, phone):
        for key in "12#":
            pressed = await event(bot, DigitPressed)
            assert (pressed.tone, pressed.session_id) == (key, bot.phones[0].id)

        await bot.send_digits(bot.phones[0].id, "34*")

        assert [one["digit"] for one in await phone.events_of("digit", 3)] == ["3", "4", "*"]


async def test_two_bots_hear_each_other_and_not_themselves(server: Server) -> None:
    await server.room("hello")
    url = f"{server.url}/hello"
    async with ringback.join(url, name="A") as one, ringback.join(url, name="B", rate=8000) as other:
        met = await event(one, ParticipantJoined)
        assert (met.participant.id, met.participant.user_name) == (other.id, "B")
        one.play(tone(BOT_HZ, 5))
        other.play(tone(OTHER_HZ, 5, 8000))
        one_heard, other_heard, alone = await asyncio.gather(
            listen(one, 3), listen(other, 3), listen(one, 3, of=other.id)
        )

        for heard, rate, hz, own in (
            (one_heard, RATE, OTHER_HZ, BOT_HZ),
            (alone, RATE, OTHER_HZ, BOT_HZ),
            (other_heard, 8000, BOT_HZ, OTHER_HZ),
        ):
            sound = samples(heard)[-rate:]
            assert tones.loudest_hz(sound, rate) == pytest.approx(hz, abs=3)
            assert tones.level_db(sound, rate, own) < tones.level_db(sound, rate, hz) - 30
        await one.send_message({"hello": [1, 2]})
        assert await event(other, AppMessage) == AppMessage({"hello": [1, 2]}, one.id)
    assert one.ended is None


async def test_one_of_several_is_heard_by_itself(server: Server) -> None:
    await server.room("hello")
    url = f"{server.url}/hello"
    async with ringback.join(url) as ear, ringback.join(url) as one, ringback.join(url) as other:
        one.play(tone(BOT_HZ, 5))
        other.play(tone(OTHER_HZ, 5))

        alone, together = await asyncio.gather(listen(ear, 3, of=one.id), listen(ear, 3))

        def level(heard: bytes, hz: float) -> float:
            return tones.level_db(samples(heard)[-RATE:], RATE, hz)

        assert level(alone, BOT_HZ) - level(alone, OTHER_HZ) > 30
        assert min(level(together, BOT_HZ), level(together, OTHER_HZ)) > 30


async def test_a_bot_dials_out_and_hangs_up(server: Server, tmp_path: Path) -> None:
    await server.room("hello")
    token, port = await server.token("hello", is_owner=True), free_port()
    async with Phone(tmp_path / "phone", "answer", "--port", str(port), hz=PHONE_HZ) as phone:
        await phone.event("waiting")
        async with ringback.join(f"{server.url}/hello", token) as bot:
            call = await bot.dial_out(f"sip:phone@127.0.0.1:{port}", displayName="Ann")
            await event(bot, DialOut, step="answered", session_id=call)
            await hears(bot.audio(), PHONE_HZ)
            bot.play(tone(BOT_HZ, 5))
            await until(lambda: phone.hears(BOT_HZ), "the phone hears the bot", 10)

            await bot.stop_dial_out(call)

            stopped = await event(bot, DialOut, step="stopped", session_id=call)
            assert stopped.reason == "hangup-local"


async def test_a_bot_without_rights_is_told_so_and_goes_on(server: Server) -> None:
    await server.room("hello")
    async with ringback.join(f"{server.url}/hello") as bot:
        with pytest.raises(Refused) as refused:
            await bot.dial_out("sip:phone@127.0.0.1:5999")

        assert refused.value.kind == "forbidden-error"
        await bot.set_name("Still here")


async def test_a_muted_bot_stops_speaking_and_an_ejected_one_is_over(server: Server) -> None:
    await server.room("hello")
    token = await server.token("hello", is_owner=True)
    async with ringback.join(f"{server.url}/hello", token) as owner, ringback.join(f"{server.url}/hello") as bot:
        saying = asyncio.create_task(bot.say(tone(BOT_HZ, 10)))
        await owner.mute(bot.id)
        assert (await event(bot, RemoteRequest)).changes == {"setAudio": False}
        assert not (await saying).whole
        with pytest.raises(ringback.client.CallError, match="muted"):
            bot.play(b"\0\0")

        await owner.eject(bot.id)

        await event(owner, ParticipantLeft)
        async with asyncio.timeout(20):
            assert RemoteRequest not in [type(one) async for one in bot.events()]
        assert bot.ended is not None and bot.ended.kind == "ejected"
        with pytest.raises(ringback.client.CallError, match="over"):
            await bot.say(b"\0\0")


async def test_what_keeps_a_bot_out_is_told_in_one_line(server: Server) -> None:
    await server.room("full", max_participants=1)
    await server.rest("POST", "/rooms", {"name": "closed", "privacy": "private"})
    port = free_port()

    async def error(url: str, token: str | None = None) -> str:
        with pytest.raises(ringback.client.CallError) as refused:
            async with ringback.join(url, token):
                pytest.fail("it is in")
        assert isinstance(refused.value, JoinRefused | Unreachable) and "\n" not in str(refused.value)
        return f"{refused.value.kind}: {refused.value}"

    async with ringback.join(f"{server.url}/full"):
        assert (await error(f"{server.url}/full")).startswith("meeting-full: ")
    assert (await error(f"{server.url}/closed")).startswith("not-allowed: ")
    assert (await error(f"{server.url}/closed", "not-a-token")).startswith("not-allowed: ")
    assert (await error(f"{server.url}/nowhere")).startswith("no-room: ")
    assert f"127.0.0.1:{port}" in await error(f"http://127.0.0.1:{port}/hello")
    with pytest.raises(ValueError, match="https://host/room"):
        ringback.join("hello")


async def test_a_media_port_that_does_not_answer_is_named(tmp_path: Path) -> None:
    # 192.0.2.1 is nobody's (RFC 5737); the server says that its sound is there.
    async with Server(tmp_path / "away", {"MEDIA__PUBLIC_ADDRESS": "192.0.2.1"}) as server:
        await server.room("hello")
        with pytest.raises(Unreachable) as unreachable:
            async with ringback.join(f"{server.url}/hello"):
                pytest.fail("sound passes")

    told = str(unreachable.value)
    assert "192.0.2.1" in told and "\n" not in told


async def test_a_bot_comes_back_after_its_socket_broke(server: Server) -> None:
    await server.room("hello")
    url = f"{server.url}/hello"
    async with ringback.join(url, name="A") as one, ringback.join(url, name="B") as other:
        one.play(tone(BOT_HZ, 20))
        socket = other._connection._socket
        assert socket is not None
        socket.transport.abort()
        await event(other, Interrupted, what="signalling")
        await one.send_message("while it was away")

        await event(other, Resumed, what="signalling")

        assert await event(other, AppMessage) == AppMessage("while it was away", one.id)
        await hears(other.audio(), BOT_HZ)
        assert {one.id, other.id} == {who["id"] for who in await server.present("hello")}


async def test_a_bot_whose_server_began_anew_is_told_that_its_place_is_gone_and_may_join_again(server: Server) -> None:
    await server.room("hello")
    url = f"{server.url}/hello"
    async with ringback.join(url, name="Bot") as bot:
        saying = asyncio.create_task(bot.say(tone(BOT_HZ, 300)))
        await until(lambda: bot.waiting_s < 299, "it speaks")

        await server.kill()
        await event(bot, Interrupted, what="signalling")
        await server.restart()

        async with asyncio.timeout(60):
            assert Resumed not in [type(one) async for one in bot.events()], "the events end with the call"
            assert not (await saying).whole, "nobody waits for what is not said any more"
        assert isinstance(bot.ended, JoinRefused) and "join again" in str(bot.ended)
        with pytest.raises(ringback.client.CallError, match="over"):
            bot.play(b"\0\0")
    async with ringback.join(url, name="Bot") as again, ringback.join(url) as other:
        other.play(tone(OTHER_HZ, 20))
        await hears(again.audio(), OTHER_HZ)


def total(phone: Phone) -> float:
    """Seconds that were not silence in what a phone has heard so far."""
    return sum(seconds for _, seconds in runs(*tones.read_wav(phone.recording)))


def descriptors() -> int:
    """How many files and sockets this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_hundred_bots_in_one_process_hear_their_partners(server: Server) -> None:
    # What the first bot of a process makes for all of them stays.
    await server.room("first")
    async with ringback.join(f"{server.url}/first", rate=8000):
        pass
    opened = descriptors()
    async with AsyncExitStack() as stack:
        pairs: list[tuple[Call, Call]] = []
        for number in range(50):
            await server.room(f"room-{number}")
            url = f"{server.url}/room-{number}"
            one = await stack.enter_async_context(ringback.join(url, rate=8000))
            other = await stack.enter_async_context(ringback.join(url, rate=8000))
            pairs.append((one, other))
        # Caches that others empty cost time of a processor too: the least of three tries is the bots' own.
        for _ in range(3):
            before = time.process_time()
            for number, (one, _) in enumerate(pairs):
                one.play(tone(400 + 40 * number, 6, 8000))

            heard = await asyncio.gather(*(listen(other, 5) for _, other in pairs))

            cpu = time.process_time() - before
            for number, sound in enumerate(heard):
                hz = pytest.approx(400 + 40 * number, abs=10)
                assert tones.loudest_hz(samples(sound)[-8000:], 8000) == hz, number
            if cpu < 5:
                break
        assert cpu < 5, "a bot takes less than a hundredth of a core"
    assert descriptors() <= opened, "nothing is left of them"


def printed_bot(page: str) -> str:
    """The first program on a page."""
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)[0]


@pytest.mark.parametrize("page", ["README.md", "docs/guides/bots.md", "examples/echo_bot.py"])
async def test_the_echo_bot_echoes(server: Server, tmp_path: Path, page: str) -> None:
    room = await server.room("hello", sip=SIP)
    path = ROOT / page
    if path.suffix == ".md":
        assert len(printed_bot(page).splitlines()) <= 20
        path = tmp_path / "bot.py"
        path.write_text(printed_bot(page))
    async with Process([sys.executable, path, f"{server.url}/hello"], tmp_path / "bot.txt") as bot:
        await wait_present(server, "hello", 1)
        async with Phone(tmp_path / "phone", "dial", room["config"]["sip_uri"]["endpoint"], hz=PHONE_HZ) as phone:
            await phone.event("answered")
            await until(lambda: phone.hears(PHONE_HZ), f"the phone hears itself\n{bot.log.read_text()}", 15)
