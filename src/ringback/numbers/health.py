"""Whether a trunk's host answers, from what OPTIONS and calls showed (pure, time handed in)."""

from dataclasses import dataclass, replace

FAILURES = 2
"""Failures in a row after which a host counts as down; while unknown, one is enough."""


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of one host.

    Attributes:
        state: ``unknown``, ``up``, ``down``.
        why: In words.
        since: Unix seconds of the last change of state; ``None`` while unknown.
        checked: Unix seconds of the last sign.
        failures: In a row.
        round_trip: Seconds between the last OPTIONS and its answer.
    """

    state: str = "unknown"
    why: str = "not checked yet"
    since: float | None = None
    checked: float | None = None
    failures: int = 0
    round_trip: float | None = None

    @property
    def is_down(self) -> bool:
        return self.state == "down"


def answered(health: Health, status: int, reason: str, now: float, round_trip: float | None = None) -> Health:
    """Something came back. Any answer shows life (404 and 405 to OPTIONS are common), but for 503 and 408."""
    words = f"{status} {reason}".strip()
    if status in (408, 503):
        return failed(health, f"answers {words}", now)
    since = health.since if health.state == "up" else now
    return Health("up", f"answers {words}", since, now, 0, round_trip or health.round_trip)


def failed(health: Health, why: str, now: float) -> Health:
    """Nothing came back, or it cannot be reached."""
    failures = health.failures + 1
    if health.state == "down":
        return replace(health, why=why, checked=now, failures=failures)
    if failures >= FAILURES or health.state == "unknown":
        return Health("down", why, now, now, failures, None)
    return replace(health, why=f"{why} (once)", checked=now, failures=failures)
