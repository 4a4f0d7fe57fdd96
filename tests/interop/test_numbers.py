"""Numbers that were bought, with real callers: who is shown, which extension is dialled, and which room rings."""

from pathlib import Path

import pytest

from interop.peers.baresip import Baresip
from interop.peers.house import House
from interop.peers.waiting import until
from interop.test_trunks import ear_in
from ringback.testing.carrier import PretendCarrier
from ringback.testing.carrier.trunk import TRUNK, trunk_of

MINE = "+14155550150"
MENU = "+12125550110"


async def bought(house: House, trunk: dict[str, object]) -> str:
    """The id of a number out of a trunk's stock."""
    assert (await house.rest("POST", "/ringback/trunks", trunk)).status == 200
    stock = {"trunk": trunk["name"], "numbers": [{"number": MINE, "region": "CA", "city": "San Francisco"}]}
    assert (await house.rest("POST", "/ringback/number-stock", stock)).status == 200
    offered = (await house.rest("GET", "/list-available-numbers?region=CA")).body
    assert offered == {"total_count": 1, "data": [{"number": MINE, "region": "CA"}]}
    answer = await house.rest("POST", "/buy-phone-number")
    assert (answer.status, answer.body["number"]) == (200, MINE)
    return str(answer.body["id"])


async def test_a_bought_number_is_shown_and_the_extension_is_dialled_after_its_pause(tmp_path: Path) -> None:
    async with PretendCarrier(host="127.0.0.55") as carrier, House(tmp_path) as house:
        await house.room("desk")
        known = await bought(house, trunk_of(carrier))
        wanted = {"phoneNumber": MENU, "callerId": known, "extension": "4321", "waitBeforeExtensionDialSec": 2}

        started = await house.rest("POST", "/rooms/desk/dialOut/start", wanted)
        assert started.status == 200, started
        row = await house.state("desk", "answered")
        call = carrier.calls[-1]
        await call.until(lambda: call.keys == "4321" or None, within=15)
        await until(lambda: "chosen" in carrier.events.kinds(call.ordinal) or None, "the menu knows the extension")

        events = [event for event in carrier.events if event.call == call.ordinal]
        first_key = next(event.at for event in events if event.kind == "digit")
        answered = next(event.at for event in events if event.kind == "answered")
        chosen = next(event.about for event in events if event.kind == "chosen")
        assert (call.other, row["trunk"]) == (MINE, TRUNK)
        assert 1.9 < first_key - answered < 3.5
        assert (chosen["option"], chosen["keys"]) == ("ann", "4321")
        await house.hang_up("desk")
        await house.idle()


async def test_who_calls_a_bought_number_is_in_the_room_it_was_given(tmp_path: Path) -> None:
    async with PretendCarrier(host="127.0.0.55") as carrier, House(tmp_path) as house:
        await house.room("desk")
        await bought(house, trunk_of(carrier))
        carrier.server = house.sip
        assert (await house.rest("POST", "/ringback/numbers", {"number": MINE, "room": "desk"})).status == 200

        call = carrier.call(MINE, from_="+442079460001")
        await call.answer(within=10)
        call.echo()
        row = await house.state("desk", "answered")
        # What comes back of one's own hum went there and was said again: both ways work.
        ear = await ear_in(house, "desk", 880)
        await ear.hears(880)

        assert (row["direction"], row["remote"], row["trunk"]) == ("dial-in", "+442079460001", TRUNK)
        call.hang_up()
        await house.state("desk", "ended")
        await house.idle()


@pytest.mark.needs("baresip")
async def test_baresip_is_dialled_from_a_bought_number_and_dials_it(tmp_path: Path) -> None:
    async with (
        House(tmp_path / "house") as house,
        Baresip(tmp_path / "gateway", hz=440, name="+12125550101") as gateway,
    ):
        await house.room("desk")
        trunk = {"name": "gateway", "hosts": [f"127.0.0.1:{gateway.port}"], "trusted": True, "codecs": ["PCMU"]}
        await bought(house, trunk)

        started = await house.rest("POST", "/rooms/desk/dialOut/start", {"phoneNumber": "+12125550101"})
        assert started.status == 200, started
        await house.state("desk", "answered")
        ear = await ear_in(house, "desk", 880)
        await ear.hears(440)
        await until(lambda: gateway.hears(880) or None, "the gateway hears 880 Hz", 20)
        assert f"<sip:{MINE}@" in gateway.log()
        await house.hang_up("desk")
        await house.idle()

        assert (await house.rest("POST", "/ringback/numbers", {"number": MINE, "room": "desk"})).status == 200
        await gateway.dial(f"sip:{MINE}@{house.sip}")
        row = await house.state("desk", "answered")
        ear = await ear_in(house, "desk", 880)
        await ear.hears(440)

        assert (row["direction"], row["trunk"], row["remote"]) == ("dial-in", "gateway", "+12125550101")
        await gateway.command("hangup")
        await house.idle()
