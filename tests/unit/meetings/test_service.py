"""The register of meetings."""

import asyncio

import pytest

from ringback.meetings.admission import JoinRefused
from ringback.model.errors import NotFound, Unavailable
from ringback.model.ids import ParticipantId, RoomName
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage

HELLO = RoomName("hello")


async def test_everybody_who_joins_a_room_at_once_is_in_one_meeting():
    async with Stage() as stage:
        stage.rooms.put("hello")

        guests = await asyncio.gather(*(stage.join("hello", f"Guest {number}") for number in range(10)))

        assert len({guest.welcome.meeting for guest in guests}) == 1
        assert len(stage.meetings.presence(DOMAIN, HELLO)) == 10
        assert {len(guest.welcome.others) + len(guest.payloads("participant-joined")) for guest in guests} == {9}


async def test_joining_while_the_last_one_leaves_starts_the_next_meeting():
    async with Stage() as stage:
        stage.rooms.put("hello")
        ann = await stage.join("hello", "Ann")

        _, bob = await asyncio.gather(ann.seat.leave(), stage.join("hello", "Bob"))

        assert bob.welcome.meeting in stage.meetings.by_id
        assert [one.user_name for one in stage.meetings.presence(DOMAIN, HELLO)] == ["Bob"]


async def test_presence_has_user_ids_as_they_were_given_and_is_exact():
    async with Stage() as stage:
        stage.rooms.put("hello")
        stage.rooms.put("empty")
        ann = await stage.join("hello", "Ann")
        await stage.wait(34)

        (shown,) = stage.meetings.presence(DOMAIN, HELLO)

        assert (shown.id, shown.user_id, shown.user_name, shown.duration) == (ann.id, None, "Ann", 34)
        assert list(stage.meetings.presence_all(DOMAIN)) == [HELLO]
        assert stage.meetings.presence(DOMAIN, RoomName("empty")) == []


async def test_a_room_that_does_not_exist_is_refused_as_such():
    async with Stage() as stage:
        with pytest.raises(JoinRefused) as refused:
            await stage.join("nowhere")

        assert refused.value.kind == "no-room"


async def test_eject_takes_ids_and_user_ids_and_ignores_unknown_ones():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        bob = await stage.join("hello", "Bob")
        phone = stage.carrier.call_in(user)
        await stage.settle()

        gone = await stage.meetings.eject(DOMAIN, HELLO, [bob.id, phone.call, "nobody"], ["user-9"])

        assert set(gone) == {bob.id, ParticipantId(phone.call)}
        assert bob.sent_away == ("ejected", "You were removed from the meeting.")
        assert phone.goodbye == "ejected" and ann.seated
        with pytest.raises(NotFound):
            await stage.meetings.eject(DOMAIN, RoomName("empty"), [bob.id], [])


async def test_a_message_of_the_application_reaches_everybody_or_one():
    async with Stage() as stage:
        stage.rooms.put("hello")
        ann, bob = await stage.join("hello", "Ann"), await stage.join("hello", "Bob")

        await stage.meetings.send_app_message(DOMAIN, HELLO, {"n": 1})
        await stage.meetings.send_app_message(DOMAIN, HELLO, {"n": 2}, bob.id)

        assert [p["data"] for p in ann.payloads("app-message")] == [{"n": 1}]
        assert [p["data"] for p in bob.payloads("app-message")] == [{"n": 1}, {"n": 2}]
        assert bob.last("app-message")["fromId"] == "server"
        with pytest.raises(NotFound):
            await stage.meetings.send_app_message(DOMAIN, HELLO, {}, "nobody")


async def test_a_deleted_room_sends_everybody_away():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(user)
        await stage.settle()

        await stage.meetings.room_deleted(stage.rooms.remove("hello"))
        await stage.settle()

        assert ann.sent_away is not None and phone.state == "over"


async def test_more_endpoints_on_a_running_room_become_ready_and_fewer_hang_up_theirs():
    async with Stage() as stage:
        first = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(first)
        await stage.settle()

        await stage.meetings.room_changed(*stage.rooms.change("hello", endpoints=(first, "777777777777")))
        await stage.settle()
        second = stage.carrier.call_in("777777777777")
        await stage.settle()
        assert len(ann.payloads("dialin-ready")) == 2
        assert (phone.state, second.state) == ("answered", "answered")

        await stage.meetings.room_changed(*stage.rooms.change("hello", endpoints=(first,)))
        await stage.settle()

        assert (phone.state, second.state) == ("answered", "over")


async def test_a_draining_server_takes_nobody_new_and_ends_when_its_meetings_do():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1, enable_dialout=True).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        stage.meetings.drain()

        empty = asyncio.ensure_future(stage.meetings.until_empty())
        phone = stage.carrier.call_in(user)
        with pytest.raises(Unavailable):
            await stage.join("hello", "Bob")
        with pytest.raises(Unavailable):
            await stage.dial_out("hello")
        await stage.settle()
        assert phone.status == 480 and not empty.done() and ann.seated

        await ann.seat.leave()
        await stage.settle()

        assert empty.done()


async def test_an_offer_of_somebody_who_left_meanwhile_leaves_no_leg():
    async with Stage() as stage:
        stage.rooms.put("hello")
        ann, _ = await stage.join("hello", "Ann"), await stage.join("hello", "Bob")

        outcomes = await asyncio.gather(
            ann.seat.offer("v=0\r\n", {"0": "audio"}, {}), ann.seat.leave(), return_exceptions=True
        )

        assert isinstance(outcomes[0], NotFound)
        assert ann.id not in stage.media.legs
