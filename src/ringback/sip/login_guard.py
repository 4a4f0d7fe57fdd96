"""Holds back whoever guesses passwords: after some failures a pause, twice as long after each further one (A7)."""

from collections.abc import Hashable, Sequence

FREE_FAILURES = 5
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 900.0


class LoginGuard:
    """Failures by key (a source address, a user), the oldest forgotten first when there are too many.

    Args:
        capacity: Most keys remembered.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._failures: dict[Hashable, tuple[int, float]] = {}

    def is_closed(self, keys: Sequence[Hashable], now: float) -> bool:
        """Whether a login for any of these keys is not even looked at now."""
        return any(now < self._failures[key][1] for key in keys if key in self._failures)

    def failed(self, keys: Sequence[Hashable], now: float) -> None:
        for key in keys:
            count, until = self._failures.pop(key, (0, 0.0))
            if now > until + LONGEST_PAUSE:
                count = 0
            count += 1
            beyond = count - FREE_FAILURES
            pause = min(FIRST_PAUSE * 2.0 ** min(beyond, 30), LONGEST_PAUSE) if beyond >= 0 else 0.0
            self._failures[key] = (count, now + pause)
            while len(self._failures) > self._capacity:
                del self._failures[next(iter(self._failures))]

    def succeeded(self, keys: Sequence[Hashable]) -> None:
        for key in keys:
            self._failures.pop(key, None)
