"""Kamailio as a PBX where we are registered, and as a record-routing proxy between us and a phone."""

from pathlib import Path

import pytest

from interop.peers.baresip import Baresip
from interop.peers.kamailio import PASSWORD as PBX_PASSWORD
from interop.peers.kamailio import Kamailio
from interop.peers.server import Server, wait_present
from interop.peers.waiting import until

NUMBER = "4930123456"
FIRST_HZ, SECOND_HZ = 440, 660
ALONE = {"allow_room_start": True, "max_idle_timeout_sec": 60}
SIP = {"sip_mode": "dial-in", "display_name": "Phone", "num_endpoints": 2, "dialin_config": ALONE}

pytestmark = pytest.mark.needs("baresip", "kamailio")


async def trunk(server: Server, pbx: Kamailio, password: str = PBX_PASSWORD) -> None:
    """A trunk that registers with the PBX as a number."""
    body = {
        "name": "pbx",
        "hosts": [{"host": "127.0.0.2", "port": pbx.port}],
        "credentials": {"username": NUMBER, "password": password},
        "register": {"expires": 60},
        "options_interval": 0,
    }
    answer = await server.rest("POST", "/ringback/trunks", body)
    assert answer.status == 200, answer


async def registration(server: Server, words: str) -> None:
    """Wait until the trunk is shown as registered, or why not."""

    async def shown() -> bool:
        return str((await server.rest("GET", "/ringback/trunks/pbx")).body["state"]["registration"]).startswith(words)

    await until(shown, f"the trunk is {words}")


async def hear_each_other(one: Baresip, other: Baresip) -> None:
    await until(lambda: one.hears(SECOND_HZ) or None, f"the first hears {SECOND_HZ} Hz", 30)
    await until(lambda: other.hears(FIRST_HZ) or None, f"the second hears {FIRST_HZ} Hz", 30)


async def test_we_are_registered_with_a_pbx_and_called_through_it_also_after_it_forgot_us(
    tmp_path: Path, server: Server
) -> None:
    await server.room("lobby", sip=SIP, dialout_config=ALONE)
    await server.rest("POST", "/ringback/numbers", {"number": f"+{NUMBER}", "room": "lobby"})

    async with Kamailio(tmp_path / "pbx", expires=20) as pbx:
        await trunk(server, pbx)
        await registration(server, "registered")
        before = pbx.heard("REGISTER")
        await pbx.stop()
        await pbx.start()
        await until(lambda: pbx.heard("REGISTER") >= before + 2 or None, "we have refreshed", 25)
        await registration(server, "registered")
        async with (
            Baresip(tmp_path / "one", hz=FIRST_HZ) as caller,
            Baresip(tmp_path / "two", hz=SECOND_HZ, name="bob") as called,
        ):
            await caller.dial(f"sip:{NUMBER}@{pbx.address}")
            await server.dial_out("lobby", called.uri)
            await wait_present(server, "lobby", 2)

            await hear_each_other(caller, called)
            calls = (await server.rest("GET", "/ringback/calls?room=lobby")).body["data"]
            assert [call["trunk"] for call in calls if call["direction"] == "dial-in"] == ["pbx"]
            await caller.command("hangup")
            await wait_present(server, "lobby", 1)
            await server.hang_up_all("lobby")
        await server.rest("DELETE", "/ringback/trunks/pbx")
        async with Baresip(tmp_path / "three") as late:
            await late.command("dial", f"sip:{NUMBER}@{pbx.address}")
            assert (await late.event("CALL_CLOSED"))["param"].startswith("404"), "our registration was taken back"


async def test_a_wrong_password_is_shown_with_its_code(tmp_path: Path, server: Server) -> None:
    async with Kamailio(tmp_path / "pbx") as pbx:
        await trunk(server, pbx, "not-the-password")

        await registration(server, "failing: 401 Unauthorized, next try in ")
        assert pbx.heard("REGISTER") == 2


async def test_a_phone_behind_a_proxy_registers_calls_and_is_called_through_it(tmp_path: Path, server: Server) -> None:
    """Path leads to the phone, Record-Route back: the proxy answers 404 to whatever leaves its Route out."""
    await server.room("lobby", sip=SIP, dialout_config=ALONE)
    password = (await server.rest("POST", "/sip-clients", {"username": "alice"})).body["password"]
    home = f"127.0.0.1:{server.ports.sip}"

    async with Kamailio(tmp_path / "edge") as edge:
        phone = Baresip(tmp_path / "alice", hz=FIRST_HZ, account=(password, home), proxy=f"sip:{edge.address}")
        async with phone, Baresip(tmp_path / "bob", hz=SECOND_HZ, name="bob") as other:
            await until(lambda: "sip.registered client=alice" in server.log() or None, "alice is registered")
            await server.dial_out("lobby", f"sip:alice@{home}")
            await server.dial_out("lobby", other.uri)
            await phone.event("CALL_ESTABLISHED")
            await hear_each_other(phone, other)
            await server.hang_up_all("lobby")
            await phone.event("CALL_CLOSED")
            phone.forget()

            await phone.dial(f"sip:lobby@{home}")
            await wait_present(server, "lobby", 1)
            await phone.command("hangup")
            await wait_present(server, "lobby", 0)
        assert edge.heard("INVITE") >= 2
        assert edge.heard("BYE") == 2
