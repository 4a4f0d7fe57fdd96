"""IPv4 and IPv6 at once: each far end is spoken with, and told where to send its sound, in its own."""

from pathlib import Path

import pytest

from integration.ugly_carrier import UglyCarrier
from interop.peers.baresip import Baresip
from interop.peers.house import STARTS, House
from interop.peers.waiting import until

ANN_HZ, PHONE_HZ = 880, 440
SIP = {"display_name": "Caller", "sip_mode": "dial-in", "num_endpoints": 2, "dialin_config": STARTS}


@pytest.mark.needs("baresip")
@pytest.mark.parametrize("we_call", [False, True], ids=["it calls", "we call"])
async def test_a_phone_on_ipv6_and_one_on_ipv4_hear_each_other(tmp_path: Path, we_call: bool) -> None:
    both = {"sip": {"host": "127.0.0.1,::1"}}
    async with (
        House(tmp_path / "server", **both) as house,
        Baresip(tmp_path / "phone", hz=PHONE_HZ, host="::1") as phone,
    ):
        await house.room("desk", sip=SIP)
        config = (await house.rest("GET", "/rooms/desk")).body["config"]["sip_uri"]
        ours, free = (str(uri).partition("@")[0] for uri in (config["endpoint"], *config["extra_endpoints"]))
        port = int(house.sip.rpartition(":")[2])
        async with UglyCarrier(("127.0.0.1", port), host="127.0.0.1", media="127.0.0.1", hz=ANN_HZ) as ann:
            ann.talk(await ann.call(ours.removeprefix("sip:"), ann.description()))
            await ann.ack()
            if we_call:
                await house.dial_out("desk", phone.uri)
            else:
                await phone.dial(f"{free}@[::1]:{port}")

            await ann.hears(PHONE_HZ)
            await until(lambda: phone.hears(ANN_HZ) or None, "baresip hears Ann", 20)
            assert "c=IN IP6 ::1" in phone.log()
            assert "c=IN IP4" not in phone.log()
            await ann.request("BYE")
            await phone.command("hangup")
        await house.idle(40)
