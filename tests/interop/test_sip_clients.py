"""Phones that others wrote register here, call rooms and each other, and are called."""

import asyncio
from pathlib import Path

import pytest

from interop.peers.baresip import Baresip
from interop.peers.linphone import Linphone
from interop.peers.process import Process
from interop.peers.server import Server, wait_present
from interop.peers.twinkle import Twinkle
from interop.peers.waiting import until

ALICE_HZ, LINDA_HZ = 440, 660
ALONE = {"allow_room_start": True, "max_idle_timeout_sec": 60}

pytestmark = pytest.mark.needs("baresip", "linphonec")


async def account(server: Server, username: str) -> str:
    """Make an account; returns its generated password."""
    answer = await server.rest("POST", "/sip-clients", {"username": username})
    assert answer.status == 200, answer
    return str(answer.body["password"])


async def registered(server: Server, username: str) -> None:
    """Wait until the server says so; the phones do not, or too early to be heard."""
    line = f"sip.registered client={username} bindings=1"
    await until(lambda: line in server.log() or None, f"{username} is registered")


async def alice(server: Server, folder: Path, **more: str) -> Baresip:
    """baresip as ``alice``."""
    password = await account(server, "alice")
    return Baresip(folder / "alice", hz=ALICE_HZ, account=(password, f"127.0.0.1:{server.ports.sip}"), **more)


async def linda(server: Server, folder: Path) -> Linphone:
    """linphone as ``linda``, taking calls by itself."""
    password = await account(server, "linda")
    home = f"127.0.0.1:{server.ports.sip}"
    return Linphone(folder / "linda", hz=LINDA_HZ, answer=True, account=("linda", password, home))


async def hear_each_other(one: Baresip, other: Linphone) -> None:
    await until(lambda: one.hears(LINDA_HZ) or None, f"baresip hears {LINDA_HZ} Hz", 30)
    await until(lambda: other.hears(ALICE_HZ) or None, f"linphone hears {ALICE_HZ} Hz", 30)


async def test_registered_phones_meet_in_a_room_one_calling_and_one_called(tmp_path: Path, server: Server) -> None:
    dialin = {"sip_mode": "dial-in", "display_name": "Phone", "num_endpoints": 2, "dialin_config": ALONE}
    await server.room("lobby", sip=dialin, dialout_config=ALONE)

    async with await alice(server, tmp_path) as caller, await linda(server, tmp_path) as called:
        await registered(server, "alice")
        await registered(server, "linda")
        await caller.dial(f"sip:lobby@127.0.0.1:{server.ports.sip}")
        await server.dial_out("lobby", f"sip:linda@127.0.0.1:{server.ports.sip}")
        await wait_present(server, "lobby", 2)

        await hear_each_other(caller, called)
        await caller.command("hangup")
        await wait_present(server, "lobby", 1)
        await server.hang_up_all("lobby")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_registered_phone_calls_another_one(transport: str, tmp_path: Path, server: Server) -> None:
    async with await alice(server, tmp_path, transport=transport) as caller, await linda(server, tmp_path) as called:
        await registered(server, "alice")
        await registered(server, "linda")
        await caller.dial(f"sip:linda@127.0.0.1:{server.ports.sip}")

        await hear_each_other(caller, called)
        await called.hangup()
        await caller.event("CALL_CLOSED")


@pytest.mark.needs("twinkle-console")
async def test_twinkle_registers_calls_and_is_called(tmp_path: Path, server: Server) -> None:
    home = f"127.0.0.1:{server.ports.sip}"
    password = await account(server, "carol")
    async with Twinkle(tmp_path / "carol", account=(password, home)) as carol, await alice(server, tmp_path) as other:
        await carol.says("registration succeeded")
        await registered(server, "alice")
        await carol.type(f"call sip:alice@{home}")
        await carol.says("far end answered call")
        await carol.type("bye")
        await other.event("CALL_CLOSED")
        other.forget()

        await other.command("dial", f"sip:carol@{home}")
        await carol.says("incoming call")
        await carol.type("answer")
        await other.event("CALL_ESTABLISHED")
        await other.command("hangup")
        await carol.says("far end ended call")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_phone_is_reached_after_the_server_was_killed(transport: str, tmp_path: Path, server: Server) -> None:
    """The phone does nothing meanwhile: what was acknowledged is kept. A dead connection is made anew."""
    await server.room("lobby", dialout_config=ALONE)
    async with await alice(server, tmp_path, transport=transport) as phone:
        await registered(server, "alice")
        await server.kill()
        await server.restart()

        await server.dial_out("lobby", f"sip:alice@127.0.0.1:{server.ports.sip}")

        await phone.event("CALL_ESTABLISHED")
        await server.hang_up_all("lobby")


async def test_a_phone_that_is_not_registered_is_a_clear_failure(tmp_path: Path, server: Server) -> None:
    await server.room("lobby", dialout_config=ALONE)
    await account(server, "alice")
    call = await server.dial_out("lobby", f"sip:alice@127.0.0.1:{server.ports.sip}")

    async def ended() -> dict[str, object] | None:
        end = (await server.rest("GET", f"/ringback/calls/{call}")).body["end"]
        return dict(end) if end else None

    end = await until(ended, "the call has ended")
    assert (end["reason"], end["sip_status"]) == ("not-registered", 480)


@pytest.mark.needs("svwar")
@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
async def test_a_scanner_finds_no_account_among_those_there_are(method: str, tmp_path: Path, server: Server) -> None:
    """A6, with svwar of sipvicious: known and unknown names are answered alike."""
    for username in ("100", "101"):
        await account(server, username)
    command = ["svwar", "--force", "-m", method, "-p", str(server.ports.sip), "-e", "95-105", "127.0.0.1"]
    async with Process(["timeout", "60", *command], tmp_path / "svwar.txt", env={"HOME": str(tmp_path)}) as scanner:
        await scanner.wait(60)

        assert "found nothing" in scanner.output()


async def test_a_wrong_password_registers_nobody(tmp_path: Path, server: Server) -> None:
    """A6, A7."""
    await account(server, "alice")
    home = f"127.0.0.1:{server.ports.sip}"
    async with Baresip(tmp_path / "thief", account=("not-the-password-1", home)) as phone:
        await until(lambda: "login failed" in server.log() or None, "the operator is told")

        assert "sip.registered" not in server.log()
        assert "200 OK" not in phone.log()


@pytest.mark.needs("baresip")
async def test_a_phone_that_died_is_not_rung_any_more_and_is_when_it_is_back(tmp_path: Path) -> None:
    """Killed, it takes back no registration: it is known by the questions that it no longer answers."""
    async with Server(tmp_path / "server", {"SIP__CLIENT_OPTIONS_INTERVAL": "2"}) as server:
        await server.room("desk", dialout_config={"allow_room_start": True})
        phone = await alice(server, tmp_path)
        async with phone:
            await registered(server, "alice")
            await asyncio.sleep(5)  # long enough to be asked, and to answer, once
            await phone.kill()
            await until(lambda: "sip.client-silent" in server.log() or None, "its silence is noticed", 100)

            call = await server.dial_out("desk", f"sip:alice@127.0.0.1:{server.ports.sip}")

            async def failed() -> bool:
                row = (await server.rest("GET", f"/ringback/calls/{call}")).body
                return row["state"] == "ended" and row["end"]["reason"] == "not-registered"

            await until(failed, "the call fails at once: nobody is rung", 10)
        async with phone:
            await until(lambda: server.log().count("sip.registered client=alice") > 1 or None, "it is back")
            await server.dial_out("desk", f"sip:alice@127.0.0.1:{server.ports.sip}")
            await phone.event("CALL_ESTABLISHED")
            await server.hang_up_all("desk")
