"""What rows, events and the log say of a call is what happened."""

from collections.abc import Mapping

import pytest
from structlog.testing import capture_logs

from ringback.meetings.admission import JoinRefused
from ringback.model.errors import InvalidRequest
from ringback.model.ids import ParticipantId, RoomName
from ringback.model.room import TokenGrants
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage

HELLO = RoomName("hello")


def logged(logs: list[Mapping[str, object]], event: str) -> list[Mapping[str, object]]:
    return [entry for entry in logs if entry["event"] == event]


async def test_a_caller_that_gives_up_while_it_rings_neither_connects_nor_stops():
    async with Stage(ports=0) as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(user)
        await stage.settle()
        assert phone.state == "ringing"

        phone.give_up()
        await stage.settle()

        assert not [name for name in ann.names() if name.startswith("dialin-") and name != "dialin-ready"]
        assert stage.records.calls[phone.call].end is not None


@pytest.mark.parametrize(
    ("room", "body", "what"),
    [("other", {}, "another room"), ("hello", {"displayName": "Somebody else"}, "another body")],
)
async def test_an_idempotency_key_used_for_something_else_is_refused_by_name(room: str, body: dict, what: str):
    async with Stage() as stage:
        for name in ("hello", "other"):
            stage.rooms.put(name, enable_dialout=True)
            await stage.join(name, "Ann")
        first = await stage.dial_out("hello", idempotency_key="key-7")

        with pytest.raises(InvalidRequest, match=f"idempotency key key-7 was used before with {what}"):
            await stage.dial_out(room, idempotency_key="key-7", **body)

        assert await stage.dial_out("hello", idempotency_key="key-7") == first


async def test_the_row_keeps_what_the_call_sounded_like():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        await stage.join("hello", "Ann")
        began = stage.clock.wall()
        phone = stage.carrier.call_in(user)
        await stage.wait(2)
        stage.media.counters[ParticipantId(phone.call)] = {"packets_received": 50, "packets_lost": 1, "way": "forward"}
        stage.sounds(phone.call)
        await stage.settle()
        phone.hold()
        await stage.wait(7)
        phone.hold(False)
        await stage.wait(1)

        now = stage.calls.sound(phone.call)
        phone.hang_up()
        await stage.settle()

        row = stage.records.calls[phone.call].sound
        assert (
            row
            == now
            == {
                "first_heard_at": began + 2,
                "first_sent_at": began,
                "held_seconds": 7.0,
                "sdp_address": "198.51.100.7:14000",
                "packets_received": 50,
                "packets_lost": 1,
            }
        )
        assert stage.calls.sound(phone.call) == {}


async def test_a_key_that_arrives_twice_is_one_press_in_the_event_and_in_the_timeline_which_keeps_no_key():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(user)
        await stage.settle()

        for digit in "45":
            phone.press(digit)
            phone.press(digit, "sip-info")
            await stage.wait(0.5)
        now = stage.calls.timeline(phone.call)
        phone.hang_up()
        await stage.settle()

        assert [told["tone"] for told in ann.payloads("dtmf-event")] == ["4", "5"]
        steps = stage.records.calls[phone.call].timeline
        assert list(steps[: len(now)]) == list(now)
        presses = [step for step in steps if step["step"] == "key-pressed"]
        assert [step.keys() for step in presses] == [{"at", "step", "method"}] * 2


async def test_the_timeline_tells_a_calls_life_in_order():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        await stage.join("hello", "Ann")
        call = await stage.dial_out("hello", codecs={"audio": ["OPUS"]})
        phone = stage.carrier.phone_of(call)
        phone.ring()
        await stage.wait(3)
        phone.pick_up()
        await stage.wait(1)
        stage.sounds(call)
        await stage.settle()
        phone.hold()
        await stage.wait(2)
        phone.hold(False)
        await stage.settle()
        phone.hang_up()
        await stage.settle()

        row = stage.records.calls[call]
        assert [step["step"] for step in row.timeline] == [
            "queued", "ringing", "answered", "first-sent", "first-heard", "held", "resumed", "ended",
        ]  # fmt: skip
        times = [float(str(step["at"])) for step in row.timeline]
        assert times == sorted(times)
        assert (row.talked_ms, row.transcoded_ms) == (3000, 3000), "OPUS was asked for, PCMU is spoken"


async def test_the_end_of_a_call_is_told_alike_in_its_row_event_and_log():
    async with Stage() as stage:
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")
        with capture_logs() as logs:
            call = await stage.dial_out("hello")
            stage.carrier.phone_of(call).ring()
            stage.carrier.phone_of(call).refuse(486, "Busy Here", q850=17)
            await stage.settle()

        end = stage.records.calls[call].end
        assert end is not None
        stopped, (line,) = ann.last("dialout-stopped"), logged(logs, "call.ended")
        assert (end.ending, end.fault, end.sip_status, end.q850) == ("busy", "remote", 486, 17)
        assert (stopped["reason"], stopped["fault"], stopped["sipStatusCode"], stopped["q850"]) == (
            "busy",
            "remote",
            486,
            17,
        )
        assert (line["reason"], line["fault"], line["sip_status"], line["q850"]) == (end.ending, "remote", 486, 17)


async def test_a_caller_without_an_offer_has_its_codec_logged_and_stored_once_it_is_agreed():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        await stage.join("hello", "Ann")

        with capture_logs() as logs:
            phone = stage.carrier.call_in(user, late_offer=True, codecs=("PCMA",))
            await stage.settle()

        assert stage.records.calls[phone.call].codec == "PCMA"
        (line,) = logged(logs, "call.agreed")
        assert (line["call"], line["codec"]) == (phone.call, "PCMA")


async def test_who_is_banned_stays_out_while_the_meeting_lasts():
    async with Stage() as stage:
        stage.rooms.put("hello")
        eve = TokenGrants(DOMAIN, HELLO, user_id="eve")
        guest, listed = await stage.join("hello", "Eve", grants=eve), await stage.join("hello", "Ann")

        assert await stage.meetings.eject(DOMAIN, HELLO, [guest.id], ["mallory"], True) == [guest.id]

        for user_id in ("eve", "mallory"):
            with pytest.raises(JoinRefused, match="removed from this meeting"):
                await stage.join("hello", grants=TokenGrants(DOMAIN, HELLO, user_id=user_id))
        await listed.seat.leave()
        assert (await stage.join("hello", "Eve", grants=eve)).seated


async def test_the_row_has_the_number_that_was_shown_and_events_its_id():
    async with Stage() as stage:
        stage.routes.trunks = {"acme": "sip.acme.example"}
        stage.routes.shown = {"number-1": "+12125550150"}
        stage.rooms.put("hello", enable_dialout=True)
        ann = await stage.join("hello", "Ann")

        body = {"phoneNumber": "+4930123456", "callerId": "number-1"}
        call = await stage.calls.start_dial_out(DOMAIN, HELLO, body)
        await stage.settle()
        stage.carrier.phone_of(call).ring()
        await stage.settle()

        assert stage.records.calls[call].caller == "+12125550150"
        assert ann.last("dialout-connected")["callerId"] == "number-1"


async def test_the_timeline_says_that_an_extension_was_dialled_and_not_which():
    async with Stage() as stage:
        stage.routes.trunks = {"acme": "sip.acme.example"}
        stage.rooms.put("hello", enable_dialout=True)
        await stage.join("hello", "Ann")

        body = {"phoneNumber": "+4930123456", "extension": "43,21", "waitBeforeExtensionDialSec": 2}
        call = await stage.calls.start_dial_out(DOMAIN, HELLO, body)
        await stage.settle()
        stage.carrier.phone_of(call).pick_up()
        await stage.settle()

        steps = [step for step in stage.calls.timeline(call) if step["step"] == "keys-sent"]
        assert [(step["keys"], step["method"]) for step in steps] == [(4, "telephone-event")]
        assert "4321" not in str(steps)
        assert "43,21" not in str(stage.records.calls) + str(stage.records.events), "nor does any row"
