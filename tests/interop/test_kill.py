"""SIGKILL at every step of a call: what was acknowledged is still there, and the far end is not left hanging."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from interop.peers.baresip import Baresip
from interop.peers.server import Server, wait_present
from interop.peers.waiting import until

pytestmark = pytest.mark.needs("baresip")

STARTS = {"allow_room_start": True, "max_idle_timeout_sec": 60}
SIP = {"sip_mode": "dial-in", "display_name": "Caller", "dialin_config": STARTS}


async def room_that_starts(server: Server) -> str:
    """A room that phones may start; returns its address."""
    room = await server.room("night", sip=SIP, dialout_config=STARTS)
    return str(room["config"]["sip_uri"]["endpoint"])


async def only_call(server: Server) -> Mapping[str, Any]:
    """The one call there has been."""
    answer = await server.rest("GET", "/ringback/calls")
    assert answer.body["total_count"] == 1, answer
    return dict(answer.body["data"][0])


async def kill_and_return(server: Server) -> None:
    await server.kill()
    await server.restart()


async def talking(server: Server) -> None:
    """The call stands, and its row says so: presence is told a moment before the commit."""

    async def row() -> bool:
        calls = (await server.rest("GET", "/ringback/calls")).body["data"]
        return [call["state"] for call in calls] == ["answered"]

    await until(row, "the call's row says answered")


async def ended_by_restart(server: Server) -> None:
    """The call's row says that the restart ended it."""

    async def row() -> bool:
        call = await only_call(server)
        return call["state"] == "ended" and call["end"]["reason"] == "server-restart"

    await until(row, "the call's row ends with server-restart")


def invites(phone: Baresip) -> set[str]:
    """Branches of the INVITEs it was sent: one that is repeated on the wire has the same."""
    messages = re.findall(r"INVITE sip:alice.*?\r?\n\r?\n", phone.log(), re.DOTALL)
    return {match[1] for message in messages if (match := re.search(r"branch=([^;\s]+)", message))}


async def test_rooms_tokens_and_keys_outlive_a_kill(server: Server) -> None:
    await room_that_starts(server)
    before = (await server.rest("GET", "/rooms/night")).body
    token = await server.token("night", is_owner=True)
    key = (await server.rest("POST", "/ringback/keys", {"label": "second"})).body["key"]

    await kill_and_return(server)

    assert (await server.rest("GET", "/rooms/night")).body == before
    assert (await server.rest("GET", f"/meeting-tokens/{token}")).body["is_owner"] is True
    assert (await server.rest("GET", "/", headers={"Authorization": f"Bearer {key}"})).status == 200


async def test_a_caller_who_was_talking_gets_a_bye_after_the_restart(tmp_path: Path, server: Server) -> None:
    uri = await room_that_starts(server)
    async with Baresip(tmp_path / "phone") as phone:
        await phone.dial(uri)
        await talking(server)

        await kill_and_return(server)

        await phone.event("CALL_CLOSED")
        await ended_by_restart(server)
    assert await server.present("night") == []


async def test_a_dialled_phone_that_was_talking_gets_a_bye_after_the_restart(tmp_path: Path, server: Server) -> None:
    await room_that_starts(server)
    async with Baresip(tmp_path / "phone") as phone:
        await server.dial_out("night", phone.uri)
        await phone.event("CALL_ESTABLISHED")
        await talking(server)

        await kill_and_return(server)

        await phone.event("CALL_CLOSED")
        await ended_by_restart(server)
        assert len(invites(phone)) == 1


async def test_a_dialled_phone_that_was_ringing_stops_after_the_restart(tmp_path: Path, server: Server) -> None:
    await room_that_starts(server)
    async with Baresip(tmp_path / "phone", answer="manual") as phone:
        await server.dial_out("night", phone.uri)
        await phone.event("CALL_INCOMING")

        await kill_and_return(server)

        await phone.event("CALL_CLOSED")
        await ended_by_restart(server)
        assert len(invites(phone)) == 1


async def test_a_kill_right_after_the_answer_to_a_start_never_rings_twice(tmp_path: Path, server: Server) -> None:
    await room_that_starts(server)
    async with Baresip(tmp_path / "phone", answer="manual") as phone:
        await server.dial_out("night", phone.uri)

        await kill_and_return(server)

        await ended_by_restart(server)
        assert len(invites(phone)) <= 1
        if invites(phone):
            await phone.event("CALL_CLOSED")


async def test_a_call_that_ended_before_the_kill_keeps_its_own_reason(tmp_path: Path, server: Server) -> None:
    uri = await room_that_starts(server)
    async with Baresip(tmp_path / "phone") as phone:
        await phone.dial(uri)
        await wait_present(server, "night", 1)
        await phone.command("hangup")
        await wait_present(server, "night", 0)

        async def over() -> bool:
            return bool((await only_call(server))["state"] == "ended")

        await until(over, "the call's row ends")
        await kill_and_return(server)

    assert (await only_call(server))["end"]["reason"] == "hangup-remote"


async def test_a_caller_that_is_held_is_hung_up_on_after_a_kill_and_its_row_says_so(tmp_path: Path) -> None:
    """It was in no room: nobody else is told of it, and what its customer does with it then fails."""
    async with Server(tmp_path / "server", {"WEBHOOKS__ALLOW_PRIVATE": "true"}) as server:
        body = {"type": "pinless_dialin", "room_creation_api": f"{server.url}/nobody"}
        config = (await server.rest("POST", "/domain-dialin-config", body)).body["config"]
        async with Baresip(tmp_path / "baresip", hz=440) as phone:
            await phone.dial(config["sip_uri"])
            await talking(server)
            held = await only_call(server)
            assert held["room"] == ""

            await kill_and_return(server)

            await ended_by_restart(server)
            await phone.event("CALL_CLOSED")
            update = {"callId": held["id"], "callDomain": held["id"], "sipUri": "sip:123456789012@127.0.0.1"}
            assert (await server.rest("POST", "/dialin/pinlessCallUpdate", update)).status == 404
            again = (await server.rest("GET", "/domain-dialin-config")).body["data"][0]["config"]
            assert again == config, "the address and the secret are as they were"
