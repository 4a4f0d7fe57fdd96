"""Usage is the sum of what calls and stays show, however they are told apart; as a property of any set of rows."""

import csv
import io
from collections.abc import AsyncIterator
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.store_house import DOMAIN, a_call, a_database
from ringback.model.end_reason import Ending, EndReason
from ringback.model.ids import MeetingId, ParticipantId, RoomName
from ringback.model.records import CallRecord, CallState, Direction, ParticipantRecord, Unit
from ringback.model.reports import USAGE_KEYS, CallFilter, UsageLine
from ringback.rest.usage import TOTALS, as_csv, merged, shown, total
from ringback.store.database import Database

NOON = 20_000 * 86_400 + 43_200.0
MOMENTS = st.floats(min_value=-200_000, max_value=200_000, allow_nan=False).map(lambda at: NOON + at)
LENGTHS = st.floats(min_value=0, max_value=90_000, allow_nan=False)

rows = st.lists(
    st.tuples(
        st.sampled_from(Direction),
        st.sampled_from(["desk", "hall"]),
        st.sampled_from(["", "carrier"]),
        st.sampled_from(["", "+15550100"]),
        MOMENTS,
        st.none() | LENGTHS,
        LENGTHS,
        st.booleans(),
        st.booleans(),
    ),
    max_size=12,
)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_database(tmp_path) as opened:
        yield opened


def calls_of(found: list) -> list[CallRecord]:
    made = []
    for number, (direction, room, trunk, own, began, rang, talked, fell_back, over) in enumerate(found):
        answered = None if rang is None else began + rang
        ended = (answered or began) + talked if over else None
        made.append(
            a_call(
                number,
                direction=direction,
                room=RoomName(room),
                trunk=trunk,
                called=own if direction is Direction.DIAL_IN else "+4930",
                caller=own if direction is Direction.DIAL_OUT else "+4940",
                created_at=began,
                answered_at=answered,
                ended_at=ended,
                state=CallState.ENDED if over else CallState.ANSWERED,
                end=EndReason(Ending.HANGUP_LOCAL) if over else None,
                fell_back=fell_back and over,
            )
        )
    return made


def stays_of(calls: list[CallRecord]) -> list[ParticipantRecord]:
    return [
        ParticipantRecord(
            ParticipantId(f"p-{call.id}"), DOMAIN, call.room, MeetingId("m"), None, None,
            "sip-dial-in" if number % 3 == 0 else None, call.created_at, call.ended_at,
        )
        for number, call in enumerate(calls)
    ]  # fmt: skip


async def replace_all(database: Database, calls: list[CallRecord], stays: list[ParticipantRecord]) -> None:
    await database.reports.prune(NOON + 10_000_000, 0)
    await database.write(lambda connection: connection.exec_driver_sql("DELETE FROM calls"))
    await database.write(lambda connection: connection.exec_driver_sql("DELETE FROM participants"))
    await database.records.commit(Unit(calls=tuple(calls), participants=tuple(stays)))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=rows)
async def test_sums_of_usage_are_sums_of_calls_however_they_are_told_apart(database: Database, found: list) -> None:
    calls = calls_of(found)
    stays = stays_of(calls)
    await replace_all(database, calls, stays)
    page = await database.reports.calls(DOMAIN, CallFilter(ongoing=False), limit=100, after=None, before=None)
    assert page is not None
    over = page[1]
    people = [stay for stay in stays if stay.left_at is not None and stay.participant_type is None]

    for count in range(3):
        for by in combinations(USAGE_KEYS, count):
            lines = await database.usage.usage(DOMAIN, 0, 10**6, by, None)
            summed = total(merged(lines, by))
            assert summed.calls == len(over)
            assert summed.talked_ms == sum(round((call.talked_ms / 1000) * 1000) for call in over)
            assert summed.transcoded_ms == sum(call.transcoded_ms for call in over)
            if set(by) <= {"day", "room"}:
                assert summed.stayed_ms == sum(stay.stayed_ms for stay in people)
                assert summed.participants == len(people)


async def test_a_call_counts_for_the_day_it_ended_on_with_the_domains_own_number(database: Database) -> None:
    ends = EndReason(Ending.HANGUP_REMOTE)
    common = {"state": CallState.ENDED, "end": ends, "created_at": NOON - 43_205, "answered_at": NOON - 43_202}
    into = a_call(1, direction=Direction.DIAL_IN, called="+1555", caller="+49", ended_at=NOON - 43_199, **common)
    out = a_call(2, called="+49", caller="+1555", trunk="carrier", ended_at=NOON - 43_201, fell_back=True, **common)
    await database.records.commit(Unit(calls=(into, out)))

    lines = await database.usage.usage(DOMAIN, 19_000, 21_000, ("day", "number"), None)

    assert [(line.by, line.calls, line.talked_ms, line.transcoded_ms) for line in lines] == [
        ({"day": "2024-10-03", "number": "+1555"}, 1, 1000, 1000),
        ({"day": "2024-10-04", "number": "+1555"}, 1, 3000, 0),
    ]
    assert await database.usage.usage(DOMAIN, 19_999, 19_999, (), "hall") == []


def test_a_spreadsheet_is_given_no_formula() -> None:
    line = UsageLine(by={"number": "+1555", "room": "=cmd"}, calls=1, talked_ms=61_500)

    (row,) = csv.DictReader(io.StringIO(as_csv([line], ("number", "room"))))

    assert (row["number"], row["room"], row["seconds"], row["minutes"]) == ("'+1555", "'=cmd", "61.5", "1.02")
    assert set(TOTALS) <= set(UsageLine.__slots__) and shown(line)["calls"] == 1
