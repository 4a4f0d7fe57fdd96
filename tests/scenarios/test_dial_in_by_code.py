"""Callers dial a number, enter the code of a room, and are in it: every branch, on a clock that jumps."""

import copy

import pytest

from ringback.model.end_reason import Ending
from ringback.model.ids import ParticipantId
from ringback.model.room import DialinSettings, IdleTimeouts, SipSettings
from ringback.testing.carrier.fake import FakePhone
from ringback.testing.dialin import name_of
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage

NUMBER = "+15550100"
CODE = "12345678901"


def call(stage: Stage, caller: str = "+15550199") -> FakePhone:
    return stage.carrier.call_in(NUMBER, trunk="carrier", called_number=NUMBER, caller=caller)


async def key(stage: Stage, phone: FakePhone, keys: str, method: str = "telephone-event") -> None:
    for each in keys:
        phone.press(each, method)
        await stage.wait(0.2)


def hears(stage: Stage, phone: FakePhone) -> str:
    """What a caller is played now."""
    sound = stage.media.legs[ParticipantId(phone.call)].playing
    return name_of(sound) if sound is not None else ""


async def heard_out(stage: Stage, phone: FakePhone) -> None:
    stage.media.play_out(ParticipantId(phone.call))
    await stage.settle()


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.routes.owned[NUMBER] = DOMAIN
    stage.rooms.put("hello", code=CODE, dialin=DialinSettings("Guest"))
    return stage


@pytest.mark.parametrize("method", ["telephone-event", "sip-info"])
async def test_a_caller_with_the_code_is_in_the_room_with_the_call_it_made(stage: Stage, method: str):
    async with stage:
        ann = await stage.join("hello", "Ann")
        phone = call(stage)
        await stage.settle()
        assert (phone.state, hears(stage, phone)) == ("answered", "enter-code")
        port = stage.media.legs[ParticipantId(phone.call)].port

        await key(stage, phone, CODE + "#", method)
        await stage.settle()

        joined = ann.last("participant-joined")["participant"]
        assert (joined["session_id"], joined["participantType"]) == (phone.call, "pstn-dial-in")
        assert "Guest" in joined.values()
        assert ann.last("dialin-connected")["sessionId"] == phone.call
        assert not ann.payloads("dtmf-event"), "the code is nobody's business"
        leg = stage.media.legs[ParticipantId(phone.call)]
        assert (leg.meeting, leg.port, leg.playing) == (ann.welcome.meeting, port, None)
        row = stage.records.calls[phone.call]
        assert (row.room, row.called, row.caller) == ("hello", NUMBER, "+15550199")
        assert not any(CODE in str(step) for step in row.timeline)

        await key(stage, phone, "5", method)
        assert ann.last("dtmf-event")["tone"] == "5", "from now on keys are the room's"
        phone.hang_up()
        await stage.settle()
        assert ann.names()[-1] == "dialin-stopped"
        assert stage.records.calls[phone.call].end.ending is Ending.HANGUP_REMOTE


async def test_three_wrong_codes_and_the_caller_is_hung_up_on(stage: Stage):
    async with stage:
        ann = await stage.join("hello", "Ann")
        phone = call(stage)
        await stage.settle()
        heard = []
        for _ in range(3):
            await key(stage, phone, "99999999999")
            heard.append(hears(stage, phone))

        assert heard == ["wrong-code+enter-code", "wrong-code+enter-code", "wrong-code+goodbye"]
        await heard_out(stage, phone)
        assert phone.state == "over"
        assert stage.records.calls[phone.call].end.ending is Ending.WRONG_CODE
        assert stage.records.calls[phone.call].room == ""
        assert "dialin-stopped" not in ann.names() and "dialin-stopped" not in stage.records.event_names()


async def test_who_enters_nothing_is_asked_three_times(stage: Stage):
    async with stage:
        phone = call(stage)
        await stage.settle()
        for expected in ("no-input+enter-code", "no-input+enter-code", "no-input+goodbye"):
            await heard_out(stage, phone)
            await stage.wait(10.1)
            assert hears(stage, phone) == expected
        await heard_out(stage, phone)
        assert phone.state == "over"


async def test_a_caller_who_guesses_too_often_is_not_answered_any_more(stage: Stage):
    async with stage:
        for _ in range(2):
            phone = call(stage)
            await stage.settle()
            for _ in range(3):
                await key(stage, phone, "99999999999")
            await heard_out(stage, phone)

        again, other = call(stage), call(stage, "+15550198")
        await stage.settle()
        assert (again.state, again.status) == ("refused", 480)
        assert other.state == "answered"
        other.hang_up()
        await stage.wait(601)
        later = call(stage)
        await stage.settle()
        assert later.state == "answered"
        later.hang_up()
        await stage.settle()


async def test_an_empty_room_is_told_and_the_caller_let_go(stage: Stage):
    async with stage:
        phone = call(stage)
        await stage.settle()
        await key(stage, phone, CODE)

        assert hears(stage, phone) == "nobody-here+goodbye"
        await heard_out(stage, phone)
        assert phone.state == "over"
        assert stage.records.calls[phone.call].end.ending is Ending.NOBODY_CAME


async def test_a_caller_waits_with_music_until_somebody_is_in_the_meeting(stage: Stage):
    stage.rooms.change("hello", dialin=DialinSettings(waits=True))
    async with stage:
        phone = call(stage)
        await stage.settle()
        await key(stage, phone, CODE)
        assert hears(stage, phone) == "please-wait"
        await heard_out(stage, phone)
        assert hears(stage, phone) == "music"
        await stage.wait(300)

        ann = await stage.join("hello", "Ann")
        await stage.settle()

        assert ann.last("dialin-connected")["sessionId"] == phone.call
        assert hears(stage, phone) == ""
        await ann.seat.leave()
        await stage.settle()
        assert phone.state == "over", "the meeting ended"


async def test_a_caller_who_waits_hangs_up_and_nobody_ever_hears_of_it(stage: Stage):
    stage.rooms.change("hello", dialin=DialinSettings(waits=True))
    async with stage:
        phone = call(stage)
        await stage.settle()
        await key(stage, phone, CODE)
        phone.hang_up()
        await stage.settle()

        ann = await stage.join("hello", "Ann")
        await stage.settle()
        assert ann.names() == ["participant-counts-updated"]
        assert not stage.meetings._watchers


async def test_nobody_waits_for_ever(stage: Stage):
    stage.rooms.change("hello", dialin=DialinSettings(waits=True))
    async with stage:
        phone = call(stage)
        await stage.settle()
        await key(stage, phone, CODE)
        await heard_out(stage, phone)
        await stage.wait(1801)
        assert hears(stage, phone) == "nobody-here+goodbye"
        await heard_out(stage, phone)
        assert phone.state == "over"


async def test_a_full_room_takes_no_caller(stage: Stage):
    stage.rooms.change("hello", max_participants=1)
    async with stage:
        await stage.join("hello", "Ann")
        phone = call(stage)
        await stage.settle()
        await key(stage, phone, CODE)
        assert hears(stage, phone) == "full+goodbye"
        await heard_out(stage, phone)
        assert stage.records.calls[phone.call].end.ending is Ending.NOT_LET_IN


@pytest.mark.parametrize("wrong", ["other-number", "expired", "no-dialin"])
async def test_a_code_counts_only_where_and_while_its_room_takes_callers(stage: Stage, wrong: str):
    changes = {
        "other-number": {"dialin": DialinSettings(numbers=("+15550101",))},
        "expired": {"exp": 1.0},
        "no-dialin": {"dialin": None},
    }
    stage.rooms.change("hello", **changes[wrong])
    async with stage:
        phone = call(stage)
        await stage.settle()
        await key(stage, phone, CODE)
        assert hears(stage, phone) == "wrong-code+enter-code"
        phone.hang_up()
        await stage.settle()


async def test_the_domains_greeting_is_said_first(stage: Stage):
    async with stage:
        body = {"type": "pin_dialin", "phone_number": NUMBER, "ivr_greeting": {"message": "Hello at Acme."}}
        await stage.dialin_configs.create(DOMAIN, body)
        phone = call(stage)
        await stage.settle()
        assert hears(stage, phone) == "<Hello at Acme.>+enter-code"
        phone.hang_up()
        await stage.settle()


@pytest.mark.parametrize("at", ["prompt", "keys", "checked", "music"])
async def test_a_caller_may_hang_up_at_any_moment(stage: Stage, at: str):
    stage.rooms.change("hello", dialin=DialinSettings(waits=True))
    async with stage:
        phone = call(stage)
        await stage.settle()
        if at != "prompt":
            await key(stage, phone, CODE[:5] if at == "keys" else CODE[:10])
        if at in ("checked", "music"):
            phone.press(CODE[10])
        if at == "music":
            await stage.settle()
            await heard_out(stage, phone)
        phone.hang_up()
        await stage.settle()
        assert stage.records.calls[phone.call].end.ending is Ending.HANGUP_REMOTE


@pytest.mark.parametrize("at", ["prompt", "music"])
async def test_a_kill_while_a_caller_waits_leaves_a_row_that_says_so_and_tells_no_room(at: str):
    first = Stage(check=False)
    first.routes.owned[NUMBER] = DOMAIN
    first.rooms.put("hello", code=CODE, dialin=DialinSettings(waits=True))
    async with first:
        phone = call(first)
        await first.settle()
        if at == "music":
            await key(first, phone, CODE)
        left = copy.deepcopy(first.records)

    async with Stage(left) as second:
        row = second.records.calls[phone.call]
        assert row.end is not None and row.end.ending is Ending.SERVER_RESTART
        assert [each.id for each in second.carrier.finished] == [phone.call], "the far end is told"
        assert "dialin-stopped" not in second.records.event_names()


async def test_the_end_of_the_server_ends_callers_who_wait(stage: Stage):
    async with stage:
        phone = call(stage)
        await stage.settle()
    assert phone.state == "over"


async def test_a_telephone_in_the_meeting_is_somebody_too(stage: Stage):
    stage.rooms.put(
        "both",
        endpoints=1,
        code="22222222222",
        sip=SipSettings("Caller", 1, dialin=IdleTimeouts(True, 600, 600)),
        dialin=DialinSettings(waits=True),
    )
    async with stage:
        phone = call(stage)
        await stage.settle()
        await key(stage, phone, "22222222222")
        assert hears(stage, phone) == "please-wait", "nobody starts a meeting by its code"

        other = stage.carrier.call_in(stage.rooms._settings[DOMAIN, "both"].room.endpoints[0])
        await stage.settle()

        assert stage.records.calls[phone.call].room == "both"
        for each in (phone, other):
            each.hang_up()
        await stage.settle()


async def test_guesses_over_a_carrier_that_vouches_for_nobody_keep_only_the_guesser_out(stage: Stage):
    def dials(number: str) -> FakePhone:
        uri = f"sip:{number}@carrier.example"
        return stage.carrier.call_in(NUMBER, trunk="carrier", called_number=NUMBER, from_uri=uri)

    async with stage:
        for _ in range(2):
            phone = dials("+15550199")
            await stage.settle()
            for _ in range(3):
                await key(stage, phone, "99999999999")
            await heard_out(stage, phone)

        again, other = dials("+15550199"), dials("+15550198")
        await stage.settle()
        assert (again.state, other.state) == ("refused", "answered")
        other.hang_up()
        await stage.settle()
