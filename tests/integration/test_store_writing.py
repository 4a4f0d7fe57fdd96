"""Writing: what was acknowledged stays, what failed left nothing, and one unit's failure is its own."""

import asyncio
import os
import random
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from integration.store_house import DOMAIN, a_call, a_database, a_meeting, a_room, a_stay, an_event, url_of
from ringback.access.ports import ApiKey
from ringback.access.service import Access
from ringback.model.domain import Domain
from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.ids import DomainId, RoomId, RoomName
from ringback.model.records import CallState, DialogRecord, Unit
from ringback.model.reports import CallFilter
from ringback.rooms.domains import Domains
from ringback.rooms.ports import EndpointTaken
from ringback.store.database import Database
from ringback.store.errors import DuplicateKey, StoreError
from ringback.store.sealing import Sealer
from ringback.testing.clock import VirtualClock

DIALOG = DialogRecord(
    "call-id@host",
    "ours",
    "theirs",
    "sip:a@b",
    "sip:c@d",
    7,
    "sip:c@192.0.2.1",
    ("sip:proxy;lr",),
    "tcp",
    "192.0.2.1:5060",
    "z9hG4bK1",
    "sip:c@d",
    True,
)


async def test_a_call_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    call = a_call(
        state=CallState.ANSWERED,
        remote="sip:bob@pbx",
        user_id="u",
        dialog=DIALOG,
        end=EndReason(Ending.BUSY, Fault.REMOTE, 486, "Busy Here", 17),
        idempotency_key="k",
        request={"sipUri": "sip:bob@pbx", "displayName": "Böb \x00 😀"},
        answered_at=2.5,
    )
    async with a_database(tmp_path) as database:
        await database.records.commit(Unit(calls=(call,)))

        assert await database.records.call_by_idempotency_key(DOMAIN, "k") == call
        assert await database.reports.call(DOMAIN, call.id) == call


async def test_a_row_is_replaced_by_its_id(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        await database.records.commit(Unit(calls=(a_call(),)))
        await database.records.commit(Unit(calls=(a_call(state=CallState.RINGING, codec="PCMU"),)))

        found = await database.reports.call(DOMAIN, "call-1")
        assert found is not None and (found.state, found.codec) == (CallState.RINGING, "PCMU")


async def test_an_idempotency_key_belongs_to_one_call_of_its_domain(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        first, second = a_call(1, idempotency_key="k"), a_call(2, idempotency_key="k")
        await database.records.commit(Unit(calls=(first,)))
        await database.records.commit(Unit(calls=(first,)))

        with pytest.raises(DuplicateKey):
            await database.records.commit(Unit(calls=(second,), events=(an_event(1),)))

        assert await database.reports.call(DOMAIN, "call-2") is None
        await database.records.commit(Unit(calls=(a_call(3, idempotency_key="k", domain="other"),)))


async def test_a_unit_that_fails_leaves_its_neighbours_alone(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        units = [Unit(calls=(a_call(n, idempotency_key="same" if n in (2, 5) else None),)) for n in range(8)]

        outcomes = await asyncio.gather(*map(database.records.commit, units), return_exceptions=True)

        assert [type(outcome) for outcome in outcomes] == [type(None)] * 5 + [DuplicateKey] + [type(None)] * 2
        page = await database.reports.calls(DOMAIN, CallFilter(), limit=100, after=None, before=None)
        assert page is not None and [call.id for call in page[1]] == [f"call-{n}" for n in (7, 6, 4, 3, 2, 1, 0)]


async def test_units_are_written_in_the_order_they_were_asked(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        await asyncio.gather(
            *(database.records.commit(Unit(calls=(a_call(codec=str(n)),), events=(an_event(n),))) for n in range(100))
        )

        found = await database.reports.call(DOMAIN, "call-1")
        assert found is not None and found.codec == "99"
        with closing(sqlite3.connect(tmp_path / "ringback.db")) as connection:
            rows = connection.execute("SELECT sequence FROM events ORDER BY number").fetchall()
        assert [row[0] for row in rows] == list(range(100))


async def test_what_earlier_lives_left_unfinished_is_found(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        records = database.records
        assert [await records.next_epoch("main"), await records.next_epoch("main")] == [1, 2]
        assert await records.next_epoch("other") == 1
        ended = a_call(2, state=CallState.ENDED, ended_at=9.0)
        await records.commit(
            Unit(
                calls=(a_call(1, dialog=DIALOG), ended, a_call(3, epoch=2), a_call(4, node="other")),
                meetings=(a_meeting(1), a_meeting(2, ended_at=3.0), a_meeting(3, epoch=2)),
            )
        )

        assert await records.unfinished_calls("main", 2) == [a_call(1, dialog=DIALOG)]
        assert await records.unfinished_meetings("main", 2) == [a_meeting(1)]


async def test_a_name_and_an_endpoint_are_taken_once(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        await database.rooms.insert([a_room(endpoints=("1", "2"))])

        with pytest.raises(InvalidRequest, match="a room named desk already exists"):
            await database.rooms.insert([a_room()])
        with pytest.raises(EndpointTaken):
            await database.rooms.insert([a_room("a"), a_room("b", endpoints=("2",))])
        assert await database.rooms.find(DOMAIN, RoomName("a")) is None
        found = await database.rooms.by_endpoint("2")
        assert found is not None and (found[0].name, found[1]) == ("desk", 1)


async def test_of_many_that_want_a_name_one_gets_it(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        outcomes = await asyncio.gather(*(database.rooms.insert([a_room()]) for _ in range(20)), return_exceptions=True)

        assert sum(outcome is None for outcome in outcomes) == 1
        assert sum(isinstance(outcome, InvalidRequest) for outcome in outcomes) == 19


async def test_deleting_frees_the_endpoints_and_is_all_or_none(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        await database.rooms.insert([a_room("a", endpoints=("1",)), a_room("b")])

        with pytest.raises(NotFound, match="room c not found"):
            await database.rooms.delete(DOMAIN, [RoomName("a"), RoomName("c")])
        assert await database.rooms.by_endpoint("1") is not None
        await database.rooms.delete(DOMAIN, [RoomName("a")])
        assert await database.rooms.by_endpoint("1") is None
        await database.rooms.insert([a_room("c", endpoints=("1",))])


async def test_pages_go_through_all_rooms_both_ways(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        await database.rooms.insert([a_room(f"r{n}") for n in range(7)])
        newest_first = [f"r{n}" for n in reversed(range(7))]

        seen: list[str] = []
        after: RoomId | None = None
        while page := await database.rooms.page(DOMAIN, 3, after, None):
            assert page[0] == 7
            if not page[1]:
                break
            seen += [room.name for room in page[1]]
            after = page[1][-1].id
        assert seen == newest_first

        before = await database.rooms.page(DOMAIN, 3, None, RoomId("id-r0"))
        assert before is not None and [room.name for room in before[1]] == ["r3", "r2", "r1"]
        assert await database.rooms.page(DOMAIN, 3, RoomId("nobody"), None) is None


async def test_a_full_disk_fails_the_unit_whole_and_later_ones_work_again(tmp_path: Path) -> None:
    """SQLite's own limit of pages stands in for the disk: it fails at the same place with the same code."""
    async with a_database(tmp_path) as database:

        def allow(pages: int) -> object:
            def work(connection: Connection) -> None:
                connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

            return work

        await database.write(allow(1))  # type: ignore[arg-type]
        many = [a_room(f"r{n}", geo="x" * 60) for n in range(2000)]
        with pytest.raises(StoreError, match=r"RINGBACK_DATABASE_URL.*disk is full"):
            await database.rooms.insert(many)
        assert await database.rooms.count(DOMAIN) == 0

        await database.write(allow(1_000_000))  # type: ignore[arg-type]
        await database.rooms.insert(many)
        assert await database.rooms.count(DOMAIN) == 2000


async def test_a_store_that_could_not_write_is_not_ready_until_it_can(tmp_path: Path) -> None:
    """Whoever spreads calls over servers asks /readyz. A table that is gone stands in for the room on a disk."""

    def rename(table: str, name: str) -> None:
        with closing(sqlite3.connect(tmp_path / "ringback.db")) as beside:
            beside.execute(f"ALTER TABLE {table} RENAME TO {name}")

    async with a_database(tmp_path) as database:
        await database.ready()
        rename("domains", "elsewhere")
        with pytest.raises(StoreError):
            await database.domains.insert(Domain(DomainId("2"), "other", 1.0))

        assert database.failing
        with pytest.raises(StoreError):
            await database.ready()

        rename("elsewhere", "domains")
        await database.ready()
        assert not database.failing


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        await database.close()

        with pytest.raises(StoreError, match="the server is stopping"):
            await database.rooms.insert([a_room()])


async def test_closing_waits_for_what_is_queued(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        writes = [asyncio.ensure_future(database.records.commit(Unit(events=(an_event(n),)))) for n in range(50)]
        await asyncio.sleep(0)
        await database.close()
        await asyncio.gather(*writes)


async def test_meetings_are_listed_with_who_was_there(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        await database.records.commit(
            Unit(
                meetings=(a_meeting(1, ended_at=9.0), a_meeting(2)),
                participants=(a_stay(1, left_at=8.0), a_stay(2, user_name=None)),
            )
        )
        everything = {"after": None, "before": None, "room": None, "start": None, "end": None, "ongoing": None}

        page = await database.reports.meetings(DOMAIN, **{**everything, "limit": 10})  # type: ignore[arg-type]

        assert page == (
            2,
            [(a_meeting(2), []), (a_meeting(1, ended_at=9.0), [a_stay(1, left_at=8.0), a_stay(2, user_name=None)])],
        )
        ended = await database.reports.meetings(DOMAIN, **{**everything, "limit": 10, "ongoing": False})  # type: ignore[arg-type]
        assert ended is not None and ended[0] == 1
        late = await database.reports.meetings(DOMAIN, **{**everything, "limit": 10, "start": 1.5})  # type: ignore[arg-type]
        assert late is not None and [meeting.id for meeting, _ in late[1]] == ["meeting-2"]


async def test_the_past_is_forgotten_after_its_time(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        await database.records.commit(
            Unit(
                calls=(a_call(1, ended_at=10.0), a_call(2, ended_at=100.0), a_call(3)),
                meetings=(a_meeting(1, ended_at=10.0), a_meeting(2)),
                participants=(a_stay(1, left_at=10.0),),
                events=(an_event(1, at=10.0), an_event(2, at=100.0)),
            )
        )

        assert await database.reports.prune(now=110.0, keep_seconds=50.0) == 4
        page = await database.reports.calls(DOMAIN, CallFilter(), limit=9, after=None, before=None)
        assert page is not None and [call.id for call in page[1]] == ["call-3", "call-2"]


async def test_however_much_is_old_it_all_goes(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        await database.records.commit(Unit(events=tuple(an_event(number) for number in range(2500))))

        assert await database.reports.prune(now=100.0, keep_seconds=50.0) == 2500


WRITER = """
import asyncio, sys
from integration.store_house import a_database, an_event
from pathlib import Path
from ringback.model.records import Unit

async def main():
    async with a_database(Path(sys.argv[1])) as database:
        async def write(n):
            await database.records.commit(Unit(events=(an_event(n),)))
            print(n, flush=True)
        for start in range(0, 100000, 8):
            await asyncio.gather(*(write(n) for n in range(start, start + 8)))

asyncio.run(main())
"""


async def test_nothing_that_was_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WRITER,
        str(tmp_path),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert child.stdout is not None
    acknowledged = set()
    while len(acknowledged) < 200:
        acknowledged.add(int(await child.stdout.readline()))
    child.send_signal(signal.SIGKILL)
    acknowledged |= {int(line) for line in (await child.stdout.read()).split(b"\n")[:-1]}
    await child.wait()

    async with a_database(tmp_path) as database:
        await database.ready()
    with closing(sqlite3.connect(tmp_path / "ringback.db")) as connection:
        stored = {row[0] for row in connection.execute("SELECT sequence FROM events")}
    assert acknowledged <= stored


async def test_a_key_that_was_retired_may_come_back(tmp_path: Path) -> None:
    clock, chance = VirtualClock(), random.Random(1)
    async with a_database(tmp_path) as database:
        for secret in ("first-key", "second-key", "first-key", "first-key"):
            access = Access(database.keys, Domains(database.domains, clock, chance), clock, chance)
            await access.start(secret)
            assert [key.secret for key in access.active_keys()] == [secret]


async def test_keys_are_sealed_in_the_file_and_need_the_secret(tmp_path: Path) -> None:
    key = ApiKey("22222222-2222-4222-8222-222222222222", DOMAIN, "the-key-in-the-clear", "", True, True, 1.0)
    async with a_database(tmp_path) as database:
        await database.keys.put([key])
        assert await database.keys.active() == [key]

    assert b"the-key-in-the-clear" not in (tmp_path / "ringback.db").read_bytes()
    other = Database(url_of(tmp_path), Sealer("another secret"))
    with pytest.raises(StoreError, match="RINGBACK_SECRET"):
        await other.keys.active()
    await other.close()
