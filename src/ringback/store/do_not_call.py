"""A file of numbers that are not called (``numbers.ports.DoNotCall``): one per line, read again whenever it changes."""

import asyncio
from pathlib import Path

from ringback.calls.ports.paid import PaidLeg
from ringback.model.errors import InvalidRequest
from ringback.numbers.policy import lists, read_list


class ListFile:
    """Numbers in E.164, or prefixes with ``*``; what follows ``#`` is for people. A file that cannot be read refuses.

    Args:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._entries: frozenset[str] = frozenset()

    async def refusal(self, leg: PaidLeg) -> str | None:
        try:
            await asyncio.to_thread(self._refresh)
        except (OSError, UnicodeDecodeError, InvalidRequest):
            return "the list of numbers that are not called cannot be read"
        return "this number is on a list of numbers that are not called" if lists(self._entries, leg.number) else None

    def _refresh(self) -> None:
        about = self._path.stat()
        stamp = (about.st_mtime_ns, about.st_size)
        if stamp == self._stamp:
            return
        lines = (line.partition("#")[0].strip() for line in self._path.read_text().splitlines())
        self._entries = read_list(str(self._path), [line for line in lines if line])
        self._stamp = stamp
