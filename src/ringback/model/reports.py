"""What is asked of stored calls, and what their usage adds up to."""

from collections.abc import Mapping
from dataclasses import field

from ringback.model.ids import RoomName
from ringback.model.records import Direction
from ringback.model.values import dataclass


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls are wanted; ``None`` for any.

    Attributes:
        number: Called or shown as the caller, E.164.
        reason: Value of an ``Ending``.
        start, end: Unix seconds between which a call began, both included.
    """

    room: RoomName | None = None
    meeting: str | None = None
    direction: Direction | None = None
    trunk: str | None = None
    number: str | None = None
    reason: str | None = None
    ongoing: bool | None = None
    start: float | None = None
    end: float | None = None


USAGE_KEYS = ("day", "room", "trunk", "direction", "number", "kind")
"""What usage can be told apart by. A day is UTC; the number is the domain's own in a call; the kind is ``pstn`` where
a telephone number was called, else ``sip``."""


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What some calls, or some people's stays, add up to. Both are counted on the day of their end.

    Attributes:
        by: Key → value for each of ``USAGE_KEYS`` that was asked for.
        calls, answered: How many; an answered one took ``talked_ms`` from its answer to its end.
        transcoded_ms: Of these in a codec that nobody had asked for.
        participants: Stays of browsers and bots, ``stayed_ms`` in all.
    """

    by: Mapping[str, str] = field(default_factory=dict)
    calls: int = 0
    answered: int = 0
    talked_ms: int = 0
    transcoded_ms: int = 0
    participants: int = 0
    stayed_ms: int = 0
