"""Holds a caller with music until the customer's server has a room for it (pure).

```
HOLDING ──update──▶ ENTERING ──▶ in the room
  │ ▲                  └─ the room takes nobody ─▶ HOLDING
  │ └─ the webhook failed: told once more after 2 s
  └── the music is over ─▶ LEAVING: the timeout message ─▶ hung up
```
"""

from enum import Enum

from ringback.dialin.steps import Enter, HangUp, Music, Notify, Say, Step, Why

RETRY = 2.0
"""Seconds after which a server that failed is told once more."""

TIMES = 2
"""Times the customer's music is played."""

OWN_TIMES = 5
"""Times our own music of 24 s is played: two minutes, as two plays of the longest there may be."""

LONGEST_HOLD = 125.0
"""Seconds after which a caller is let go, whatever is reported of the music."""

LONGEST_MESSAGE = 75.0


class State(Enum):
    HOLDING = "holding"
    ENTERING = "entering"
    LEAVING = "leaving"
    DONE = "done"


class Holding:
    """One caller on hold.

    Args:
        music: Whether the customer's own music is there already.
    """

    def __init__(self, music: bool = False) -> None:
        self.state = State.HOLDING
        self._music = music
        self._retry_at: float | None = None
        self._until: float | None = None
        self._over = False

    def begin(self, now: float) -> list[Step]:
        self._until = now + LONGEST_HOLD
        return [Notify(1), Music(TIMES if self._music else OWN_TIMES)]

    def digit(self, digit: str, now: float) -> list[Step]:
        """Nobody listens yet."""
        return []

    def notified(self, ok: bool, attempt: int, now: float) -> list[Step]:
        """The customer's server took the news, or did not. The second failure changes nothing: it may still call."""
        if not ok and attempt == 1 and self.state is State.HOLDING:
            self._retry_at = now + RETRY
        return []

    def music_came(self, now: float) -> list[Step]:
        """The customer's music has been fetched: it is played from its beginning."""
        if self.state is not State.HOLDING or self._music:
            return []
        self._music = True
        self._until = now + LONGEST_HOLD
        return [Music(TIMES)]

    def connect(self, now: float) -> list[Step]:
        """The customer names the room. Empty: it is too late, or being done already."""
        if self.state is not State.HOLDING:
            return []
        self.state = State.ENTERING
        return [Enter()]

    def turned_away(self, empty: bool, now: float) -> list[Step]:
        """It is held as before; what ended meanwhile has ended."""
        if self.state is not State.ENTERING:
            return []
        self.state = State.HOLDING
        return self._leave(now) if self._over else []

    def played(self, now: float) -> list[Step]:
        match self.state:
            case State.HOLDING:
                return self._leave(now)
            case State.ENTERING:
                self._over = True
            case State.LEAVING:
                return self._hang_up()
        return []

    def wake(self, now: float) -> list[Step]:
        if self.state is State.HOLDING and self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            return [Notify(2)]
        if self._until is None or now < self._until:
            return []
        match self.state:
            case State.HOLDING:
                return self._leave(now)
            case State.ENTERING:
                self._over, self._until = True, None
            case State.LEAVING:
                return self._hang_up()
        return []

    def next_wake(self) -> float | None:
        return min((at for at in (self._retry_at, self._until) if at is not None), default=None)

    def _leave(self, now: float) -> list[Step]:
        self.state, self._retry_at, self._until = State.LEAVING, None, now + LONGEST_MESSAGE
        return [Say(("timeout",))]

    def _hang_up(self) -> list[Step]:
        self.state, self._until = State.DONE, None
        return [HangUp(Why.NOT_TAKEN)]
