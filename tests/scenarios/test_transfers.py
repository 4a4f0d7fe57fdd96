"""Calls that go elsewhere: to a room, to an address, to where their far end calls itself."""

from collections.abc import Mapping
from typing import Any

import pytest

from ringback.model.end_reason import Ending
from ringback.model.errors import InvalidRequest, NotFound, NumberNotAllowed
from ringback.model.ids import CallId, ParticipantId, RoomName
from ringback.model.records import CallState
from ringback.model.room import IdleTimeouts, RoomSettings, SipSettings
from ringback.testing.carrier import FakePhone
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Guest, Stage

HELLO, SALES = RoomName("hello"), RoomName("sales")
BOB = "sip:bob@phones.example"


class Scene:
    """Ann in ``hello`` with a caller; Sam in ``sales``."""

    def __init__(self, stage: Stage, **settings: Any) -> None:
        self.stage = stage
        self.hello = stage.rooms.put("hello", endpoints=2, enable_dialout=True, **settings)
        self.sales = stage.rooms.put("sales", endpoints=1)
        self.ann: Guest
        self.sam: Guest
        self.caller: FakePhone

    async def begin(self) -> "Scene":
        self.ann = await self.stage.join("hello", "Ann")
        self.sam = await self.stage.join("sales", "Sam")
        self.caller = self.stage.carrier.call_in(self.hello.room.endpoints[0])
        await self.stage.settle()
        assert self.caller.state == "answered"
        return self

    async def transfer(self, to: str, **body: object) -> None:
        await self.stage.calls.transfer(DOMAIN, HELLO, {"sessionId": self.caller.call, "toEndPoint": to, **body})
        await self.stage.settle()

    async def refer(self, to: str = BOB) -> None:
        await self.stage.calls.refer(DOMAIN, HELLO, {"sessionId": self.caller.call, "toEndPoint": to})
        await self.stage.settle()

    def callee(self) -> FakePhone:
        """Whom we dialled last."""
        return list(self.stage.carrier.phones.values())[-1]

    def leg(self) -> Any:
        return self.stage.media.legs.get(ParticipantId(self.caller.call))

    def where(self) -> str:
        """Whose sound the caller hears: a room's name, or ``bridge``."""
        for actor in self.stage.meetings.actors.values():
            if actor.meeting.id == self.leg().meeting:
                return actor.meeting.settings.room.name
        return "bridge"

    def heard(self, guest: Guest) -> list[str]:
        """Names of what a guest was told of calls, and of who came and went, since the caller was let in."""
        names = [name for name in guest.names() if name.startswith(("dial", "calltransfer", "participant-"))]
        return [name for name in names if name not in ("participant-counts-updated", "dialin-ready")]


def address(settings: RoomSettings) -> str:
    return f"sip:{settings.room.endpoints[0]}@ringback.example"


def outcome(guest: Guest) -> Mapping[str, Any]:
    return guest.last("calltransfer-completed")


# ── to a room ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_phone_moves_to_another_room_without_being_asked_anything():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        verbs = stage.carrier.verbs(it.caller.call)

        await it.transfer(address(it.sales))

        assert stage.carrier.verbs(it.caller.call) == verbs, "the far end notices nothing"
        assert it.heard(it.ann)[2:] == [
            "calltransfer-triggered",
            "calltransfer-initiated",
            "participant-left",
            "dialin-stopped",
            "calltransfer-answered",
            "calltransfer-completed",
        ]
        assert it.ann.last("dialin-stopped")["reason"] == "transferred"
        assert outcome(it.ann)["completeStatus"] == "completed"
        assert it.heard(it.sam) == ["participant-joined", "dialin-connected"]
        assert it.sam.last("dialin-connected")["sessionId"] == it.caller.call
        assert it.sam.last("dialin-connected")["sipEndpoint"] == address(it.sales)
        assert it.where() == "sales"
        row = stage.records.calls[it.caller.call]
        assert (row.room, row.meeting, row.state) == ("sales", it.sam.seat.meeting, CallState.ANSWERED)

        it.caller.press("5")
        await stage.settle()
        assert it.sam.last("dtmf-event")["tone"] == "5" and "dtmf-event" not in it.ann.names()
        again = stage.carrier.call_in(it.sales.room.endpoints[0])
        await stage.settle()
        assert again.status == 480 or again.status == 486
        await it.ann.seat.leave()
        it.caller.hang_up()
        await stage.settle()
        assert it.heard(it.sam)[-2:] == ["participant-left", "dialin-stopped"]
        assert [stay.meeting for stay in stage.records.stays(it.caller.call)] == [
            it.ann.seat.meeting,
            it.sam.seat.meeting,
        ]


async def test_a_dialled_phone_moves_too():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        call = await stage.dial_out("hello", BOB, displayName="Bob")
        stage.carrier.phone_of(call).pick_up()
        await stage.settle()

        await stage.calls.transfer(DOMAIN, HELLO, {"sessionId": call, "toEndPoint": address(it.sales)})
        await stage.settle()

        assert it.ann.last("dialout-stopped")["reason"] == "transferred"
        assert it.heard(it.sam) == ["participant-joined", "dialout-connected", "dialout-answered"]
        stage.carrier.phone_of(call).hang_up()


async def test_a_phone_on_hold_and_muted_is_neither_where_it_arrives():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        owner = await stage.join("hello", "Olga", owner=True)
        await owner.seat.update_participants({it.caller.call: {"setAudio": False}})
        await stage.calls.hold(DOMAIN, HELLO, it.caller.call, True)
        await stage.settle()
        assert it.caller.holding and it.leg().muted

        await it.transfer(address(it.sales))

        assert not it.caller.holding and not it.leg().muted and it.leg().sources is None
        assert it.sam.last("participant-updated")["participant"]["onHold"] is False


@pytest.mark.parametrize("deaf", [False, True], ids=["empty", "without sip"])
async def test_a_room_that_nobody_is_in_takes_nobody_and_the_caller_stays(deaf: bool):
    async with Stage() as stage:
        it = await Scene(stage).begin()
        if deaf:
            stage.rooms.change("sales", sip=None)
        else:
            await it.sam.seat.leave()
            await stage.settle()

        with pytest.raises(InvalidRequest, match="cannot be reached"):
            await it.transfer(address(it.sales))

        assert it.where() == "hello" and "calltransfer-triggered" not in it.ann.names()


async def test_an_endpoint_in_use_takes_nobody_else():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        other = stage.carrier.call_in(it.sales.room.endpoints[0])
        await stage.settle()

        with pytest.raises(InvalidRequest, match="endpoint in use"):
            await it.transfer(address(it.sales))
        assert it.where() == "hello"

        other.hang_up()
        await stage.settle()
        await it.transfer(address(it.sales))
        assert it.where() == "sales"


async def test_an_address_of_the_same_room_is_no_transfer():
    async with Stage() as stage:
        it = await Scene(stage).begin()

        with pytest.raises(InvalidRequest, match="of the room that the call is in"):
            await it.transfer(f"sip:{it.hello.room.endpoints[1]}@ringback.example;transport=tcp")


async def test_the_last_one_out_ends_the_meeting_and_keeps_its_call():
    """A meeting that ends closes its legs: the one that just left must not be among them."""
    async with Stage() as stage:
        waits = SipSettings("Caller", 2, dialin=IdleTimeouts(max_idle_post_conversation=300))
        it = await Scene(stage, sip=waits).begin()
        await it.ann.seat.leave()
        await stage.settle()
        assert it.where() == "hello"

        await it.transfer(address(it.sales))

        assert it.where() == "sales" and it.caller.state == "answered"
        assert stage.meetings.running(DOMAIN, HELLO) is None


# ── to an address ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_caller_hears_the_ringing_and_is_connected_with_whoever_answers():
    async with Stage() as stage:
        it = await Scene(stage).begin()

        await it.transfer(BOB)
        callee = it.callee()
        assert it.where() == "hello" and stage.carrier.verbs(callee.call) == ["invite"]
        callee.ring()
        await stage.settle()
        assert it.where() == "bridge", "it hears the ringing"
        assert stage.media.legs[ParticipantId(callee.call)].tone is not None
        callee.pick_up()
        await stage.settle()

        assert it.heard(it.ann)[2:] == [
            "calltransfer-triggered",
            "calltransfer-initiated",
            "dialout-connected",
            "dialout-answered",
            "participant-left",
            "dialin-stopped",
            "calltransfer-answered",
        ]
        assert stage.media.legs[ParticipantId(callee.call)].meeting == it.leg().meeting
        assert stage.meetings.counts()["calls"] == 2

        await it.ann.seat.leave()
        await stage.wait(3600)
        assert (it.caller.state, callee.state) == ("answered", "answered"), "they talk on when the room is empty"
        callee.hang_up()
        await stage.settle()
        assert it.caller.state == "over"
        assert stage.records.calls[it.caller.call].end.ending is Ending.PEER_ENDED  # type: ignore[union-attr]
        assert stage.records.event_names()[-2:] == ["calltransfer-completed", "dialout-stopped"] or (
            "calltransfer-completed" in stage.records.event_names()
        )


async def test_either_side_ends_both():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        await it.transfer(BOB)
        callee = it.callee()
        callee.pick_up()
        await stage.settle()

        it.caller.hang_up()
        await stage.settle()

        assert callee.state == "over" and outcome(it.ann)["completeStatus"] == "completed"
        assert it.ann.names()[-1] == "dialout-stopped"
        assert it.heard(it.ann).count("dialin-stopped") == 1


@pytest.mark.parametrize(
    ("status", "rings", "told"),
    [
        (486, True, "busy"),
        (486, False, "busy"),
        (480, True, "no-answer"),
        (603, True, "failed"),
        (404, False, "failed"),
    ],
)
async def test_a_transfer_that_fails_gives_the_caller_back(status: int, rings: bool, told: str):
    async with Stage() as stage:
        it = await Scene(stage).begin()
        await it.transfer(BOB)
        callee = it.callee()
        if rings:
            callee.ring()
            await stage.settle()
        callee.refuse(status, "No")
        await stage.settle()

        assert it.where() == "hello" and it.caller.state == "answered"
        assert outcome(it.ann)["completeStatus"] == told
        assert f"({status} No)" in it.ann.last("dialin-warning")["errorMsg"]
        last = "dialout-stopped" if rings else "dialout-error"
        assert last in it.ann.names() and "participant-left" not in it.ann.names()
        it.caller.press("1")
        await stage.settle()
        assert it.ann.last("dtmf-event")["tone"] == "1"
        await it.transfer(BOB)
        it.callee().pick_up()
        await stage.settle()
        assert it.where() == "bridge", "it can be tried again"


async def test_nobody_picks_up_within_the_ring_time():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        await it.transfer(BOB)
        it.callee().ring()
        it.callee().refuse(0, "nothing came", "timeout")
        await stage.settle()

        assert outcome(it.ann)["completeStatus"] == "no-answer" and it.where() == "hello"


async def test_a_caller_who_gives_up_takes_the_ringing_phone_along():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        await it.transfer(BOB)
        it.callee().ring()
        await stage.settle()

        it.caller.hang_up()
        await stage.settle()

        assert stage.carrier.verbs(it.callee().call) == ["invite", "cancel"]
        assert outcome(it.ann)["completeStatus"] == "canceled"


async def test_stopping_the_dialled_leg_gives_the_caller_back():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        await it.transfer(BOB)
        it.callee().ring()
        await stage.settle()

        await stage.calls.stop_dial_out(DOMAIN, HELLO, it.callee().call)
        await stage.settle()

        assert it.where() == "hello" and outcome(it.ann)["completeStatus"] == "canceled"
        with pytest.raises(NotFound):
            await stage.calls.stop_dial_out(DOMAIN, SALES, it.callee().call)


async def test_everybody_leaving_while_it_rings_ends_all():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        await it.transfer(BOB)
        it.callee().ring()
        await stage.settle()

        await it.ann.seat.leave()
        await stage.settle()

        assert it.caller.state == "over" and it.callee().state == "over"


async def test_keys_and_hold_go_through_the_bridge():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        await it.transfer(BOB)
        callee = it.callee()
        callee.pick_up()
        await stage.settle()

        it.caller.press("7")
        callee.press("8", "sip-info")
        await stage.settle()
        assert stage.media.legs[ParticipantId(callee.call)].digits == [("7", 160, 100)]
        assert it.leg().digits == [("8", 160, 100)]
        assert "dtmf-event" not in it.ann.names()

        it.caller.hold()
        await stage.settle()
        assert callee.holding
        it.caller.hold(False)
        await stage.settle()
        assert not callee.holding


async def test_bridged_calls_count_against_the_rooms_limit():
    async with Stage() as stage:
        it = await Scene(stage, max_sip_pstn_sessions=2).begin()
        await it.transfer(BOB)
        it.callee().pick_up()
        await stage.settle()

        with pytest.raises(InvalidRequest, match=r"max_sip_pstn_sessions_per_room limit \(2\) reached"):
            await stage.dial_out("hello", "sip:carol@phones.example")
        refused = stage.carrier.call_in(it.hello.room.endpoints[0])
        await stage.settle()
        assert refused.status == 486

        it.caller.hang_up()
        await stage.settle()
        assert await stage.dial_out("hello", "sip:carol@phones.example")


async def test_at_the_limit_nobody_is_dialled_for_a_transfer():
    async with Stage() as stage:
        it = await Scene(stage, max_sip_pstn_sessions=1).begin()

        with pytest.raises(InvalidRequest, match="limit"):
            await it.transfer(BOB)

        assert it.where() == "hello" and not stage.meetings.bridges


async def test_what_cannot_be_dialled_is_refused_before_anything_happens():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        for to in ("sip:bob@phones.example;maddr=10.0.0.1", "sip:not allowed@x"):
            with pytest.raises(InvalidRequest):
                await it.transfer(to)
        await stage.settle()
        assert not stage.meetings.bridges and "calltransfer-triggered" not in it.ann.names()

        await it.transfer(BOB)
        with pytest.raises(InvalidRequest, match="being transferred already"):
            await it.transfer(BOB)
        with pytest.raises(InvalidRequest, match="being transferred already"):
            await it.refer()


async def test_dial_out_has_to_be_on_for_a_transfer_out():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(user)
        await stage.settle()

        with pytest.raises(InvalidRequest, match="add enable_dialout property"):
            await stage.calls.transfer(DOMAIN, HELLO, {"sessionId": phone.call, "toEndPoint": BOB})


async def test_a_restart_ends_both_sides_of_a_bridge():
    async with Stage(check=False) as stage:
        it = await Scene(stage).begin()
        await it.transfer(BOB)
        it.callee().pick_up()
        await stage.settle()
        await it.ann.seat.leave()
        await stage.settle()
        disk = stage.records.snapshot()

    async with Stage(disk) as after:
        assert {record.id for record in after.carrier.finished} >= {it.caller.call, it.callee().call}


# ── by REFER ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_far_end_that_calls_itself_leaves_the_room_at_its_202_and_ends_at_its_200():
    async with Stage() as stage:
        it = await Scene(stage).begin()

        await it.refer()
        assert it.caller.asked_to_call == [(BOB, None)]
        assert it.heard(it.ann)[2:] == [
            "calltransfer-triggered",
            "calltransfer-initiated",
            "participant-left",
            "dialin-stopped",
        ]
        assert it.caller.state == "answered" and it.where() == "bridge"

        it.caller.follow(180, "Ringing")
        await stage.wait(20)
        assert it.caller.state == "answered"
        it.caller.follow(200)
        await stage.settle()

        assert it.caller.state == "over"
        done = outcome(it.ann)
        assert (done["completeStatus"], done["referSipResponseCode"], done["notifySipResponseCode"]) == (
            "completed",
            202,
            200,
        )
        assert done["isSipRefer"] is True and "calltransfer-answered" not in it.ann.names()


async def test_a_far_end_that_does_not_know_refer_stays_in_the_room():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        stage.carrier.refer_answer = 501

        await it.refer()

        assert it.where() == "hello" and "participant-left" not in it.ann.names()
        assert outcome(it.ann)["completeStatus"] == "failed" and outcome(it.ann)["referSipResponseCode"] == 501
        assert "501" in it.ann.last("dialin-warning")["errorMsg"]


@pytest.mark.parametrize(("status", "told"), [(486, "busy"), (480, "no-answer"), (603, "failed"), (408, "no-answer")])
async def test_a_target_that_does_not_answer_brings_the_caller_back(status: int, told: str):
    async with Stage() as stage:
        it = await Scene(stage).begin()
        await it.refer()

        it.caller.follow(status, "No")
        await stage.settle()

        assert it.where() == "hello" and it.caller.state == "answered"
        assert it.heard(it.ann)[-4:] == [
            "participant-joined",
            "dialin-connected",
            "dialin-warning",
            "calltransfer-completed",
        ]
        assert outcome(it.ann)["completeStatus"] == told
        it.caller.press("3")
        await stage.settle()
        assert it.ann.last("dtmf-event")["sessionId"] == it.caller.call


async def test_silence_after_a_202_brings_the_caller_back():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        await it.refer()

        stage.calls.refer_progress(it.caller.call, 408, "Request Timeout", final=True)
        await stage.settle()

        assert it.where() == "hello" and outcome(it.ann)["completeStatus"] == "failed"


async def test_a_far_end_that_hangs_up_after_its_202_has_gone_where_it_was_sent():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        await it.refer()

        it.caller.hang_up()
        await stage.settle()

        assert outcome(it.ann)["completeStatus"] == "completed"
        assert it.heard(it.ann).count("dialin-stopped") == 1


@pytest.mark.parametrize("alone", [False, True], ids=["others are there", "it was the last"])
@pytest.mark.parametrize("says", ["follow", "hang_up"])
async def test_what_the_far_end_says_while_its_call_leaves_the_room_is_not_lost(says: str, alone: bool):
    """202 and the last NOTIFY came in one breath: the second found the call in no meeting, and nobody was told."""
    async with Stage() as stage:
        waits = SipSettings("Caller", 2, dialin=IdleTimeouts(max_idle_post_conversation=300))
        it = await Scene(stage, sip=waits).begin()
        if alone:
            await it.ann.seat.leave()
        await stage.calls.refer(DOMAIN, HELLO, {"sessionId": it.caller.call, "toEndPoint": BOB})

        if says == "follow":
            it.caller.follow(200)
        else:
            it.caller.hang_up()
        await stage.settle()

        assert it.caller.state == "over"
        assert stage.records.event_names().count("calltransfer-completed") == 1


async def test_a_room_that_ended_meanwhile_takes_nobody_back():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        await it.refer()
        await it.ann.seat.leave()
        await stage.settle()

        it.caller.follow(486, "Busy Here")
        await stage.settle()

        assert it.caller.state == "over" and it.caller.goodbye == "meeting-ended"


@pytest.mark.parametrize(
    ("verb", "body", "text"),
    [
        ("transfer", {}, r"sipCallTransfer\(\) requires a sessionId and toEndPoint"),
        ("transfer", {"toEndPoint": BOB}, r"sipCallTransfer\(\) requires a sessionId and toEndPoint"),
        ("refer", {"sessionId": "x"}, r"sipRefer\(\) requires a sessionId and toEndPoint"),
        ("transfer", {"sessionId": 7, "toEndPoint": BOB}, "sessionId must be a string"),
        ("transfer", {"sessionId": "x", "toEndPoint": ["sip:a@b"]}, "toEndPoint must be a string"),
        ("transfer", {"sessionId": "x", "toEndPoint": "bob"}, 'must starts with either "sip:" or "\\+"'),
        ("refer", {"sessionId": "x", "toEndPoint": "+12025550123"}, 'must be a "sip" address'),
        ("transfer", {"sessionId": "x", "toEndPoint": "+1202555012x"}, "Invalid phone number"),
        ("transfer", {"sessionId": "x", "toEndPoint": BOB, "callerId": "+1"}, "callerId is only valid"),
        ("transfer", {"sessionId": "x", "toEndPoint": "+12025550123", "extension": ""}, "at least 1"),
        (
            "transfer",
            {"sessionId": "x", "toEndPoint": "+12025550123", "extension": "1" * 21},
            "less than or equal to 20",
        ),
        (
            "transfer",
            {"sessionId": "x", "toEndPoint": "+12025550123", "extension": "1", "waitBeforeExtensionDialSec": 61},
            "less than or equal to 60",
        ),
        ("transfer", {"sessionId": "x", "toEndPoint": BOB, "extension": "1"}, "requires a phoneNumber"),
        ("refer", {"sessionId": "x", "toEndPoint": BOB, "extension": "1"}, '"extension" is not allowed'),
        ("transfer", {"sessionId": "x", "toEndPoint": BOB, "video": True}, '"video" is not allowed'),
        ("refer", {"sessionId": "x", "toEndPoint": f"{BOB}?X-A=1"}, "must have no headers"),
    ],
)
async def test_a_body_past_a_limit_is_refused_in_words(verb: str, body: dict[str, object], text: str):
    async with Stage() as stage:
        await Scene(stage).begin()

        with pytest.raises(InvalidRequest, match=text):
            await getattr(stage.calls, verb)(DOMAIN, HELLO, body)


async def test_only_calls_that_stand_in_this_room_can_be_transferred():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        ringing = await stage.dial_out("hello", BOB)
        calls = stage.calls

        with pytest.raises(NotFound, match="invalid sessionId"):
            await calls.transfer(DOMAIN, HELLO, {"sessionId": it.ann.id, "toEndPoint": BOB})
        with pytest.raises(NotFound, match="invalid sessionId"):
            await calls.transfer(DOMAIN, SALES, {"sessionId": it.caller.call, "toEndPoint": BOB})
        with pytest.raises(NotFound, match="not hosting"):
            await calls.refer(DOMAIN, RoomName("nowhere"), {"sessionId": it.caller.call, "toEndPoint": BOB})
        with pytest.raises(InvalidRequest, match="not answered"):
            await calls.transfer(DOMAIN, HELLO, {"sessionId": ringing, "toEndPoint": BOB})
        assert CallId(ringing) in stage.carrier.phones


# ── asked for in a bridge ────────────────────────────────────────────────────────────────────────────────────────────

CAROL = "sip:carol@phones.example"


@pytest.mark.parametrize("who", ["caller", "callee"])
async def test_a_phone_in_a_bridge_puts_another_in_its_place(who: str):
    """The bridge used to end with whoever had been replaced."""
    async with Stage() as stage:
        it = await Scene(stage, enable_phone_transfer=True).begin()
        await it.transfer(BOB)
        callee = it.callee()
        callee.pick_up()
        await stage.settle()
        asks, stays = (it.caller, callee) if who == "caller" else (callee, it.caller)

        refer = asks.refer(CAROL)
        await stage.settle()
        carol = it.callee()
        carol.ring()
        carol.pick_up()
        await stage.wait(3)

        assert asks.referred[refer] == [100, 180, 200] and asks.state == "over"
        assert (stays.state, carol.state) == ("answered", "answered")
        legs = stage.media.legs
        assert legs[ParticipantId(stays.call)].meeting == legs[ParticipantId(carol.call)].meeting
        assert "calltransfer-completed" not in it.ann.names(), "the transfer lasts as long as its bridge"
        carol.press("4")
        await stage.settle()
        assert legs[ParticipantId(stays.call)].digits == [("4", 160, 100)]

        carol.hang_up()
        await stage.settle()
        assert stays.state == "over" and outcome(it.ann)["completeStatus"] == "completed"


async def test_a_phone_in_a_bridge_stays_when_whom_it_names_is_busy():
    async with Stage() as stage:
        it = await Scene(stage, enable_phone_transfer=True).begin()
        await it.transfer(BOB)
        callee = it.callee()
        callee.pick_up()
        await stage.settle()

        refer = callee.refer(CAROL)
        await stage.settle()
        it.callee().refuse(486, "Busy Here")
        await stage.wait(5)

        assert callee.referred[refer] == [100, 486]
        assert (it.caller.state, callee.state) == ("answered", "answered")


async def test_what_a_phone_in_a_bridge_asks_for_counts_against_the_rooms_limit():
    async with Stage() as stage:
        it = await Scene(stage, enable_phone_transfer=True, max_sip_pstn_sessions=2).begin()
        await it.transfer(BOB)
        callee = it.callee()
        callee.pick_up()
        await stage.settle()

        refer = callee.refer(CAROL)
        await stage.settle()

        assert callee.referred[refer] == [486] and it.callee() is callee


async def test_keys_can_be_pressed_for_a_program_towards_either_side_of_a_bridge():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        await it.transfer(BOB)
        callee = it.callee()
        callee.pick_up()
        await stage.settle()

        for phone in (it.caller, callee):
            await stage.calls.send_dtmf(DOMAIN, HELLO, {"sessionId": phone.call, "tones": "42"})
            await stage.settle()
            assert stage.media.legs[ParticipantId(phone.call)].digits == [("42", 500, 100)]
        with pytest.raises(NotFound):
            await stage.calls.send_dtmf(DOMAIN, SALES, {"sessionId": callee.call, "tones": "1"})


@pytest.mark.parametrize(
    "to", ["sip:911@pbx.example", "sip:sos@pbx.example", "sip:%39%31%31@x.example", "sip:112@x.example;user=phone"]
)
async def test_no_far_end_is_asked_to_call_emergency_services(to: str):
    """D9. It would do so by itself, and on our word."""
    async with Stage() as stage:
        it = await Scene(stage).begin()

        with pytest.raises(NumberNotAllowed):
            await it.refer(to)

        assert it.caller.asked_to_call == [] and not stage.records.transfers
