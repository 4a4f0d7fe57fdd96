"""The ugly carrier: nothing breaks a call that should live, nothing lives that should end. Sound is told by content."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from integration.certificates import Authority
from integration.ugly_carrier import UglyCarrier
from interop.peers.house import STARTS, House
from interop.peers.waiting import until
from ringback.sip.message import Response

ANN_HZ, CARRIER_HZ = 880, 440
SIP = {"display_name": "Caller", "sip_mode": "dial-in", "num_endpoints": 2, "dialin_config": STARTS}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def house(tmp_path: Path, authority: Authority) -> AsyncIterator[House]:
    chain, key = authority.issue("localhost")
    async with House(tmp_path, sip={"certificate": chain, "key": key, "tls_port": 0}) as running:
        await running.room("desk", sip=SIP)
        yield running
        await running.idle()


@asynccontextmanager
async def ann(house: House) -> AsyncIterator[UglyCarrier]:
    """A plain telephone in the room, to be heard and to hear."""
    async with UglyCarrier(server(house), host="127.0.0.1", media="127.0.0.1", hz=ANN_HZ) as phone:
        phone.talk(await phone.call(await address(house, 1), phone.description()))
        await phone.ack()
        yield phone
        await phone.request("BYE")


def server(house: House, port: int = 0) -> tuple[str, int]:
    host, _, sip = house.sip.rpartition(":")
    return host, port or int(sip)


async def address(house: House, index: int = 0) -> str:
    config = (await house.rest("GET", "/rooms/desk")).body["config"]["sip_uri"]
    return str([config["endpoint"], *config["extra_endpoints"]][index]).removeprefix("sip:").partition("@")[0]


async def both_hear(phone: UglyCarrier, other: UglyCarrier) -> None:
    await asyncio.gather(other.hears(CARRIER_HZ), phone.hears(ANN_HZ))


async def test_sound_from_another_network_than_signalling_is_heard(house: House) -> None:
    async with ann(house) as other, UglyCarrier(server(house)) as carrier:
        carrier.talk(await carrier.call(await address(house), carrier.description()))
        await carrier.ack()

        await both_hear(carrier, other)
        await carrier.request("BYE")


async def test_a_stream_that_jumps_is_heard_after_each_jump(house: House) -> None:
    """E3: carriers change SSRC, number and time in mid-call, as at a transfer."""
    async with ann(house) as other, UglyCarrier(server(house)) as carrier:
        carrier.talk(await carrier.call(await address(house), carrier.description()))
        await carrier.ack()
        for _ in range(3):
            await other.hears(CARRIER_HZ)
            carrier.jump()

        await both_hear(carrier, other)
        await carrier.request("BYE")


async def test_early_sound_is_heard_and_the_jump_at_the_answer_too(house: House) -> None:
    async with ann(house) as other, UglyCarrier(server(house)) as carrier:
        await house.dial_out("desk", carrier.uri)
        offer = await carrier.rings()
        await carrier.answer(183, carrier.description())
        carrier.talk(offer)
        await other.hears(CARRIER_HZ)

        carrier.jump()
        await carrier.answer(200, carrier.description())
        await carrier.expect("ACK")

        await both_hear(carrier, other)
        await carrier.request("BYE")


async def test_sound_that_is_there_before_any_answer_is_heard_once_it_came(house: House) -> None:
    async with ann(house) as other, UglyCarrier(server(house)) as carrier:
        await house.dial_out("desk", carrier.uri)
        carrier.talk(await carrier.rings())
        await carrier.answer(180)
        begun = carrier.sound.sequence
        await until(lambda: carrier.sound.sequence > begun + 20, "it has talked for a while")

        await carrier.answer(200, carrier.description())
        await carrier.expect("ACK")

        await both_hear(carrier, other)
        await carrier.request("BYE")


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_new_connection_for_every_request_is_one_call(
    transport: str, house: House, authority: Authority
) -> None:
    """B2: known by the dialog, not by the connection."""
    tls = ssl.create_default_context(cafile=str(authority.file)) if transport == "tls" else None
    port = house.app.telephony._wire.tls_port if tls else 0  # type: ignore[attr-defined]
    where = server(house, port)
    async with ann(house) as other, UglyCarrier(where, transport=transport, tls=tls) as carrier:
        carrier.talk(await carrier.call(await address(house), carrier.description()))
        await carrier.ack()
        await both_hear(carrier, other)

        held = await carrier.request("INVITE", carrier.description("a=sendonly", version=2))
        await carrier.ack()
        assert (held.status, b"a=recvonly" in held.body) == (200, True)
        resumed = await carrier.request("INVITE", carrier.description(version=3))
        await carrier.ack()
        assert resumed.status == 200
        await both_hear(carrier, other)

        assert (await carrier.request("BYE")).status == 200


async def test_a_hold_with_music_from_another_address_is_silence_and_ends(house: House) -> None:
    async with (
        ann(house) as other,
        UglyCarrier(server(house)) as carrier,
        UglyCarrier(server(house), media="127.0.0.4", hz=1320) as music,
    ):
        answer = await carrier.call(await address(house), carrier.description())
        await carrier.ack()
        carrier.talk(answer)
        await both_hear(carrier, other)

        carrier.sound.hush()
        held = await carrier.request("INVITE", music.description("a=sendonly", version=2))
        await carrier.ack()
        assert b"a=recvonly" in held.body
        music.talk(held.body)
        await until(lambda: music.sound.sequence > 1050, "it plays for a second")
        await other.hears_nothing_of(1320)

        music.sound.hush()
        resumed = await carrier.request("INVITE", carrier.description(version=3))
        await carrier.ack()
        carrier.talk(resumed.body)
        await both_hear(carrier, other)
        await carrier.request("BYE")


async def test_an_answer_with_fewer_codecs_is_what_is_spoken(house: House) -> None:
    async with ann(house) as other, UglyCarrier(server(house)) as carrier:
        await house.dial_out("desk", carrier.uri, codecs={"audio": ["G722", "OPUS"]})
        offer = await carrier.rings()
        assert b"G722" in offer
        await carrier.answer(200, carrier.description(formats="0"))
        await carrier.expect("ACK")
        carrier.talk(offer)

        await both_hear(carrier, other)
        await carrier.request("BYE")


@pytest.mark.parametrize(("wanted", "sent"), [(30, 20), (20, 40), (60, 10)])
async def test_packet_times_that_differ_each_way_are_heard(wanted: int, sent: int, house: House) -> None:
    """C12: what it asks for is what it is sent; what it sends is taken as it comes."""
    async with ann(house) as other, UglyCarrier(server(house)) as carrier:
        carrier.sound.ptime_ms = sent
        carrier.talk(await carrier.call(await address(house), carrier.description(f"a=ptime:{wanted}")))
        await carrier.ack()

        await both_hear(carrier, other)
        assert {len(packet.payload) for packet in carrier.sound.received} == {8 * wanted}
        await carrier.request("BYE")


async def test_a_goodbye_from_another_address_ends_the_call_once_the_caller_is_silent(house: House) -> None:
    """B2: a stranger's goodbye amid the sound is refused; a carrier's other node has stopped its sound by then."""
    async with (
        ann(house) as other,
        UglyCarrier(server(house)) as carrier,
        UglyCarrier(server(house), host="127.0.0.5") as node,
    ):
        carrier.talk(await carrier.call(await address(house), carrier.description()))
        await carrier.ack()
        await both_hear(carrier, other)
        for name in ("call_id", "tag", "their_tag", "local", "remote", "target", "_cseq"):
            setattr(node, name, getattr(carrier, name))

        assert (await node.request("BYE")).status == 403
        await both_hear(carrier, other)
        carrier.sound.hush()
        await until(lambda: hangs_up(node), "its goodbye counts", 10)


async def hangs_up(node: UglyCarrier) -> bool:
    return (await node.request("BYE")).status == 200


FAST, FULL = 0.05, pytest.param(0.5, marks=[pytest.mark.soak, pytest.mark.timeout(180)])
"""T1: 64 of them are 3.2 s, and the 32 s of real life."""


@pytest.mark.parametrize("t1", [FAST, FULL])
async def test_a_call_whose_acknowledgement_never_arrives_ends(t1: float, house: House) -> None:
    """The answer is said again and again for 64·T1; then the far end is hung up on, and nothing is left."""
    house.hurry(t1)
    async with ann(house) as other, UglyCarrier(server(house)) as carrier:
        carrier.talk(await carrier.call(await address(house), carrier.description()))
        await carrier.is_hung_up_on(80 * t1)
        carrier.sound.hush()
        reason = await ending(house)

        assert reason == "ack-timeout"
        assert sum(isinstance(said, Response) and said.status == 200 for said, _ in carrier._kept) >= 5
        await other.hears_nothing_of(CARRIER_HZ)


@pytest.mark.parametrize("t1", [FAST, FULL])
async def test_our_goodbye_that_is_lost_is_said_again_and_that_is_never_answered_ends(t1: float, house: House) -> None:
    house.hurry(t1)
    async with ann(house), UglyCarrier(server(house)) as carrier:
        carrier.talk(await carrier.call(await address(house), carrier.description()))
        await carrier.ack()
        (call,) = [row for row in await house.calls("desk", "&ongoing=true") if "127.0.0.2" in row["remote"]]
        await house.rest("POST", "/rooms/desk/eject", {"ids": [call["id"]]})

        for _ in range(4):
            await carrier.expect("BYE", 20)
        assert await ending(house) == "ejected"
        await until(lambda: house.app.telephony.leftovers()["calls"] == 1, "nothing of it is left but Ann", 80 * t1)


async def test_a_goodbye_whose_answer_is_lost_is_answered_again(house: House) -> None:
    async with ann(house), UglyCarrier(server(house)) as carrier:
        carrier.talk(await carrier.call(await address(house), carrier.description()))
        await carrier.ack()
        goodbye = carrier._build("BYE", next(carrier._cseq))
        for _ in range(3):
            await carrier._send(goodbye)
            answer, _ = await carrier._take(lambda said: isinstance(said, Response) and said.cseq.method == "BYE", 5)
            assert isinstance(answer, Response) and answer.status == 200
        assert await ending(house) == "hangup-remote"


async def test_a_goodbye_that_never_arrives_leaves_a_call_that_silence_ends(house: House) -> None:
    """Only SIP's own word or a minute of silence ends a call; here the minute is cut short."""
    async with ann(house) as other, UglyCarrier(server(house)) as carrier:
        carrier.talk(await carrier.call(await address(house), carrier.description()))
        await carrier.ack()
        await both_hear(carrier, other)
        carrier.sound.hush()
        (call,) = [row for row in await house.calls("desk", "&ongoing=true") if "127.0.0.2" in row["remote"]]
        events: Any = house.app.media.events
        events.leg_silent(call["id"])

        await carrier.is_hung_up_on()
        assert await ending(house) == "media-timeout"


async def test_a_cancel_that_crosses_our_answer_changes_nothing_and_its_caller_hangs_up(house: House) -> None:
    """RFC 3261 §9.2: it came too late; the caller has a call, which it acknowledges and ends."""
    async with ann(house), UglyCarrier(server(house)) as carrier:
        carrier.talk(await carrier.call(await address(house), carrier.description()))
        assert (await carrier.cancel()).status == 200
        await carrier.ack()
        assert house.app.telephony.leftovers()["calls"] == 2, "it is up"
        assert (await carrier.request("BYE")).status == 200
        assert await ending(house) == "hangup-remote"


async def test_an_answer_that_crosses_our_cancel_is_acknowledged_and_hung_up_on(house: House) -> None:
    """RFC 3261 §9.1: whatever was asked for, what is answered is a call."""
    async with ann(house), UglyCarrier(server(house)) as carrier:
        call = await house.dial_out("desk", carrier.uri)
        await carrier.rings()
        await carrier.answer(180)
        await until(lambda: house.app.telephony._agent.calls[call]._heard, "the ringing is heard")  # type: ignore[attr-defined]
        await house.rest("POST", "/rooms/desk/dialOut/stop", {"sessionId": call})
        cancel, back = await carrier.expect("CANCEL")
        await carrier.answer(200, carrier.description())
        await carrier._reply(cancel, back, 200)

        await carrier.expect("ACK")
        await carrier.is_hung_up_on()
        assert await ending(house) == "cancelled-local"


async def ending(house: House) -> str:
    """Why the carrier's call has ended, once it has."""

    async def rows() -> list[Any]:
        return [row for row in await house.calls("desk") if "127.0.0.2" in row["remote"] and row["state"] == "ended"]

    return str((await until(rows, "its row has ended", 10))[0]["end"]["reason"])
