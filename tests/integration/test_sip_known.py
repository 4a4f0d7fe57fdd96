"""A whole server and its refusals: what a listed peer is told, and what a stranger is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from integration.sip_phone import OFFER, Phone, running
from interop.peers.waiting import free_port
from ringback.app import Application
from ringback.calls.ports.carrier import OutgoingInvite
from ringback.config import Settings
from ringback.model.ids import CallId, RoomName

KNOWN = "127.0.0.2"
STRANGER = "127.0.0.3"
SIP = {"display_name": "Caller", "sip_mode": "dial-in"}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Application]:
    """Room ``open`` has two addresses and a place for one; in room ``idle`` nobody is."""
    ports = {"http": {"port": free_port()}, "sip": {"port": 0, "known": f"{KNOWN}/32"}, "media": {"udp_port": 0}}
    app = Application(Settings(data_dir=tmp_path, **ports))  # type: ignore[arg-type]
    await app.start()
    opened = {**SIP, "num_endpoints": 2, "dialin_config": {"allow_room_start": True}}
    await app.rooms.create(app.domain.id, {"name": "open", "properties": {"sip": opened, "max_participants": 1}})
    await app.rooms.create(app.domain.id, {"name": "idle", "properties": {"sip": SIP}})
    yield app
    await app.stop()


async def endpoints(server: Application, room: str) -> tuple[str, ...]:
    found = await server.rooms.find(server.domain.id, RoomName(room))
    assert found is not None
    return tuple(found.endpoints)


async def refusal(phone: Phone, server: Application, user: str) -> tuple[int, str]:
    """Call an address that says no: the status, and the whole answer."""
    target = f"sip:{user}@{server.telephony.local_addresses[0]}"
    dialog = phone.telephony.prepare(target, CallId(f"to-{user}"), "phone")
    phone.telephony.invite(OutgoingInvite(CallId(f"to-{user}"), dialog, OFFER))
    _, failure = await phone.told("failed")
    answers = [said.text for said in phone.telephony.trace(dialog.call_id).said if not said.out]
    return failure.status, answers[-1]


async def test_a_known_peer_is_told_why_it_is_refused(server: Application) -> None:
    first, second = await endpoints(server, "open")
    (idle,) = await endpoints(server, "idle")
    async with running(host=KNOWN) as trunk:
        status, answer = await refusal(trunk, server, idle)
        assert (status, "\nRetry-After: 5\n" in answer) == (480, True)
        assert (await refusal(trunk, server, "000000000000"))[0] == 404

        trunk.dial(f"sip:{first}@{server.telephony.local_addresses[0]}")
        await trunk.told("answered")
        status, answer = await refusal(trunk, server, first)
        assert (status, "Warning" in answer) == (486, False)
        status, answer = await refusal(trunk, server, second)
        assert status == 486
        assert 'Warning: 399 ringback "max_participants limit (1) reached"' in answer


async def test_a_stranger_hears_one_thing_for_an_idle_room_and_for_none(server: Application) -> None:
    """A6, as rooms have it."""
    (idle,) = await endpoints(server, "idle")
    async with running(host=STRANGER) as stranger:
        answers = [await refusal(stranger, server, user) for user in (idle, "000000000000")]

    assert [status for status, _ in answers] == [480, 480]
    assert not any("Retry-After" in text or "Warning" in text for _, text in answers)
