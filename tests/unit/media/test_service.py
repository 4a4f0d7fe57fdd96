"""The media side without the compiled core: what is passed down, what comes back, and who is told."""

import asyncio
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ringback.calls.ports.streams import PhoneCodec, PhoneCrypto, PhoneMedia
from ringback.media.service import Media, phone_fields
from ringback.model.errors import InvalidRequest, Unavailable
from ringback.model.events import LayerLimit
from ringback.model.ids import MeetingId, ParticipantId
from ringback.model.sound import Sound
from ringback.model.tones import Tone

ANN = ParticipantId("ann")
PCMU = PhoneCodec("PCMU", 0, 0, 8000)


class FakeEngine:
    """An engine that notes what it is asked, and reports what a test says through a real eventfd."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.ports = iter([20000])
        self._fd = os.eventfd(0, os.EFD_NONBLOCK)
        self._waiting: list[tuple[str, dict[str, Any]]] = []
        self._requests = 0
        self.closed = 0

    def __getattr__(self, verb: str) -> Callable[..., None]:
        return lambda *arguments: self.asked.append((verb, *arguments))

    def event_fd(self) -> int:
        return self._fd

    def happen(self, kind: str, **fields: Any) -> None:
        self._waiting.append((kind, fields))
        os.eventfd_write(self._fd, 1)

    def drain(self) -> list[tuple[str, dict[str, Any]]]:
        os.eventfd_read(self._fd)
        waiting, self._waiting = self._waiting, []
        return waiting

    def open_phone(self, room: str, leg: str) -> int:
        try:
            return next(self.ports)
        except StopIteration:
            raise OSError(98, "no free RTP port in 20000-20001 on 127.0.0.1") from None

    def webrtc_offer(self, leg: str, sdp: str) -> int:
        self._requests += 1
        return self._requests

    def close(self) -> None:
        self.closed += 1


class Told:
    """Remembers what it is told, as (what, arguments)."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def __getattr__(self, what: str) -> Callable[..., None]:
        return lambda *arguments: self.events.append((what, *arguments))


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def media(engine: FakeEngine, told: Told) -> Iterator[Media]:
    media = Media(engine, asyncio.get_running_loop(), told, phone_host="203.0.113.5")  # type: ignore[arg-type]
    yield media
    media.close()
    os.close(engine.event_fd())


async def turns(n: int = 3) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


async def test_every_kind_of_event_is_told_in_order(media: Media, engine: FakeEngine, told: Told) -> None:
    engine.happen("webrtc-state", leg="ann", state="connected")
    engine.happen("media-started", leg="ann", track="audio")
    engine.happen("digit", leg="bob", digit="5", duration_ms=120, volume=10, in_band=False)
    engine.happen("active-speaker", room="m1", leg="ann")
    engine.happen("encoding-asked", leg="ann", track="video", layers=[(2, 855_000, 0)])
    engine.happen("leg-silent", leg="bob")
    engine.happen("leg-failed", leg="eve", reason="a bug")
    engine.happen("something-newer", leg="eve")

    await turns()

    assert told.events == [
        ("webrtc_state", "ann", "connected"),
        ("media_started", "ann", "audio"),
        ("digit", "bob", "5", 120, 10, "telephone-event"),
        ("active_speaker", "m1", "ann"),
        ("encoding_asked", "ann", "video", (LayerLimit(2, 855_000),)),
        ("leg_silent", "bob"),
        ("leg_failed", "eve", "a bug"),
    ]


async def test_answers_find_their_offers_in_whatever_order(media: Media, engine: FakeEngine) -> None:
    first = asyncio.create_task(media.webrtc_offer(ANN, "offer 1"))
    second = asyncio.create_task(media.webrtc_offer(ANN, "offer 2"))
    await turns()

    engine.happen("reply", request=2, error=None, sdp="answer 2")
    engine.happen("reply", request=1, error=None, sdp="answer 1")

    assert (await first, await second) == ("answer 1", "answer 2")


async def test_a_bad_offer_is_the_clients_mistake(media: Media, engine: FakeEngine) -> None:
    offered = asyncio.create_task(media.webrtc_offer(ANN, "nonsense"))
    await turns()

    engine.happen("reply", request=1, error="the offer cannot be read", sdp=None)

    with pytest.raises(InvalidRequest, match="cannot be read"):
        await offered


async def test_an_offer_of_a_leg_that_is_closed_does_not_wait_for_ever(media: Media, engine: FakeEngine) -> None:
    offered = asyncio.create_task(media.webrtc_offer(ANN, "offer"))
    await turns()

    media.close_leg(ANN)

    with pytest.raises(InvalidRequest, match="closed"):
        await offered
    engine.happen("reply", request=1, error=None, sdp="too late")
    await turns()


async def test_an_offer_nobody_waits_for_any_more_is_forgotten(media: Media, engine: FakeEngine, told: Told) -> None:
    offered = asyncio.create_task(media.webrtc_offer(ANN, "offer"))
    await turns()

    offered.cancel()
    await turns()
    engine.happen("reply", request=1, error=None, sdp="answer")
    engine.happen("leg-silent", leg="bob")
    await turns()

    assert told.events == [("leg_silent", "bob")]


async def test_a_phone_is_told_the_advertised_host(media: Media) -> None:
    assert media.open_phone(MeetingId("m1"), ANN) == ("203.0.113.5", 20000)


async def test_no_free_port_is_unavailable_and_names_the_setting(media: Media, engine: FakeEngine) -> None:
    engine.ports = iter([])

    with pytest.raises(Unavailable, match="RINGBACK_MEDIA__RTP_PORTS"):
        media.open_phone(MeetingId("m1"), ANN)


async def test_closing_twice_closes_once_and_ends_what_waits(media: Media, engine: FakeEngine) -> None:
    offered = asyncio.create_task(media.webrtc_offer(ANN, "offer"))
    await turns()

    media.close()
    media.close()

    assert engine.closed == 1
    with pytest.raises(InvalidRequest, match="closing"):
        await offered


async def test_an_offer_after_the_end_fails_at_once(media: Media) -> None:
    media.close()

    with pytest.raises(Unavailable, match="closed"):
        await media.webrtc_offer(ANN, "offer")


async def test_sources_are_passed_as_a_list_and_everybody_as_none(media: Media, engine: FakeEngine) -> None:
    media.set_sources(ANN, frozenset({ParticipantId("bob")}))
    media.set_sources(ANN, None)

    assert engine.asked[-2:] == [("set_sources", "ann", ["bob"]), ("set_sources", "ann", None)]


def test_a_phones_media_is_written_as_the_core_takes_it() -> None:
    media = PhoneMedia(
        ("192.0.2.1", 4000),
        PCMU,
        (PCMU,),
        101,
        96,
        listen=False,
        signalling_host="192.0.2.9",
        networks=("198.51.100.0/24",),
        crypto=PhoneCrypto("AEAD_AES_128_GCM", b"s" * 28, b"r" * 28),
    )

    fields = phone_fields(media)

    codec = {"name": "PCMU", "payload_type": 0, "receive_payload_type": 0, "clock_rate": 8000, "ptime_ms": 20}
    assert fields == {
        "remote": ("192.0.2.1", 4000),
        "codec": codec,
        "receive": [codec],
        "dtmf_payload_type": 101,
        "dtmf_receive_payload_type": 96,
        "dtmf_clock_rate": None,
        "dtmf_tones": False,
        "dtmf_detect": False,
        "send": True,
        "listen": False,
        "trusted": False,
        "signalling_host": "192.0.2.9",
        "hold_fire": False,
        "rtcp_port": None,
        "networks": ["198.51.100.0/24"],
        "crypto": {
            "suite": "AEAD_AES_128_GCM",
            "send_key": b"s" * 28,
            "receive_key": b"r" * 28,
            "receive_mki": b"",
        },
        "ice": None,
        "guard_echo": False,
        "suppress_noise": False,
        "level_gain": False,
    }


def test_keys_are_not_shown() -> None:
    crypto = PhoneCrypto("AEAD_AES_128_GCM", b"sesame", b"sesame")

    assert "sesame" not in repr(PhoneMedia(None, PCMU, crypto=crypto))


async def test_a_sound_is_played_by_its_content_and_its_end_is_told(
    media: Media, engine: FakeEngine, told: Told
) -> None:
    sound = Sound(b"\x01\x00" * 80)
    media.play(ANN, sound, times=2)
    media.stop_playing(ANN)
    engine.happen("played", leg=ANN, sound=sound.id)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert engine.asked == [("play_sound", ANN, sound.id, sound.pcm, 8000, 2), ("stop_sound", ANN)]
    assert told.events == [("played", ANN, sound.id)]


async def test_a_tone_is_played_and_stopped(media: Media, engine: FakeEngine) -> None:
    media.play_tone(ANN, Tone((440, 480), (2000, 4000)))
    media.stop_tone(ANN)

    assert engine.asked == [("play_tone", ANN, [440, 480], [2000, 4000], -19.0), ("stop_tone", ANN)]
