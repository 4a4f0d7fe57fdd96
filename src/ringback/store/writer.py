"""The one thread that writes: units of work in call order, those that wait together committed together.

While one commit runs, units queue up, and the next commit takes them all. If one of them fails, they are done again,
each with a savepoint: the one that fails is undone alone.

Every commit outlives the death of this process. What a customer was told is theirs (rooms, keys) is flushed to the disk
too, and outlives the machine's. Calls and events are not worth a flush each: if the machine loses power, the calls are
gone anyway, and the flushes would cost more processor time than the rest of a call's records. They reach the disk
with the next flush or checkpoint.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from ringback.store.errors import StoreError

T = TypeVar("T")

MOST_PER_COMMIT = 256


@dataclass(slots=True)
class _Job:
    work: Callable[[Connection], Any]
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop
    flush: bool
    result: Any = None
    error: BaseException | None = None


class _Undone(Exception):
    """A unit failed, and what was begun with it is undone."""


class Writer:
    """Runs units of work on its own thread and connection.

    Args:
        engine: Where to write.
        explain: Turns a driver's error into the sentence for people.

    Attributes:
        failing: Whether the last commit came to nothing, for a cause that is none of its units' own.
    """

    def __init__(self, engine: Engine, explain: Callable[[BaseException], StoreError]) -> None:
        self._engine = engine
        self._explain = explain
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._sqlite = engine.dialect.name == "sqlite"
        self._flushing: bool | None = None
        self.failing = False
        self._thread = threading.Thread(target=self._run, name="ringback-store-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Callable[[Connection], T], flush: bool = True) -> T:
        """Run ``work`` and commit. Returns its result once that is durable; what it raises undoes it, and is raised.

        ``work`` runs on the writer's thread, again if a neighbour failed, and must not keep the connection. Without
        ``flush`` it is safe from the death of the process at once, and from a loss of power a little later.

        Raises:
            StoreError: The database could not write; nothing of the unit is there.
        """
        if self._closed:
            raise StoreError("the store is closed: the server is stopping")
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future(), loop, flush)
        self._queue.put(job)
        result: T = await job.future
        return result

    @property
    def waiting(self) -> int:
        """Units that wait for the next commit."""
        return self._queue.qsize()

    def close(self) -> None:
        """Finish what is queued and stop. Blocks."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        connection: Connection | None = None
        while (jobs := self._next_jobs()) is not None:
            try:
                if connection is None or connection.invalidated:
                    connection = self._engine.connect().execution_options(writes=True)
                    self._flushing = None
                self._commit(connection, jobs)
                self.failing = False
            except Exception as error:
                if any(job.error is None for job in jobs):  # not a unit's own fault: begin afresh
                    self.failing = True
                    if connection is not None:
                        discard(connection)
                    connection = None
                for job in jobs:
                    job.error = job.error or self._explain(error)
            for loop in {job.loop for job in jobs}:
                with suppress(RuntimeError):  # the loop is gone, and with it whoever waited
                    loop.call_soon_threadsafe(_deliver, [job for job in jobs if job.loop is loop])
        if connection is not None:
            connection.close()

    def _next_jobs(self) -> list[_Job] | None:
        first = self._queue.get()
        if first is None:
            return None
        jobs = [first]
        while len(jobs) < MOST_PER_COMMIT:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._queue.put(None)
                break
            jobs.append(job)
        return jobs

    def _commit(self, connection: Connection, jobs: list[_Job]) -> None:
        flush = any(job.flush for job in jobs)
        if self._sqlite and flush != self._flushing:
            # Outside a transaction, as SQLite demands; the driver's cursor, as the engine would begin one.
            connection.connection.cursor().execute(f"PRAGMA synchronous = {'FULL' if flush else 'NORMAL'}")
            self._flushing = flush
        try:
            with self._begin(connection, flush):
                for job in jobs:
                    self._do(connection, job)
                    if job.error is not None:
                        raise _Undone
        except _Undone:
            if len(jobs) > 1:  # rare enough that nobody pays for savepoints until one failed
                self._commit_apart(connection, jobs, flush)

    def _commit_apart(self, connection: Connection, jobs: list[_Job], flush: bool) -> None:
        """Once more, with a savepoint for each unit: one that fails is undone alone."""
        with self._begin(connection, flush):
            for job in jobs:
                job.result = job.error = None
                connection.exec_driver_sql("SAVEPOINT unit")
                self._do(connection, job)
                if job.error is not None:
                    connection.exec_driver_sql("ROLLBACK TO SAVEPOINT unit")
                connection.exec_driver_sql("RELEASE SAVEPOINT unit")

    @contextmanager
    def _begin(self, connection: Connection, flush: bool) -> Iterator[None]:
        with connection.begin():
            if not self._sqlite and not flush:
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO OFF")
            yield

    def _do(self, connection: Connection, job: _Job) -> None:
        """Run one unit. Its own failure is kept with it; what spoils the whole commit is raised."""
        try:
            job.result = job.work(connection)
        except DataError as error:
            job.error = self._explain(error)
        except DBAPIError as error:
            if not isinstance(error, IntegrityError):
                raise  # the disk, the file or the server failed: nothing of this commit can be trusted
            job.error = error
        except Exception as error:
            job.error = error


def discard(connection: Connection) -> None:
    """Throw a connection away that something went wrong on; the next use opens another."""
    with suppress(Exception):
        connection.invalidate()
    with suppress(Exception):
        connection.close()


def _deliver(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.cancelled():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
