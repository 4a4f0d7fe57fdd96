"""Time: the only source of it that the rules of calls and meetings have."""

from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A pending wake-up."""

    def cancel(self) -> None:
        """Forget it. Cancelling twice, or after it fired, does nothing."""


class Clock(Protocol):
    """The only source of time. ``monotonic`` orders and schedules, ``wall`` (Unix seconds) is written and shown."""

    def monotonic(self) -> float: ...
    def wall(self) -> float: ...
    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` on the loop once ``monotonic() >= when``."""
