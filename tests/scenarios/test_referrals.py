"""Telephones that ask: call somebody in my place (REFER), I take that one's place (Replaces)."""

import pytest
from structlog.testing import capture_logs

from ringback.calls.ports.carrier import Replaces
from ringback.model.end_reason import Ending
from ringback.model.errors import Forbidden
from ringback.model.ids import CallId, ParticipantId, RoomName
from ringback.model.room import IdleTimeouts, SipSettings
from ringback.testing.carrier import FakePhone
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Guest, Stage

HELLO = RoomName("hello")
BOB = "sip:bob@phones.example"


async def talking(stage: Stage, **settings: object) -> tuple[Guest, FakePhone]:
    """Ann and a telephone in a room that lets telephones transfer."""
    options = {"enable_dialout": True, "enable_phone_transfer": True, **settings}
    user = stage.rooms.put("hello", endpoints=2, **options).room.endpoints[0]
    ann = await stage.join("hello", "Ann")
    phone = stage.carrier.call_in(user)
    await stage.settle()
    return ann, phone


def last_phone(stage: Stage) -> FakePhone:
    return list(stage.carrier.phones.values())[-1]


# ── REFER ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_whom_a_phone_names_takes_its_place_and_it_is_told_so_and_hung_up_on():
    async with Stage() as stage:
        ann, phone = await talking(stage)

        refer = phone.refer(BOB, referred_by="sip:ann@phones.example")
        await stage.settle()
        bob = last_phone(stage)
        assert phone.referred[refer] == [100] and phone.state == "answered"
        bob.ring()
        await stage.settle()
        assert phone.referred[refer] == [100, 180]
        bob.pick_up()
        await stage.settle()
        assert phone.referred[refer] == [100, 180, 200] and phone.state == "answered"
        await stage.wait(3)

        assert phone.state == "over"
        assert ann.last("dialin-stopped")["reason"] == "transferred"
        assert bob.state == "answered" and ann.last("dialout-answered")["sessionId"] == bob.call
        bob.hang_up()


@pytest.mark.parametrize(("status", "rings"), [(486, True), (404, False), (603, True)])
async def test_a_target_that_does_not_answer_leaves_the_phone_where_it_is(status: int, rings: bool):
    async with Stage() as stage:
        ann, phone = await talking(stage)
        refer = phone.refer(BOB)
        await stage.settle()
        bob = last_phone(stage)
        if rings:
            bob.ring()

        bob.refuse(status, "No")
        await stage.settle()

        assert phone.referred[refer][-1] == status and phone.state == "answered"
        assert "dialin-stopped" not in ann.names()
        again = phone.refer(BOB)
        await stage.settle()
        assert phone.referred[again] == [100], "it can be tried again"
        last_phone(stage).pick_up()


async def test_a_phone_that_hangs_up_at_once_leaves_whom_it_named_to_the_room():
    """Blind transfers of many telephones end with a BYE right after the 202."""
    async with Stage() as stage:
        ann, phone = await talking(stage)
        phone.refer(BOB)
        await stage.settle()

        phone.hang_up()
        last_phone(stage).pick_up()
        await stage.settle()

        assert last_phone(stage).state == "answered"
        assert ann.names()[-1] == "dialout-answered"
        last_phone(stage).hang_up()


async def test_a_consulted_far_end_is_called_with_the_dialog_it_is_to_replace():
    async with Stage() as stage:
        ann, phone = await talking(stage)
        dialog = Replaces("consultation@far", "to", "from")

        phone.refer(BOB, replaces=dialog)
        await stage.settle()

        assert last_phone(stage).replaces == dialog
        last_phone(stage).pick_up()
        await stage.settle()
        phone.hang_up()
        await stage.settle()
        assert ann.last("dialin-stopped")["reason"] == "transferred", "a phone that hangs up itself did so for that"


@pytest.mark.parametrize(
    ("settings", "target", "status", "rule"),
    [
        ({"enable_phone_transfer": False}, BOB, 603, "transfers-off"),
        ({"enable_dialout": False}, BOB, 403, "dialout-off"),
        ({"max_sip_pstn_sessions": 1}, BOB, 486, "limit-reached"),
        ({}, "sip:bob@phones.example;maddr=10.0.0.1", 400, "maddr"),
        ({}, "http://phones.example", 400, "Invalid SIP URI"),
        ({}, "tel:+12025550123", 400, "needs a trunk"),
        ({}, "sip:+12025550123@ringback.example;user=phone", 400, "needs a trunk"),
        ({}, "sip:000001000001@ringback.example", 603, "nobody-to-move"),
    ],
)
async def test_what_is_not_allowed_is_refused_and_the_operator_told_why(
    settings: dict[str, object], target: str, status: int, rule: str
):
    """D10: only where the room lets its telephones, and by the rules for dial-out."""
    async with Stage() as stage:
        ann, phone = await talking(stage, **settings)

        with capture_logs() as logs:
            refer = phone.refer(target)
            await stage.settle()

        assert phone.referred[refer] == [status] and phone.state == "answered"
        assert "invite" not in [verb for verb, _ in stage.carrier.sent]
        (line,) = [entry for entry in logs if entry["event"] == "call.refer-refused"]
        assert rule in line["rule"] and "dialin-warning" not in ann.names()


async def test_private_addresses_are_refused_as_for_dial_out(monkeypatch: pytest.MonkeyPatch):
    """D5 for Refer-To."""
    async with Stage() as stage:
        _, phone = await talking(stage)

        def prepare(target: str, call: CallId, user: str) -> object:
            raise Forbidden("destination-not-allowed: a private address")

        monkeypatch.setattr(stage.carrier, "prepare", prepare)
        refer = phone.refer("sip:root@127.0.0.1")
        await stage.settle()

        assert phone.referred[refer] == [403] and phone.state == "answered"


async def test_one_transfer_at_a_time():
    async with Stage() as stage:
        _, phone = await talking(stage)
        phone.refer(BOB)
        await stage.settle()

        second = phone.refer("sip:carol@phones.example")
        await stage.settle()

        assert phone.referred[second] == [491]


async def test_a_room_of_ours_takes_the_other_telephone_and_the_one_that_asked_is_done():
    async with Stage() as stage:
        waits = SipSettings("Caller", 2, dialin=IdleTimeouts(max_idle_post_conversation=300))
        ann, agent = await talking(stage, sip=waits)
        sales = stage.rooms.put("sales", endpoints=1).room.endpoints[0]
        sam = await stage.join("sales", "Sam")
        customer = stage.carrier.call_in(stage.meetings.actors[DOMAIN, HELLO].meeting.settings.room.endpoints[1])
        await stage.settle()
        await ann.seat.leave()

        refer = agent.refer(f"sip:{sales}@ringback.example")
        await stage.wait(3)

        assert agent.referred[refer] == [100, 200] and agent.state == "over"
        assert sam.last("dialin-connected")["sessionId"] == customer.call and customer.state == "answered"


async def test_an_attended_transfer_between_two_rooms_connects_those_who_stay():
    """The agent has consulted the other room by a second call of its own, and steps out of both."""
    async with Stage() as stage:
        waits = SipSettings("Caller", 2, dialin=IdleTimeouts(max_idle_post_conversation=300))
        ann, agent = await talking(stage, sip=waits)
        sales = stage.rooms.put("sales", endpoints=1).room.endpoints[0]
        sam = await stage.join("sales", "Sam")
        customer = stage.carrier.call_in(stage.meetings.actors[DOMAIN, HELLO].meeting.settings.room.endpoints[1])
        consultation = stage.carrier.call_in(sales)
        await stage.settle()
        await ann.seat.leave()

        refer = agent.refer(f"sip:{sales}@ringback.example", replaces=Replaces("c", "t", "f", call=consultation.call))
        await stage.wait(3)

        assert agent.referred[refer] == [100, 200]
        assert (agent.state, consultation.state, customer.state) == ("over", "over", "answered")
        assert sam.last("dialin-connected")["sessionId"] == customer.call


# ── Replaces ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_call_that_replaces_another_keeps_the_participant():
    async with Stage() as stage:
        ann, phone = await talking(stage)
        heard = len(ann.heard)
        port = stage.media.legs[ParticipantId(phone.call)].port

        other = stage.carrier.call_in("000001000001", replaces=phone.call, codecs=("PCMA",), from_uri=BOB)
        await stage.settle()

        assert (phone.state, other.state) == ("over", "answered")
        assert [name for name, _ in ann.heard[heard:] if name.startswith(("participant-", "dial"))] == []
        leg = stage.media.legs[ParticipantId(phone.call)]
        assert leg.port == port and leg.media is not None and leg.media.codec.name == "PCMA" and leg.media.send
        row = stage.records.calls[phone.call]
        assert (row.sip_call_id, row.remote, row.codec) == (row.dialog.call_id, BOB, "PCMA")  # type: ignore[union-attr]

        other.press("4", "sip-info")
        other.hold()
        await stage.settle()
        assert ann.last("dtmf-event")["sessionId"] == phone.call
        assert ann.last("participant-updated")["participant"]["onHold"] is True
        stage.calls.ended(phone.call, "bye")
        await stage.settle()
        assert other.state == "answered", "what the one that was replaced says is no longer heard"
        other.hang_up()
        await stage.settle()
        assert ann.last("dialin-stopped")["sessionId"] == phone.call
        assert stage.records.calls[phone.call].end.ending is Ending.HANGUP_REMOTE  # type: ignore[union-attr]
        assert not stage.meetings.lines


async def test_a_replacing_call_can_be_replaced_again_and_hung_up_by_us():
    async with Stage() as stage:
        _, phone = await talking(stage)
        second = stage.carrier.call_in("000001000001", replaces=phone.call)
        await stage.settle()
        third = stage.carrier.call_in("000001000001", replaces=second.call)
        await stage.settle()
        assert (phone.state, second.state, third.state) == ("over", "over", "answered")

        await stage.meetings.eject(DOMAIN, HELLO, [phone.call], [])
        await stage.settle()

        assert third.state == "over" and third.goodbye == "ejected"


@pytest.mark.parametrize(
    ("user", "settings", "status"),
    [
        ("000001000001", {"enable_phone_transfer": False}, 403),
        ("000002000001", {}, 403),
        ("hello", {}, 200),
    ],
)
async def test_only_the_same_room_is_replaced_in_and_only_where_it_lets_phones(
    user: str, settings: dict[str, object], status: int
):
    """A13."""
    async with Stage() as stage:
        _, phone = await talking(stage, **settings)
        stage.rooms.put("sales", endpoints=1)

        other = stage.carrier.call_in(user, replaces=phone.call)
        await stage.settle()

        assert other.status == status
        assert phone.state == ("over" if status == 200 else "answered")


async def test_a_call_that_is_over_is_not_replaced():
    async with Stage() as stage:
        _, phone = await talking(stage)
        phone.hang_up()
        await stage.settle()

        other = stage.carrier.call_in("000001000001", replaces=phone.call)
        await stage.settle()

        assert other.status == 481
