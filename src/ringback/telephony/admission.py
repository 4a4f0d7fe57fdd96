"""Token buckets: who is heard before anything is parsed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How much one source address may send.

    Attributes:
        rate: Messages a second on average.
        burst: Messages at once.
        engaged: How many times as much an address gets with which we have a call.
        sources: Most addresses remembered; the one heard least recently is forgotten first.
    """

    rate: float = 20.0
    burst: float = 40.0
    engaged: float = 10.0
    sources: int = 10_000


class Buckets:
    """Token buckets by source address, or by whatever else is limited. ``now`` is seconds on a monotonic clock."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self._levels: dict[str, tuple[float, float]] = {}

    def admits(self, source: str, engaged: bool, now: float) -> bool:
        """Take a token, if there is one."""
        factor = self._limits.engaged if engaged else 1.0
        burst = self._limits.burst * factor
        level, since = self._levels.pop(source, (burst, now))
        level = min(burst, level + (now - since) * self._limits.rate * factor)
        admitted = level >= 1.0
        self._levels[source] = (level - 1.0 if admitted else level, now)
        if len(self._levels) > self._limits.sources:
            del self._levels[next(iter(self._levels))]
        return admitted
