"""Telephones in one room of the real engine, over real sockets: who hears whom, found by Fourier transform."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

import numpy as np
import pytest

from integration.media_events import Seen
from integration.media_phone import CODECS, FROM_MU_LAW, TELEPHONE_EVENT, FarPhone, RtpPhone
from interop.peers.tones import level_db
from interop.peers.waiting import until
from ringback.calls.ports.streams import PhoneCrypto, PhoneMedia
from ringback.core import new_engine
from ringback.media.service import Media
from ringback.model.ids import MeetingId, ParticipantId
from ringback.model.sound import Sound
from ringback.model.tones import Tone

ROOM = MeetingId("room")
ALL = tuple(CODECS.values())


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
async def media(seen: Seen) -> AsyncIterator[Media]:
    engine = new_engine("127.0.0.1", 0, ["127.0.0.1"], "127.0.0.1", 23000, 23999)
    media = Media(engine, asyncio.get_running_loop(), seen, phone_host="127.0.0.1")
    media.open_meeting(ROOM)
    yield media
    assert not seen.failed
    media.close()


def call(media: Media, name: str, codec: str) -> FarPhone:
    """A phone of the engine's own kind calls the room."""
    far = FarPhone(media, name, codec)
    here = media.open_phone(ROOM, ParticipantId(name))
    far.connect(here)
    media.set_phone(ParticipantId(name), PhoneMedia(far.address, CODECS[codec], ALL))
    return far


async def rtp_call(media: Media, name: str, hz: float) -> RtpPhone:
    """A phone of the test's own kind calls the room in PCMU."""
    phone = RtpPhone(hz=hz)
    address = await phone.open()
    here = media.open_phone(ROOM, ParticipantId(name))
    media.set_phone(
        ParticipantId(name),
        PhoneMedia(address, CODECS["PCMU"], ALL, TELEPHONE_EVENT, TELEPHONE_EVENT),
    )
    phone.talk(here)
    return phone


def last(sound: np.ndarray, rate: int, seconds: float = 0.5) -> np.ndarray:
    return sound[-int(rate * seconds) :]


async def test_two_phones_in_one_codec_hear_each_other_untouched(media: Media, seen: Seen) -> None:
    ann, bob = await rtp_call(media, "ann", 440), await rtp_call(media, "bob", 880)

    await until(lambda: len(bob.sound()) > 8000, "bob heard a second")

    assert level_db(last(bob.sound(), 8000), 8000, 440) > 30
    assert level_db(last(ann.sound(), 8000), 8000, 880) > 30
    assert level_db(last(ann.sound(), 8000), 8000, 440) < 20, "ann hears herself"
    assert media.stats(ParticipantId("bob"))["way"] == "forward"
    assert {("ann", "audio"), ("bob", "audio")} == set(seen.started)
    ann.close()
    bob.close()


async def test_what_a_phone_is_sent_is_one_unbroken_stream(media: Media) -> None:
    """Silence, then one source, then two, then none: numbers and time run on by one packet each."""
    ann = await rtp_call(media, "ann", 440)
    await until(lambda: len(ann.received) > 20, "ann is sent silence")
    bob = await rtp_call(media, "bob", 880)
    await until(lambda: media.stats(ParticipantId("ann"))["way"] == "forward", "forwarded")
    eve = await rtp_call(media, "eve", 1200)
    await until(lambda: media.stats(ParticipantId("ann"))["way"] == "mix", "mixed")
    await until(lambda: level_db(last(ann.sound(), 8000), 8000, 1200) > 30, "ann hears eve")
    assert level_db(last(ann.sound(), 8000), 8000, 880) > 30
    bob.close()
    eve.close()
    await until(lambda: media.stats(ParticipantId("ann"))["way"] == "none", "silent again")

    steps = [
        ((b.sequence - a.sequence) & 0xFFFF, (b.timestamp - a.timestamp) & 0xFFFFFFFF, len(b.payload))
        for a, b in itertools.pairwise(ann.received)
    ]

    assert set(steps) == {(1, 160, 160)}
    assert len({packet.ssrc for packet in ann.received}) == 1
    ann.close()


@pytest.mark.parametrize("theirs", list(CODECS))
@pytest.mark.parametrize("ours", list(CODECS))
async def test_every_codec_is_heard_in_every_other(media: Media, ours: str, theirs: str) -> None:
    ann, bob = call(media, "ann", ours), call(media, "bob", theirs)
    ann.speak(500, 4)

    await until(
        lambda: len(bob.heard()) > 8000 and level_db(last(bob.heard(), 16000), 16000, 500) > 30, "bob hears ann"
    )

    expected = "forward" if ours == theirs else "transcode"
    assert media.stats(ParticipantId("bob"))["way"] == expected
    assert media.stats(ParticipantId("bob"))["codec"] == theirs
    assert level_db(last(ann.heard(), 16000), 16000, 500) < 20, "ann hears herself"


@pytest.mark.parametrize("codec", list(CODECS))
async def test_of_three_phones_each_hears_the_two_others_and_not_itself(media: Media, codec: str) -> None:
    phones = {"ann": (call(media, "ann", codec), 500), "bob": (call(media, "bob", "PCMU"), 800)}
    phones["eve"] = (call(media, "eve", "G722"), 1300)
    for phone, hz in phones.values():
        phone.speak(hz, 6, amplitude=0.2)

    for name, (phone, own) in phones.items():
        others = [hz for _, hz in phones.values() if hz != own]

        def hears(phone: FarPhone = phone, others: list[int] = others) -> bool:
            sound = last(phone.heard(), 16000)
            return all(level_db(sound, 16000, hz) > 30 for hz in others)

        await until(hears, f"{name} hears {others}")
        assert level_db(last(phone.heard(), 16000), 16000, own) < 25, f"{name} hears itself"
        assert media.stats(ParticipantId(name))["way"] == "mix"


async def test_a_key_press_is_reported_once_and_not_heard(media: Media, seen: Seen) -> None:
    ann, bob = await rtp_call(media, "ann", 440), await rtp_call(media, "bob", 880)
    await until(lambda: media.stats(ParticipantId("bob"))["way"] == "forward", "forwarded")
    ann.hush()
    begun = ann.timestamp
    for n in range(1, 6):
        ann.send(TELEPHONE_EVENT, bytes([5, 10, *(n * 160).to_bytes(2)]), marker=n == 1, advance=0)
    for _ in range(3):
        ann.send(TELEPHONE_EVENT, bytes([5, 0x80 | 10, *(960).to_bytes(2)]), advance=0)

    await until(lambda: seen.digits, "the press is reported")

    assert ann.timestamp == begun
    assert seen.digits == [("ann", "5", 120)]
    assert all(packet.payload_type == 0 for packet in bob.received)
    ann.close()
    bob.close()


@pytest.mark.parametrize("codec", CODECS)
async def test_keys_that_are_tones_are_found_in_the_sound(media: Media, seen: Seen, codec: str) -> None:
    """That each is found once is seen on a clock of its own (``heard.rs``, the engine): a busy machine tears tones."""
    far = call(media, "ann", codec)
    far.connect(media.open_phone(ROOM, ParticipantId("bob")), tones=True)
    there = PhoneMedia(far.address, CODECS[codec], ALL, dtmf_detect=True)
    media.set_phone(ParticipantId("bob"), there)
    far.speak(440, 1.0)

    for key in "5D*0":

        def told(key: str = key) -> bool:
            return any(digit == key for _, digit, _ in seen.digits)

        for _ in range(10):
            far.press(key)
            with contextlib.suppress(AssertionError):
                await until(told, f"{key} is found", 3)
                break
        assert told(), f"{key} is found in none of ten presses: {seen.digits}"

    assert {leg for leg, *_ in seen.digits} == {"bob"}
    assert {digit for _, digit, _ in seen.digits} == set("5D*0")
    assert set(seen.methods) == {"in-band"}


async def test_keys_are_not_looked_for_where_telephone_events_are_agreed_on(media: Media, seen: Seen) -> None:
    far = call(media, "ann", "PCMU")
    far.connect(media.open_phone(ROOM, ParticipantId("bob")), tones=True)
    agreed = PhoneMedia(far.address, CODECS["PCMU"], ALL, TELEPHONE_EVENT, TELEPHONE_EVENT, dtmf_detect=True)
    media.set_phone(ParticipantId("bob"), agreed)
    listener = await rtp_call(media, "cat", 440)

    await until(lambda: int(media.stats(ParticipantId("bob"))["packets_received"]) > 25, "bob is heard")

    far.press("5")

    def hears_the_tone() -> bool:
        sound = listener.sound()
        return any(level_db(sound[at : at + 2000], 8000, 770) > 20 for at in range(0, len(sound) - 2000, 400))

    await until(hears_the_tone, "the tones are heard")
    await asyncio.sleep(0.5)

    assert seen.digits == []
    listener.close()


async def test_digits_are_sent_as_events_within_the_stream(media: Media) -> None:
    ann = await rtp_call(media, "ann", 440)
    await until(lambda: len(ann.received) > 5, "ann is sent silence")

    media.send_digits(ParticipantId("ann"), "1#", 100, 60)

    def ended() -> set[tuple[int, int]]:
        events = [p for p in ann.received if p.payload_type == TELEPHONE_EVENT]
        return {(p.payload[0], p.timestamp) for p in events if p.payload[1] & 0x80}

    await until(lambda: len(ended()) == 2, "two events have ended")
    assert sorted(event for event, _ in ended()) == [1, 11]
    numbers = [packet.sequence for packet in ann.received]
    assert numbers == [(numbers[0] + n) & 0xFFFF for n in range(len(numbers))]
    ann.close()


async def test_a_strangers_packets_are_not_heard_and_get_no_answer(media: Media) -> None:
    """RTP bleed: nothing is taken from, or sent to, an address that was not signalled."""
    ann, bob = await rtp_call(media, "ann", 440), await rtp_call(media, "bob", 880)
    await until(lambda: media.stats(ParticipantId("bob"))["way"] == "forward", "forwarded")
    stranger = RtpPhone(hz=2000, ssrc=0x6666)
    await stranger.open()

    stranger.talk(ann._to)

    await until(lambda: media.stats(ParticipantId("ann"))["packets_rejected"] > 20, "the stranger is refused")
    assert level_db(last(bob.sound(), 8000), 8000, 2000) < 20
    assert level_db(last(bob.sound(), 8000), 8000, 440) > 30
    assert not stranger.received
    for phone in (ann, bob, stranger):
        phone.close()


async def test_on_hold_a_phone_is_sent_nothing_and_nothing_of_it_is_heard(media: Media) -> None:
    ann, bob = await rtp_call(media, "ann", 440), await rtp_call(media, "bob", 880)
    await until(lambda: level_db(last(bob.sound(), 8000), 8000, 440) > 30, "bob hears ann")
    address = ann.transport.get_extra_info("sockname") if ann.transport else None

    media.set_phone(ParticipantId("ann"), PhoneMedia(address, CODECS["PCMU"], ALL, send=False, listen=False))

    await until(lambda: media.stats(ParticipantId("bob"))["way"] == "none", "bob hears nothing")
    held = len(ann.received)
    await until(lambda: media.stats(ParticipantId("bob"))["packets_sent"] > 100, "time passes")
    assert len(ann.received) <= held + 1
    media.set_phone(ParticipantId("ann"), PhoneMedia(address, CODECS["PCMU"], ALL))
    await until(lambda: len(ann.received) > held + 10, "ann is sent sound again")
    await until(lambda: level_db(last(bob.sound(), 8000), 8000, 440) > 30, "bob hears ann again")
    ann.close()
    bob.close()


async def test_a_muted_leg_and_one_not_listened_to_are_not_heard(media: Media) -> None:
    ann, bob, eve = [await rtp_call(media, name, hz) for name, hz in (("ann", 440), ("bob", 880), ("eve", 1300))]
    await until(lambda: level_db(last(eve.sound(), 8000), 8000, 440) > 30, "eve hears ann")
    assert media.stats(ParticipantId("eve"))["way"] == "mix"

    media.set_muted(ParticipantId("ann"), True)

    await until(lambda: level_db(last(eve.sound(), 8000), 8000, 440) < 20, "eve no longer hears ann")
    assert level_db(last(eve.sound(), 8000), 8000, 880) > 30
    media.set_muted(ParticipantId("ann"), False)
    media.set_sources(ParticipantId("eve"), frozenset({ParticipantId("ann")}))
    await until(lambda: level_db(last(eve.sound(), 8000), 8000, 440) > 30, "eve hears ann again")
    await until(lambda: level_db(last(eve.sound(), 8000), 8000, 880) < 20, "eve does not hear bob")
    for phone in (ann, bob, eve):
        phone.close()


@pytest.mark.parametrize("codec", list(CODECS))
async def test_changing_between_forwarding_and_mixing_does_not_crack(media: Media, codec: str) -> None:
    """A third phone joins and leaves while a tone goes on: it stays as loud as it is, and does not stop."""
    ann, bob = call(media, "ann", codec), call(media, "bob", codec)
    ann.speak(500, 6)

    async def hears_more(way: str) -> None:
        await until(lambda: media.stats(ParticipantId("bob"))["way"] == way, way)
        enough = len(bob.heard()) + 10000
        await until(lambda: len(bob.heard()) > enough, f"bob hears more by {way}")

    await hears_more("forward")
    call(media, "eve", codec)
    await hears_more("mix")
    media.close_leg(ParticipantId("eve"))
    await hears_more("forward")

    sound = bob.heard()
    sound = sound[int(np.argmax(np.abs(sound) > 0.05)) + 4000 :]
    peaks = np.abs(sound[: len(sound) // 320 * 320]).reshape(-1, 320).max(axis=1)
    # Where two streams are joined, a tone of 0.25 swells to 0.32 for a moment, with G.722's predictor to 0.36; a jump
    # in its phase or a wrong codec would be twice as loud as the tone, or as loud as can be.
    assert peaks.max() < 0.25 * 1.6, "a crack"
    # A busy machine may hold the media thread up for a moment; what a change of way would lose is more.
    assert np.count_nonzero(peaks < 0.02) <= 5, "a hole"


async def test_a_room_hears_a_phone_ring_until_it_speaks_itself(media: Media, seen: Seen) -> None:
    """Local ringback: the far end is not answered and sends nothing; its first sound (early media) ends the tone."""
    bob = await rtp_call(media, "bob", 880)
    eve = RtpPhone(hz=1300)
    address, here = await eve.open(), media.open_phone(ROOM, ParticipantId("eve"))

    media.play_tone(ParticipantId("eve"), Tone((440, 480), (400, 200)))

    await until(lambda: len(bob.sound()) > 24000, "bob heard three seconds")
    rung = [bool(np.abs(part).max() > 0.05) for part in np.split(bob.sound()[:24000], 60)]
    rings = [len(list(same)) for on, same in itertools.groupby(rung) if on]
    assert len(rings) >= 3 and 7 <= max(rings) <= 9, f"0.4 s of tone each: {rung}"
    assert min(level_db(bob.sound()[:24000], 8000, hz) for hz in (440, 480)) > 30
    assert not [leg for _, leg in seen.speakers if leg == "eve"], "who rings does not speak"

    media.set_phone(ParticipantId("eve"), PhoneMedia(address, CODECS["PCMU"], ALL))
    eve.talk(here)

    await until(lambda: level_db(last(bob.sound(), 8000), 8000, 1300) > 30, "bob hears eve")
    await until(lambda: level_db(last(bob.sound(), 8000), 8000, 480) < 20, "and the ringing no more")
    assert media.stats(ParticipantId("bob"))["way"] == "forward"
    steps = {
        ((b.sequence - a.sequence) & 0xFFFF, (b.timestamp - a.timestamp) & 0xFFFFFFFF)
        for a, b in itertools.pairwise(bob.received)
    }
    assert steps == {(1, 160)}, "one unbroken stream"
    for phone in (bob, eve):
        phone.close()


async def test_a_tone_stops_when_told_to_and_an_impossible_one_is_refused(media: Media) -> None:
    bob = await rtp_call(media, "bob", 880)
    media.open_phone(ROOM, ParticipantId("eve"))
    media.play_tone(ParticipantId("eve"), Tone((425,)))
    await until(lambda: level_db(last(bob.sound(), 8000), 8000, 425) > 30, "bob hears the tone")

    media.stop_tone(ParticipantId("eve"))

    await until(lambda: np.abs(last(bob.sound(), 8000)).max() < 0.01, "silence again")
    with pytest.raises(ValueError, match="4000 Hz"):
        media.play_tone(ParticipantId("eve"), Tone((5000,)))
    media.play_tone(ParticipantId("nobody"), Tone((425,)))
    media.stop_tone(ParticipantId("nobody"))
    bob.close()


async def test_a_phone_hears_a_sound_as_often_as_told_instead_of_its_room(media: Media, seen: Seen) -> None:
    """Three seconds that are 600 Hz, 750 Hz, and 900 Hz: every beat in its place, and nothing of the room's 880."""
    beat = np.arange(4000) / 8000
    melody = np.concatenate([np.sin(2 * np.pi * hz * beat) for hz in (600, 750)])
    sound = Sound((melody * 9000).astype("<i2").tobytes())
    anna, bob = await rtp_call(media, "anna", 880), await rtp_call(media, "bob", 1300)
    await until(lambda: level_db(last(bob.sound(), 8000), 8000, 880) > 30, "bob hears anna")

    media.play(ParticipantId("bob"), sound, times=2)
    await until(lambda: media.stats(ParticipantId("bob"))["way"] == "play", "it begins")
    await until(lambda: bool(seen.played_out), "it is over")
    await until(lambda: level_db(last(bob.sound(), 4000), 8000, 880) > 30, "bob hears anna again")

    assert seen.played_out == [("bob", sound.id)]
    heard = bob.sound()
    alike = np.correlate(heard, melody[:4000], "valid")
    begins = int(np.argmax(alike > 0.99 * alike.max()))
    best = [
        max((600, 750, 880), key=lambda hz: level_db(heard[begins + at : begins + at + 3600], 8000, hz))
        for at in (200, 4200, 8200, 12200)
    ]
    assert best == [600, 750, 600, 750]
    parts = [heard[begins + at : begins + at + 3600] for at in (200, 4200, 8200, 12200)]
    above = [max(level_db(part, 8000, hz) for hz in (600, 750)) - level_db(part, 8000, 880) for part in parts]
    assert min(above) > 20, f"the room is not heard meanwhile: {above}"
    steps = {
        ((b.sequence - a.sequence) & 0xFFFF, (b.timestamp - a.timestamp) & 0xFFFFFFFF)
        for a, b in itertools.pairwise(bob.received)
    }
    assert steps == {(1, 160)}, "one unbroken stream"
    assert level_db(last(anna.sound(), 8000), 8000, 1300) > 30, "who is played to is heard all along"
    for phone in (anna, bob):
        phone.close()


async def test_a_sound_waits_for_a_far_end_and_stops_when_told_to(media: Media, seen: Seen) -> None:
    tone = np.sin(2 * np.pi * 500 * np.arange(1600) / 16000)
    sound = Sound((tone * 9000).astype("<i2").tobytes(), 16000)
    eve = RtpPhone(hz=1300)
    address, here = await eve.open(), media.open_phone(ROOM, ParticipantId("eve"))
    media.play(ParticipantId("eve"), sound, times=1000)
    media.play(ParticipantId("nobody"), sound)

    media.set_phone(ParticipantId("eve"), PhoneMedia(address, CODECS["PCMU"], ALL))
    eve.talk(here)
    await until(lambda: level_db(last(eve.sound(), 8000), 8000, 500) > 30, "the tone goes on and on")
    media.stop_playing(ParticipantId("eve"))
    await until(lambda: np.abs(last(eve.sound(), 8000)).max() < 0.01, "silence")

    media.play(ParticipantId("eve"), sound)
    await until(lambda: seen.played_out == [("eve", sound.id)], "only what ended by itself is told")
    with pytest.raises(ValueError, match="once at least"):
        media.play(ParticipantId("eve"), sound, times=0)
    eve.close()


SRTP = {"AES_CM_128_HMAC_SHA1_80": 30, "AES_CM_128_HMAC_SHA1_32": 30, "AES_256_CM_HMAC_SHA1_80": 46}
SRTP |= {"AEAD_AES_128_GCM": 28, "AEAD_AES_256_GCM": 44}


def protected_call(media: Media, name: str, suite: str, theirs: bytes = b"t", heard_as: bytes = b"t") -> FarPhone:
    """A phone whose stream is protected; ``heard_as`` is the key we believe it to have."""
    length = SRTP[suite]
    far = FarPhone(media, name, "PCMU")
    here = far.here = media.open_phone(ROOM, ParticipantId(name))
    # Ours first: what the far end sends before is not to be believed, and would be counted.
    ours = PhoneCrypto(suite, b"o" * length, heard_as * length)
    media.set_phone(ParticipantId(name), PhoneMedia(far.address, CODECS["PCMU"], ALL, trusted=True, crypto=ours))
    there = PhoneCrypto(suite, theirs * length, b"o" * length)
    media.set_phone(far.line, PhoneMedia(here, far.codec, (far.codec,), trusted=True, crypto=there))
    return far


@pytest.mark.parametrize("suite", SRTP)
async def test_protected_phones_hear_each_other_and_a_clear_one(media: Media, suite: str) -> None:
    ann, eve = protected_call(media, "ann", suite), await rtp_call(media, "eve", 880)
    ann.speak(500, 4)

    await until(lambda: level_db(last(eve.sound(), 8000), 8000, 500) > 30, "eve hears ann")
    await until(lambda: level_db(last(ann.heard(), 16000), 16000, 880) > 30, "ann hears eve")

    stats = media.stats(ParticipantId("ann"))
    assert (stats["srtp"], stats["packets_rejected"]) == (suite, 0)
    assert "srtp" not in media.stats(ParticipantId("eve"))
    eve.close()


async def test_who_has_not_the_key_is_neither_heard_nor_ends_the_call(media: Media, seen: Seen) -> None:
    """E8: forged packets, clear packets and another key's are dropped and counted; the leg lives."""
    bob = await rtp_call(media, "bob", 880)
    mallory = protected_call(media, "mallory", "AES_CM_128_HMAC_SHA1_80", theirs=b"x")
    mallory.speak(500, 2)
    await until(lambda: media.stats(ParticipantId("mallory"))["packets_forged"] > 50, "they are counted")
    assert media.stats(ParticipantId("mallory"))["packets_received"] == 0
    assert level_db(last(bob.sound(), 8000), 8000, 500) < 20

    ann = protected_call(media, "ann", "AES_CM_128_HMAC_SHA1_80")
    ann.speak(1300, 6)
    stranger = RtpPhone(hz=2000)
    await stranger.open()
    stranger.talk(ann.here)

    await until(lambda: media.stats(ParticipantId("ann"))["packets_forged"] > 50, "clear packets are counted")
    assert level_db(last(bob.sound(), 8000), 8000, 1300) > 30, "and ann is heard all the while"
    assert level_db(last(bob.sound(), 8000), 8000, 2000) < 20
    assert not stranger.received and not seen.failed
    for phone in (bob, stranger):
        phone.close()


async def test_what_is_sent_to_a_protected_phone_cannot_be_read_on_the_way(media: Media) -> None:
    bob = await rtp_call(media, "bob", 880)
    wire = RtpPhone(hz=440)
    address = await wire.open()
    media.open_phone(ROOM, ParticipantId("ann"))
    crypto = PhoneCrypto("AES_CM_128_HMAC_SHA1_80", b"o" * 30, b"t" * 30)
    media.set_phone(ParticipantId("ann"), PhoneMedia(address, CODECS["PCMU"], ALL, trusted=True, crypto=crypto))

    await until(lambda: len(wire.received) > 100, "ann is sent two seconds")

    assert {len(packet.payload) for packet in wire.received} == {170}
    noise = FROM_MU_LAW[np.frombuffer(b"".join(p.payload[:160] for p in wire.received), np.uint8)]
    assert level_db(last(noise, 8000), 8000, 880) < 20
    bob.close()
    wire.close()


async def test_a_new_key_in_mid_call_is_taken_and_the_sound_goes_on(media: Media) -> None:
    bob = await rtp_call(media, "bob", 880)
    ann = protected_call(media, "ann", "AEAD_AES_128_GCM")
    ann.speak(500, 8)
    await until(lambda: level_db(last(bob.sound(), 8000), 8000, 500) > 30, "bob hears ann")
    before = media.stats(ParticipantId("ann"))["packets_received"]

    there = PhoneCrypto("AES_CM_128_HMAC_SHA1_80", b"T" * 30, b"O" * 30)
    ours = PhoneCrypto("AES_CM_128_HMAC_SHA1_80", b"O" * 30, b"T" * 30)
    media.set_phone(ParticipantId("ann"), PhoneMedia(ann.address, CODECS["PCMU"], ALL, trusted=True, crypto=ours))
    media.set_phone(ann.line, PhoneMedia(ann.here, ann.codec, (ann.codec,), trusted=True, crypto=there))

    await until(lambda: media.stats(ParticipantId("ann"))["packets_received"] > int(before) + 75, "she still talks")
    assert level_db(last(bob.sound(), 8000), 8000, 500) > 30
    assert media.stats(ParticipantId("ann"))["packets_forged"] == 0
    assert media.stats(ParticipantId("ann"))["srtp"] == "AES_CM_128_HMAC_SHA1_80"
    bob.close()


@pytest.mark.parametrize("protected", [False, True])
async def test_both_ends_report_to_each_other_what_they_hear(media: Media, protected: bool) -> None:
    """RTCP both ways: after two reports the round trip is known, and how good either side sounds to the other.

    How good that is here is the machine's own pace; on a clock of its own it is 4.2 (``heard.rs`` of the engine).
    """
    ann = protected_call(media, "ann", "AES_CM_128_HMAC_SHA1_80") if protected else call(media, "ann", "PCMU")
    ann.speak(500, 20)

    def knows(leg: ParticipantId) -> bool:
        return {"round_trip_ms", "remote_mos", "mos"} <= media.stats(leg).keys()

    await until(lambda: knows(ParticipantId("ann")) and knows(ann.line), "both know", 25)

    for leg in (ParticipantId("ann"), ann.line):
        stats = {name: float(value) for name, value in media.stats(leg).items() if not isinstance(value, str)}
        assert 0 <= stats["round_trip_ms"] < 5000
        assert {"loss_percent", "remote_loss_percent"} <= stats.keys()
        assert 1 <= stats["mos"] < 4.5 and 1 <= stats["remote_mos"] < 4.5
        assert stats["frames_heard"] > 100 and 0 < stats["buffer_ms"] <= 200
        assert stats["packets_rejected"] == 0
        assert stats["reports_on_ours"] >= 1
        # Ann is alone in the room: only she is heard.
        assert stats["frames_speech"] > 100 if leg == "ann" else stats["frames_silent"] > 100


async def test_where_ports_are_shared_reports_come_on_that_of_the_sound(media: Media) -> None:
    """RFC 5761: when the far end offered it, and only then."""
    phone = RtpPhone(hz=440)
    host, port = await phone.open()
    media.open_phone(ROOM, ParticipantId("ann"))
    muxed = PhoneMedia((host, port), CODECS["PCMU"], ALL, trusted=True, rtcp_port=port)
    media.set_phone(ParticipantId("ann"), muxed)

    await until(lambda: [p for p in phone.received if p.payload_type in (72, 73)], "a report", 10)

    phone.close()
