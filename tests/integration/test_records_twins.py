"""The store in memory keeps the promises of the real one: both pass the same tests."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from integration.store_house import DOMAIN, a_call, a_command, a_database, a_meeting, a_stay, a_transfer
from ringback.calls.ports.records import Records
from ringback.model.errors import InvalidRequest
from ringback.model.ids import CallId, MeetingId
from ringback.model.records import CallState, TransferState, Unit
from ringback.testing.records import MemoryRecords


@pytest.fixture(params=["memory", "sqlite"])
async def records(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Records]:
    if request.param == "memory":
        yield MemoryRecords()
    else:
        async with a_database(tmp_path) as database:
            yield database.records


async def test_the_last_version_of_a_row_counts(records: Records):
    call = a_call(1, idempotency_key="k")

    await records.commit(Unit(calls=(call,)))
    await records.commit(Unit(calls=(replace(call, state=CallState.RINGING, codec="PCMU"),)))

    stored = await records.call_by_idempotency_key(DOMAIN, "k")
    assert stored is not None and (stored.state, stored.codec) == (CallState.RINGING, "PCMU")


async def test_an_idempotency_key_belongs_to_one_call_of_its_domain(records: Records):
    await records.commit(Unit(calls=(a_call(1, idempotency_key="k"),)))

    with pytest.raises(InvalidRequest):
        await records.commit(Unit(calls=(a_call(2, idempotency_key="k"),), meetings=(a_meeting(2),)))

    stored = await records.call_by_idempotency_key(DOMAIN, "k")
    assert stored is not None and stored.id == CallId("call-1")
    assert await records.call_by_idempotency_key("another domain", "k") is None
    assert await records.call_by_idempotency_key(DOMAIN, "other") is None
    assert await records.unfinished_meetings("main", 9) == [], "all of a unit or nothing"


async def test_units_are_committed_in_the_order_they_were_given(records: Records):
    call = a_call(1, idempotency_key="k")

    await asyncio.gather(*(records.commit(Unit(calls=(replace(call, codec=str(n)),))) for n in range(20)))

    stored = await records.call_by_idempotency_key(DOMAIN, "k")
    assert stored is not None and stored.codec == "19"


async def test_only_what_earlier_lives_of_the_node_left_is_unfinished(records: Records):
    await records.commit(
        Unit(
            calls=(
                a_call(1),
                a_call(2, state=CallState.ENDED, ended_at=5.0),
                a_call(3, node="other"),
                a_call(4, epoch=2),
            ),
            meetings=(a_meeting(1), a_meeting(2, ended_at=5.0), a_meeting(3, node="other"), a_meeting(4, epoch=2)),
            participants=(
                a_stay(1, meeting=MeetingId("meeting-1")),
                a_stay(2, meeting=MeetingId("meeting-1"), left_at=5.0),
                a_stay(3, meeting=MeetingId("meeting-3")),
                a_stay(4, meeting=MeetingId("meeting-4")),
            ),
        )
    )

    assert [call.id for call in await records.unfinished_calls("main", 2)] == ["call-1"]
    assert [meeting.id for meeting in await records.unfinished_meetings("main", 2)] == ["meeting-1"]
    assert await records.unfinished_participants("main", 2) == [a_stay(1, meeting=MeetingId("meeting-1"))]


async def test_every_boot_of_a_node_has_a_higher_number(records: Records):
    assert [await records.next_epoch("main") for _ in range(3)] == [1, 2, 3]
    assert await records.next_epoch("other") == 1


async def test_a_transfer_is_unfinished_until_its_row_says_when_it_ended(records: Records):
    first = a_transfer(1, left=True, refer_status=202)
    await records.commit(Unit(transfers=(first, a_transfer(2), a_transfer(3, epoch=2), a_transfer(4, node="other"))))
    done = replace(a_transfer(2), state=TransferState.COMPLETED, status="busy", ended_at=9.0)
    await records.commit(Unit(transfers=(done,)))

    assert await records.unfinished_transfers("main", 2) == [first]


async def test_a_command_is_written_once_for_its_key_with_all_else_of_its_unit(records: Records):
    command = a_command("k")
    await records.commit(Unit(commands=(command,)))

    with pytest.raises(InvalidRequest):
        await records.commit(Unit(commands=(replace(command, verb="other"),), transfers=(a_transfer(1),)))

    assert await records.command(DOMAIN, "k") == command
    assert await records.command("another domain", "k") is None
    assert await records.unfinished_transfers("main", 9) == [], "all of a unit or nothing"
