"""Holding and resuming: by the phone, by the room, by both."""

import pytest
from structlog.testing import capture_logs

from ringback.model.ids import CallId, ParticipantId, RoomName
from ringback.sdp.negotiation import make_offer
from ringback.testing.carrier import FakePhone
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Guest, Stage

HELLO = RoomName("hello")


async def talking(stage: Stage) -> tuple[Guest, FakePhone]:
    """Ann and a phone that called in."""
    user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
    ann = await stage.join("hello", "Ann")
    phone = stage.carrier.call_in(user)
    await stage.settle()
    return ann, phone


def shown(guest: Guest) -> tuple[object, object]:
    who = guest.last("participant-updated")["participant"]
    return who["onHold"], who["heldBy"]


BLACK_HOLE = make_offer(7, 2, "0.0.0.0", 14000, ("PCMU",), "sendrecv")
ELSEWHERE = make_offer(7, 2, "198.51.100.99", 16000, ("PCMU",), "sendonly")
INACTIVE = make_offer(7, 2, "198.51.100.7", 14000, ("PCMU",), "inactive")


@pytest.mark.parametrize("offer", [BLACK_HOLE, ELSEWHERE, INACTIVE], ids=["0.0.0.0", "sendonly elsewhere", "inactive"])
async def test_a_phone_that_holds_is_shown_so_its_music_is_kept_out_and_resuming_brings_it_back(offer: bytes):
    async with Stage() as stage:
        ann, phone = await talking(stage)
        leg = stage.media.legs[ParticipantId(phone.call)]

        phone.reoffer(offer)
        await stage.settle()
        assert shown(ann) == (True, ["far-end"])
        assert ann.last("dialin-held")["heldBy"] == "far-end"
        assert leg.media is not None and not leg.media.send and not leg.media.listen

        await stage.wait(3600)
        phone.hold(False)
        await stage.settle()

        assert shown(ann) == (False, [])
        assert ann.last("dialin-resumed")["sessionId"] == phone.call
        assert leg.media.send and leg.media.listen and leg.media.remote == ("198.51.100.7", 14000)
        assert phone.state == "answered"


async def test_a_phone_that_the_room_holds_hears_nobody_and_is_not_heard():
    async with Stage() as stage:
        ann, phone = await talking(stage)
        leg = stage.media.legs[ParticipantId(phone.call)]

        await stage.calls.hold(DOMAIN, HELLO, phone.call, True)
        await stage.settle()
        assert phone.holding and shown(ann) == (True, ["room"])
        assert leg.sources == frozenset() and leg.media is not None and not leg.media.listen
        await stage.join("hello", "Bob")
        assert leg.sources == frozenset()

        await stage.calls.hold(DOMAIN, HELLO, phone.call, False)
        await stage.settle()
        assert shown(ann) == (False, []) and leg.sources is None and leg.media.listen
        assert [name for name in ann.names() if name in ("dialin-held", "dialin-resumed")] == [
            "dialin-held",
            "dialin-resumed",
        ]


async def test_each_side_may_hold_the_other_and_each_resumes_its_own():
    async with Stage() as stage:
        ann, phone = await talking(stage)

        with capture_logs() as logs:
            phone.hold()
            await stage.settle()
            await stage.calls.hold(DOMAIN, HELLO, phone.call, True)
            await stage.settle()
            assert shown(ann) == (True, ["far-end", "room"])
            phone.hold(False)
            await stage.settle()
            assert shown(ann) == (True, ["room"])
            await stage.calls.hold(DOMAIN, HELLO, phone.call, False)
            await stage.settle()

        assert shown(ann) == (False, [])
        steps = [(entry["event"], entry["by"]) for entry in logs if "by" in entry]
        assert steps == [
            ("call.held", "far-end"),
            ("call.held", "room"),
            ("call.resumed", "far-end"),
            ("call.resumed", "room"),
        ]


async def test_an_announcement_that_never_listens_is_heard_and_is_not_on_hold():
    """A device that only sends is one-way from the start; only a call that ran both ways can be held."""
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")

        phone = stage.carrier.call_in(user, offer=make_offer(7, 1, "198.51.100.7", 14000, ("PCMU",), "sendonly"))
        await stage.settle()

        media = stage.media.legs[ParticipantId(phone.call)].media
        assert media is not None and media.listen and not media.send
        assert ann.last("participant-joined")["participant"]["onHold"] is False
        assert "dialin-held" not in ann.names()


async def test_holding_ends_with_the_call_and_not_with_a_resume():
    async with Stage() as stage:
        ann, phone = await talking(stage)
        phone.hold()
        await stage.wait(5)

        phone.hang_up()
        await stage.settle()

        assert stage.records.calls[CallId(phone.call)].sound["held_seconds"] == 5.0
        assert "dialin-resumed" not in ann.names()
