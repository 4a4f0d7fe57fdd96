"""Strangers' packets against the ports of a real engine: they are not heard, get nothing, and end nothing."""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from integration.media_events import Seen
from integration.media_phone import CODECS, TELEPHONE_EVENT, FarPhone, RtpPhone
from interop.peers.tones import level_db
from interop.peers.waiting import until
from ringback.calls.ports.streams import PhoneMedia
from ringback.core import new_engine
from ringback.media.service import Media
from ringback.model.ids import MeetingId, ParticipantId

ROOM = MeetingId("room")
ANN, BOB = ParticipantId("ann"), ParticipantId("bob")
ALL = tuple(CODECS.values())


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
async def media(seen: Seen) -> AsyncIterator[Media]:
    engine = new_engine("127.0.0.1", 0, ["127.0.0.1"], "127.0.0.1", 24000, 24999)
    media = Media(engine, asyncio.get_running_loop(), seen, phone_host="127.0.0.1")
    media.open_meeting(ROOM)
    yield media
    assert not seen.failed, "no leg was lost to a stranger"
    media.close()


async def call(media: Media, leg: ParticipantId, hz: float) -> RtpPhone:
    """A phone whose address was signalled, and talks from it."""
    phone = RtpPhone(hz=hz)
    address = await phone.open()
    here = media.open_phone(ROOM, leg)
    media.set_phone(leg, PhoneMedia(address, CODECS["PCMU"], ALL, TELEPHONE_EVENT, TELEPHONE_EVENT))
    phone.talk(here)
    return phone


@pytest.fixture
async def two(media: Media) -> AsyncIterator[tuple[RtpPhone, RtpPhone]]:
    """Ann (440 Hz) and bob (880 Hz), who hears her."""
    ann, bob = await call(media, ANN, 440), await call(media, BOB, 880)
    await until(lambda: hears(bob, 440), "bob hears ann")
    yield ann, bob
    ann.close()
    bob.close()


def hears(phone: RtpPhone, hz: float) -> bool:
    """Whether the tone is in the last half second of what it was sent."""
    return level_db(phone.sound()[-4000:], 8000, hz) > 30


def rejected(media: Media, leg: ParticipantId) -> int:
    return int(media.stats(leg)["packets_rejected"])


async def test_whoever_sprays_the_ports_first_is_sent_nothing(media: Media) -> None:
    """E1: packets arrive before those of the phone that was signalled, from elsewhere; no sound goes there."""
    ann = RtpPhone(hz=440)
    address = await ann.open()
    here = media.open_phone(ROOM, ANN)
    bob = await call(media, BOB, 880)
    stranger = RtpPhone(hz=2000, ssrc=0x6666)
    await stranger.open("127.0.0.2")
    for port in range(here[1] - 20, here[1] + 20, 2):
        stranger._to = (here[0], port)
        for _ in range(10):
            stranger.send(0, stranger._tone())

    media.set_phone(ANN, PhoneMedia(address, CODECS["PCMU"], ALL, TELEPHONE_EVENT, TELEPHONE_EVENT))
    stranger.talk(here)
    ann.talk(here)

    await until(lambda: hears(ann, 880) and hears(bob, 440), "those who were signalled hear each other")
    assert not stranger.received
    assert not hears(bob, 2000)
    for phone in (ann, bob, stranger):
        phone.close()


async def test_nobody_takes_a_call_over_while_its_phone_speaks(media: Media, two: tuple[RtpPhone, RtpPhone]) -> None:
    """E2: another source, with the same SSRC and the numbers that come next."""
    ann, bob = two
    stranger = RtpPhone(hz=2000, ssrc=ann.ssrc, sequence=ann.sequence + 5, timestamp=ann.timestamp + 800)
    await stranger.open("127.0.0.2")

    stranger.talk(ann._to)

    await until(lambda: rejected(media, ANN) > 50, "a second of it is refused")
    assert hears(bob, 440) and not hears(bob, 2000)
    assert not stranger.received
    stranger.close()


async def test_wild_streams_from_the_right_address_do_not_break_the_right_one(
    media: Media, two: tuple[RtpPhone, RtpPhone]
) -> None:
    """E3: single packets of other SSRCs, and of the right one with wild numbers, between those of the phone."""
    ann, bob = two
    before = rejected(media, ANN)
    dice = random.Random(3)
    for n in range(100):
        ssrc = dice.getrandbits(32) if n % 2 else ann.ssrc
        wild = struct.pack(">BBHII", 0x80, 0, dice.getrandbits(16), dice.getrandbits(32), ssrc) + bytes(160)
        assert ann.transport is not None
        ann.transport.sendto(wild, ann._to)
        await asyncio.sleep(0)

    await until(lambda: rejected(media, ANN) - before > 50, "they are refused")
    heard = len(bob.received)
    await until(lambda: len(bob.received) > heard + 30, "more than half a second passes")
    assert hears(bob, 440)


async def test_a_goodbye_by_rtcp_ends_no_call(media: Media, two: tuple[RtpPhone, RtpPhone]) -> None:
    """E4: RTCP BYE for the phone's SSRC, from elsewhere and from the phone's own address."""
    ann, bob = two
    goodbye = struct.pack(">BBHII", 0x80, 201, 1, ann.ssrc, 0)[:8] + struct.pack(">BBHI", 0x81, 203, 1, ann.ssrc)
    host, port = ann._to
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(20):
            stranger.sendto(goodbye, (host, port + 1))
            stranger.sendto(goodbye, (host, port))
    assert ann.transport is not None
    ann.transport.sendto(goodbye, (host, port))

    heard = len(bob.received)
    await until(lambda: len(bob.received) > heard + 50, "a second passes")
    assert hears(bob, 440) and hears(ann, 880)


async def test_a_strangers_digits_are_not_pressed(media: Media, seen: Seen, two: tuple[RtpPhone, RtpPhone]) -> None:
    """E5: telephone-events from elsewhere, and one of the phone's own that claims to last for ever."""
    ann, _ = two
    stranger = RtpPhone(ssrc=ann.ssrc, sequence=ann.sequence + 1, timestamp=ann.timestamp)
    await stranger.open("127.0.0.2")
    stranger._to = ann._to
    for _ in range(3):
        stranger.send(TELEPHONE_EVENT, bytes([9, 0x80 | 10, *(1600).to_bytes(2)]), advance=0)
    ann.hush()
    for _ in range(3):
        ann.send(TELEPHONE_EVENT, bytes([1, 0x80 | 10, 0xFF, 0xFF]), advance=0)
    for event in (17, 200):
        ann.send(TELEPHONE_EVENT, bytes([event, 0x80 | 10, *(1600).to_bytes(2)]), marker=True)
    ann.timestamp += 1600
    for _ in range(3):
        ann.send(TELEPHONE_EVENT, bytes([2, 0x80 | 10, *(1600).to_bytes(2)]), advance=0)

    await until(lambda: [digit for _, digit, _ in seen.digits if digit == "2"], "the phone's own key is told")

    assert {digit for _, digit, _ in seen.digits} <= {"1", "2"}
    assert all(duration <= 8192 for _, _, duration in seen.digits)
    stranger.close()


async def test_an_address_that_never_answers_is_sent_little(media: Media) -> None:
    """E11: a victim named in an offer gets at most 50 packets in 2 s, until it shows that it is there."""
    victim = RtpPhone()
    address = await victim.open()
    here = media.open_phone(ROOM, ANN)
    bob = await call(media, BOB, 880)

    media.set_phone(ANN, PhoneMedia(address, CODECS["PCMU"], ALL))
    sent = len(bob.received)
    await until(lambda: len(bob.received) > sent + 150, "three seconds pass")

    assert 0 < len(victim.received) <= 100
    victim.talk(here)
    few = len(victim.received)
    await until(lambda: len(victim.received) > few + 100, "who speaks is sent everything")
    victim.close()
    bob.close()


async def test_a_scan_of_the_ports_is_answered_by_none(media: Media, two: tuple[RtpPhone, RtpPhone]) -> None:
    """E12: garbage, STUN and silence to used ports: nothing comes back that would tell them from each other."""
    ann, bob = two
    stun = struct.pack(">HHI", 1, 0, 0x2112A442) + bytes(12)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as scanner:
        scanner.setblocking(False)
        for port in (ann._to[1], ann._to[1] + 1, bob._to[1], bob._to[1] + 1):
            for probe in (b"", b"\0", stun, b"\x80" * 12, b"GET / HTTP/1.0\r\n\r\n", bytes(1400)):
                scanner.sendto(probe, (ann._to[0], port))
        heard = len(bob.received)
        await until(lambda: len(bob.received) > heard + 25, "half a second passes")
        with pytest.raises(BlockingIOError):
            scanner.recv(2000)
    assert hears(bob, 440) and hears(ann, 880)


async def test_floods_of_stun_for_nobody_change_nothing(media: Media, two: tuple[RtpPhone, RtpPhone]) -> None:
    """E13: binding requests with made-up names and without integrity, to the port of browsers."""
    _, bob = two
    dice = random.Random(13)
    before = int(media.engine_stats()["garbage"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.setblocking(False)
        for n in range(3000):
            name = f"{dice.getrandbits(32):08x}:{n}".ljust(16)[:16].encode()
            attribute = struct.pack(">HH", 6, len(name)) + name
            head = struct.pack(">HHI", 1, len(attribute), 0x2112A442) + dice.randbytes(12)
            stranger.sendto(head + attribute, ("127.0.0.1", media.webrtc_ports[0]))
            if n % 100 == 0:
                await asyncio.sleep(0)
        heard = len(bob.received)
        await until(lambda: len(bob.received) > heard + 25, "half a second passes")
        with pytest.raises(BlockingIOError):
            stranger.recv(2000)
    assert int(media.engine_stats()["garbage"]) > before
    assert hears(bob, 440)


async def test_packets_that_are_no_sound_cost_nobody_their_call(media: Media) -> None:
    """E14: Opus that is none, of every length, from the right address; the call lives and sound follows."""
    bob = await call(media, BOB, 880)
    ann = RtpPhone()
    address = await ann.open()
    here = media.open_phone(ROOM, ANN)
    media.set_phone(ANN, PhoneMedia(address, CODECS["OPUS"], ALL))
    ann._to = here
    dice = random.Random(14)
    for n in range(1400):
        ann.send(107, dice.randbytes(n + 1), advance=960)
        if n % 20 == 0:
            await asyncio.sleep(0.005)

    ann.timestamp += 48000
    far = FarPhone(media, "opus", "OPUS")
    there = ParticipantId("opus")
    far.connect(media.open_phone(ROOM, there))
    media.set_phone(there, PhoneMedia(far.address, CODECS["OPUS"], ALL))
    far.speak(600, 5)

    await until(lambda: hears(bob, 600), "others are heard as before")
    assert int(media.stats(ANN)["packets_received"]) > 300
    assert media.engine_stats()["leg_failures"] == 0
    ann.close()
    bob.close()
