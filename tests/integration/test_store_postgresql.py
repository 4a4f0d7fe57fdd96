"""The same store on PostgreSQL: units, conflicts, order, and a database server that goes away and returns."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from conftest import need_commands
from integration.store_house import (
    DOMAIN,
    ROOM,
    a_call,
    a_command,
    a_meeting,
    a_room,
    a_stay,
    a_transfer,
    an_event,
)
from ringback.access.ports import ApiKey
from ringback.model.domain import Domain
from ringback.model.end_reason import Ending, EndReason
from ringback.model.errors import InvalidRequest
from ringback.model.records import Unit
from ringback.model.reports import USAGE_KEYS
from ringback.rooms.ports import EndpointTaken
from ringback.store.database import Database
from ringback.store.errors import DuplicateKey, StoreError
from ringback.store.sealing import Sealer

pytestmark = pytest.mark.needs("pg_lsclusters")


def binaries() -> Path | None:
    """Where PostgreSQL's own programs are; distributions keep them off the path."""
    found = shutil.which("pg_ctl")
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda file: int(file.parts[4]))
    return Path(found).parent if found else versions[-1].parent if versions else None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database server of our own on a free port; as root it runs as ``postgres``, since it refuses root."""
    need_commands("pg_lsclusters")
    folder = binaries()
    assert folder is not None, "the package that brings pg_lsclusters brings a server too"
    home = tmp_path_factory.mktemp("postgresql")
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        shutil.chown(home, "postgres")
        for parent in list(home.parents)[:3]:
            parent.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(*command: str) -> None:
        subprocess.run(command, check=True, user=user, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    run(str(folder / "initdb"), "-D", str(home / "data"), "-A", "trust", "-U", "postgres", "--no-sync")
    options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1"
    run(str(folder / "pg_ctl"), "-D", str(home / "data"), "-o", options, "-l", str(home / "log"), "-w", "start")
    yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    run(str(folder / "pg_ctl"), "-D", str(home / "data"), "-m", "immediate", "-w", "stop")


@pytest.fixture
async def database(server: str) -> AsyncIterator[Database]:
    built = Database(server, Sealer("a secret"))
    await built.domains.insert(Domain(DOMAIN, "acme", 1.0))
    yield built

    def empty(connection: Connection) -> None:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))

    await built.write(empty)
    await built.close()


async def test_records_are_read_back_as_they_were_written(database: Database) -> None:
    call = a_call(idempotency_key="k", end=EndReason(Ending.BUSY), request={"name": "a\x00b 😀"})
    await database.records.commit(
        Unit(calls=(call,), meetings=(a_meeting(),), participants=(a_stay(),), events=(an_event(1),))
    )

    assert await database.records.call_by_idempotency_key(DOMAIN, "k") == call
    found = await database.reports.meeting(DOMAIN, "meeting-1")
    assert found == (a_meeting(), [a_stay()])
    assert [await database.records.next_epoch("main") for _ in range(2)] == [1, 2]


async def test_transfers_and_commands_are_read_back_as_they_were_written(database: Database) -> None:
    transfer, command = a_transfer(1, left=True, leg="call-9", refer_status=202), a_command("again")
    await database.records.commit(Unit(transfers=(transfer,), commands=(command,)))

    assert transfer in await database.records.unfinished_transfers("main", 2)
    assert await database.records.command(DOMAIN, "again") == command
    with pytest.raises(DuplicateKey):
        await database.records.commit(Unit(commands=(command,)))


async def test_a_unit_that_fails_leaves_its_neighbours_alone(database: Database) -> None:
    units = [Unit(calls=(a_call(n, idempotency_key="same" if n in (2, 5) else None),)) for n in range(8)]

    outcomes = await asyncio.gather(*map(database.records.commit, units), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [type(None)] * 5 + [DuplicateKey] + [type(None)] * 2


async def test_text_that_it_cannot_hold_fails_its_unit_alone(database: Database) -> None:
    units = [Unit(calls=(a_call(n, display_name="a\x00b" if n == 1 else ""),)) for n in range(3)]

    outcomes = await asyncio.gather(*map(database.records.commit, units), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [type(None), StoreError, type(None)]


async def test_names_endpoints_and_keys_are_taken_once(database: Database) -> None:
    await database.rooms.insert([a_room(endpoints=("1", "2"))])

    with pytest.raises(InvalidRequest):
        await database.rooms.insert([a_room()])
    with pytest.raises(EndpointTaken):
        await database.rooms.insert([a_room("b", endpoints=("2",))])
    key = ApiKey("22222222-2222-4222-8222-222222222222", DOMAIN, "k", "", True, False, 1.0)
    await database.keys.put([key])
    assert await database.keys.active() == [key]
    assert await database.rooms.by_endpoint("2") == (a_room(endpoints=("1", "2")), 1)


async def test_it_works_again_after_its_connections_were_cut(database: Database) -> None:
    await database.rooms.insert([a_room()])

    def cut(connection: Connection) -> None:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()"
        connection.execute(text(others))

    await database.read(cut)
    with pytest.raises(StoreError, match="RINGBACK_DATABASE_URL"):
        await database.rooms.insert([a_room("lost")])

    await database.rooms.insert([a_room("kept")])
    for _ in range(4):  # each reader may find its own connection cut once
        try:
            found = await database.rooms.find(DOMAIN, ROOM)
        except StoreError:
            continue
    assert found == a_room()


async def test_a_database_that_is_there_is_opened_again(database: Database, server: str) -> None:
    again = Database(server, Sealer("a secret"))
    assert [domain.name for domain in await again.domains.all()] == ["acme"]
    await again.close()


async def test_usage_is_told_apart_by_everything_at_once(database: Database) -> None:
    ends = EndReason(Ending.HANGUP_REMOTE)
    call = a_call(1, created_at=1.0, answered_at=86_399.0, ended_at=86_401.0, end=ends, caller="+1555", trunk="carrier")
    await database.records.commit(Unit(calls=(call,), participants=(a_stay(1, joined_at=5.0, left_at=9.5),)))

    (line,) = await database.usage.usage(DOMAIN, 0, 9, USAGE_KEYS, None)
    by_day = await database.usage.usage(DOMAIN, 0, 9, ("day",), None)

    assert line.by == {
        "day": "1970-01-02", "room": ROOM, "trunk": "carrier", "direction": "dial-out", "number": "+1555",
        "kind": "sip",
    }  # fmt: skip
    assert (line.calls, line.answered, line.talked_ms) == (1, 1, 2000)
    assert [(each.by["day"], each.talked_ms, each.stayed_ms) for each in by_day] == [
        ("1970-01-02", 2000, 0),
        ("1970-01-01", 0, 4500),
    ]
