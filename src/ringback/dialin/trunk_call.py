"""A call over a customer's trunk: rung, a room is made, its server is asked, and only then answered (pure).

```
RINGING ──room made──▶ ASKING ──2xx──▶ let in
                         │ ▲  else, while there is time: asked again after 1 s
                         └─┴─ 12 s are over ─▶ refused: 480 Notification Failed
```
"""

from dataclasses import dataclass

BUDGET = 12.0
"""Seconds a server has for its 2xx, all attempts together."""

PAUSE = 1.0


@dataclass(slots=True)
class TrunkCall:
    """One such call; times are seconds on the monotonic clock."""

    began: float

    def again(self, status: int, now: float) -> bool | None:
        """What follows an answer: ``None`` let it in, ``True`` ask once more after ``PAUSE``, ``False`` refuse it."""
        if 200 <= status < 300 and now <= self.began + BUDGET:
            return None
        return now + PAUSE < self.began + BUDGET

    def left(self, now: float) -> float:
        """Seconds that are left for an answer."""
        return max(0.0, self.began + BUDGET - now)
