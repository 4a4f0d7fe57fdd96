"""Strangers on a network that loses, doubles, delays and reorders, both ways, as a seed decides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from integration.sip_phone import running
from integration.ugly_carrier import UglyCarrier
from interop.peers.baresip import Baresip
from interop.peers.house import STARTS, House
from interop.peers.relay import Relay
from interop.peers.waiting import until
from interop.test_sip_sipp import answering, sipp

ANN_HZ, PHONE_HZ = 880, 440
BAD = {"loss": 0.15, "duplicate": 0.15, "reorder": 0.15}
SIP = {"display_name": "Caller", "sip_mode": "dial-in", "num_endpoints": 2, "dialin_config": STARTS}


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[tuple[House, UglyCarrier, str]]:
    """A room with Ann in it, and the user part of its other address."""
    async with House(folder) as house:
        await house.room("desk", sip=SIP)
        config = (await house.rest("GET", "/rooms/desk")).body["config"]["sip_uri"]
        ours, free = (str(uri) for uri in (config["endpoint"], *config["extra_endpoints"]))
        at = ("127.0.0.1", int(house.sip.rpartition(":")[2]))
        async with UglyCarrier(at, host="127.0.0.1", media="127.0.0.1", hz=ANN_HZ) as ann:
            ann.talk(await ann.call(user_of(ours), ann.description()))
            await ann.ack()
            yield house, ann, user_of(free)
            await ann.request("BYE")
        await house.idle(40)


def user_of(uri: str) -> str:
    return uri.removeprefix("sip:").partition("@")[0]


@pytest.mark.needs("sipp")
async def test_sipp_calls_through_bad_networks(tmp_path: Path) -> None:
    async def one(seed: int) -> None:
        async with running() as phone:
            answering(phone)
            async with Relay(("127.0.0.1", phone.port), seed=seed, **BAD) as relay:
                where = f"127.0.0.1:{relay.address[1]}"
                # What comes late is nothing unexpected to a real caller; SIPp has to be told so.
                options = (
                    "-mp",
                    str(14200 + 8 * seed),
                    "-m",
                    "20",
                    "-r",
                    "20",
                    "-d",
                    "50",
                    "-default_behaviors",
                    "none",
                )
                folder = tmp_path / str(seed)
                folder.mkdir()

                assert await sipp("-sn", "uac", where, *options, folder=folder) == 0
                assert relay.lost > 5
            await until(lambda: phone.telephony.calls == 0, "every call has ended", 45)

    await asyncio.gather(*(one(seed) for seed in (1, 2, 3)))


@pytest.mark.needs("baresip")
async def test_baresip_calls_holds_and_resumes_through_a_bad_network(tmp_path: Path) -> None:
    async with desk(tmp_path / "server") as (house, ann, user):
        at = ("127.0.0.1", int(house.sip.rpartition(":")[2]))
        async with Relay(at, seed=4, **BAD) as relay, Baresip(tmp_path / "phone", hz=PHONE_HZ) as phone:
            await phone.dial(f"sip:{user}@127.0.0.1:{relay.address[1]}")
            await ann.hears(PHONE_HZ)
            await until(lambda: phone.hears(ANN_HZ) or None, "baresip hears Ann", 20)

            await phone.command("hold")
            await until(lambda: is_held(house), "the room knows that it is held", 20)
            await phone.command("resume")
            await until(lambda: not is_held(house), "and that it is not any more", 20)
            await ann.hears(PHONE_HZ)

            await phone.command("hangup")
            await until(lambda: len(house.app.meetings.by_call) == 1, "it has hung up", 40)


def is_held(house: House) -> bool:
    """Whether the far end of any call holds it."""
    return any(call._held_by for actor in house.app.meetings.by_call.values() for call in actor.calls.values())


@pytest.mark.parametrize("seed", [1, 2])
async def test_sound_over_a_bad_network_is_still_that_sound(seed: int, tmp_path: Path) -> None:
    """5 % lost, 5 % twice, 20 % up to 40 ms late, each way."""
    async with desk(tmp_path) as (house, ann, user):
        at = ("127.0.0.1", int(house.sip.rpartition(":")[2]))
        async with (
            Relay(seed=seed, loss=0.05, duplicate=0.05, reorder=0.2, late_s=0.04) as network,
            UglyCarrier(at, hz=PHONE_HZ) as phone,
        ):
            network.client = (phone.media, phone.sound_port)
            host, port = network.address
            answer = await phone.call(user, phone.description(host=host, port=port))
            await phone.ack()
            network.target = phone.address_of(answer)
            phone.sound.talk(network.address)

            await asyncio.gather(ann.hears(PHONE_HZ), phone.hears(ANN_HZ))
            assert network.lost > 3
            await phone.request("BYE")
