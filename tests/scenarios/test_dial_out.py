"""Rooms dial phones."""

import asyncio

import pytest

from ringback.model.end_reason import Ending
from ringback.model.errors import InvalidRequest, NotFound, RingbackError, Unavailable
from ringback.model.ids import CallId, ParticipantId, RoomName
from ringback.model.records import CallState
from ringback.model.room import IdleTimeouts
from ringback.sdp.negotiation import make_offer
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage

HELLO = RoomName("hello")


async def test_a_phone_that_rings_and_picks_up_is_a_participant_from_the_first_ring():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")

        call = await stage.dial_out(
            "hello", "sip:bob@phones.example?X-Case=17&X-Lang=de", displayName="Bob", userId="user-7"
        )
        phone = stage.carrier.phone_of(call)
        assert phone.headers == (("X-Case", "17"), ("X-Lang", "de"))
        assert stage.records.calls[call].state is CallState.QUEUED
        assert "participant-joined" not in ann.names()

        phone.ring()
        await stage.settle()
        ringing = ann.last("participant-joined")["participant"]
        assert (ringing["session_id"], ringing["user_name"], ringing["user_id"]) == (call, "Bob", "user-7")
        assert (ringing["participantType"], ringing["callState"]) == ("sip-dial-out", "ringing")
        assert ann.names()[-1] == "dialout-connected"

        phone.pick_up()
        await stage.settle()
        assert ann.last("participant-updated")["participant"]["callState"] == "answered"
        answered = ann.last("dialout-answered")
        assert answered["sessionId"] == call and answered["destination"] == "sip:bob@phones.example"
        assert stage.records.calls[call].dialog.remote_tag == "far"  # type: ignore[union-attr]
        media = stage.media.legs[call].media
        assert media is not None and media.send and media.remote == ("198.51.100.7", 14000)

        phone.hang_up()
        await stage.settle()
        assert ann.names()[-3:] == ["participant-left", "participant-counts-updated", "dialout-stopped"]


async def test_early_media_is_heard_and_nothing_is_sent_before_the_answer():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        await stage.join("hello", "Ann")
        call = await stage.dial_out("hello")

        stage.carrier.phone_of(call).ring(183, early=True)
        await stage.settle()

        media = stage.media.legs[call].media
        assert media is not None and media.listen and not media.send


async def test_a_dialled_phone_resumes_by_asking_for_our_offer_and_answering_in_its_ack():
    """Exchanges resume so; the answer was not looked at, and the phone stayed on hold: silence both ways."""
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        call = CallId(await stage.dial_out("hello"))
        phone = stage.carrier.phone_of(call)
        phone.pick_up()
        phone.hold()
        await stage.settle()
        assert ann.last("participant-updated")["participant"]["onHold"] is True

        phone.own_offer = b""
        stage.calls.reoffered(call, None)
        await stage.settle()
        stage.calls.acknowledged(call, make_offer(7, 3, "198.51.100.7", 14000, ("PCMU",)))
        await stage.settle()

        media = stage.media.legs[ParticipantId(call)].media
        assert media is not None and media.send
        assert ann.last("participant-updated")["participant"]["onHold"] is False
        phone.hang_up()


async def test_answering_without_ringing_still_tells_connected_before_answered():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        call = await stage.dial_out("hello")

        stage.carrier.phone_of(call).pick_up()
        await stage.settle()

        told = [name for name in ann.names() if name in ("participant-joined", "dialout-connected", "dialout-answered")]
        assert told == ["participant-joined", "dialout-connected", "dialout-answered"]


@pytest.mark.parametrize(
    ("status", "reason", "ending"),
    [
        (486, "Busy Here", Ending.BUSY),
        (600, "Busy Everywhere", Ending.BUSY),
        (603, "Decline", Ending.DECLINED),
        (480, "Temporarily Unavailable", Ending.NO_ANSWER),
        (404, "Not Found", Ending.REJECTED),
        (503, "Service Unavailable", Ending.REJECTED),
    ],
)
async def test_a_refusal_after_ringing_is_stopped_and_before_it_an_error(status: int, reason: str, ending: Ending):
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        rang = await stage.dial_out("hello", "sip:a@phones.example")
        silent = await stage.dial_out("hello", "sip:b@phones.example")

        stage.carrier.phone_of(rang).ring()
        stage.carrier.phone_of(rang).refuse(status, reason)
        stage.carrier.phone_of(silent).refuse(status, reason)
        await stage.settle()

        stopped, error = ann.last("dialout-stopped"), ann.last("dialout-error")
        assert (stopped["sessionId"], stopped["reason"], stopped["sipStatusCode"]) == (rang, ending.value, status)
        assert (error["sessionId"], error["sipStatusCode"]) == (silent, status)
        assert f"({status} {reason})" in error["errorMsg"] == error["message"]
        assert error["details"]["destination"] == "sip:b@phones.example"


@pytest.mark.parametrize(
    ("cause", "rang", "ending"),
    [
        ("timeout", True, Ending.NO_ANSWER),
        ("timeout", False, Ending.UNREACHABLE),
        ("transport", False, Ending.UNREACHABLE),
        ("resolve", False, Ending.UNRESOLVABLE),
        ("policy", False, Ending.REFUSED),
    ],
)
async def test_failures_without_an_answer_are_told_apart(cause: str, rang: bool, ending: Ending):
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        call = await stage.dial_out("hello")
        phone = stage.carrier.phone_of(call)

        if rang:
            phone.ring()
        phone.refuse(0, "nothing came back", cause)
        await stage.settle()

        assert ann.last("dialout-stopped" if rang else "dialout-error")["reason"] == ending.value


async def test_stop_cancels_while_it_rings_and_hangs_up_once_answered():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        ringing = await stage.dial_out("hello", "sip:a@phones.example")
        stage.carrier.phone_of(ringing).ring()
        answered = await stage.dial_out("hello", "sip:b@phones.example")
        stage.carrier.phone_of(answered).pick_up()
        await stage.settle()

        await stage.calls.stop_dial_out(DOMAIN, HELLO, ringing)
        await stage.calls.stop_dial_out(DOMAIN, HELLO, answered)

        assert stage.carrier.verbs(ringing) == ["invite", "cancel"]
        assert stage.carrier.verbs(answered) == ["invite", "bye"]
        reasons = [payload["reason"] for payload in ann.payloads("dialout-stopped")]
        assert reasons == ["cancelled-local", "hangup-local"]
        with pytest.raises(NotFound):
            await stage.calls.stop_dial_out(DOMAIN, HELLO, answered)


async def test_an_empty_room_is_not_dialled_from_unless_it_lets_calls_start_it():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)

        with pytest.raises(NotFound, match=r"room hello is not hosting a call.*dialout_config\.allow_room_start"):
            await stage.dial_out("hello")


async def test_a_call_may_start_the_meeting_and_ends_it_when_nobody_picks_up():
    async with Stage() as stage:
        timeouts = IdleTimeouts(allow_room_start=True, max_idle=300)
        stage.rooms.put("hello", enable_dialout=True, dialout=timeouts)

        call = await stage.dial_out("hello")
        assert stage.records.meetings
        stage.carrier.phone_of(call).ring()
        stage.carrier.phone_of(call).refuse(486, "Busy Here")
        await stage.settle()

        assert all(meeting.ended_at for meeting in stage.records.meetings.values())


async def test_a_dialled_party_alone_is_hung_up_when_its_time_is_over():
    async with Stage() as stage:
        timeouts = IdleTimeouts(allow_room_start=True, max_idle=300)
        stage.rooms.put("hello", enable_dialout=True, dialout=timeouts)
        call = await stage.dial_out("hello")
        phone = stage.carrier.phone_of(call)
        await stage.wait(50)
        phone.pick_up()
        await stage.wait(299)
        assert phone.state == "answered"

        await stage.wait(2)

        assert phone.goodbye == "idle-timeout"


async def test_dial_out_needs_the_rooms_permission_and_a_carrier_for_numbers():
    async with Stage() as stage:
        stage.rooms.put("closed")
        stage.rooms.put("hello", enable_dialout=True)
        await stage.join("closed", "Ann")
        await stage.join("hello", "Ann")

        with pytest.raises(InvalidRequest, match="add enable_dialout property to room"):
            await stage.dial_out("closed")
        with pytest.raises(InvalidRequest, match="needs a trunk"):
            await stage.calls.start_dial_out(DOMAIN, HELLO, {"phoneNumber": "+12025550123"})
        with pytest.raises(NotFound, match="room nowhere not found"):
            await stage.dial_out("nowhere")


async def test_twenty_starts_at_once_are_taken_up_to_the_limit():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True, max_sip_pstn_sessions=12)
        await stage.join("hello", "Ann")

        async def start(number: int) -> object:
            try:
                return await stage.calls.start_dial_out(DOMAIN, HELLO, {"sipUri": f"sip:{number}@phones.example"})
            except RingbackError as error:
                return error

        outcomes = await asyncio.gather(*(start(number) for number in range(20)))

        refused = [outcome for outcome in outcomes if isinstance(outcome, RingbackError)]
        assert len(stage.carrier.phones) == 12 and len(refused) == 8
        assert {error.info for error in refused} == {"max_sip_pstn_sessions_per_room limit (12) reached"}


async def test_the_same_request_again_while_it_rings_is_refused_and_afterwards_taken():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        await stage.join("hello", "Ann")
        call = await stage.dial_out("hello")

        with pytest.raises(InvalidRequest, match="dialOut already started"):
            await stage.dial_out("hello")
        stage.carrier.phone_of(call).pick_up()
        await stage.settle()

        assert await stage.dial_out("hello") != call


async def test_an_idempotency_key_starts_one_call_however_often_it_is_sent():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        await stage.join("hello", "Ann")

        first, second = await asyncio.gather(
            stage.dial_out("hello", idempotency_key="k1"), stage.dial_out("hello", idempotency_key="k1")
        )
        stage.carrier.phone_of(first).refuse(486, "Busy Here")
        await stage.settle()
        third = await stage.dial_out("hello", idempotency_key="k1")

        assert first == second == third
        assert [verb for verb, _ in stage.carrier.sent] == ["invite"]


async def test_a_failed_start_frees_its_idempotency_key():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        with pytest.raises(NotFound):
            await stage.dial_out("hello", idempotency_key="k1")

        await stage.join("hello", "Ann")

        assert await stage.dial_out("hello", idempotency_key="k1") in stage.carrier.phones


async def test_requested_codecs_are_offered_first_and_falling_back_is_a_warning():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        call = await stage.dial_out("hello", codecs={"audio": ["OPUS", "G722"]})
        phone = stage.carrier.phone_of(call)
        assert b"m=audio 20000 RTP/AVP 111 9 0 8 " in phone.offer

        phone.codecs = ("PCMA",)
        phone.pick_up()
        await stage.settle()

        assert stage.records.calls[call].codec == "PCMA"
        assert "PCMA" in ann.last("dialout-warning")["errorMsg"]


async def test_a_callee_without_a_common_codec_gets_a_bye_and_the_room_an_error():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        call = await stage.dial_out("hello")
        bad = b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n"

        stage.calls.answered(call, bad)
        await stage.settle()

        assert stage.carrier.verbs(call) == ["invite", "bye"]
        assert "no common codec" in ann.last("dialout-error")["errorMsg"]


async def test_the_meetings_end_cancels_what_still_rings():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        call = await stage.dial_out("hello")
        stage.carrier.phone_of(call).ring()
        await stage.settle()

        await ann.seat.leave()

        assert stage.carrier.verbs(call) == ["invite", "cancel"]


async def test_no_invite_goes_out_when_its_row_cannot_be_written():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        stage.records.broken = True

        with pytest.raises(Unavailable):
            await stage.dial_out("hello")
        stage.records.broken = False
        await ann.seat.set_user_name("Anna")
        await stage.settle()

        assert stage.carrier.phones == {}
        assert ann.last("participant-updated")["participant"]["user_name"] == "Anna", "the meeting goes on"


async def test_a_failing_store_does_not_end_a_call_that_stands():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1, enable_dialout=True).room.endpoints[0]
        await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(user)
        await stage.settle()
        stage.records.broken = True
        await stage.join("hello", "Bob")
        assert phone.state == "answered"

        stage.records.broken = False
        phone.hang_up()
        await stage.settle()

        assert stage.records.calls[phone.call].ended_at is not None
        assert len(stage.records.participants) == 3, "what could not be written then is written now"
