"""A clock that stands still until it is told to go on, and then jumps from one wake-up to the next."""

import asyncio
import heapq
from collections.abc import Callable

SETTLING = 30
"""Turns of the loop after which everything that was ready has run: the deepest chain of awaits is far shorter."""


async def settle() -> None:
    """Let everything that is ready run."""
    # asyncio's own loop shows what is ready; of others it is not known.
    ready = getattr(asyncio.get_running_loop(), "_ready", (None,))
    for _ in range(SETTLING):
        await asyncio.sleep(0)
        if not ready:
            return


class VirtualTimer:
    """A wake-up on a ``VirtualClock``."""

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """Implements ``calls.ports.clock.Clock`` without waiting.

    Args:
        wall: Unix seconds at the start; the monotonic clock starts at 1000.
    """

    def __init__(self, wall: float = 1_772_446_562.0) -> None:
        self._mono = 1000.0
        self._wall_ahead = wall - self._mono
        self._timers: list[tuple[float, int, VirtualTimer]] = []
        self._count = 0

    def monotonic(self) -> float:
        return self._mono

    def wall(self) -> float:
        return self._mono + self._wall_ahead

    def call_at(self, when: float, callback: Callable[[], None]) -> VirtualTimer:
        timer = VirtualTimer(when, callback)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    def next_timer(self) -> float | None:
        """When the next wake-up is due, cancelled ones left out."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    async def run_for(self, seconds: float) -> None:
        """Let time pass, stopping at each wake-up on the way and letting what it caused run."""
        until = self._mono + seconds
        await self.settled()
        while (at := self.next_timer()) is not None and at <= until:
            self._mono = max(self._mono, at)
            timer = heapq.heappop(self._timers)[2]
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()
            await self.settled()
        self._mono = until
        await self.settled()

    async def settled(self) -> None:
        """Return once nothing is left to do at this moment. One that has real threads to wait for says so here."""
        await settle()


class MortalClock:
    """One process's view of a shared clock: when the process dies, what it waited for never comes."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._timers: list[VirtualTimer] = []
        self._most = 64
        self._dead = False

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def wall(self) -> float:
        return self._clock.wall()

    def call_at(self, when: float, callback: Callable[[], None]) -> VirtualTimer:
        if self._dead:
            return VirtualTimer(when, callback)
        timer = self._clock.call_at(when, callback)
        self._timers.append(timer)
        if len(self._timers) > self._most:
            self._timers = [one for one in self._timers if one.callback is not None]
            self._most = 2 * len(self._timers) + 64
        return timer

    def die(self) -> None:
        self._dead = True
        for timer in self._timers:
            timer.cancel()
