"""Net::SIP, another full stack: it calls rooms and is called by them, by UDP and TCP, with and without an account."""

from pathlib import Path

import pytest

from interop.peers.net_sip import MODULE, NetSip
from interop.peers.waiting import until
from interop.test_softphones import ANN_HZ, PHONE_HZ, alone, desk, is_held, pressed

pytestmark = pytest.mark.needs("perl", MODULE)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_it_calls_presses_keys_holds_resumes_and_hangs_up(transport: str, tmp_path: Path) -> None:
    """It holds in the old way, by the address 0.0.0.0, and goes on with another port."""
    async with (
        desk(tmp_path) as (house, ann, address),
        NetSip(tmp_path / "phone", hz=PHONE_HZ, transport=transport) as phone,
    ):
        keys = pressed(house)
        await phone.type(f"call {address}" + (";transport=tcp" if transport == "tcp" else ""))
        await phone.says("final OK")
        await ann.hears(PHONE_HZ)
        await until(lambda: phone.hears(ANN_HZ) or None, "it hears Ann")

        await phone.type("dtmf 19#")
        await until(lambda: keys == ["1", "9", "#"], "its keys are told")
        await phone.type("hold")
        await until(lambda: is_held(house), "the room knows that it is held")
        await phone.says("final OK", times=2)
        await phone.type("resume")
        await phone.says("final OK", times=3)
        assert not is_held(house)
        await ann.hears(PHONE_HZ)

        await phone.type("bye")
        await phone.says("bye-answered")
        await alone(house)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_it_is_called_heard_held_by_us_and_hung_up_on(transport: str, tmp_path: Path) -> None:
    async with (
        desk(tmp_path) as (house, ann, _),
        NetSip(tmp_path / "phone", hz=PHONE_HZ, transport=transport) as phone,
    ):
        call = await house.dial_out("desk", phone.uri)
        await phone.says("established")
        await ann.hears(PHONE_HZ)
        await until(lambda: phone.hears(ANN_HZ) or None, "it hears Ann")

        await house.hold("desk", call, True)
        await until(lambda: not phone.hears(ANN_HZ), "held, it hears nobody")
        await house.hold("desk", call, False)
        await until(lambda: phone.hears(ANN_HZ) or None, "taken back, it hears Ann again")
        await house.rest("POST", "/rooms/desk/dialOut/sendDTMF", {"sessionId": call, "tones": "7"})
        await phone.says("digit 7")
        await house.rest("POST", "/rooms/desk/dialOut/stop", {"sessionId": call})
        await phone.says("bye-received")
        await alone(house)


async def test_it_registers_with_its_password_and_is_called_by_name(tmp_path: Path) -> None:
    async with desk(tmp_path) as (house, ann, _):
        made = await house.rest("POST", "/sip-clients", {"username": "dana"})
        account = ("dana", str(made.body["password"]), house.sip)
        async with NetSip(tmp_path / "phone", hz=PHONE_HZ, account=account) as phone:
            await phone.type("register")
            await phone.says("registered OK")
            call = await house.dial_out("desk", f"sip:dana@{house.sip}")
            await phone.says("established")
            await ann.hears(PHONE_HZ)
            await house.rest("POST", "/rooms/desk/dialOut/stop", {"sessionId": call})
            await phone.says("bye-received")
            await alone(house)


async def test_a_wrong_password_does_not_register(tmp_path: Path) -> None:
    async with desk(tmp_path) as (house, _, _):
        await house.rest("POST", "/sip-clients", {"username": "dana"})
        async with NetSip(tmp_path / "phone", account=("dana", "wrong-password-0", house.sip)) as phone:
            await phone.type("register")
            await phone.says("registered FAIL 401")
