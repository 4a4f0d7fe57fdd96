"""How much a trunk carries now: calls at once, and the pace at which calls begin (pure, time handed in)."""

from ringback.model.ids import CallId
from ringback.numbers.trunk import Trunk

LONGEST_QUEUE = 30.0
"""Seconds a call waits for its turn; a trunk with a longer queue is passed over."""


class Load:
    """One trunk's calls and pace. Calls that come in and calls that go out have a pace each, and one cap together."""

    def __init__(self) -> None:
        self.calls: set[CallId] = set()
        self._next_out = 0.0
        self._level: tuple[float, float] | None = None

    def is_full(self, trunk: Trunk) -> bool:
        return trunk.max_calls is not None and len(self.calls) >= trunk.max_calls

    def book(self, trunk: Trunk, now: float) -> float | None:
        """When a call may go out, at ``now`` or later; ``None`` when the queue is too long. Turns are evenly spaced."""
        if trunk.calls_per_second is None:
            return now
        at = max(now, self._next_out)
        if at - now > LONGEST_QUEUE:
            return None
        self._next_out = at + 1.0 / trunk.calls_per_second
        return at

    def takes(self, trunk: Trunk, now: float) -> bool:
        """Whether one more call may come in this second; bursts of one second's worth are taken."""
        rate = trunk.calls_per_second
        if rate is None:
            return True
        level = self._filled(rate, now)
        taken = level >= 1.0
        self._level = (level - 1.0 if taken else level, now)
        return taken

    def would_take(self, trunk: Trunk, now: float) -> bool:
        """As ``takes``, and nothing is taken."""
        rate = trunk.calls_per_second
        return rate is None or self._filled(rate, now) >= 1.0

    def _filled(self, rate: float, now: float) -> float:
        burst = max(1.0, rate)
        level, since = self._level or (burst, now)
        return min(burst, level + (now - since) * rate)
