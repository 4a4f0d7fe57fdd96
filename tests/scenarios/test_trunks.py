"""Whole calls to and from telephone numbers, in memory."""

import pytest

from ringback.model.errors import InvalidRequest
from ringback.model.ids import RoomName
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage

NUMBER = "+4930123456"


async def test_a_dialled_number_is_a_telephone_in_the_room_and_its_events_name_the_trunk() -> None:
    async with Stage() as stage:
        stage.routes.trunks = {"acme": "sip.acme.example"}
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")

        call = await stage.calls.start_dial_out(DOMAIN, RoomName("hello"), {"phoneNumber": NUMBER, "callerId": "+4940"})
        await stage.settle()
        phone = stage.carrier.phone_of(call)
        phone.ring()
        phone.pick_up()
        await stage.settle()

        joined = ann.last("participant-joined")
        answered = ann.last("dialout-answered")
        assert joined["participant"]["participantType"] == "pstn-dial-out"
        assert (answered["destination"], answered["callerId"], answered["trunk"]) == (NUMBER, "+4940", "acme")
        assert stage.records.calls[call].trunk == "acme"
        phone.hang_up()
        await stage.settle()


async def test_a_call_that_fails_over_is_told_and_stored_with_the_trunk_that_carried_it() -> None:
    async with Stage() as stage:
        stage.routes.trunks = {"first": "one.example", "second": "two.example"}
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        call = await stage.calls.start_dial_out(DOMAIN, RoomName("hello"), {"phoneNumber": NUMBER})
        await stage.settle()

        phone = stage.carrier.phone_of(call)
        phone.fail_over(1)
        phone.pick_up()
        await stage.settle()

        assert ann.last("dialout-answered")["trunk"] == "second"
        assert stage.records.calls[call].trunk == "second"
        phone.hang_up()
        await stage.settle()


async def test_a_number_rings_its_room_on_an_endpoint_that_is_free() -> None:
    async with Stage() as stage:
        room = stage.rooms.put("hello", endpoints=2)
        stage.routes.rooms = {NUMBER: (DOMAIN, RoomName("hello"))}
        ann = await stage.join("hello", "Ann")

        phones = [
            stage.carrier.call_in(NUMBER, trunk="acme", called_number=NUMBER, caller=f"+1212555010{index}")
            for index in range(3)
        ]
        await stage.settle()

        assert [phone.state for phone in phones] == ["answered", "answered", "refused"]
        assert phones[2].status == 486
        assert {call.endpoint for call in stage.records.calls.values() if call.endpoint} == set(room.room.endpoints)
        joined = ann.payloads("participant-joined")
        assert [each["participant"]["participantType"] for each in joined] == ["pstn-dial-in"] * 2
        connected = ann.payloads("dialin-connected")
        assert [(each["sipFrom"], each["trunk"]) for each in connected] == [
            ("+12125550100", "acme"),
            ("+12125550101", "acme"),
        ]
        for phone in phones[:2]:
            phone.hang_up()
        await stage.settle()


async def test_refusals_to_a_trunk_are_distinct_and_to_a_stranger_all_alike() -> None:
    async with Stage() as stage:
        stage.rooms.put("silent")
        stage.routes.rooms = {"+491": (DOMAIN, RoomName("silent")), "+492": (DOMAIN, RoomName("gone"))}

        known = [
            stage.carrier.call_in(number, trunk="acme", called_number=number) for number in ("+491", "+492", "+493")
        ]
        stranger = stage.carrier.call_in("+491")
        await stage.settle()

        assert [phone.status for phone in known] == [404, 404, 404]
        assert stranger.status == 480


async def test_without_a_trunk_a_number_is_refused_with_what_to_set() -> None:
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        await stage.join("hello", "Ann")

        with pytest.raises(InvalidRequest, match="needs a trunk"):
            await stage.calls.start_dial_out(DOMAIN, RoomName("hello"), {"phoneNumber": NUMBER})


async def test_a_trunk_may_dial_a_rooms_own_address_though_it_looks_like_a_number() -> None:
    async with Stage() as stage:
        room = stage.rooms.put("hello", endpoints=1)
        ann = await stage.join("hello", "Ann")
        user = room.room.endpoints[0]

        phone = stage.carrier.call_in(user, trunk="pbx", called_number=f"+{user}", caller="sip:bob@pbx.example")
        await stage.settle()

        assert phone.state == "answered"
        assert ann.last("participant-joined")["participant"]["participantType"] == "sip-dial-in"
        phone.hang_up()
        await stage.settle()
