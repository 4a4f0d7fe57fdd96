"""Phone numbers over trunks: baresip or a second Ringback is the carrier; what is heard is judged by content."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from interop.peers.baresip import Baresip
from interop.peers.house import House
from interop.peers.kamailio import Kamailio
from interop.peers.tones import loudest_hz
from interop.peers.waiting import until
from ringback.model.ids import MeetingId, ParticipantId, RoomName

RATE = 16000
NUMBER = "+4930123456"


class Ear:
    """Something in a room of a house that hums one tone and listens."""

    def __init__(self, house: House, meeting: MeetingId, hz: float) -> None:
        self._media = house.app.media
        self._leg = ParticipantId(f"ear-{hz:.0f}")
        self._media.open_pcm(meeting, self._leg, RATE)
        steps = np.arange(RATE // 5) / RATE
        self._tone = (np.sin(2 * np.pi * hz * steps) * 8000).astype("<i2").tobytes()

    async def hears(self, hz: float) -> None:
        async def heard() -> bool | None:
            self._media.push_pcm(self._leg, self._tone)
            await asyncio.sleep(0.2)
            sound = np.frombuffer(self._media.read_pcm(self._leg), "<i2").astype(float)
            return (len(sound) > RATE // 10 and abs(loudest_hz(sound, RATE) - hz) < 20) or None

        await until(heard, f"{hz} Hz are heard", 20)


async def ear_in(house: House, room: str, hz: float) -> Ear:
    actor = house.app.meetings.running(house.app.domain.id, RoomName(room))
    assert actor is not None, "nobody is in the room"
    return Ear(house, actor.meeting.id, hz)


async def call_number(house: House, room: str, number: str = NUMBER) -> str:
    answer = await house.rest("POST", f"/rooms/{room}/dialOut/start", {"phoneNumber": number})
    assert answer.status == 200, answer
    return str(answer.body["sessionId"])


@asynccontextmanager
async def carrier(folder: Path) -> AsyncIterator[House]:
    """Another Ringback, whose number rings a room."""
    async with House(folder, media={"rtp_ports": "24000-24999"}) as house:
        await house.room("callee")
        number = await house.rest("POST", "/ringback/numbers", {"number": NUMBER, "room": "callee"})
        assert number.status == 200, number
        yield house


@pytest.mark.needs("baresip")
async def test_a_number_is_called_over_a_trunk_and_both_are_heard(tmp_path: Path) -> None:
    async with House(tmp_path / "house") as house, Baresip(tmp_path / "gateway", hz=440, name="030123456") as gateway:
        await house.room("desk")
        trunk = {
            "name": "gateway",
            "hosts": [f"127.0.0.1:{gateway.port}"],
            "number_format": "national",
            "country": "49",
            "caller_ids": ["+4940999888"],
            "identity": {"header": "p-asserted-identity"},
            "codecs": ["PCMU"],
        }
        assert (await house.rest("POST", "/ringback/trunks", trunk)).status == 200

        call = await call_number(house, "desk")
        row = await house.state("desk", "answered")
        ear = await ear_in(house, "desk", 880)
        await ear.hears(440)
        await until(lambda: gateway.hears(880) or None, "the gateway hears 880 Hz", 20)

        assert (row["id"], row["trunk"], row["remote"], row["codec"]) == (call, "gateway", NUMBER, "PCMU")
        assert "P-Asserted-Identity: <sip:+4940999888@" in gateway.log()
        state = (await house.rest("GET", "/ringback/trunks/gateway")).body["state"]
        assert state["calls"] == 1
        await house.hang_up("desk")
        await house.idle()


async def test_a_number_goes_to_another_server_with_a_password_and_rings_its_room(tmp_path: Path) -> None:
    async with carrier(tmp_path / "carrier") as far, House(tmp_path / "house") as house:
        await house.room("desk")
        mine = {"name": "us", "inbound_credentials": {"username": "us", "password": "right"}, "trusted": True}
        assert (await far.rest("POST", "/ringback/trunks", mine)).status == 200
        dead = {"name": "dead", "hosts": ["127.0.0.1:9"], "priority": 1, "options_interval": 0}
        live = {"name": "live", "hosts": [far.sip], "credentials": {"username": "us", "password": "right"}}
        for trunk in (dead, {**live, "caller_ids": ["+4940999888"]}):
            assert (await house.rest("POST", "/ringback/trunks", trunk)).status == 200

        await call_number(house, "desk")
        here = await house.state("desk", "answered")
        there = await far.state("callee", "answered")
        near_ear, far_ear = await ear_in(house, "desk", 880), await ear_in(far, "callee", 440)
        await asyncio.gather(near_ear.hears(440), far_ear.hears(880))

        assert (here["trunk"], there["trunk"], there["remote"]) == ("live", "us", "+4940999888")
        await house.hang_up("desk")
        await house.idle()
        await far.idle()


async def test_a_wrong_password_fails_the_call_with_the_carriers_answer(tmp_path: Path) -> None:
    async with carrier(tmp_path / "carrier") as far, House(tmp_path / "house") as house:
        await house.room("desk")
        mine = {"name": "us", "inbound_credentials": {"username": "us", "password": "right"}}
        assert (await far.rest("POST", "/ringback/trunks", mine)).status == 200
        live = {"name": "live", "hosts": [far.sip], "credentials": {"username": "us", "password": "wrong"}}
        assert (await house.rest("POST", "/ringback/trunks", live)).status == 200

        await call_number(house, "desk")
        row = await house.state("desk", "ended")

        assert row["end"]["sip_status"] == 401


@pytest.mark.needs("baresip")
async def test_a_carriers_call_to_a_number_rings_the_room_and_both_are_heard(tmp_path: Path) -> None:
    async with (
        House(tmp_path / "house") as house,
        Baresip(tmp_path / "gateway", hz=440, name="+12125550100") as gateway,
    ):
        await house.room("desk")
        trunk = {
            "name": "gateway",
            "networks": ["127.0.0.0/8"],
            "inbound_rules": [{"match": "0[1-9]*", "strip": 1, "prepend": "+49"}],
            "trusted": True,
            "codecs": ["PCMU"],
        }
        assert (await house.rest("POST", "/ringback/trunks", trunk)).status == 200
        assert (await house.rest("POST", "/ringback/numbers", {"number": NUMBER, "room": "desk"})).status == 200

        await gateway.dial(f"sip:030123456@{house.sip}")
        row = await house.state("desk", "answered")
        ear = await ear_in(house, "desk", 880)
        await ear.hears(440)
        await until(lambda: gateway.hears(880) or None, "the gateway hears 880 Hz", 20)

        assert (row["trunk"], row["remote"], row["codec"]) == ("gateway", "+12125550100", "PCMU")
        await gateway.command("hangup")
        await house.state("desk", "ended")
        await house.idle()


@pytest.mark.needs("baresip", "kamailio")
async def test_a_trunk_behind_a_record_routing_proxy_is_called_and_hung_up_through_it(tmp_path: Path) -> None:
    async with (
        House(tmp_path / "house") as house,
        Kamailio(tmp_path / "proxy") as proxy,
        Baresip(tmp_path / "gateway", hz=440, name="+4930123456") as gateway,
    ):
        await house.room("desk")
        trunk = {"name": "gateway", "hosts": [f"127.0.0.1:{gateway.port}"], "outbound_proxy": f"sip:{proxy.address}"}
        assert (await house.rest("POST", "/ringback/trunks", trunk)).status == 200

        await call_number(house, "desk")
        row = await house.state("desk", "answered")
        ear = await ear_in(house, "desk", 880)
        await ear.hears(440)
        await until(lambda: gateway.hears(880) or None, "the gateway hears 880 Hz", 20)
        await house.hang_up("desk")
        await gateway.event("CALL_CLOSED")
        await house.idle()

        assert row["trunk"] == "gateway"
        assert (proxy.heard("INVITE"), proxy.heard("ACK"), proxy.heard("BYE")) == (1, 1, 1)
