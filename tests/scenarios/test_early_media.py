"""What the room hears before a dialled phone is answered: its early media, or our own ringing tone."""

import pytest

from ringback.model.ids import CallId, ParticipantId
from ringback.model.tones import RINGING, RINGING_BY_COUNTRY, Tone
from ringback.testing.carrier import PHONE_HOST, FakePhone
from ringback.testing.media import FakeLeg
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Guest, Stage


async def calling(stage: Stage, uri: str = "sip:bob@phones.example") -> tuple[Guest, FakePhone, FakeLeg]:
    """Ann, the phone her room is dialling, and its leg."""
    stage.rooms.put("hello", enable_dialout=True)
    ann = await stage.join("hello", "Ann")
    call = await stage.dial_out("hello", uri)
    return ann, stage.carrier.phone_of(call), stage.media.legs[ParticipantId(call)]


def heard(leg: FakeLeg) -> object:
    """Where the room hears the phone from; ``None``: it does not."""
    return leg.media.remote if leg.media is not None and leg.media.listen else None


@pytest.mark.parametrize(
    ("uri", "tone"),
    [
        ("sip:bob@phones.example", RINGING),
        ("sip:+12025550123@carrier.example", RINGING_BY_COUNTRY["1"]),
        ("sip:+442079460123@carrier.example;user=phone", RINGING_BY_COUNTRY["44"]),
        ("sip:+4930901820@carrier.example", RINGING),
    ],
)
async def test_a_phone_that_rings_without_media_sounds_as_phones_of_its_country_do(uri: str, tone: Tone):
    async with Stage() as stage:
        _, phone, leg = await calling(stage, uri)
        assert leg.tone is None

        phone.ring()
        phone.ring()
        await stage.settle()
        assert leg.tone == tone

        phone.pick_up()
        await stage.settle()
        assert leg.tone is None


async def test_early_media_takes_the_place_of_the_tone_and_the_answer_that_of_both():
    async with Stage() as stage:
        ann, phone, leg = await calling(stage)
        phone.ring(180)
        await stage.settle()
        assert leg.tone is not None and heard(leg) is None

        phone.ring(183, early=True)
        await stage.settle()
        assert heard(leg) == (PHONE_HOST, 14000) and leg.media is not None and not leg.media.send
        stage.sounds(phone.call)
        phone.ring(180)
        await stage.settle()
        assert leg.tone is None, "what the far end plays is not drowned by a tone of ours"

        phone.pick_up()
        await stage.settle()
        assert leg.media.send and leg.media.listen
        told = [name for name in ann.names() if name.startswith("dialout-") or name == "participant-joined"]
        assert told == ["participant-joined", "dialout-connected", "dialout-answered"]


async def test_a_180_with_a_description_but_no_sound_still_rings():
    """Some carriers describe media in their 180 and send none: that was silence until somebody answered."""
    async with Stage() as stage:
        _, phone, leg = await calling(stage)

        phone.ring(180, early=True)
        await stage.settle()

        assert heard(leg) == (PHONE_HOST, 14000) and leg.tone == RINGING


async def test_183_alone_brings_no_tone():
    async with Stage() as stage:
        _, phone, leg = await calling(stage)

        phone.ring(183, early=True)
        await stage.settle()

        assert leg.tone is None


async def test_the_newest_fork_is_heard_and_the_one_that_answers_in_the_end():
    async with Stage() as stage:
        _, phone, leg = await calling(stage)

        phone.ring(183, early=True, fork="desk", port=14000)
        await stage.settle()
        phone.ring(183, early=True, fork="mobile", port=14010)
        await stage.settle()
        assert heard(leg) == (PHONE_HOST, 14010)

        phone.pick_up(fork="door", port=14020)
        await stage.settle()
        assert heard(leg) == (PHONE_HOST, 14020) and leg.media is not None and leg.media.send
        assert stage.records.calls[phone.call].dialog.remote_tag == "door"  # type: ignore[union-attr]


async def test_a_fork_that_gives_up_is_no_longer_heard_and_the_others_ring_on():
    """RFC 6228: 199 ends one early dialog of several."""
    async with Stage() as stage:
        _, phone, leg = await calling(stage)
        phone.ring(183, early=True, fork="desk")
        stage.sounds(phone.call)
        await stage.settle()

        phone.ring(199, fork="mobile")
        await stage.settle()
        assert heard(leg) is not None
        phone.ring(199, fork="desk")
        await stage.settle()

        assert heard(leg) is None and leg.tone == RINGING


async def test_a_phone_muted_while_it_rings_stays_muted_when_it_answers():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        owner = await stage.join("hello", "Olga", owner=True)
        call = CallId(await stage.dial_out("hello"))
        stage.carrier.phone_of(call).ring(183, early=True)
        await stage.settle()

        await owner.seat.update_participants({call: {"setAudio": False}})
        stage.carrier.phone_of(call).pick_up()
        await stage.settle()

        assert stage.media.legs[ParticipantId(call)].muted
        shown = owner.last("participant-updated")["participant"]
        assert (shown["callState"], shown["tracks"]["audio"]["state"]) == ("answered", "off")


async def test_a_phone_that_may_hear_nobody_hears_nobody_from_its_first_ring():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        await stage.join("hello", "Ann")

        call = await stage.dial_out("hello", permissions={"canReceive": {"base": False}})
        stage.carrier.phone_of(call).ring(183, early=True)
        await stage.settle()

        assert stage.media.legs[ParticipantId(call)].sources == frozenset()


async def test_early_media_does_not_put_anybody_on_hold():
    """An early description often only sends, and another telephone's may do both."""
    async with Stage() as stage:
        ann, phone, _ = await calling(stage)
        phone.ring(183, early=True, fork="desk")
        phone.direction = "sendonly"
        phone.ring(183, early=True, fork="mobile", port=14010)
        await stage.settle()

        assert not [name for name in ann.names() if name.endswith("-held")]
        await stage.calls.stop_dial_out(DOMAIN, ann.seat.room, phone.call)
