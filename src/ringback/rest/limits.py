"""Request rates: token buckets per domain and class, and per source for strangers. Time is handed in."""

import math
from collections import OrderedDict
from dataclasses import dataclass

from ringback.model.errors import RateLimited

MOST_SOURCES = 10000


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` requests at once, ``per_second`` in the long run."""

    per_second: float
    burst: float


RATES = {
    "normal": Rate(20.0, 100.0),
    "slow": Rate(50.0 / 30.0, 50.0),
    "dial": Rate(2.0, 40.0),
}
"""The published classes. ``dial`` is wider than its published one a second, so that a ring group of 20 can start."""

STRANGER = Rate(5.0, 40.0)
"""Refused requests from one source before it is told to wait."""


class Buckets:
    """One bucket per key, at most ``MOST_SOURCES`` of them: the one unused the longest goes first."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float) -> float:
        """Take one token. Returns 0, or the seconds until there is one."""
        tokens, at = self._buckets.get(key, (self._rate.burst, now))
        tokens = min(self._rate.burst, tokens + max(0.0, now - at) * self._rate.per_second)
        wait = 0.0 if tokens >= 1.0 else (1.0 - tokens) / self._rate.per_second
        self._buckets[key] = (tokens if wait else tokens - 1.0, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > MOST_SOURCES:
            self._buckets.popitem(last=False)
        return wait


class RequestLimits:
    """All limits of the API.

    Args:
        enabled: ``False`` lets everything pass (the operator's setting for load tests).
    """

    def __init__(self, enabled: bool = True) -> None:
        self._enabled = enabled
        self._classes = {name: Buckets(rate) for name, rate in RATES.items()}
        self._strangers = Buckets(STRANGER)

    def admit(self, domain: str, rate: str, now: float) -> None:
        """Raises ``RateLimited`` when the domain asks too often."""
        if self._enabled and (wait := self._classes[rate].take(domain, now)):
            raise RateLimited("too many requests; wait, then try again more slowly", math.ceil(wait))

    def refused(self, source: str, now: float) -> None:
        """Count a refused request of a stranger; raises ``RateLimited`` when there are too many of them."""
        if self._enabled and (wait := self._strangers.take(source, now)):
            raise RateLimited("too many refused requests from this address", math.ceil(wait))


class Quiet:
    """Lets one log line pass per source and minute."""

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._last: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def line(self, source: str, now: float) -> int | None:
        """How many lines of this source were left out since the last one, or ``None``: say nothing."""
        last = self._last.get(source)
        if last is not None and now - last[0] < self._seconds:
            self._last[source] = (last[0], last[1] + 1)
            return None
        self._last[source] = (now, 0)
        self._last.move_to_end(source)
        if len(self._last) > MOST_SOURCES:
            self._last.popitem(last=False)
        return last[1] if last else 0
