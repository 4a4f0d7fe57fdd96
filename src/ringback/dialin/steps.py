"""What the guides of waiting callers want done, as values, and what every guide answers to."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Step:
    """Something to be done for a caller."""


@dataclass(frozen=True, slots=True)
class Say(Step):
    """Play these prompts one after the other, in place of whatever is heard; ``played`` follows."""

    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Music(Step):
    """Play the hold music so many times; ``played`` follows."""

    times: int


@dataclass(frozen=True, slots=True)
class Hush(Step):
    """Stop what is played."""


@dataclass(frozen=True, slots=True)
class LookUp(Step):
    """Find the room of a code; ``found`` or ``unknown`` follows."""

    code: str


@dataclass(frozen=True, slots=True)
class Enter(Step):
    """Bring the caller into the room; the guide is done, or ``turned_away`` follows."""


@dataclass(frozen=True, slots=True)
class Notify(Step):
    """Tell the customer's server of the call; ``notified`` follows. ``attempt`` counts from 1."""

    attempt: int


class Why(Enum):
    """Why a guide ends a call."""

    WRONG_CODE = "wrong-code"
    NO_CODE = "no-code"
    NOBODY_CAME = "nobody-came"
    NOT_LET_IN = "not-let-in"
    NOT_TAKEN = "not-taken"


@dataclass(frozen=True, slots=True)
class HangUp(Step):
    """The call is over."""

    why: Why


class Guide(Protocol):
    """Leads one caller. Times are seconds on the monotonic clock."""

    def begin(self, now: float) -> list[Step]:
        """The caller was answered."""

    def digit(self, digit: str, now: float) -> list[Step]: ...
    def played(self, now: float) -> list[Step]:
        """What was to be played last came to its end."""

    def turned_away(self, empty: bool, now: float) -> list[Step]:
        """``Enter`` came to nothing: nobody is in the room (``empty``), or it takes nobody."""

    def wake(self, now: float) -> list[Step]: ...
    def next_wake(self) -> float | None: ...
