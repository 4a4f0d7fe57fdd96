"""Opens a database: looks before it touches, saves a copy before it changes tables, says what is wrong in words.

A file that is damaged, foreign or newer than this program is left exactly as it was.
"""

import fcntl
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from ringback.store import steps
from ringback.store.errors import StoreError

SETTING = "RINGBACK_DATABASE_URL"
QUICK_CHECK_OCTETS = 256 * 1024 * 1024  # larger files are checked by SQLite as they are read


def open_engine(url: str) -> tuple[Engine, IO[bytes] | None]:
    """Connect, check, migrate. Blocks; meant for the start of the process.

    Returns:
        The engine and, for SQLite, the file whose lock keeps other servers out while it is open.

    Raises:
        StoreError: One sentence with the setting to look at.
    """
    try:
        target = make_url(url)
    except ArgumentError:
        raise StoreError(f"{SETTING} is not a database URL; write sqlite:///path or postgresql+psycopg://…") from None
    if target.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(f"{SETTING}: {target.get_backend_name()} is not supported; use sqlite or postgresql")
    lock = None
    try:
        if target.get_backend_name() == "sqlite" and target.database not in (None, "", ":memory:"):
            assert target.database is not None, "just checked"
            lock = _claim(Path(target.database))
            _inspect_file(Path(target.database))
        engine = _engine(target)
        _migrate(engine, target)
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        _release(lock)
        raise explain(error, target) from error
    except StoreError:
        _release(lock)
        raise
    return engine, lock


def explainer(url: str) -> Callable[[BaseException], StoreError]:
    """``explain`` for one database."""
    target = make_url(url)
    return lambda error: explain(error, target)


def explain(error: BaseException, target: URL) -> StoreError:
    """A driver's error as a sentence that names the setting."""
    if isinstance(error, StoreError):
        return error
    where = f"{SETTING} ({target.render_as_string(hide_password=True)})"
    cause = getattr(error, "orig", None) or error
    code = str(getattr(cause, "sqlite_errorname", ""))
    for prefix, sentence in SQLITE_SENTENCES.items():
        if code.startswith(prefix):
            return StoreError(f"{where}: {sentence}")
    if isinstance(cause, OSError) and cause.strerror:
        return StoreError(f"{where}: {cause.strerror}: {cause.filename}")
    words = " ".join(str(cause).split())[:200] or type(cause).__name__
    return StoreError(f"{where}: {words}")


SQLITE_SENTENCES = {
    "SQLITE_FULL": "the disk is full; nothing was changed, free some space",
    "SQLITE_IOERR": "the disk is full or failing; nothing was changed, look at the disk",
    "SQLITE_CORRUPT": "the file is damaged; restore a backup or name another file",
    "SQLITE_NOTADB": "the file is not a database; restore a backup or name another file",
    "SQLITE_READONLY": "the file or its folder cannot be written; give this user write access",
    "SQLITE_CANTOPEN": "the file cannot be opened; look at its folder and their permissions",
    "SQLITE_BUSY": "another program holds the file; stop it",
}


def _claim(file: Path) -> IO[bytes]:
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = file.with_name(file.name + ".lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StoreError(f"{SETTING}: another Ringback server is using {file}; stop it or name another file") from None
    if not file.exists():
        file.touch(mode=0o600)  # what people are called and whom they rang is nobody else's to read
    return lock


def _release(lock: IO[bytes] | None) -> None:
    if lock is not None:
        lock.close()


def _inspect_file(file: Path) -> None:
    """Read-only, so that a file we refuse keeps every octet."""
    if not file.exists() or file.stat().st_size == 0:
        return
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and "alembic_version" not in tables:
            raise StoreError(f"{SETTING}: {file} belongs to another program; name another file")
        if tables:
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or (None,)
            _refuse_newer(revision, str(file))
        if file.stat().st_size <= QUICK_CHECK_OCTETS:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise StoreError(f"{SETTING}: {file} is damaged; restore a backup or name another file")


def _refuse_newer(revision: str | None, where: str) -> None:
    if revision is not None and revision not in steps.newest_first():
        raise StoreError(
            f"{SETTING}: {where} was written by a newer version of Ringback (tables {revision}); "
            "run that version or name another database"
        )


def _migrate(engine: Engine, target: URL) -> None:
    with engine.connect() as connection:
        current = _revision(connection)
        if current is None and inspect(connection).has_table("rooms"):
            raise StoreError(f"{SETTING}: this database belongs to another program; name another one")
    _refuse_newer(current, target.render_as_string(hide_password=True))
    if current == steps.newest_first()[0]:
        return
    if current is not None and target.get_backend_name() == "sqlite":
        _save_copy(Path(target.database or ""), current)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        steps.take(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return revision


def _save_copy(file: Path, revision: str) -> None:
    """A consistent copy beside the file, ``<name>.before-<revision>``, never over an earlier one."""
    copy = file.with_name(f"{file.name}.before-{revision}")
    number = 1
    while copy.exists():
        number += 1
        copy = file.with_name(f"{file.name}.before-{revision}.{number}")
    try:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    except (sqlite3.Error, OSError):
        copy.unlink(missing_ok=True)
        raise


def _engine(target: URL) -> Engine:
    if target.get_backend_name() != "sqlite":
        try:
            return create_engine(target, pool_pre_ping=True, pool_size=4)
        except (ModuleNotFoundError, NoSuchModuleError):
            raise StoreError(
                f"{SETTING}: the driver for {target.drivername} is missing; pip install 'psycopg[binary]'"
            ) from None
    engine = create_engine(target, connect_args={"check_same_thread": False, "timeout": 5.0})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver's own idea breaks DDL and savepoints
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if not options.get("reads"):
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes") else "BEGIN")

    return engine
