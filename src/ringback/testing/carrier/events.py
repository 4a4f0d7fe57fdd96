"""What happened at a pretend carrier, in order: for tests to look at, and the same to the byte for the same seed."""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CarrierEvent:
    """One thing that happened.

    Attributes:
        at: Seconds since the carrier began.
        call: Number of the call, from 1.
        number: The pretend person's number in it.
        kind: ``incoming``, ``calling``, ``ringing``, ``early``, ``answered``, ``refused``, ``failed``, ``cancelled``,
            ``said``, ``pressed``, ``digit``, ``holding``, ``resuming``, ``reoffered``, ``referred``, ``ended``,
            ``script-failed``.
        about: More, JSON-ready.
    """

    at: float
    call: int
    number: str
    kind: str
    about: Mapping[str, object]

    def __str__(self) -> str:
        more = "".join(f" {name}={json.dumps(value, ensure_ascii=False)}" for name, value in self.about.items())
        return f"{self.at:10.3f} {self.call:4} {self.number:15} {self.kind}{more}"


class EventLog:
    """The newest events, oldest first.

    Args:
        most: How many are kept.

    Attributes:
        listeners: Told of each as it happens.
    """

    def __init__(self, most: int) -> None:
        self._events: deque[CarrierEvent] = deque(maxlen=most)
        self.listeners: list[Callable[[CarrierEvent], None]] = []

    def add(self, event: CarrierEvent) -> None:
        self._events.append(event)
        for listener in self.listeners:
            listener(event)

    def __iter__(self) -> Iterator[CarrierEvent]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def kinds(self, call: int | None = None) -> list[str]:
        """What happened, of one call or of all."""
        return [event.kind for event in self._events if call in (None, event.call)]

    def text(self) -> str:
        """A line per event."""
        return "".join(f"{event}\n" for event in self._events)
