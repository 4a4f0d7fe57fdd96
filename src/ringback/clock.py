"""The real clock: the one place of the server that reads time."""

import asyncio
import time
from collections.abc import Callable


class SystemClock:
    """``calls.ports.clock.Clock`` on a running loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        return self._loop.time()

    def wall(self) -> float:
        """Unix seconds."""
        return time.time()  # noqa: TID251

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_at(when, callback)
