"""How the tables reach the database: a read or a unit of work is a function of a connection."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


class Transactions(Protocol):
    """``store.database.Database``, as its tables see it."""

    async def write(self, work: Callable[[Connection], T], *, flush: bool = True) -> T: ...
    async def read(self, work: Callable[[Connection], T]) -> T: ...
