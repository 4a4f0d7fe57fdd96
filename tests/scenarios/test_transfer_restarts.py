"""A kill in the middle of a transfer, and a command that is said twice: what was begun ends once, and is told once."""

from collections import Counter
from typing import Any

import pytest

from ringback.model.errors import InvalidRequest
from ringback.model.ids import RoomName
from ringback.model.records import CallState, TransferState
from ringback.testing.records import MemoryRecords
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage
from scenarios.test_transfers import BOB, HELLO, Scene, address


async def triggered(it: Scene) -> None:
    await it.transfer(BOB)


async def ringing(it: Scene) -> None:
    await it.transfer(BOB)
    it.callee().ring()


async def connected(it: Scene) -> None:
    await ringing(it)
    it.callee().pick_up()


async def refused(it: Scene) -> None:
    await ringing(it)
    it.callee().refuse(486, "Busy Here")


async def caller_gone(it: Scene) -> None:
    await ringing(it)
    it.caller.hang_up()


async def moved(it: Scene) -> None:
    await it.transfer(address(it.sales))


async def asked_to_refer(it: Scene) -> None:
    it.stage.carrier.refer_answer = 0
    await it.refer()


async def accepted_refer(it: Scene) -> None:
    await it.refer()


async def followed_refer(it: Scene) -> None:
    await it.refer()
    it.caller.follow(180, "Ringing")


async def failed_refer(it: Scene) -> None:
    await it.refer()
    it.caller.follow(486, "Busy Here")


STEPS: dict[Any, tuple[str, int]] = {
    triggered: ("failed", 2),
    ringing: ("failed", 2),
    connected: ("completed", 2),
    refused: ("busy", 1),
    caller_gone: ("canceled", 0),
    moved: ("completed", 1),
    asked_to_refer: ("failed", 1),
    accepted_refer: ("failed", 1),
    followed_refer: ("failed", 1),
    failed_refer: ("busy", 1),
}
"""How the transfer has ended for everybody after a kill at this step, and how many calls had to be ended then."""


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_a_kill_at_any_step_of_a_transfer_ends_it_once_and_truthfully(step: Any):
    status, ended = STEPS[step]
    async with Stage(check=False) as stage:
        it = await Scene(stage).begin()
        await step(it)
        await stage.settle()
        disk = stage.records.snapshot()

    async with Stage(disk) as after:
        assert len(after.carrier.finished) == ended
        told = Counter(disk.event_names())
        (row,) = disk.transfers.values()
        assert (row.state, row.status) == (TransferState.COMPLETED, status)
        assert told["calltransfer-triggered"] == told["calltransfer-completed"] == 1
        assert [e.payload["completeStatus"] for e in disk.events if e.name == "calltransfer-completed"] == [status]
        connected, stopped = told["dialin-connected"], told["dialin-stopped"]
        assert connected == stopped, "who came is told to have gone, and once"
        assert told["participant-joined"] - told["participant-left"] == 0
        assert all(call.state is CallState.ENDED for call in disk.calls.values())
        again = await after.join("hello") if after.rooms.put("hello", endpoints=1) else None
        assert again is not None, "nothing stays busy"


async def test_a_kill_at_any_commit_of_a_transfer_leaves_nothing_half_told():
    """The disk as it was after each single unit of work, not only once everything had settled."""
    disks: list[MemoryRecords] = []
    async with Stage(check=False) as stage:
        commit = stage.records.commit

        async def noted(unit: Any) -> None:
            await commit(unit)
            disks.append(stage.records.snapshot())

        stage.records.commit = noted  # type: ignore[method-assign]
        it = await Scene(stage).begin()
        await connected(it)
        await stage.settle()
        it.callee().hang_up()
        await stage.settle()

    assert len(disks) > 8
    for disk in disks:
        async with Stage(disk):
            told = Counter(disk.event_names())
            assert told["calltransfer-triggered"] == told["calltransfer-completed"]
            assert told["dialin-connected"] == told["dialin-stopped"] and told["dialin-stopped"] <= 1
            assert told["participant-joined"] == told["participant-left"]
            assert told["dialout-stopped"] + told["dialout-error"] >= told["dialout-connected"]


@pytest.mark.parametrize("verb", ["transfer", "refer"])
async def test_a_command_that_is_repeated_with_its_key_is_carried_out_once(verb: str):
    async with Stage() as stage:
        it = await Scene(stage).begin()
        body = {"sessionId": it.caller.call, "toEndPoint": BOB}
        command = getattr(stage.calls, verb)

        for _ in range(3):
            await command(DOMAIN, HELLO, body, idempotency_key="k")
            await stage.settle()

        assert it.ann.names().count("calltransfer-triggered") == 1
        assert (DOMAIN, "k") in stage.records.commands
        it.caller.hang_up()
        await stage.settle()
        await command(DOMAIN, HELLO, body, idempotency_key="k")
        assert it.ann.names().count("calltransfer-triggered") == 1, "not even once the call is over"


@pytest.mark.parametrize(
    ("room", "more", "what"), [("sales", {}, "room"), ("hello", {"callerId": None}, "body")], ids=["room", "body"]
)
async def test_a_key_that_stood_for_another_transfer_is_refused(room: str, more: dict[str, object], what: str):
    async with Stage() as stage:
        it = await Scene(stage).begin()
        body = {"sessionId": it.caller.call, "toEndPoint": BOB}
        await stage.calls.transfer(DOMAIN, HELLO, body, idempotency_key="k")

        with pytest.raises(InvalidRequest, match=f"another {what}"):
            await stage.calls.transfer(DOMAIN, RoomName(room), {**body, **more}, idempotency_key="k")
        with pytest.raises(InvalidRequest, match="another command"):
            await stage.calls.refer(DOMAIN, HELLO, body, idempotency_key="k")
        with pytest.raises(InvalidRequest, match="another command"):
            await stage.calls.start_dial_out(DOMAIN, HELLO, {"sipUri": BOB}, idempotency_key="k")


async def test_a_refused_transfer_may_be_tried_again_with_its_key():
    async with Stage() as stage:
        it = await Scene(stage).begin()
        await it.sam.seat.leave()
        await stage.settle()
        body = {"sessionId": it.caller.call, "toEndPoint": address(it.sales)}
        with pytest.raises(InvalidRequest, match="cannot be reached"):
            await stage.calls.transfer(DOMAIN, HELLO, body, idempotency_key="k")

        it.sam = await stage.join("sales", "Sam")
        await stage.calls.transfer(DOMAIN, HELLO, body, idempotency_key="k")
        await stage.settle()

        assert it.where() == "sales"


async def test_a_repeat_after_a_kill_finds_what_was_done():
    async with Stage(check=False) as stage:
        it = await Scene(stage).begin()
        body = {"sessionId": it.caller.call, "toEndPoint": BOB}
        await stage.calls.transfer(DOMAIN, HELLO, body, idempotency_key="k")
        disk = stage.records.snapshot()

    async with Stage(disk) as after:
        await after.calls.transfer(DOMAIN, HELLO, body, idempotency_key="k")
        assert not after.carrier.phones
