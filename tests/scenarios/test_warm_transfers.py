"""Warm transfers: a caller that waits, somebody who is told about it, and every way in which that ends."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from ringback.calls.ports.paid import Refusal
from ringback.model.end_reason import Ending
from ringback.model.errors import Forbidden, InvalidRequest, NotFound
from ringback.model.ids import DomainId, ParticipantId
from ringback.model.records import CallState, TransferState
from ringback.testing.carrier import PHONE_HOST, FakePhone
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import MUSIC, Stage
from scenarios.test_transfers import BOB, HELLO, Scene, address, outcome


class WarmScene(Scene):
    """Ann with a caller, who is to go to Bob."""

    async def start(self, **body: object) -> FakePhone:
        answer = await self.stage.calls.warm_transfer(DOMAIN, self.caller.call, {"toEndPoint": BOB, **body})
        await self.stage.settle()
        assert answer == {"ok": True, "sessionId": self.callee().call}
        return self.callee()

    async def brief(self, **body: object) -> FakePhone:
        callee = await self.start(**body)
        callee.ring()
        callee.pick_up()
        await self.stage.settle()
        assert self.row().state is TransferState.BRIEFING
        return callee

    async def command(self, name: str) -> None:
        await getattr(self.stage.calls.warm, name)(DOMAIN, self.caller.call)
        await self.stage.settle()

    def row(self) -> Any:
        (row,) = self.stage.records.transfers.values()
        return row

    def waits(self) -> bool:
        """Whether the caller is apart: it hears music and nobody, and nobody hears it."""
        leg = self.leg()
        assert leg.muted == (leg.sources == frozenset()) == (leg.playing is MUSIC), leg
        return bool(leg.muted)

    def hears(self, phone: FakePhone) -> str:
        """``room`` or ``bridge``."""
        return "room" if self.stage.media.legs[ParticipantId(phone.call)].meeting == self.ann.seat.meeting else "bridge"


def told(it: Scene) -> list[str]:
    return it.heard(it.ann)[2:]


async def test_a_caller_waits_with_music_while_its_story_is_told_and_both_are_connected_at_a_key():
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        verbs = stage.carrier.verbs(it.caller.call)

        callee = await it.start()
        assert it.waits() and it.row().state is TransferState.INITIATED
        callee.ring()
        await stage.settle()
        assert it.row().state is TransferState.RINGING
        callee.pick_up()
        await stage.settle()
        assert it.waits() and it.hears(callee) == "room", "Ann and Bob talk, the caller hears nothing of it"
        callee.press("1")
        await stage.settle()

        assert told(it) == [
            "calltransfer-triggered",
            "calltransfer-initiated",
            "participant-updated",
            "dialin-held",
            "participant-joined",
            "dialout-connected",
            "participant-updated",
            "dialout-answered",
            "calltransfer-briefing",
            "participant-left",
            "dialin-stopped",
            "participant-left",
            "dialout-stopped",
            "calltransfer-answered",
        ]
        assert it.where() == "bridge" and it.hears(callee) == "bridge" and not it.waits()
        assert stage.carrier.verbs(it.caller.call) == verbs, "the caller's telephone was asked nothing"
        assert it.ann.last("calltransfer-briefing")["toSessionId"] == callee.call
        assert it.ann.last("calltransfer-answered")["isWarm"] is True

        await it.ann.seat.leave()
        await stage.wait(600)
        assert (it.caller.state, callee.state) == ("answered", "answered")
        callee.hang_up()
        await stage.settle()
        assert it.caller.state == "over"
        assert (it.row().state, it.row().status) == (TransferState.COMPLETED, "completed")
        counted = Counter(stage.records.event_names())
        assert counted["dialout-stopped"] == counted["dialin-stopped"] == counted["calltransfer-completed"] == 1
        row = stage.records.calls[it.caller.call]
        assert row.end is not None and row.end.ending is Ending.PEER_ENDED


async def test_it_is_accepted_by_command_and_by_no_other_key():
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        callee = await it.brief(acceptKey="#")

        callee.press("1")
        it.caller.press("#")
        await stage.settle()
        assert it.waits()

        await it.command("accept")
        assert it.where() == "bridge" and it.hears(callee) == "bridge"


async def test_without_a_key_only_a_command_accepts():
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        callee = await it.brief(acceptKey=None, holdMusic=False)
        assert it.leg().playing is None and it.leg().sources == frozenset() and it.leg().muted

        for key in "0123456789*#":
            callee.press(key)
        await stage.settle()

        assert it.row().state is TransferState.BRIEFING


async def test_all_talk_in_the_room_once_merged_and_may_part_later():
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        callee = await it.brief()

        await it.command("merge")
        assert not it.waits() and it.where() == "hello" and it.hears(callee) == "room"
        assert it.row().state is TransferState.MERGED and it.ann.names()[-1] == "calltransfer-merged"
        await stage.wait(400)
        assert it.row().state is TransferState.MERGED, "the time for the brief no longer runs"

        await it.command("accept")
        assert it.where() == "bridge" and it.hears(callee) == "bridge"


@pytest.mark.parametrize("who", ["caller", "callee", "return"])
async def test_whoever_leaves_a_merged_conversation_the_others_talk_on(who: str):
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        callee = await it.brief()
        await it.command("merge")

        if who == "return":
            await it.command("give_back")
        else:
            (it.caller if who == "caller" else callee).hang_up()
            await stage.settle()

        stays = callee if who == "caller" else it.caller
        assert stays.state == "answered" and outcome(it.ann)["completeStatus"] == "completed"
        stays.press("9")
        await stage.settle()
        assert it.ann.last("dtmf-event")["sessionId"] == stays.call


async def busy(it: WarmScene) -> None:
    (await it.start()).refuse(486, "Busy Here")


async def no_such_number(it: WarmScene) -> None:
    (await it.start()).refuse(404, "Not Found")


async def trunk_fails(it: WarmScene) -> None:
    (await it.start()).refuse(0, "connection refused", "transport")


async def declined(it: WarmScene) -> None:
    callee = await it.start()
    callee.ring()
    await it.stage.settle()
    callee.refuse(603, "Decline")


async def nobody_answers(it: WarmScene) -> None:
    callee = await it.start()
    callee.ring()
    await it.stage.settle()
    callee.refuse(0, "nothing came", "timeout")


async def returned_while_it_rings(it: WarmScene) -> None:
    (await it.start()).ring()
    await it.stage.settle()
    await it.command("give_back")


async def returned_after_the_brief(it: WarmScene) -> None:
    await it.brief()
    await it.command("give_back")


async def stopped_as_a_dial_out(it: WarmScene) -> None:
    callee = await it.brief()
    await it.stage.calls.stop_dial_out(DOMAIN, HELLO, callee.call)


async def hangs_up_after_the_brief(it: WarmScene) -> None:
    (await it.brief()).hang_up()


async def media_lost(it: WarmScene) -> None:
    callee = await it.brief()
    assert it.stage.media.events is not None
    it.stage.media.events.leg_silent(ParticipantId(callee.call))


async def never_accepted(it: WarmScene) -> None:
    await it.brief(briefTimeoutSec=10)
    await it.stage.wait(11)


async def ejected(it: WarmScene) -> None:
    callee = await it.brief()
    await it.stage.meetings.eject(DOMAIN, HELLO, [ParticipantId(callee.call)], [])


FAILURES = {
    busy: "busy",
    no_such_number: "failed",
    trunk_fails: "failed",
    declined: "failed",
    nobody_answers: "no-answer",
    returned_while_it_rings: "canceled",
    returned_after_the_brief: "canceled",
    stopped_as_a_dial_out: "canceled",
    hangs_up_after_the_brief: "failed",
    media_lost: "failed",
    never_accepted: "no-answer",
    ejected: "failed",
}


@pytest.mark.parametrize("how", FAILURES, ids=lambda how: how.__name__)
async def test_whatever_comes_between_gives_the_caller_back_to_the_room(how: Any):
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        await how(it)
        await stage.settle()

        assert it.where() == "hello" and not it.waits() and it.leg().sources is None
        assert outcome(it.ann)["completeStatus"] == FAILURES[how] == it.row().status
        by_hand = how in (returned_while_it_rings, returned_after_the_brief, stopped_as_a_dial_out)
        assert ("dialin-warning" in it.ann.names()) != by_hand
        assert it.ann.last("dialin-resumed")["heldBy"] == "room" and "dialin-stopped" not in it.ann.names()
        assert it.callee().state in ("over", "refused")
        assert stage.calls.warm.leftovers() == 0
        it.caller.press("2")
        await stage.settle()
        assert it.ann.last("dtmf-event")["tone"] == "2"
        for verb in ("accept", "merge", "give_back"):
            with pytest.raises(NotFound):
                await it.command(verb)
        await it.transfer(BOB)
        it.callee().pick_up()
        await stage.settle()
        assert it.where() == "bridge", "it can be transferred again"


@pytest.mark.parametrize("when", ["start", "brief"])
async def test_a_caller_who_hangs_up_while_waiting_takes_whom_it_was_to_go_to_along(when: str):
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        callee = await getattr(it, when)()

        it.caller.hang_up()
        await stage.settle()

        assert callee.state == "over" and outcome(it.ann)["completeStatus"] == "canceled"
        assert stage.carrier.verbs(callee.call)[-1] == ("cancel" if when == "start" else "bye")
        assert stage.calls.warm.leftovers() == 0


@pytest.mark.parametrize("when", ["start", "brief"])
async def test_a_room_that_ends_meanwhile_ends_all(when: str):
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        callee = await getattr(it, when)()

        await it.ann.seat.leave()
        await stage.settle()

        assert it.caller.state == callee.state == "over"
        assert stage.records.event_names().count("calltransfer-completed") == 1
        assert it.row().status == "canceled" and stage.calls.warm.leftovers() == 0


@pytest.mark.parametrize(
    ("step", "status"), [("start", "failed"), ("brief", "failed"), ("merge", "completed"), ("accept", "completed")]
)
async def test_a_kill_at_any_step_of_a_warm_transfer_ends_it_once(step: str, status: str):
    async with Stage(check=False) as stage:
        it = await WarmScene(stage).begin()
        if step == "start":
            await it.start()
        else:
            await it.brief()
        if step in ("merge", "accept"):
            await it.command(step)
        disk = stage.records.snapshot()

    async with Stage(disk) as after:
        assert {record.id for record in after.carrier.finished} == {it.caller.call, it.callee().call}
        (row,) = disk.transfers.values()
        assert (row.state, row.status) == (TransferState.COMPLETED, status)
        counted = Counter(disk.event_names())
        assert counted["calltransfer-completed"] == counted["dialin-stopped"] == counted["dialout-stopped"] == 1
        assert counted["participant-joined"] == counted["participant-left"]
        assert all(call.state is CallState.ENDED for call in disk.calls.values())


async def test_a_caller_that_is_unmuted_while_it_waits_stays_unheard():
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        owner = await stage.join("hello", "Olga", owner=True)
        await owner.seat.update_participants({it.caller.call: {"setAudio": False}})
        await it.brief()

        await owner.seat.update_participants({it.caller.call: {"setAudio": True}})
        assert it.waits()
        await it.command("merge")
        assert not it.waits()


async def test_a_caller_on_hold_by_its_own_far_end_stays_so():
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        it.caller.hold()
        await stage.settle()
        await it.brief()
        it.caller.hold(False)
        await stage.settle()
        assert it.waits(), "it is still the room that keeps it apart"
        await it.command("merge")
        assert it.ann.last("participant-updated")["participant"]["onHold"] is False


async def test_it_is_carried_out_once_for_its_key():
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        body = {"toEndPoint": BOB}
        answers = [await stage.calls.warm_transfer(DOMAIN, it.caller.call, body, idempotency_key="k") for _ in range(2)]
        assert answers[0] == answers[1]
        with pytest.raises(InvalidRequest, match="another body"):
            await stage.calls.warm_transfer(DOMAIN, it.caller.call, {"toEndPoint": "sip:x@y"}, idempotency_key="k")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "toEndPoint is required"),
        ({"toEndPoint": 7}, "toEndPoint is required and must be a string"),
        ({"toEndPoint": "bob"}, "must starts with either"),
        ({"toEndPoint": BOB, "sessionId": "x"}, '"sessionId" is not allowed'),
        ({"toEndPoint": BOB, "acceptKey": "12"}, "acceptKey must be"),
        ({"toEndPoint": BOB, "acceptKey": ""}, "acceptKey must be"),
        ({"toEndPoint": BOB, "holdMusic": "yes"}, "holdMusic must be a boolean"),
        ({"toEndPoint": BOB, "briefTimeoutSec": 9}, "from 10 to 3600"),
        ({"toEndPoint": BOB, "briefTimeoutSec": 3601}, "from 10 to 3600"),
        ({"toEndPoint": BOB, "briefTimeoutSec": True}, "must be an integer"),
        ({"toEndPoint": BOB, "callerId": "+12025550123"}, "callerId is only valid"),
    ],
)
async def test_a_body_past_a_limit_is_refused_in_words(body: Mapping[str, object], text: str):
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        with pytest.raises(InvalidRequest, match=text):
            await stage.calls.warm_transfer(DOMAIN, it.caller.call, body)
        assert not it.waits() and not stage.records.transfers


async def test_what_cannot_be_begun_is_refused_before_the_caller_notices():
    async with Stage() as stage:
        it = await WarmScene(stage, max_sip_pstn_sessions=2).begin()
        body = {"toEndPoint": BOB}
        with pytest.raises(NotFound):
            await stage.calls.warm_transfer(DOMAIN, "nobody", body)
        with pytest.raises(NotFound):
            await stage.calls.warm_transfer(DomainId("another"), it.caller.call, body)
        with pytest.raises(InvalidRequest, match="is a room"):
            await stage.calls.warm_transfer(DOMAIN, it.caller.call, {"toEndPoint": address(it.sales)})
        ringing = await stage.dial_out("hello", BOB)
        with pytest.raises(InvalidRequest, match="not answered"):
            await stage.calls.warm_transfer(DOMAIN, ringing, body)
        with pytest.raises(InvalidRequest, match=r"limit \(2\)"):
            await stage.calls.warm_transfer(DOMAIN, it.caller.call, body)
        await stage.calls.stop_dial_out(DOMAIN, HELLO, ringing)
        await it.transfer(BOB)
        with pytest.raises(InvalidRequest, match="being transferred already"):
            await stage.calls.warm_transfer(DOMAIN, it.caller.call, body)
        it.callee().pick_up()
        await stage.settle()
        with pytest.raises(InvalidRequest, match="has been transferred"):
            await stage.calls.warm_transfer(DOMAIN, it.caller.call, body)
        assert not it.waits()


async def test_the_commands_are_for_their_moment_and_for_their_domain():
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        await it.start()
        for verb in ("accept", "merge"):
            with pytest.raises(InvalidRequest, match="the transfer is initiated"):
                await it.command(verb)
            with pytest.raises(NotFound):
                await getattr(stage.calls.warm, verb)(DomainId("another"), it.caller.call)
        it.callee().pick_up()
        await stage.settle()
        await it.command("merge")
        with pytest.raises(InvalidRequest, match="the transfer is merged"):
            await it.command("merge")


async def test_it_costs_what_a_transfer_costs():
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        stage.routes.trunks["carrier"] = "carrier.example"
        body = {"toEndPoint": "+12025550123", "extension": "12", "waitBeforeExtensionDialSec": 2}
        await stage.calls.warm_transfer(DOMAIN, it.caller.call, body)
        await stage.settle()
        it.callee().pick_up()
        await stage.wait(10)
        assert [leg.by for leg in stage.quota.asked] == ["transfer"]
        assert stage.media.legs[ParticipantId(it.callee().call)].digits == [("12", 500, 100)]

        await it.command("accept")
        await stage.wait(20)
        it.caller.hang_up()
        await stage.settle()
        assert [seconds for _, seconds in stage.quota.settled] == [30.0]


async def test_a_quota_that_refuses_leaves_the_caller_in_the_room():
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        stage.routes.trunks["carrier"] = "carrier.example"
        stage.quota.refusal = Refusal("spending-cap", "the domain has spent what it may")
        with pytest.raises(Forbidden, match="spending-cap"):
            await stage.calls.warm_transfer(DOMAIN, it.caller.call, {"toEndPoint": "+12025550123"})
        assert not it.waits() and not stage.records.transfers


# ── by the caller's own system ───────────────────────────────────────────────────────────────────────────────────────


async def asked_to_call(it: WarmScene) -> FakePhone:
    """Bob has been told; the caller's far end is asked to call him in the place of our call."""
    callee = await it.brief()
    await it.stage.calls.warm.accept(DOMAIN, it.caller.call, by_refer=True)
    await it.stage.settle()
    return callee


async def test_the_far_end_calls_whom_it_was_told_of_in_the_place_of_our_call():
    """RFC 5589 §7: whom it calls hangs up on us, and then it says that it worked."""
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        callee = await asked_to_call(it)
        assert it.caller.asked_to_call == [(f"sip:phone@{PHONE_HOST}", callee.call)] and it.waits()

        it.caller.follow(180, "Ringing")
        callee.hang_up()
        await stage.settle()
        assert it.caller.state == "answered" and "calltransfer-completed" not in it.ann.names()
        it.caller.follow(200)
        await stage.settle()

        assert it.caller.state == "over"
        done = outcome(it.ann)
        assert (done["completeStatus"], done["referSipResponseCode"], done["notifySipResponseCode"]) == (
            "completed",
            202,
            200,
        )
        assert it.ann.last("dialin-stopped")["reason"] == "transferred" and stage.calls.warm.leftovers() == 0


@pytest.mark.parametrize("when", ["at once", "later"])
async def test_where_the_far_end_cannot_call_itself_they_are_connected_by_us(when: str):
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        stage.carrier.refer_answer = 501 if when == "at once" else 202
        callee = await asked_to_call(it)
        if when == "later":
            it.caller.follow(486, "Busy Here")
            await stage.settle()

        assert it.where() == "bridge" and it.hears(callee) == "bridge" and not it.waits()
        assert it.ann.names()[-1] == "calltransfer-answered"


async def test_a_far_end_that_fails_after_whom_it_calls_has_hung_up_on_us_is_back_in_the_room():
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        callee = await asked_to_call(it)
        callee.hang_up()
        await stage.settle()
        for verb in ("accept", "merge"):
            with pytest.raises(InvalidRequest):
                await it.command(verb)
        it.caller.follow(503, "Service Unavailable")
        await stage.settle()

        assert it.where() == "hello" and not it.waits() and outcome(it.ann)["completeStatus"] == "failed"


async def test_a_far_end_that_hangs_up_once_asked_has_gone_there():
    async with Stage() as stage:
        it = await WarmScene(stage).begin()
        callee = await asked_to_call(it)
        callee.hang_up()
        it.caller.hang_up()
        await stage.settle()

        assert outcome(it.ann)["completeStatus"] == "completed" and stage.calls.warm.leftovers() == 0
