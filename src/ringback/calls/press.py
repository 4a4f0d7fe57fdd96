"""Keys pressed towards a far end, in the order they were asked for, whichever way each of them goes.

RFC 4733 events are queued by the media side, INFO requests go one by one, so both are timed here: nothing is sent
before what was asked for earlier has been heard.
"""

from collections import deque
from dataclasses import dataclass

from ringback.model.errors import InvalidRequest

GAP_MS = 100
"""Between two keys."""

PAUSES = ",w"
PAUSE = 1.0
"""Seconds that each of them waits in an extension."""

MOST_WAITING = 200
"""Keys that may wait for one far end."""


@dataclass(frozen=True, slots=True)
class Press:
    """Keys to send now.

    Attributes:
        keys: One or more of ``0-9 A-D * #``; by INFO one at a time.
        by_info: By SIP INFO; otherwise as telephone-events.
    """

    keys: str
    duration_ms: int
    by_info: bool

    @property
    def lasts(self) -> float:
        """Seconds until the next key may follow."""
        return len(self.keys) * (self.duration_ms + GAP_MS) / 1000


class Presses:
    """The keys that wait for one far end. Feed it requests, ask it what is due."""

    def __init__(self) -> None:
        self._waiting: deque[Press | float] = deque()
        self._free_at = 0.0

    def add(self, keys: str, duration_ms: int, by_info: bool, now: float) -> None:
        """Queue keys, pauses among them. Raises ``InvalidRequest`` when too many wait already."""
        if sum(1 if isinstance(one, float) else len(one.keys) for one in self._waiting) + len(keys) > MOST_WAITING:
            raise InvalidRequest(f"more than {MOST_WAITING} tones wait to be sent: try again later")
        self._begin(now)
        run = ""
        for key in keys:
            if key in PAUSES:
                self._queue(run, duration_ms, by_info)
                self._waiting.append(PAUSE)
                run = ""
            else:
                run += key
        self._queue(run, duration_ms, by_info)

    def wait(self, seconds: float, now: float) -> None:
        """Send nothing for a while."""
        self._begin(now)
        self._waiting.append(float(seconds))

    def due(self, now: float) -> list[Press]:
        """What is to be sent now; it is no longer queued."""
        out: list[Press] = []
        while self._waiting and self._free_at <= now:
            one = self._waiting.popleft()
            if isinstance(one, float):
                self._free_at += one
            else:
                self._free_at += one.lasts
                out.append(one)
        return out

    def next(self) -> float | None:
        """When something is due next; ``None`` when nothing waits."""
        return self._free_at if self._waiting else None

    def clear(self) -> None:
        """The call is over."""
        self._waiting.clear()

    def _begin(self, now: float) -> None:
        if not self._waiting:
            self._free_at = max(self._free_at, now)

    def _queue(self, run: str, duration_ms: int, by_info: bool) -> None:
        for keys in run if by_info else [run] if run else []:
            self._waiting.append(Press(keys, duration_ms, by_info))
