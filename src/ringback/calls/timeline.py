"""When what happened in one call: the one place that notes times of a leg; everything else reports to it.

Keys are noted as pressed, not which: they may be those of a card or a PIN.
"""

from collections.abc import Mapping, Sequence

from ringback.model.instant import Instant

MOST_STEPS = 100
"""Steps kept of a call; of more, the first ones and the last ones."""


class Timeline:
    """Notes of one call. Times are Unix seconds; how long is measured on the monotonic clock.

    Steps are named ``queued``, ``ringing``, ``answered``, ``first-heard``, ``first-sent``, ``codec``, ``held``,
    ``resumed``, ``key-pressed``, ``keys-sent``, ``moved``, ``replaced``, ``ended``.
    """

    def __init__(self) -> None:
        self._first_heard: float | None = None
        self._first_sent: float | None = None
        self._held_since: float | None = None
        self._held = 0.0
        self._steps: list[dict[str, object]] = []
        self._dropped = 0

    def note(self, what: str, now: Instant, **details: object) -> None:
        """Something happened; ``details`` are JSON-ready."""
        self._steps.append({"at": round(now.wall, 3), "step": what, **details})
        if len(self._steps) > MOST_STEPS:
            del self._steps[MOST_STEPS // 2]
            self._dropped += 1

    def heard(self, now: Instant) -> None:
        """The far end's sound arrived."""
        if self._first_heard is None:
            self._first_heard = now.wall
            self.note("first-heard", now)

    def sent(self, now: Instant) -> None:
        """From now on the far end is sent sound."""
        if self._first_sent is None:
            self._first_sent = now.wall
            self.note("first-sent", now)

    def hold(self, on: bool, now: Instant) -> None:
        """The call is on hold from now on, or no longer; saying so twice changes nothing."""
        if self._held_since is not None:
            self._held += max(0.0, now.mono - self._held_since)
        self._held_since = now.mono if on else None

    def steps(self) -> Sequence[Mapping[str, object]]:
        """What is known by now, oldest first; ``skipped`` says where steps are no longer known, and how many."""
        if not self._dropped:
            return tuple(self._steps)
        middle = MOST_STEPS // 2
        gap = {"at": self._steps[middle]["at"], "step": "skipped", "steps": self._dropped}
        return (*self._steps[:middle], gap, *self._steps[middle:])

    def sound(self, now: Instant) -> dict[str, object]:
        """What ``CallRecord.sound`` says of times; empty for a call nobody heard anything of."""
        held = self._held + (max(0.0, now.mono - self._held_since) if self._held_since is not None else 0.0)
        known = {"first_heard_at": self._first_heard, "first_sent_at": self._first_sent}
        noted: dict[str, object] = {name: at for name, at in known.items() if at is not None}
        return {**noted, "held_seconds": round(held, 3)} if noted or held else {}
