"""The one thread that writes: units of work in call order, those that wait together committed together.

A commit costs a disk flush. While one runs, units queue up, and the next commit takes them all, so a busy server
flushes no more often than an idle one. Each unit has a savepoint: one that fails is undone alone.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
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
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Runs units of work on its own thread and connection.

    Args:
        engine: Where to write.
        explain: Turns a driver's error into the sentence for people.
    """

    def __init__(self, engine: Engine, explain: Callable[[BaseException], StoreError]) -> None:
        self._engine = engine
        self._explain = explain
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ringback-store-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` and commit. Returns its result once that is durable; what it raises undoes it, and is raised.

        ``work`` runs on the writer's thread and must not keep the connection.

        Raises:
            StoreError: The database could not write; nothing of the unit is there.
        """
        if self._closed:
            raise StoreError("the store is closed: the server is stopping")
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future(), loop)
        self._queue.put(job)
        result: T = await job.future
        return result

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
                self._commit(connection, jobs)
            except Exception as error:
                if connection is not None and not connection.in_transaction():
                    connection.close()
                    connection = None
                told = self._explain(error)
                for job in jobs:
                    job.error = told
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
        with connection.begin():
            for job in jobs:
                connection.exec_driver_sql("SAVEPOINT unit")
                try:
                    job.result = job.work(connection)
                except IntegrityError as error:
                    job.error = error
                except DataError as error:
                    job.error = self._explain(error)
                except DBAPIError:
                    raise  # the disk, the file or the server failed: nothing of this commit can be trusted
                except Exception as error:
                    job.error = error
                if job.error is not None:
                    connection.exec_driver_sql("ROLLBACK TO SAVEPOINT unit")
                connection.exec_driver_sql("RELEASE SAVEPOINT unit")


def _deliver(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.cancelled():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
