"""What a call sounded like, noted for its row: when each side first heard the other, and how long it was on hold."""

from ringback.model.instant import Instant


class SoundNotes:
    """Notes of one call. Times are Unix seconds; how long is measured on the monotonic clock."""

    def __init__(self) -> None:
        self._first_heard: float | None = None
        self._first_sent: float | None = None
        self._held_since: float | None = None
        self._held = 0.0

    def heard(self, now: Instant) -> None:
        """The far end's sound arrived."""
        self._first_heard = self._first_heard or now.wall

    def sent(self, now: Instant) -> None:
        """From now on the far end is sent sound."""
        self._first_sent = self._first_sent or now.wall

    def hold(self, on: bool, now: Instant) -> None:
        """The call is on hold from now on, or no longer; saying so twice changes nothing."""
        if self._held_since is not None:
            self._held += max(0.0, now.mono - self._held_since)
        self._held_since = now.mono if on else None

    def row(self, now: Instant) -> dict[str, object]:
        """What is known by now, as ``CallRecord.sound`` has it; empty for a call nobody heard anything of."""
        held = self._held + (max(0.0, now.mono - self._held_since) if self._held_since is not None else 0.0)
        known = {"first_heard_at": self._first_heard, "first_sent_at": self._first_sent}
        noted: dict[str, object] = {name: at for name, at in known.items() if at is not None}
        return {**noted, "held_seconds": round(held, 3)} if noted or held else {}
