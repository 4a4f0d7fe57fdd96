"""Who may still guess codes: wrong ones are counted by caller and by number called (pure).

A code has eleven digits. With the three tries of a call and these limits, a thousand callers need centuries for one.
"""

from collections import OrderedDict, deque

WINDOW = 600.0
"""Seconds in which wrong codes count."""

PER_CALLER = 6
PER_NUMBER = 120
MOST_REMEMBERED = 10_000
"""Callers and numbers; the ones that failed longest ago are forgotten first."""

TRIES = 3


class GuessGuard:
    """Counts of one server. Callers are whatever they are known by: a vouched number, else an IP address."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def tries(self, caller: str, number: str, now: float) -> int:
        """How many codes a new call may enter: none for a caller who failed too often, one where a number is probed."""
        if self._count("c" + caller, now) >= PER_CALLER:
            return 0
        if self._count("n" + number, now) >= PER_NUMBER:
            return 1
        return min(TRIES, PER_CALLER - self._count("c" + caller, now))

    def wrong(self, caller: str, number: str, now: float) -> None:
        """A code was wrong."""
        for key in ("c" + caller, "n" + number):
            times = self._wrong.setdefault(key, deque(maxlen=PER_NUMBER))
            times.append(now)
            self._wrong.move_to_end(key)
        while len(self._wrong) > MOST_REMEMBERED:
            self._wrong.popitem(last=False)

    def _count(self, key: str, now: float) -> int:
        times = self._wrong.get(key)
        if times is None:
            return 0
        while times and times[0] <= now - WINDOW:
            times.popleft()
        if not times:
            del self._wrong[key]
        return len(times)
