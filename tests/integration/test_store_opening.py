"""Opening a database: what is refused, in which words, and that a refused file keeps every octet."""

import asyncio
import os
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from integration.store_house import a_database, a_room, url_of
from ringback.store import steps
from ringback.store.database import Database
from ringback.store.errors import StoreError
from ringback.store.schema import metadata
from ringback.store.sealing import Sealer

SEALER = Sealer("a secret")


def refusal(url: str) -> str:
    with pytest.raises(StoreError) as caught:
        Database(url, SEALER)
    assert "\n" not in caught.value.info
    return caught.value.info


async def test_a_new_folder_and_file_are_made(tmp_path: Path) -> None:
    async with a_database(tmp_path / "new" / "folder") as database:
        await database.ready()


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    database = Database(url_of(tmp_path), SEALER)

    modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir() if file.suffix != ".lock"}
    database.close_now()

    assert modes == {0o600}


async def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        await database.rooms.insert([a_room()])

    async with a_database(tmp_path) as database:
        assert await database.rooms.find(a_room().domain, a_room().name) == a_room()


def test_a_file_of_garbage_is_refused_untouched(tmp_path: Path) -> None:
    file = tmp_path / "ringback.db"
    file.write_bytes(b"these are not the tables you are looking for" * 100)
    before = file.read_bytes()

    said = refusal(url_of(tmp_path))

    assert said.startswith("RINGBACK_DATABASE_URL") and "not a database" in said
    assert file.read_bytes() == before
    assert not (tmp_path / "ringback.db-wal").exists()


async def test_a_file_with_a_damaged_page_is_refused_untouched(tmp_path: Path) -> None:
    async with a_database(tmp_path) as database:
        await database.rooms.insert([a_room(f"r{n}", geo="x" * 60) for n in range(300)])
    file = tmp_path / "ringback.db"
    octets = bytearray(file.read_bytes())
    octets[8192:40960] = b"\xff" * 32768
    file.write_bytes(octets)

    said = refusal(url_of(tmp_path))

    assert said.startswith("RINGBACK_DATABASE_URL") and "damaged" in said
    assert file.read_bytes() == octets


async def test_a_newer_database_is_refused_untouched(tmp_path: Path) -> None:
    async with a_database(tmp_path):
        pass
    file = tmp_path / "ringback.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    before = file.read_bytes()

    said = refusal(url_of(tmp_path))

    assert said.startswith("RINGBACK_DATABASE_URL") and "newer version" in said and "9999" in said
    assert file.read_bytes() == before


def test_another_programs_database_is_refused_untouched(tmp_path: Path) -> None:
    file = tmp_path / "ringback.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    before = file.read_bytes()

    assert "another program" in refusal(url_of(tmp_path))
    assert file.read_bytes() == before


async def test_a_second_server_on_the_same_file_is_refused(tmp_path: Path) -> None:
    async with a_database(tmp_path):
        assert "another Ringback server" in refusal(url_of(tmp_path))

    async with a_database(tmp_path) as database:
        await database.ready()


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert refusal(f"sqlite:///{tmp_path}/file/ringback.db").startswith("RINGBACK_DATABASE_URL")


def test_a_place_where_nothing_can_be_made_is_refused() -> None:
    assert refusal("sqlite:////proc/ringback/ringback.db").startswith("RINGBACK_DATABASE_URL")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    assert refusal(url_of(tmp_path)).startswith("RINGBACK_DATABASE_URL")


@pytest.mark.parametrize("url", ["not a url", "mysql://localhost/x", "sqlite"])
def test_what_is_no_url_of_ours_is_refused(url: str) -> None:
    assert refusal(url).startswith("RINGBACK_DATABASE_URL")


def test_a_password_in_the_url_is_not_told() -> None:
    assert "open-sesame" not in refusal("postgresql+psycopg://me:open-sesame@127.0.0.1:1/none?connect_timeout=1")


async def test_an_older_database_is_copied_and_then_brought_up_to_date(tmp_path: Path) -> None:
    file = tmp_path / "ringback.db"
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        steps.take(connection, "0001")
        connection.exec_driver_sql("INSERT INTO domains (id, name, created_at, config) VALUES ('d', 'kept', 1, '{}')")
    engine.dispose()

    async with a_database(tmp_path) as database:
        assert [domain.name for domain in await database.domains.all()] == ["kept"]
        assert await database.records.next_epoch("main") == 1

    with closing(sqlite3.connect(tmp_path / "ringback.db.before-0001")) as copy:
        assert copy.execute("SELECT name FROM domains").fetchall() == [("kept",)]
        assert copy.execute("SELECT name FROM sqlite_master WHERE name = 'calls'").fetchone() is None


def test_the_steps_that_are_read_are_those_that_alembic_takes() -> None:
    config = Config()
    config.set_main_option("script_location", "ringback.store:migrations")
    config.set_main_option("path_separator", "os")

    assert list(steps.newest_first()) == [
        step.revision for step in ScriptDirectory.from_config(config).walk_revisions()
    ]


async def test_a_database_that_is_up_to_date_is_opened_without_what_takes_steps(tmp_path: Path) -> None:
    async with a_database(tmp_path):
        pass
    opens = f"from ringback.store.opening import open_engine; open_engine({url_of(tmp_path)!r})"

    done = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"import sys; {opens}; sys.exit('alembic' in sys.modules)"
    )

    assert await done.wait() == 0


async def test_the_steps_lead_to_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    async with a_database(tmp_path):
        pass
    engine = create_engine(url_of(tmp_path))
    found = inspect(engine)

    for table in metadata.sorted_tables:
        columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
        assert columns == {column.name: column.nullable for column in table.columns}, table.name
        wanted = {tuple(column.name for column in index.columns) for index in table.indexes}
        assert {tuple(index["column_names"]) for index in found.get_indexes(table.name)} >= wanted, table.name
    engine.dispose()
