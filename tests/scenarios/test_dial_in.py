"""Phones dial rooms."""

import pytest

from ringback.model.end_reason import Ending
from ringback.model.ids import ParticipantId
from ringback.model.room import IdleTimeouts, SipSettings
from ringback.testing.stage import Stage


async def test_a_phone_that_dials_a_room_with_somebody_in_it_is_answered_and_shown():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")

        phone = stage.carrier.call_in(user, headers=[("X-Case", "17")])
        await stage.settle()

        assert phone.state == "answered"
        assert ann.names() == [
            "participant-counts-updated",
            "dialin-ready",
            "participant-joined",
            "participant-counts-updated",
            "dialin-connected",
        ]
        assert ann.last("dialin-ready") == {"sipEndpoint": f"sip:{user}@ringback.example", "provider": "daily"}
        joined = ann.last("participant-joined")["participant"]
        assert (joined["session_id"], joined["participantType"], joined["callState"]) == (
            phone.call,
            "sip-dial-in",
            "answered",
        )
        connected = ann.last("dialin-connected")
        assert connected["sessionId"] == phone.call
        assert connected["sipHeaders"] == {"X-Case": "17"}
        assert connected["sipFrom"] == "sip:ann@phones.example"
        leg = stage.media.legs[phone.call]
        assert leg.media is not None and leg.media.send and leg.media.codec.name == "PCMU"

        phone.hang_up()
        await stage.settle()

        assert ann.names()[-3:] == ["participant-left", "participant-counts-updated", "dialin-stopped"]
        row = stage.records.calls[phone.call]
        assert row.end is not None and row.end.ending is Ending.HANGUP_REMOTE
        assert row.endpoint == user and row.answered_at is not None


async def test_a_call_takes_three_commits_at_most():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        await stage.join("hello", "Ann")
        before = stage.records.commits

        phone = stage.carrier.call_in(user)
        await stage.settle()
        phone.hang_up()
        await stage.settle()

        assert stage.records.commits - before <= 3


async def test_the_meetings_end_ends_its_calls():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(user)
        await stage.settle()

        await ann.seat.leave()

        assert (phone.state, phone.goodbye) == ("over", "meeting-ended")
        assert stage.records.event_names()[-3:] == ["participant-left", "dialin-stopped", "meeting-ended"]


@pytest.mark.parametrize(("known", "status", "headers"), [(True, 480, (("Retry-After", "5"),)), (False, 480, ())])
async def test_nobody_in_the_room(known: bool, status: int, headers: tuple[tuple[str, str], ...]):
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]

        phone = stage.carrier.call_in(user, known=known)
        await stage.settle()

        assert (phone.status, phone.headers) == (status, headers)


@pytest.mark.parametrize(
    "user", ["999999999999", "12", "", "hello", "1;drop table", "sip:sip:sip", "１２３４５６７８９０１２"]
)
async def test_strangers_cannot_tell_an_unknown_endpoint_from_an_idle_one(user: str):
    async with Stage() as stage:
        idle = stage.rooms.put("hello", endpoints=1).room.endpoints[0]

        unknown, known_idle = stage.carrier.call_in(user), stage.carrier.call_in(idle)
        await stage.settle()

        assert (unknown.status, unknown.headers) == (known_idle.status, known_idle.headers) == (480, ())


async def test_known_clients_are_told_that_there_is_no_such_endpoint():
    async with Stage() as stage:
        phone = stage.carrier.call_in("999999999999", known=True)
        await stage.settle()

        assert phone.status == 404


async def test_an_endpoint_takes_one_caller_at_a_time_and_can_be_redialled():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        await stage.join("hello", "Ann")
        first = stage.carrier.call_in(user)
        await stage.settle()

        second = stage.carrier.call_in(user)
        await stage.settle()
        first.hang_up()
        await stage.settle()
        third = stage.carrier.call_in(user)
        await stage.settle()

        assert (second.status, third.state) == (486, "answered")


async def test_two_callers_at_the_same_moment_get_one_endpoint_once():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        await stage.join("hello", "Ann")

        phones = [stage.carrier.call_in(user) for _ in range(5)]
        await stage.settle()

        assert sorted(phone.status for phone in phones) == [200, 486, 486, 486, 486]


async def test_the_rooms_limit_is_told_with_a_warning():
    async with Stage() as stage:
        users = stage.rooms.put("hello", endpoints=3, max_sip_pstn_sessions=2).room.endpoints
        await stage.join("hello", "Ann")

        phones = [stage.carrier.call_in(user) for user in users]
        await stage.settle()

        assert [phone.status for phone in phones] == [200, 200, 486]
        (name, value), *_ = phones[2].headers
        assert name == "Warning" and "max_sip_pstn_sessions_per_room limit (2) reached" in value


async def test_each_endpoint_is_said_to_be_ready_once():
    async with Stage() as stage:
        users = stage.rooms.put("hello", endpoints=2).room.endpoints
        ann = await stage.join("hello", "Ann")
        await stage.join("hello", "Bob")
        await stage.settle()

        ready = [payload["sipEndpoint"] for payload in ann.payloads("dialin-ready")]
        assert ready == [f"sip:{user}@ringback.example" for user in users]


async def test_switching_sip_off_hangs_up_and_stops_ringing():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(user)
        await stage.settle()

        await stage.meetings.room_changed(*stage.rooms.change("hello", sip=None, endpoints=()))
        await stage.settle()
        late = stage.carrier.call_in(user, known=True)
        await stage.settle()

        assert (phone.state, phone.goodbye, late.status) == ("over", "sip-disabled", 404)
        assert ann.seated


async def test_no_common_codec_is_488_and_an_error_event():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        offer = b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 14000 RTP/AVP 18\r\n"

        phone = stage.carrier.call_in(user, offer=offer)
        await stage.settle()

        assert phone.status == 488
        assert "participant-joined" not in ann.names()
        error = ann.last("dialin-error")
        assert error["sessionId"] == phone.call and "no common codec" in error["errorMsg"] == error["message"]


@pytest.mark.parametrize("offer", [b"", b"\x00\xff" * 50, b"v=0\r\nm=audio 9 RTP/AVP 0\r\n", b"m=audio\r\n" * 3000])
async def test_a_hostile_offer_is_refused_and_disturbs_nobody(offer: bytes):
    async with Stage() as stage:
        users = stage.rooms.put("hello", endpoints=2).room.endpoints
        await stage.join("hello", "Ann")
        good = stage.carrier.call_in(users[0])
        bad = stage.carrier.call_in(users[1], offer=offer)
        await stage.settle()

        assert (good.state, bad.status) == ("answered", 488)


async def test_the_callers_order_decides_among_what_the_room_allows():
    async with Stage() as stage:
        sip = SipSettings("Caller", 1, audio_codecs=("PCMU", "PCMA"))
        user = stage.rooms.put("hello", endpoints=1, sip=sip).room.endpoints[0]
        ann = await stage.join("hello", "Ann")

        phone = stage.carrier.call_in(user, codecs=("G722", "PCMA", "PCMU"))
        await stage.settle()

        assert phone.agreed is not None and phone.agreed.codec.name == "PCMA"
        assert "dialin-warning" not in ann.names()


async def test_falling_back_to_another_codec_is_a_warning_and_no_refusal():
    async with Stage() as stage:
        sip = SipSettings("Caller", 1, audio_codecs=("OPUS",))
        user = stage.rooms.put("hello", endpoints=1, sip=sip).room.endpoints[0]
        ann = await stage.join("hello", "Ann")

        phone = stage.carrier.call_in(user, codecs=("PCMU",))
        await stage.settle()

        assert phone.state == "answered"
        assert "PCMU" in ann.last("dialin-warning")["errorMsg"]
        assert ann.names()[-1] == "dialin-warning"


async def test_a_call_without_an_offer_gets_ours_and_answers_in_its_ack():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        await stage.join("hello", "Ann")

        phone = stage.carrier.call_in(user, late_offer=True)
        await stage.settle()

        media = stage.media.legs[phone.call].media
        assert media is not None and media.send and media.remote == ("198.51.100.7", 14000)


async def test_a_caller_who_gives_up_before_the_answer_leaves_no_trace():
    async with Stage(ports=0) as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(user)
        await stage.settle()
        assert phone.state == "ringing"

        phone.give_up()
        await stage.wait(10)

        assert "participant-joined" not in ann.names()
        assert stage.records.calls[phone.call].end.ending is Ending.CANCELLED_REMOTE  # type: ignore[union-attr]


async def test_a_caller_rings_until_there_is_a_port_for_it():
    async with Stage(ports=0) as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(user)
        await stage.wait(2)
        assert phone.state == "ringing"

        stage.media.ports = 1
        await stage.wait(1)

        assert phone.state == "answered"


async def test_a_caller_for_whom_there_is_no_port_in_time_is_refused():
    async with Stage(ports=0) as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(user)

        await stage.wait(6)

        assert phone.status == 480
        assert ann.names()[-1] == "dialin-error"


async def test_hold_by_the_phone_is_shown_and_taken_back():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(user)
        await stage.settle()

        phone.hold()
        await stage.settle()
        held = ann.last("participant-updated")["participant"]["onHold"]
        media = stage.media.legs[phone.call].media
        phone.hold(False)
        await stage.settle()

        assert held is True and media is not None and not media.send
        assert ann.last("participant-updated")["participant"]["onHold"] is False
        assert phone.reoffers == [200, 200]


async def test_a_key_that_comes_both_ways_is_told_once():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(user)
        await stage.settle()

        for digit in "11#":
            phone.press(digit)
            phone.press(digit, "sip-info")
        await stage.wait(5)
        phone.press("1", "sip-info")
        await stage.settle()

        told = [(event["tone"], event["method"]) for event in ann.payloads("dtmf-event")]
        assert told == [("1", "telephone-event"), ("1", "telephone-event"), ("#", "telephone-event"), ("1", "sip-info")]
        assert not any(event.name == "dtmf-event" for event in stage.records.events), "digits may be card numbers"


async def test_a_phone_gone_silent_is_hung_up():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(user)
        await stage.settle()

        stage.media_events.leg_silent(ParticipantId(phone.call))
        await stage.settle()

        assert (phone.state, phone.goodbye) == ("over", "media-timeout")


async def test_a_phone_may_start_the_meeting_where_the_room_lets_it_and_waits_as_long_as_it_says():
    async with Stage() as stage:
        sip = SipSettings("Caller", dialin=IdleTimeouts(allow_room_start=True, max_idle=60))
        user = stage.rooms.put("hello", endpoints=1, sip=sip).room.endpoints[0]

        phone = stage.carrier.call_in(user)
        await stage.wait(59)
        assert phone.state == "answered"
        await stage.wait(2)

        assert (phone.state, phone.goodbye) == ("over", "idle-timeout")


async def test_a_phone_stays_after_the_conversation_as_long_as_the_room_says():
    async with Stage() as stage:
        sip = SipSettings("Caller", dialin=IdleTimeouts(max_idle_post_conversation=30))
        user = stage.rooms.put("hello", endpoints=1, sip=sip).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(user)
        await stage.settle()
        await ann.seat.leave()
        await stage.wait(20)
        assert phone.state == "answered"

        bob = await stage.join("hello", "Bob")
        await stage.wait(100)
        assert phone.state == "answered", "somebody is there again"
        await bob.seat.leave()
        await stage.wait(31)

        assert phone.goodbye == "idle-timeout"
