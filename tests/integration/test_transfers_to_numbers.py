"""Callers transferred to telephone numbers, over a trunk and with real sound: extension, keys, hold, failure."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ringback.testing.carrier import PretendCall, sound
from ringback.testing.server import LocalServer, Somebody

OURS, DESK, BUSY = "+12125550150", "+12125550177", "+12125550103"
CALLER_HZ, DESK_HZ, BOT_HZ = 440, 660, 880


async def desk(call: PretendCall) -> None:
    """Answers, waits for an extension, and speaks on."""
    await call.ring(0.3)
    await call.answer()
    await call.digits(most=4, within=20.0)
    await call.say(sound.tone(DESK_HZ, 20.0))
    await call.over()


async def caller_in(server: LocalServer) -> tuple[Somebody, PretendCall, str]:
    """A bot and a caller who talk in a room, and the caller's session."""
    bot = await server.join("hello")
    added = await server.api.post("/ringback/numbers", json={"number": OURS, "room": "hello"})
    assert added.is_success, added.text
    server.carrier.personas[DESK] = server.carrier.persona(desk)
    caller = server.carrier.call(OURS, from_="+442079460001")
    await caller.answer(within=10)
    rows = (await server.api.get("/ringback/calls")).json()["data"]
    await server.becomes(rows[0]["id"], "answered")
    return bot, caller, rows[0]["id"]


async def transfer(server: LocalServer, session: str, to: str, **more: Any) -> None:
    body = {"sessionId": session, "toEndPoint": to, **more}
    answer = await server.api.post("/rooms/hello/sipCallTransfer", json=body)
    assert (answer.status_code, answer.json()) == (200, {"ok": True}), answer.text


def called(server: LocalServer, number: str) -> PretendCall:
    return next(call for call in server.carrier.calls if call.number == number)


async def hears(call: PretendCall, heard: Callable[[], bytes], hz: float) -> None:
    """Wait until there is this tone, and nothing else, in four tenths of a second of what was heard."""
    step = 8 * sound.RATE // 10
    async with asyncio.timeout(20):
        while not any(sound.share(heard()[at : at + step], hz) > 0.9 for at in range(0, len(heard()) - step, step)):
            await call.wait(0.2)


async def state(server: LocalServer, call: PretendCall, session: str, wanted: str) -> dict[str, Any]:
    """Wait until the caller's transfer has come so far."""
    while True:
        rows = (await server.api.get(f"/ringback/calls/{session}/transfers")).json()["data"]
        if rows and rows[-1]["state"] == wanted:
            return dict(rows[-1])
        await call.wait(0.1)


async def test_an_extension_is_pressed_in_its_time_and_both_are_heard_with_our_number_shown(tmp_path: Path) -> None:
    async with LocalServer(tmp_path) as server:
        _, caller, session = await caller_in(server)

        await transfer(server, session, DESK, extension="4321", waitBeforeExtensionDialSec=2)

        await caller.until(lambda: any(call.number == DESK for call in server.carrier.calls) or None, within=10)
        there = called(server, DESK)
        await there.until(lambda: there.keys == "4321" or None, within=20)
        assert there.other == OURS, "the domain's own number is shown"
        kinds = {event.kind: event.at for event in reversed(list(server.carrier.events)) if event.number == DESK}
        assert kinds["digit"] - kinds["answered"] >= 1.9, "not before its time"
        await hears(caller, lambda: caller.heard, DESK_HZ)
        await caller.say(sound.tone(CALLER_HZ, 3.0))
        await hears(there, lambda: there.heard, CALLER_HZ)
        caller.hang_up()
        await there.over(within=10)
        assert (await state(server, caller, session, "completed"))["complete_status"] == "completed"


async def test_keys_and_hold_go_through_to_the_other_side_both_ways(tmp_path: Path) -> None:
    async with LocalServer(tmp_path) as server:
        _, caller, session = await caller_in(server)
        await transfer(server, session, DESK)
        await state(server, caller, session, "answered")
        there = called(server, DESK)

        await caller.press("12#", method="telephone-event")
        await there.until(lambda: there.keys == "12#" or None, within=10)
        await there.press("98", method="sip-info")
        await caller.until(lambda: caller.keys == "98" or None, within=10)

        await caller.hold()
        await there.until(lambda: there.on_hold or None, within=10)
        await caller.resume()
        await there.until(lambda: (not there.on_hold) or None, within=10)
        await there.hold()
        await caller.until(lambda: caller.on_hold or None, within=10)
        await there.resume()
        await caller.until(lambda: (not caller.on_hold) or None, within=10)
        there.hang_up()
        await caller.over(within=10)


async def test_a_busy_number_gives_the_caller_back_with_sound_both_ways(tmp_path: Path) -> None:
    async with LocalServer(tmp_path) as server:
        bot, caller, session = await caller_in(server)

        await transfer(server, session, BUSY)

        assert (await state(server, caller, session, "completed"))["complete_status"] == "busy"
        bot.say(sound.tone(BOT_HZ, 3.0))
        await hears(caller, lambda: caller.heard, BOT_HZ)
        await caller.say(sound.tone(CALLER_HZ, 3.0))
        await hears(caller, lambda: bytes(bot.heard), CALLER_HZ)
        caller.hang_up()


async def test_who_rings_for_ever_can_be_left_and_the_caller_is_heard_again(tmp_path: Path) -> None:
    async with LocalServer(tmp_path) as server:
        bot, caller, session = await caller_in(server)
        await transfer(server, session, "+12125550102")
        ringing = await state(server, caller, session, "ringing")

        stopped = await server.api.post("/rooms/hello/dialOut/stop", json={"sessionId": ringing["to_session_id"]})

        assert stopped.is_success, stopped.text
        assert (await state(server, caller, session, "completed"))["complete_status"] == "canceled"
        await called(server, "+12125550102").over(within=10)
        await caller.say(sound.tone(CALLER_HZ, 3.0))
        await hears(caller, lambda: bytes(bot.heard), CALLER_HZ)
        caller.hang_up()


async def test_emergency_numbers_and_short_codes_are_no_target_of_a_transfer(tmp_path: Path) -> None:
    async with LocalServer(tmp_path) as server:
        _, caller, session = await caller_in(server)

        for to in ("+1911", "+112", "sip:911@anywhere.example"):
            for path, more in (
                ("/rooms/hello/sipCallTransfer", {"sessionId": session}),
                (f"/ringback/calls/{session}/warm-transfer", {}),
            ):
                refused = await server.api.post(path, json={**more, "toEndPoint": to})
                assert refused.status_code == 403, (to, refused.text)
                assert refused.json()["error"] == "number-not-allowed", refused.text
        assert caller.state == "up" and len(server.carrier.calls) == 1
        caller.hang_up()
