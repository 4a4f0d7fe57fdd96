"""The database of one process: one writer, readers beside it, and the tables as the services see them."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ringback.store.dialin import DialinConfigTable
from ringback.store.keys import DomainTable, KeyTable
from ringback.store.opening import explainer, open_engine
from ringback.store.paid import AuditTable, PaidTable, PolicyTable
from ringback.store.records import StoredRecords
from ringback.store.reports import StoredReports
from ringback.store.rooms import RoomTable
from ringback.store.sealing import Sealer
from ringback.store.sip_clients import BindingTable, SipClientTable
from ringback.store.sip_trunks import SipTrunkTable
from ringback.store.trunks import NumberTable, TrunkTable
from ringback.store.usage import StoredUsage
from ringback.store.webhooks import WebhookTable
from ringback.store.writer import Writer, discard

T = TypeVar("T")

READERS = 2


class Database:
    """Opens and migrates on construction (blocking); use it from the loop afterwards.

    Args:
        url: SQLAlchemy URL, ``sqlite:///path`` or ``postgresql+psycopg://…``.
        sealer: Seals API keys and what proves passwords at rest.

    Attributes:
        records: What calls and meetings write (``calls.ports.records.Records``).
        rooms, domains, keys, sip_clients: What ``rooms`` and ``access`` keep.
        bindings: Where SIP clients are registered.
        trunks, numbers, paid, audit, policies: What ``numbers`` keeps.
        dialin_configs, sip_trunks: What ``dialin`` keeps.
        reports: What is read about meetings and calls.
        usage: What calls and stays add up to.

    Raises:
        StoreError: It cannot be opened; nothing was changed.
    """

    def __init__(self, url: str, sealer: Sealer) -> None:
        self._engine, self._lock = open_engine(url)
        self._explain = explainer(url)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="ringback-store-reader")
        self._writer = Writer(self._engine, self._explain)
        self._kept = threading.local()
        dialect = self._engine.dialect
        self.rooms = RoomTable(self, dialect)
        self.domains = DomainTable(self)
        self.keys = KeyTable(self, sealer)
        self.sip_clients = SipClientTable(self, sealer)
        self.trunks = TrunkTable(self, sealer)
        self.numbers = NumberTable(self)
        self.paid = PaidTable(self)
        self.audit = AuditTable(self)
        self.policies = PolicyTable(self)
        self.bindings = BindingTable(self)
        self.webhooks = WebhookTable(self, sealer, dialect)
        self.dialin_configs = DialinConfigTable(self, sealer)
        self.sip_trunks = SipTrunkTable(self, sealer)
        self.records = StoredRecords(self, dialect)
        self.reports = StoredReports(self)
        self.usage = StoredUsage(self)

    async def write(self, work: Callable[[Connection], T], *, flush: bool = True) -> T:
        """Run ``work`` on the writer's thread; returns once committed. See ``Writer.write``."""
        return await self._writer.write(work, flush)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on a reader's thread. It sees every write that was acknowledged before.

        Raises:
            StoreError: The database could not be read.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, partial(self._read, work))
        except SQLAlchemyError as error:
            raise self._explain(error) from error

    def _read(self, work: Callable[[Connection], T]) -> T:
        """On a reader's thread, which keeps its connection: opening one costs more than most reads."""
        connection: Connection | None = getattr(self._kept, "connection", None)
        if connection is None or connection.closed:
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT", reads=True)
            self._kept.connection = connection
        try:
            return work(connection)
        except SQLAlchemyError:
            discard(connection)
            raise
        finally:
            if not connection.closed:
                connection.rollback()

    async def ready(self) -> None:
        """Raises ``StoreError`` when the database cannot be read, or could not be written and still cannot."""
        await self.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
        if self._writer.failing:
            await self.write(_change_nothing)

    @property
    def failing(self) -> bool:
        """Whether what was written last could not be, the disk being full or gone."""
        return self._writer.failing

    @property
    def waiting(self) -> int:
        """Units of work that wait to be written."""
        return self._writer.waiting

    async def close(self) -> None:
        """Finish what is queued, then let go of the file. Idempotent."""
        await asyncio.get_running_loop().run_in_executor(None, self.close_now)

    def close_now(self) -> None:
        """``close``, blocking, for when no loop runs."""
        self._writer.close()
        self._readers.shutdown(wait=True)
        self._engine.dispose()
        if self._lock is not None:
            self._lock.close()


def _change_nothing(connection: Connection) -> None:
    """Written all the same: a disk that is full refuses it."""
    connection.exec_driver_sql("UPDATE domains SET name = name WHERE id = (SELECT MIN(id) FROM domains)")
