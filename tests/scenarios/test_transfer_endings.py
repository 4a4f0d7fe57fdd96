"""Every way in which a transfer ends: what the room and the application are told, in order, and where the caller is."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ringback.model.ids import ParticipantId
from ringback.model.records import TransferState
from ringback.testing.carrier import FakePhone
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage
from ringback.webhooks.bodies import body_of
from scenarios.test_transfers import BOB, HELLO, Scene

NUMBER = "+12025550123"

Story = Callable[[Scene], Awaitable[None]]


async def dialled(it: Scene, to: str = BOB) -> FakePhone:
    await it.transfer(to)
    return it.callee()


async def ringing(it: Scene) -> FakePhone:
    callee = await dialled(it)
    callee.ring()
    await it.stage.settle()
    return callee


async def talking(it: Scene) -> FakePhone:
    callee = await ringing(it)
    callee.pick_up()
    await it.stage.settle()
    return callee


def silent(it: Scene, phone: FakePhone) -> None:
    assert it.stage.media.events is not None
    it.stage.media.events.leg_silent(ParticipantId(phone.call))


# ── whom it goes to ──────────────────────────────────────────────────────────────────────────────────────────────────


async def refused_at_once(it: Scene) -> None:
    (await dialled(it)).refuse(404, "Not Found")


async def busy_at_once(it: Scene) -> None:
    (await dialled(it)).refuse(486, "Busy Here")


async def busy_after_ringing(it: Scene) -> None:
    (await ringing(it)).refuse(486, "Busy Here")


async def declined(it: Scene) -> None:
    (await ringing(it)).refuse(603, "Decline")


async def no_answer(it: Scene) -> None:
    (await ringing(it)).refuse(0, "nothing came", "timeout")


async def nothing_there(it: Scene) -> None:
    (await dialled(it)).refuse(0, "nothing came", "timeout")


async def no_such_host(it: Scene) -> None:
    (await dialled(it)).refuse(0, "no address", "resolve")


async def every_trunk_fails(it: Scene) -> None:
    it.stage.routes.trunks |= {"first": "a.example", "second": "b.example"}
    callee = await dialled(it, NUMBER)
    callee.fail_over(1)
    await it.stage.settle()
    callee.refuse(503, "Service Unavailable")


async def no_common_codec(it: Scene) -> None:
    callee = await ringing(it)
    assert it.stage.carrier.events is not None
    it.stage.carrier.events.answered(callee.call, b"v=0\r\n")


# ── the caller ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def caller_hangs_up_before_it_rings(it: Scene) -> None:
    await dialled(it)
    it.caller.hang_up()


async def caller_hangs_up_while_it_rings(it: Scene) -> None:
    await ringing(it)
    it.caller.hang_up()


async def caller_is_silent_while_it_rings(it: Scene) -> None:
    await ringing(it)
    silent(it, it.caller)


async def caller_is_removed_while_it_rings(it: Scene) -> None:
    await ringing(it)
    await it.stage.meetings.eject(DOMAIN, HELLO, [ParticipantId(it.caller.call)], [])


# ── ourselves ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def stopped_while_it_rings(it: Scene) -> None:
    callee = await ringing(it)
    await it.stage.calls.stop_dial_out(DOMAIN, HELLO, callee.call)


async def meeting_ends_while_it_rings(it: Scene) -> None:
    await ringing(it)
    await it.ann.seat.leave()


async def room_is_deleted_while_it_rings(it: Scene) -> None:
    await ringing(it)
    await it.stage.meetings.room_deleted(it.hello.room)


async def server_stops_while_it_rings(it: Scene) -> None:
    await ringing(it)
    await it.stage.meetings.close_all()


# ── once they talk ───────────────────────────────────────────────────────────────────────────────────────────────────


async def target_hangs_up(it: Scene) -> None:
    (await talking(it)).hang_up()


async def caller_hangs_up(it: Scene) -> None:
    await talking(it)
    it.caller.hang_up()


async def target_is_silent(it: Scene) -> None:
    silent(it, await talking(it))


async def caller_is_silent(it: Scene) -> None:
    await talking(it)
    silent(it, it.caller)


async def stopped_while_they_talk(it: Scene) -> None:
    callee = await talking(it)
    await it.stage.calls.stop_dial_out(DOMAIN, HELLO, callee.call)


async def server_stops_while_they_talk(it: Scene) -> None:
    await talking(it)
    await it.stage.meetings.close_all()


# ── REFER ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def refer_is_answered(status: int) -> Story:
    async def story(it: Scene) -> None:
        it.stage.carrier.refer_answer = status
        await it.refer()

    story.__name__ = f"refer_is_answered_{status}"
    return story


def refer_is_notified(status: int) -> Story:
    async def story(it: Scene) -> None:
        await it.refer()
        it.caller.follow(180, "Ringing")
        await it.stage.settle()
        it.caller.follow(status, "Word")

    story.__name__ = f"refer_is_notified_of_{status}"
    return story


async def refer_is_never_notified(it: Scene) -> None:
    await it.refer()
    assert it.stage.carrier.events is not None
    it.stage.carrier.events.refer_progress(it.caller.call, 408, "Request Timeout", True)


async def refer_bye_before_202(it: Scene) -> None:
    it.stage.carrier.refer_answer = 0
    await it.refer()
    it.caller.hang_up()


async def refer_bye_before_notify(it: Scene) -> None:
    await it.refer()
    it.caller.hang_up()


async def refer_and_silence_meanwhile(it: Scene) -> None:
    await it.refer()
    silent(it, it.caller)


async def refer_and_the_server_stops(it: Scene) -> None:
    await it.refer()
    await it.stage.meetings.close_all()


async def refer_fails_and_the_room_has_ended(it: Scene) -> None:
    await it.refer()
    await it.ann.seat.leave()
    await it.stage.settle()
    it.caller.follow(486, "Busy Here")


T, SENT, A, C = (f"calltransfer-{step}" for step in ("triggered", "initiated", "answered", "completed"))
JOINED, LEFT = "participant-joined", "participant-left"
IN, IN_OUT, WARNED = "dialin-connected", "dialin-stopped", "dialin-warning"
RINGS, ANSWERS, STOPS, FAILS = (f"dialout-{step}" for step in ("connected", "answered", "stopped", "error"))
ENDS = "meeting-ended"

PUT_TOGETHER = (T, SENT, RINGS, ANSWERS, LEFT, IN_OUT, A)
PARKED = (T, SENT, LEFT, IN_OUT)
BACK = (JOINED, IN, WARNED, C)

HOME, OVER = "home", "over"

ENDINGS: dict[Any, tuple[str, str, tuple[str, ...]]] = {
    refused_at_once: ("failed", HOME, (T, SENT, FAILS, WARNED, C)),
    busy_at_once: ("busy", HOME, (T, SENT, FAILS, WARNED, C)),
    busy_after_ringing: ("busy", HOME, (T, SENT, RINGS, STOPS, WARNED, C)),
    declined: ("failed", HOME, (T, SENT, RINGS, STOPS, WARNED, C)),
    no_answer: ("no-answer", HOME, (T, SENT, RINGS, STOPS, WARNED, C)),
    nothing_there: ("failed", HOME, (T, SENT, FAILS, WARNED, C)),
    no_such_host: ("failed", HOME, (T, SENT, FAILS, WARNED, C)),
    every_trunk_fails: ("failed", HOME, (T, SENT, FAILS, WARNED, C)),
    no_common_codec: ("failed", HOME, (T, SENT, RINGS, FAILS, WARNED, C)),
    caller_hangs_up_before_it_rings: ("canceled", OVER, (*PARKED, STOPS, C)),
    caller_hangs_up_while_it_rings: ("canceled", OVER, (T, SENT, RINGS, LEFT, IN_OUT, STOPS, C)),
    caller_is_silent_while_it_rings: ("canceled", OVER, (T, SENT, RINGS, LEFT, IN_OUT, STOPS, C)),
    caller_is_removed_while_it_rings: ("canceled", OVER, (T, SENT, RINGS, LEFT, IN_OUT, STOPS, C)),
    stopped_while_it_rings: ("canceled", HOME, (T, SENT, RINGS, STOPS, WARNED, C)),
    meeting_ends_while_it_rings: ("canceled", OVER, (T, SENT, RINGS, LEFT, LEFT, IN_OUT, ENDS, STOPS, C)),
    room_is_deleted_while_it_rings: ("canceled", OVER, (T, SENT, RINGS, LEFT, LEFT, IN_OUT, ENDS, STOPS, C)),
    server_stops_while_it_rings: ("canceled", OVER, (T, SENT, RINGS, LEFT, LEFT, IN_OUT, ENDS, LEFT, ENDS, STOPS, C)),
    target_hangs_up: ("completed", OVER, (*PUT_TOGETHER, C, STOPS)),
    caller_hangs_up: ("completed", OVER, (*PUT_TOGETHER, C, STOPS)),
    target_is_silent: ("completed", OVER, (*PUT_TOGETHER, C, STOPS)),
    caller_is_silent: ("completed", OVER, (*PUT_TOGETHER, C, STOPS)),
    stopped_while_they_talk: ("completed", OVER, (*PUT_TOGETHER, C, STOPS)),
    server_stops_while_they_talk: ("completed", OVER, (*PUT_TOGETHER, LEFT, ENDS, LEFT, ENDS, C, STOPS)),
    refer_is_never_notified: ("failed", HOME, (*PARKED, *BACK)),
    refer_bye_before_202: ("canceled", OVER, (T, LEFT, IN_OUT, C)),
    refer_bye_before_notify: ("completed", OVER, (*PARKED, C)),
    refer_and_silence_meanwhile: ("failed", OVER, (*PARKED, C)),
    refer_and_the_server_stops: ("failed", OVER, (*PARKED, LEFT, ENDS, LEFT, ENDS, C)),
    refer_fails_and_the_room_has_ended: ("failed", OVER, (*PARKED, LEFT, ENDS, C)),
    refer_is_answered(501): ("failed", HOME, (T, WARNED, C)),
    refer_is_answered(603): ("failed", HOME, (T, WARNED, C)),
    refer_is_notified(200): ("completed", OVER, (*PARKED, C)),
    refer_is_notified(404): ("failed", HOME, (*PARKED, *BACK)),
    refer_is_notified(408): ("no-answer", HOME, (*PARKED, *BACK)),
    refer_is_notified(480): ("no-answer", HOME, (*PARKED, *BACK)),
    refer_is_notified(486): ("busy", HOME, (*PARKED, *BACK)),
    refer_is_notified(487): ("canceled", HOME, (*PARKED, *BACK)),
    refer_is_notified(503): ("failed", HOME, (*PARKED, *BACK)),
    refer_is_notified(600): ("busy", HOME, (*PARKED, *BACK)),
    refer_is_notified(603): ("failed", HOME, (*PARKED, *BACK)),
}
"""Status told, where the caller is, and all that is told from the command on: stored, so that webhooks tell it, too."""


async def play(story: Story) -> tuple[str, str, tuple[str, ...]]:
    """How it went: the status told, where the caller is, what was told from the transfer's beginning on."""
    async with Stage() as stage:
        it = await Scene(stage).begin()
        before = len(stage.records.events)
        await story(it)
        await stage.settle()

        events = stage.records.events[before:]
        names = tuple(event.name for event in events)
        (row,) = stage.records.transfers.values()
        assert row.state is TransferState.COMPLETED and row.ended_at is not None
        (done,) = (event for event in events if event.name == C)
        assert done.payload["completeStatus"] == row.status
        hooks = [body_of(event) for event in events]
        assert all(hooks), "the application is told of each step"
        if it.caller.state == "answered":
            assert it.where() == "hello" and it.leg().sources is None
            it.caller.press("5")
            await stage.settle()
            assert it.ann.last("dtmf-event")["tone"] == "5"
        elif it.callee() is not it.caller:
            assert it.callee().state in ("over", "refused"), "nobody is left on the line"
        return row.status, HOME if it.caller.state == "answered" else OVER, names


@pytest.mark.parametrize("story", ENDINGS, ids=lambda story: story.__name__)
async def test_every_end_of_a_transfer_is_told_exactly(story: Story):
    assert await play(story) == ENDINGS[story]
