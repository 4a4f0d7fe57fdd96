"""Softphones with keys, hold and transfer, in a room with a telephone of ours that listens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from integration.ugly_carrier import UglyCarrier
from interop.peers.baresip import Baresip
from interop.peers.house import STARTS, House
from interop.peers.linphone import Linphone
from interop.peers.twinkle import Twinkle
from interop.peers.waiting import until

ANN_HZ, PHONE_HZ = 880, 440
SIP = {"display_name": "Caller", "sip_mode": "dial-in", "num_endpoints": 2, "dialin_config": STARTS}


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[tuple[House, UglyCarrier, str]]:
    """A room with Ann in it, and its other address."""
    async with House(folder / "server") as house:
        await house.room("desk", sip=SIP)
        config = (await house.rest("GET", "/rooms/desk")).body["config"]["sip_uri"]
        ours, free = (str(uri) for uri in (config["endpoint"], *config["extra_endpoints"]))
        at = ("127.0.0.1", int(house.sip.rpartition(":")[2]))
        async with UglyCarrier(at, host="127.0.0.1", media="127.0.0.1", hz=ANN_HZ) as ann:
            ann.talk(await ann.call(ours.removeprefix("sip:").partition("@")[0], ann.description()))
            await ann.ack()
            yield house, ann, free
            await ann.request("BYE")
        await house.idle(40)


def pressed(house: House) -> list[str]:
    """Keys that are pressed from now on."""
    keys: list[str] = []
    events: Any = house.app.media.events
    tell = events.digit

    def digit(leg: str, key: str, *more: Any) -> None:
        keys.append(key)
        tell(leg, key, *more)

    events.digit = digit
    return keys


def is_held(house: House) -> bool:
    """Whether the far end of any call holds it."""
    return any(call._held_by for actor in house.app.meetings.by_call.values() for call in actor.calls.values())


async def alone(house: House) -> None:
    await until(lambda: len(house.app.meetings.by_call) == 1, "the other one has hung up", 20)


@pytest.mark.needs("linphonec")
async def test_linphone_presses_keys_holds_resumes_and_hangs_up(tmp_path: Path) -> None:
    async with desk(tmp_path) as (house, ann, address), Linphone(tmp_path / "phone", hz=PHONE_HZ) as phone:
        keys = pressed(house)
        await phone.dial(address)
        await ann.hears(PHONE_HZ)
        await until(lambda: phone.hears(ANN_HZ) or None, "linphone hears Ann", 20)

        for key in "12#":
            await phone.digit(key)
            await until(lambda key=key: key in keys, f"{key} is told")  # type: ignore[misc]
        await phone.type("pause")
        await until(lambda: is_held(house), "the room knows that it is held")
        await phone.says("paused")
        await phone.type("resume")
        await until(lambda: not is_held(house), "and that it is not any more")
        await ann.hears(PHONE_HZ)

        await phone.hangup()
        await alone(house)


@pytest.mark.needs("linphonec")
async def test_linphone_is_called_heard_held_by_us_and_taken_back(tmp_path: Path) -> None:
    async with desk(tmp_path) as (house, ann, _), Linphone(tmp_path / "phone", hz=PHONE_HZ, answer=True) as phone:
        call = await house.dial_out("desk", phone.uri)

        await ann.hears(PHONE_HZ)
        await until(lambda: phone.hears(ANN_HZ) or None, "linphone hears Ann", 20)
        await house.hold("desk", call, True)
        await until(lambda: "a=recvonly" in phone.log(), "linphone agrees to be held")
        await house.hold("desk", call, False)
        await ann.hears(PHONE_HZ)
        await house.rest("POST", "/rooms/desk/dialOut/stop", {"sessionId": call})
        await phone.says("ended (no error)")
        await alone(house)


@pytest.mark.needs("twinkle-console")
async def test_twinkle_calls_presses_keys_holds_retrieves_and_hangs_up(tmp_path: Path) -> None:
    async with desk(tmp_path) as (house, _, address), Twinkle(tmp_path / "phone") as phone:
        keys = pressed(house)
        await phone.type(f"call {address}")
        await phone.says("far end answered call")
        await until(lambda: len(house.app.meetings.by_call) == 2, "it is in the room")

        await phone.type("dtmf 12#")
        await until(lambda: keys == ["1", "2", "#"], "its keys are told")
        await phone.type("hold")
        await until(lambda: is_held(house), "the room knows that it is held")
        # What it is told while its re-INVITE is under way it forgets.
        await phone.says("re-INVITE successful")
        await phone.type("retrieve")
        await phone.says("re-INVITE successful", times=2)
        assert not is_held(house)

        await phone.type("bye")
        await alone(house)


@pytest.mark.needs("twinkle-console")
async def test_twinkle_is_called_answers_is_held_by_us_and_is_hung_up_on(tmp_path: Path) -> None:
    """It offers reliable ringing."""
    async with desk(tmp_path) as (house, _, _), Twinkle(tmp_path / "phone") as phone:
        call = await house.dial_out("desk", phone.uri)
        await phone.says("incoming call")
        await phone.type("answer")
        await phone.says("call established")

        await house.hold("desk", call, True)
        await until(lambda: "a=recvonly" in phone.log(), "Twinkle agrees to be held")
        await house.hold("desk", call, False)
        await until(lambda: phone.log().count("CSeq: 3 INVITE") == 2, "and answers that it is taken back")
        await house.rest("POST", "/rooms/desk/dialOut/stop", {"sessionId": call})
        await phone.says("far end ended call")
        await alone(house)


@pytest.mark.needs("baresip")
async def test_baresip_is_held_by_us_and_taken_back(tmp_path: Path) -> None:
    async with desk(tmp_path) as (house, ann, address), Baresip(tmp_path / "phone", hz=PHONE_HZ) as phone:
        await phone.dial(address)
        await ann.hears(PHONE_HZ)
        (call,) = [row for row in await house.calls("desk", "&ongoing=true") if "alice" in row["remote"]]

        await house.hold("desk", call["id"], True)
        await until(lambda: "a=recvonly" in phone.log(), "baresip agrees to be held")
        await house.hold("desk", call["id"], False)
        await ann.hears(PHONE_HZ)
        await phone.command("hangup")
        await asyncio.gather(alone(house), phone.event("CALL_CLOSED"))
