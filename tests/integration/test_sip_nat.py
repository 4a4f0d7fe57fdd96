"""A whole server behind a NAT: what peers on both sides are told, in Via, Contact and SDP at once."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from integration.sip_phone import OFFER, running
from integration.test_sip_flows import StunServer
from interop.peers.waiting import free_port
from ringback.app import Application
from ringback.config import Settings
from ringback.model.ids import RoomName

PUBLIC, STUNNED = "203.0.113.5", "203.0.113.77"
INSIDE, OUTSIDE = "127.0.0.2", "127.0.0.3"
LONG = "a-key-only-our-own-tests-know-0123456789"


@asynccontextmanager
async def server(folder: Path, **sip: Any) -> AsyncIterator[Application]:
    """A room answers whoever calls."""
    ports = {"http": {"port": free_port()}, "media": {"udp_port": 0}}
    chosen = {"port": 0, "host": "0.0.0.0", "local_networks": f"{INSIDE}/32", **sip}
    app = Application(Settings(data_dir=folder, api_key=LONG, secret=LONG, sip=chosen, **ports))  # type: ignore[arg-type]
    await app.start()
    room = {"display_name": "Caller", "sip_mode": "dial-in", "dialin_config": {"allow_room_start": True}}
    out = {"enable_dialout": True, "dialout_config": {"allow_room_start": True}}
    await app.rooms.create(app.domain.id, {"name": "open", "properties": {"sip": room, **out}})
    try:
        yield app
    finally:
        await app.stop()


async def told(app: Application, host: str) -> tuple[str, str]:
    """Call the room from a host: the hosts in the Contact and in the SDP of its answer."""
    found = await app.rooms.find(app.domain.id, RoomName("open"))
    assert found is not None
    port = app.telephony.local_addresses[0].rpartition(":")[2]
    async with running(host=host) as phone:
        call = phone.dial(f"sip:{found.endpoints[0]}@127.0.0.1:{port}", OFFER)
        _, answer = await phone.told("answered")
        dialog = phone.telephony._agent.calls[call].dialog
        assert dialog is not None
        contact = dialog.remote_target
        dialog.remote_target = f"sip:room@127.0.0.1:{port}"  # no NAT here leads to the public address
        phone.telephony.bye(call)
        async with asyncio.timeout(20):
            while app.telephony.calls:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    return contact.partition("@")[2].partition(":")[0], answer.partition(b"c=IN IP4 ")[2].partition(b"\r\n")[0].decode()


async def test_peers_inside_hear_our_own_address_and_those_outside_the_public_one(tmp_path: Path) -> None:
    async with server(tmp_path, public_address=PUBLIC) as app:
        assert await told(app, INSIDE) == ("127.0.0.1", "127.0.0.1")
        assert await told(app, OUTSIDE) == (PUBLIC, PUBLIC)
        assert app.addresses.sip_domain.startswith(f"{PUBLIC}:")


async def test_a_call_out_names_the_address_that_its_callee_can_reach(tmp_path: Path) -> None:
    async with (
        server(tmp_path, public_address=PUBLIC) as app,
        running(host=INSIDE) as near,
        running(host=OUTSIDE) as far,
    ):
        app.telephony._policy._allow_private = True
        for phone, expected in ((near, "127.0.0.1"), (far, PUBLIC)):
            body = {"sipUri": f"sip:someone@{phone.address}"}
            await app.calls.start_dial_out(app.domain.id, RoomName("open"), body)
            invite = await phone.told("incoming")
            said = phone.telephony.trace(invite.sip_call_id).said[0].text
            phone.telephony.reject(invite.call, 486)

            assert f"\nVia: SIP/2.0/UDP {expected}:" in said
            assert f"@{expected}:" in said.partition("\nContact: ")[2].partition("\n")[0]
            assert f"c=IN IP4 {expected}\r\n".encode() in invite.offer


async def test_the_public_address_is_found_by_stun(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(StunServer, ("127.0.0.1", 0))
    stun = f"stun:127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    async with server(tmp_path, public_address=stun) as app:
        assert await told(app, OUTSIDE) == (STUNNED, STUNNED)
        assert await told(app, INSIDE) == ("127.0.0.1", "127.0.0.1")
    transport.close()


async def test_a_stun_server_that_is_silent_is_one_line_and_no_reason_to_stay_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        async with server(tmp_path, public_address=f"stun:127.0.0.1:{deaf.getsockname()[1]}") as app:
            assert app.telephony.local_addresses
            said = [line for line in capsys.readouterr().out.splitlines() if "sip.public-address-unknown" in line]

    assert len(said) == 1
    assert "no answer" in said[0]
