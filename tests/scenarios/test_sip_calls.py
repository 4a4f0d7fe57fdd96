"""Whole calls with two real SIP stacks, a network that misbehaves and a clock that jumps."""

import pytest

from ringback.model.end_reason import Ending
from ringback.model.ids import ParticipantId
from ringback.testing.sip_stage import SipStage

BAD_LINK = {"delay": 0.08, "loss": 0.15, "duplicate": 0.1, "reorder": 0.2}


@pytest.mark.parametrize("seed", range(8))
async def test_a_dial_in_over_a_bad_link_is_answered_held_resumed_and_hung_up(seed: int):
    async with SipStage(seed=seed, **BAD_LINK) as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        phone = await stage.phone()

        call = phone.dial_room(user)
        await stage.wait(20)
        agreed = phone.agreed(call)
        assert agreed is not None and agreed.codec.name == "PCMU"
        connected = ann.payloads("dialin-connected")
        assert len(connected) == 1

        phone.hold(call)
        await stage.wait(20)
        assert ann.last("participant-updated")["participant"]["onHold"] is True
        phone.hold(call, False)
        await stage.wait(20)
        assert ann.last("participant-updated")["participant"]["onHold"] is False

        phone.telephony.bye(call)
        await stage.wait(40)
        assert [name for name in ann.names() if name.startswith("dialin-")] == [
            "dialin-ready",
            "dialin-connected",
            "dialin-held",
            "dialin-resumed",
            "dialin-stopped",
        ]


@pytest.mark.parametrize("seed", range(8))
async def test_a_dial_out_over_a_bad_link_rings_answers_and_is_stopped(seed: int):
    async with SipStage(seed=seed, **BAD_LINK) as stage:
        settings = stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        phone = await stage.phone()
        phone.picks_up = 3.0

        call = await stage.dial_out("hello", "sip:bob@10.0.0.2?X-Case=17")
        await stage.wait(30)
        assert ("X-Case", "17") in phone.incoming().headers
        assert [name for name in ann.names() if name.startswith("dialout-")] == [
            "dialout-connected",
            "dialout-answered",
        ]

        await stage.calls.stop_dial_out(settings.room.domain, settings.room.name, call)
        await stage.wait(40)
        assert ann.names()[-1] == "dialout-stopped"
        assert "ended" in phone.names()


async def test_the_display_name_travels_as_a_header_and_in_the_uri():
    async with SipStage() as stage:
        users = stage.rooms.put("hello", endpoints=2).room.endpoints
        ann = await stage.join("hello", "Ann")
        phone = await stage.phone()

        phone.dial_room(users[0], headers=(("X-Daily_Display_Name", "J%C3%BCrgen%20K"),))
        await stage.wait(1)

        assert ann.last("participant-joined")["participant"]["user_name"] == "Jürgen K"
        assert ann.last("dialin-connected")["sipHeaders"] == {}


async def test_a_caller_who_hangs_up_before_the_answer_is_never_seen():
    async with SipStage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        stage.media.ports = 0
        phone = await stage.phone()
        call = phone.dial_room(user)
        await stage.wait(1)
        assert phone.names() == ["progress"]

        phone.telephony.cancel(call)
        await stage.wait(2)

        assert phone.status(call) == 487
        assert "participant-joined" not in ann.names()


@pytest.mark.parametrize(
    ("status", "ending", "event"),
    [(486, Ending.BUSY, "dialout-stopped"), (603, Ending.DECLINED, "dialout-stopped")],
)
async def test_a_phone_that_says_no_after_ringing(status: int, ending: Ending, event: str):
    async with SipStage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        phone = await stage.phone()
        await stage.dial_out("hello", "sip:bob@10.0.0.2")
        await stage.wait(1)

        phone.telephony.reject(phone.incoming().call, status)
        await stage.wait(1)

        payload = ann.last(event)
        assert (payload["reason"], payload["sipStatusCode"]) == (ending.value, status)


async def test_nobody_answers_for_a_minute_and_the_phone_stops_ringing():
    async with SipStage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        phone = await stage.phone()
        await stage.dial_out("hello", "sip:bob@10.0.0.2")
        await stage.wait(65)

        assert ann.last("dialout-stopped")["reason"] == Ending.NO_ANSWER
        assert phone.names() == ["incoming", "cancelled"]


async def test_an_address_where_nobody_is_fails_within_five_seconds():
    async with SipStage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        await stage.phone("10.0.0.9")
        stage.network.drop = lambda packet: True

        refused = await stage.dial_out("hello", "sip:bob@10.0.0.3")
        silent = await stage.dial_out("hello", "sip:bob@10.0.0.9")
        await stage.wait(5)

        errors = {payload["sessionId"]: payload["reason"] for payload in ann.payloads("dialout-error")}
        assert errors == {refused: Ending.UNREACHABLE, silent: Ending.UNREACHABLE}


async def test_a_caller_that_never_acknowledges_is_hung_up():
    async with SipStage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        phone = await stage.phone()
        stage.network.drop = lambda packet: packet.data.startswith(b"ACK ")
        call = phone.dial_room(user)
        await stage.wait(1)
        media = stage.media.legs[ParticipantId(ann.last("dialin-connected")["sessionId"])].media
        assert media is not None and not media.send, "no sound for somebody who has not proved to be there"

        await stage.wait(40)

        assert ann.last("dialin-stopped")["reason"] == Ending.ACK_TIMEOUT
        assert phone.all("ended")[-1][0] == call


async def test_the_last_one_leaving_hangs_up_every_phone():
    async with SipStage() as stage:
        users = stage.rooms.put("hello", endpoints=2, enable_dialout=True).room.endpoints
        ann = await stage.join("hello", "Ann")
        callers = [await stage.phone(f"10.0.1.{number}") for number in range(2)]
        callee = await stage.phone()
        for phone, user in zip(callers, users, strict=True):
            phone.dial_room(user)
        await stage.dial_out("hello", "sip:bob@10.0.0.2")
        await stage.wait(1)

        await ann.seat.leave()
        await stage.wait(1)

        assert all(phone.names()[-1] == "ended" for phone in callers)
        assert callee.names()[-1] == "cancelled"


@pytest.mark.parametrize("moment", [0.0, 0.005, 0.015, 0.025, 0.035, 1.0, 2.005, 2.015, 4.0])
async def test_a_server_that_dies_in_the_midst_of_calls_ends_them_when_it_is_back(moment: float):
    """INVITE under way, arrived, being rung, ringing, the answer under way, answered."""
    async with SipStage() as first:
        user = first.rooms.put("hello", endpoints=1, enable_dialout=True).room.endpoints[0]
        await first.join("hello", "Ann")
        caller, callee = await first.phone("10.0.1.1"), await first.phone()
        callee.picks_up = 2.0
        caller.dial_room(user)
        await first.wait(0.1)
        out_call = await first.dial_out("hello", "sip:bob@10.0.0.2")
        await first.wait(moment)

        async with await first.kill() as second:
            await second.wait(40)

            assert {call.end.ending for call in second.records.calls.values() if call.end} == {Ending.SERVER_RESTART}
            assert out_call in second.records.calls and len(second.records.calls) == 2
            assert caller.names()[-1] == "ended"
            assert callee.names() in ([], ["incoming", "cancelled"], ["incoming", "acknowledged", "ended"])
            invites = [packet for packet in first.network.packets if packet.summary == "INVITE"]
            assert len({packet.data for packet in invites}) == 2, "nothing is dialled again"


async def test_a_call_whose_invite_had_not_arrived_when_the_server_died_rings_nowhere():
    async with SipStage() as first:
        first.rooms.put("hello", enable_dialout=True)
        await first.join("hello", "Ann")
        callee = await first.phone()
        first.network.drop = lambda packet: packet.summary == "INVITE"
        await first.dial_out("hello", "sip:bob@10.0.0.2")

        async with await first.kill() as second:
            second.network.drop = None
            await second.wait(60)

            assert callee.names() == []


async def test_a_room_that_dials_itself_is_told_so_and_rings_nobody():
    """D14."""
    async with SipStage() as stage:
        user = stage.rooms.put("hello", endpoints=1, enable_dialout=True).room.endpoints[0]
        ann = await stage.join("hello", "Ann")

        await stage.dial_out("hello", f"sip:{user}@10.0.0.1")
        await stage.wait(5)

        assert ann.last("dialout-error")["sipStatusCode"] == 482
        assert "dialin-connected" not in ann.names()


async def test_one_room_may_dial_another_on_the_same_server():
    async with SipStage() as stage:
        stage.rooms.put("here", enable_dialout=True)
        user = stage.rooms.put("there", endpoints=1).room.endpoints[0]
        ann, bob = await stage.join("here", "Ann"), await stage.join("there", "Bob")

        await stage.dial_out("here", f"sip:{user}@10.0.0.1")
        await stage.wait(5)

        assert "dialin-connected" in bob.names() and "dialout-answered" in ann.names()
        await ann.seat.leave()
        await stage.wait(5)
        assert bob.names()[-1] == "dialin-stopped"
