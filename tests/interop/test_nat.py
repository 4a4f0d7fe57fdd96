"""A telephone behind a router: each connection has a port of its own outside, and the router forgets."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from conftest import cannot_run
from integration.ugly_carrier import UglyCarrier
from interop.peers.house import STARTS, House
from interop.peers.nat import PHONE, ROUTER, SERVER, Nat
from interop.peers.waiting import until

ANN_HZ, PHONE_HZ = 880, 440
SIP = {"display_name": "Caller", "sip_mode": "dial-in", "num_endpoints": 2, "dialin_config": STARTS}

pytestmark = pytest.mark.needs("ip", "nft", "unshare", "nsenter")


@asynccontextmanager
async def called(nat: Nat, folder: Path) -> AsyncIterator[tuple[House, UglyCarrier, UglyCarrier]]:
    """Ann, on the server's network, and the phone behind the router, in one room and heard."""
    settings = {"sip": {"host": SERVER, "port": 5060}, "dialout": {"allow_private": False}}
    async with House(folder, **settings) as house, AsyncExitStack() as stack:
        await house.room("desk", sip=SIP)
        config = (await house.rest("GET", "/rooms/desk")).body["config"]["sip_uri"]
        users = [
            str(uri).removeprefix("sip:").partition("@")[0] for uri in (config["endpoint"], *config["extra_endpoints"])
        ]
        ann = await stack.enter_async_context(UglyCarrier((SERVER, 5060), host=SERVER, media=SERVER, hz=ANN_HZ))
        with nat.inside():
            phone = UglyCarrier((SERVER, 5060), host=PHONE, media=PHONE, hz=PHONE_HZ)
            await stack.enter_async_context(phone)
        for each, user in ((ann, users[0]), (phone, users[1])):
            each.talk(await each.call(user, each.description()))
            await each.ack()
        await both_hear(ann, phone)
        yield house, ann, phone
        await ann.request("BYE")
        await until(lambda: not house.app.meetings.by_call, "everybody is gone")


async def both_hear(ann: UglyCarrier, phone: UglyCarrier) -> None:
    await asyncio.gather(ann.hears(PHONE_HZ), phone.hears(ANN_HZ))


def need_root() -> None:
    if os.geteuid() != 0:
        cannot_run("networks of one's own take root")


async def hang_up_from_the_room(house: House, phone: UglyCarrier) -> None:
    """What the server sends first has to find its way through the router."""
    goodbye = asyncio.create_task(phone.is_hung_up_on())
    rows = await house.calls("desk", "&ongoing=true")
    (call,) = [row for row in rows if ROUTER in row["remote"] or PHONE in row["remote"]]
    await house.rest("POST", "/rooms/desk/eject", {"ids": [call["id"]]})
    await goodbye


async def test_behind_a_router_that_gives_every_connection_its_own_port(tmp_path: Path) -> None:
    need_root()
    with Nat() as nat:
        async with called(nat, tmp_path) as (house, ann, phone):
            assert (await phone.request("INVITE", phone.description("a=sendonly", version=2))).status == 200
            await phone.ack()
            assert (await phone.request("INVITE", phone.description(version=3))).status == 200
            await phone.ack()
            await both_hear(ann, phone)
            await hang_up_from_the_room(house, phone)


async def test_a_router_that_forgets_and_gives_another_port_in_mid_call(tmp_path: Path) -> None:
    """What the phone sends after a silence comes from elsewhere, its sound and its requests alike."""
    need_root()
    with Nat(forgets_after=1) as nat:
        async with called(nat, tmp_path) as (house, ann, phone):
            phone.sound.hush()
            before = house.app.telephony.leftovers()["calls"]
            (leg,) = [call for call in house.app.telephony._agent.calls.values() if call.flow.host == ROUTER]
            old = leg.flow.port
            heard = len(phone.sound.received)
            # Our own sound keeps its mapping alive: it is cut as well, as where a whole access line was away.
            nat.cut()
            await asyncio.sleep(3.5)  # the router's time, which nobody can turn
            nat.mend()
            phone.sound.talk(phone.sound._to)

            assert (await phone.request("INVITE", phone.description(version=2))).status == 200
            await phone.ack()
            assert leg.flow.port != old
            await both_hear(ann, phone)
            assert len(phone.sound.received) > heard
            assert house.app.telephony.leftovers()["calls"] == before
            await hang_up_from_the_room(house, phone)


async def test_a_phone_that_is_silent_for_longer_than_its_router_remembers(tmp_path: Path) -> None:
    """A muted microphone: what we send meanwhile keeps the way open."""
    need_root()
    with Nat(forgets_after=1) as nat:
        async with called(nat, tmp_path) as (_, ann, phone):
            phone.sound.hush()
            heard = len(phone.sound.received)
            await until(lambda: len(phone.sound.received) > heard + 150, "three seconds have been heard", 10)
            phone.sound.talk(phone.sound._to)
            await both_hear(ann, phone)
            assert (await phone.request("BYE")).status == 200


async def test_a_router_that_rewrites_the_private_addresses_in_sip(tmp_path: Path) -> None:
    need_root()
    with Nat(alg=True) as nat:
        async with called(nat, tmp_path) as (house, ann, phone):
            records = [call.record for call in house.app.telephony._agent.calls.values()]
            assert any(ROUTER in record.remote_target for record in records), "it does rewrite"
            assert (await phone.request("INVITE", phone.description(version=2))).status == 200
            await phone.ack()
            await both_hear(ann, phone)
            await hang_up_from_the_room(house, phone)


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_a_router_that_forgets_after_thirty_seconds_of_silence(tmp_path: Path) -> None:
    """The real thirty seconds: a call on a muted line lives by what we send, and one that was cut is found again."""
    need_root()
    with Nat(forgets_after=30) as nat:
        async with called(nat, tmp_path) as (house, ann, phone):
            phone.sound.hush()
            heard = len(phone.sound.received)
            await asyncio.sleep(40)  # the router's time, which nobody can turn
            assert len(phone.sound.received) > heard + 1500, "what we send has kept the way open"
            phone.sound.talk(phone.sound._to)
            await both_hear(ann, phone)

            (leg,) = [call for call in house.app.telephony._agent.calls.values() if call.flow.host == ROUTER]
            old = leg.flow.port
            phone.sound.hush()
            nat.cut()
            await asyncio.sleep(35)
            nat.mend()
            phone.sound.talk(phone.sound._to)
            assert (await phone.request("INVITE", phone.description(version=2))).status == 200
            await phone.ack()
            assert leg.flow.port != old
            await both_hear(ann, phone)
            await hang_up_from_the_room(house, phone)
