"""A moment as the pure parts are told of it: time is an input."""

from typing import NamedTuple


class Instant(NamedTuple):
    """One moment on both clocks.

    Attributes:
        mono: Seconds on the monotonic clock; orders and schedules.
        wall: Unix seconds; written and shown.
    """

    mono: float
    wall: float

    def until(self, wall: float) -> float:
        """The monotonic time at which the wall clock will show ``wall``, if nobody sets it meanwhile."""
        return self.mono + (wall - self.wall)
