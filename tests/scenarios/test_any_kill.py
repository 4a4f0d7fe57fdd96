"""A kill after any single unit of work of any verb: what a restart makes of that disk is whole, told, and told once."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ringback.model.records import CallState, TransferState
from ringback.testing.records import MemoryRecords
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage
from scenarios.test_transfers import BOB, CAROL, HELLO, Scene, address
from scenarios.test_warm_transfers import WarmScene

Story = Callable[[WarmScene], Awaitable[None]]


async def dial_in(it: WarmScene) -> None:
    phone = it.stage.carrier.call_in(it.hello.room.endpoints[1])
    await it.stage.settle()
    phone.hold()
    await it.stage.settle()
    phone.hang_up()


async def dial_in_that_gives_up(it: WarmScene) -> None:
    phone = it.stage.carrier.call_in(it.hello.room.endpoints[1])
    phone.give_up()


async def dial_out_with_extension(it: WarmScene) -> None:
    it.stage.routes.trunks["carrier"] = "carrier.example"
    body = {"phoneNumber": "+12025550123", "extension": "12", "waitBeforeExtensionDialSec": 2}
    call = await it.stage.calls.start_dial_out(DOMAIN, HELLO, body, idempotency_key="k")
    await it.stage.settle()
    phone = it.stage.carrier.phone_of(call)
    phone.ring()
    await it.stage.settle()
    phone.pick_up()
    await it.stage.wait(10)
    phone.hang_up()


async def dial_out_that_is_stopped(it: WarmScene) -> None:
    call = await it.stage.dial_out("hello")
    it.stage.carrier.phone_of(call).ring()
    await it.stage.settle()
    await it.stage.calls.stop_dial_out(DOMAIN, HELLO, call)


async def digits(it: WarmScene) -> None:
    await it.stage.calls.send_dtmf(DOMAIN, HELLO, {"sessionId": it.caller.call, "tones": "123"}, idempotency_key="d")
    await it.stage.wait(5)
    it.caller.hang_up()


async def move(it: WarmScene) -> None:
    await it.transfer(address(it.sales))
    it.caller.hang_up()


async def transfer(it: WarmScene) -> None:
    body = {"sessionId": it.caller.call, "toEndPoint": BOB}
    await it.stage.calls.transfer(DOMAIN, HELLO, body, idempotency_key="k")
    await it.stage.settle()
    it.callee().ring()
    await it.stage.settle()
    it.callee().pick_up()
    await it.stage.settle()
    it.callee().hang_up()


async def transfer_that_fails(it: WarmScene) -> None:
    await it.transfer(BOB)
    it.callee().ring()
    await it.stage.settle()
    it.callee().refuse(486, "Busy Here")
    await it.stage.settle()
    it.caller.hang_up()


async def transfer_that_is_given_up(it: WarmScene) -> None:
    await it.transfer(BOB)
    it.callee().ring()
    await it.stage.settle()
    it.caller.hang_up()


async def transfer_out_of_a_bridge(it: WarmScene) -> None:
    await it.transfer(BOB)
    it.callee().pick_up()
    await it.stage.settle()
    it.callee().refer(CAROL)
    await it.stage.settle()
    it.callee().pick_up()
    await it.stage.wait(3)
    it.caller.hang_up()


async def refer(it: WarmScene) -> None:
    await it.refer()
    it.caller.follow(180, "Ringing")
    await it.stage.settle()
    it.caller.follow(200)


async def refer_that_fails(it: WarmScene) -> None:
    await it.refer()
    it.caller.follow(486, "Busy Here")
    await it.stage.settle()
    it.caller.hang_up()


async def refer_that_is_refused(it: WarmScene) -> None:
    it.stage.carrier.refer_answer = 501
    await it.refer()
    it.caller.hang_up()


async def refer_of_a_phone(it: WarmScene) -> None:
    it.caller.refer(BOB)
    await it.stage.settle()
    it.callee().pick_up()
    await it.stage.wait(3)
    it.callee().hang_up()


async def replaced(it: WarmScene) -> None:
    phone = it.stage.carrier.call_in(it.hello.room.endpoints[0], replaces=it.caller.call)
    await it.stage.settle()
    phone.hang_up()


async def warm(it: WarmScene) -> None:
    await it.brief()
    await it.command("accept")
    it.caller.hang_up()


async def warm_that_is_merged(it: WarmScene) -> None:
    await it.brief()
    await it.command("merge")
    await it.command("accept")
    it.callee().hang_up()


async def warm_that_is_returned(it: WarmScene) -> None:
    await it.brief()
    await it.command("give_back")
    it.caller.hang_up()


async def warm_that_is_given_up(it: WarmScene) -> None:
    await it.start()
    it.caller.hang_up()


STORIES: tuple[Story, ...] = (
    dial_in,
    dial_in_that_gives_up,
    dial_out_with_extension,
    dial_out_that_is_stopped,
    digits,
    move,
    transfer,
    transfer_that_fails,
    transfer_that_is_given_up,
    transfer_out_of_a_bridge,
    refer,
    refer_that_fails,
    refer_that_is_refused,
    refer_of_a_phone,
    replaced,
    warm,
    warm_that_is_merged,
    warm_that_is_returned,
    warm_that_is_given_up,
)


async def play(story: Story) -> tuple[list[MemoryRecords], list[set[str]]]:
    """Every disk there was, and whom an INVITE had been sent to by then."""
    disks: list[MemoryRecords] = []
    invited: list[set[str]] = []
    async with Stage(check=False) as stage:
        it = WarmScene(stage, enable_phone_transfer=True)
        await Scene.begin(it)
        commit = stage.records.commit

        async def noted(unit: Any) -> None:
            await commit(unit)
            invited.append({call for verb, call in stage.carrier.sent if verb == "invite"})
            disks.append(stage.records.snapshot())

        stage.records.commit = noted  # type: ignore[method-assign]
        await story(it)
        await stage.settle()
        await it.ann.seat.leave()
        await stage.settle()
    return disks, invited


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_a_kill_at_any_commit_leaves_nothing_half_told(story: Story):
    disks, invited = await play(story)

    assert len(disks) >= 2
    for disk, called in zip(disks, invited, strict=True):
        assert called <= set(disk.calls), "who was called has a row"
        unfinished = {call.id for call in disk.calls.values() if call.state is not CallState.ENDED}
        async with Stage(disk) as after:
            assert {record.id for record in after.carrier.finished} == unfinished, "each far end is hung up on"
            assert all(call.end is not None for call in disk.calls.values())
            assert all(row.state is TransferState.COMPLETED for row in disk.transfers.values())
            told = Counter((event.name, event.payload.get("sessionId")) for event in disk.events)
            names = Counter(event.name for event in disk.events)
            assert names["meeting-started"] == names["meeting-ended"]
            assert names["participant-joined"] == names["participant-left"]
            for call in disk.calls:
                assert told["calltransfer-triggered", call] == told["calltransfer-completed", call]
                assert told["dialin-connected", call] == told["dialin-stopped", call]
                stopped = told["dialout-stopped", call] + told["dialout-error", call]
                assert told["dialout-connected", call] <= stopped <= max(1, told["dialout-connected", call])
            keys = {(event.meeting, event.epoch, event.sequence) for event in disk.events}
            assert len(keys) == len(disk.events), "no two events share a place"
            assert not after.meetings.actors and not after.meetings.by_call, "nothing is busy"
