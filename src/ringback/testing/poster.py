"""An application's server in memory: keeps what is POSTed to it and answers as it was told."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from ringback.webhooks.ports import Posted


@dataclass(frozen=True, slots=True)
class Received:
    """One POST."""

    url: str
    body: bytes
    headers: Mapping[str, str]


class FakePoster:
    """Implements ``webhooks.ports.Poster``.

    Attributes:
        received: Every POST, in order.
        answers: Statuses for the next POSTs; when there are none left, ``status``.
        down: Addresses that answer 500, whatever the others do.
        hold: While set to an event, POSTs wait for it before they are answered.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[int] = []
        self.status = 200
        self.down: set[str] = set()
        self.hold: asyncio.Event | None = None
        self._more = asyncio.Event()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        self.received.append(Received(url, body, dict(headers)))
        self._more.set()
        if self.hold is not None:
            await self.hold.wait()
        status = 500 if url in self.down else self.answers.pop(0) if self.answers else self.status
        return Posted(status, "" if status else "the connection failed")

    async def until(self, count: int) -> list[Received]:
        """Wait until so many POSTs have come, and return them all. Raises ``TimeoutError`` after ten seconds."""
        async with asyncio.timeout(10):
            while len(self.received) < count:
                self._more.clear()
                await self._more.wait()
        return self.received
