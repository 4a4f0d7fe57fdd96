"""A moment as the pure parts are told of it: time is an input."""

from typing import NamedTuple, Protocol, Self


class BothClocks(Protocol):
    """What tells the time: see ``calls.ports.clock.Clock``."""

    def monotonic(self) -> float: ...
    def wall(self) -> float: ...


class Instant(NamedTuple):
    """One moment on both clocks.

    Attributes:
        mono: Seconds on the monotonic clock; orders and schedules.
        wall: Unix seconds; written and shown.
    """

    mono: float
    wall: float

    @classmethod
    def of(cls, clock: BothClocks) -> Self:
        """Now."""
        return cls(clock.monotonic(), clock.wall())

    def until(self, wall: float) -> float:
        """The monotonic time at which the wall clock will show ``wall``, if nobody sets it meanwhile."""
        return self.mono + (wall - self.wall)
