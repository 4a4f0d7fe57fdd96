"""A whole server and addresses that are not the caller's own: who may end its call, and where its sound goes."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from integration.media_phone import RtpPhone
from integration.sip_phone import Phone, running
from interop.peers.waiting import free_port, until
from ringback.app import Application
from ringback.config import Settings
from ringback.model.ids import ParticipantId, RoomName
from ringback.model.records import DialogRecord
from ringback.sdp.negotiation import make_offer, read_answer

ELSEWHERE = "127.0.0.2"
PRIVATE = "127.0.0.3"
CSEQ = itertools.count(100)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Application]:
    """Dialling private addresses is off, and a room answers whoever calls."""
    ports = {"http": {"port": free_port()}, "sip": {"port": 0}, "media": {"udp_port": 0}}
    app = Application(Settings(data_dir=tmp_path, **ports))  # type: ignore[arg-type]
    await app.start()
    sip = {"display_name": "Caller", "sip_mode": "dial-in", "dialin_config": {"allow_room_start": True}}
    await app.rooms.create(app.domain.id, {"name": "open", "properties": {"sip": sip}})
    yield app
    await app.stop()


async def call(server: Application, phone: Phone, sound: tuple[str, int]) -> tuple[DialogRecord, tuple[str, int]]:
    """Call the room; the dialog as the room has it, and where the room wants sound."""
    room = await server.rooms.find(server.domain.id, RoomName("open"))
    assert room is not None
    offer = make_offer(1, 1, *sound, ["PCMU"])
    phone.dial(f"sip:{room.endpoints[0]}@{server.telephony.local_addresses[0]}", offer)
    answer = (await phone.told("answered"))[1]
    remote = read_answer(offer, answer).remote
    assert remote is not None
    ((id, actor),) = server.meetings.by_call.items()
    dialog = actor.calls[id].record.dialog
    assert dialog is not None
    return dialog, remote


async def say_goodbye(server: Application, dialog: DialogRecord, host: str) -> int:
    """BYE in the caller's name from ``host``; the answer's status."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((host, 0))
        port, cseq = sock.getsockname()[1], next(CSEQ)
        bye = (
            f"BYE {dialog.local_uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bKbye{cseq};rport\r\n"
            "Max-Forwards: 70\r\n"
            f"From: <{dialog.remote_uri}>;tag={dialog.remote_tag}\r\n"
            f"To: <{dialog.local_uri}>;tag={dialog.local_tag}\r\n"
            f"Call-ID: {dialog.call_id}\r\n"
            f"CSeq: {cseq} BYE\r\n"
            "Content-Length: 0\r\n\r\n"
        )
        at, _, number = server.telephony.local_addresses[0].rpartition(":")
        await loop.sock_sendto(sock, bye.encode(), (at, int(number)))
        async with asyncio.timeout(20):
            return int((await loop.sock_recv(sock, 65_535))[8:11])


async def test_a_goodbye_from_another_node_counts_once_the_caller_is_silent(server: Application) -> None:
    """B2: carriers say goodbye from another node; a stranger's goodbye amid the sound is refused."""
    sound = RtpPhone()
    async with running() as phone:
        dialog, room = await call(server, phone, await sound.open())
        sound.talk(room)
        (leg,) = [ParticipantId(id) for id in server.meetings.by_call]
        await until(lambda: server.media.stats(leg).get("packets_received"), "the caller is heard")

        assert await say_goodbye(server, dialog, ELSEWHERE) == 403
        assert server.meetings.by_call

        sound.hush()
        await until(lambda: float(server.media.stats(leg)["last_heard_ms"]) > 2000, "the caller is silent")
        assert await say_goodbye(server, dialog, ELSEWHERE) == 200
        await until(lambda: not server.meetings.by_call, "the call is over")
    sound.close()


async def test_a_caller_behind_a_nat_is_found_and_the_private_address_it_names_is_left_alone(
    server: Application,
) -> None:
    """E11, D5: its SDP names an address that calls may not go to; its sound comes from where it signals."""
    sound = RtpPhone()
    await sound.open()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as private:
        private.setblocking(False)
        private.bind((PRIVATE, 0))
        async with running() as phone:
            dialog, room = await call(server, phone, (PRIVATE, private.getsockname()[1]))
            (leg,) = [ParticipantId(id) for id in server.meetings.by_call]

            sound.talk(room)

            await until(lambda: len(sound.received) > 20, "the room's sound comes back")
            assert server.media.stats(leg)["packets_rejected"] < 4, "it is believed sooner than a stranger"
            with pytest.raises(BlockingIOError):
                private.recv(2048)
            assert await say_goodbye(server, dialog, "127.0.0.1") == 200
    sound.close()
