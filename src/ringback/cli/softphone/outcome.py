"""How a call of the softphone ended, in words and as an exit status."""

from dataclasses import dataclass
from enum import IntEnum

from ringback.calls.ports.carrier import Failure


class Exit(IntEnum):
    """Exit statuses of ``ringback phone``; scripts rely on them."""

    TALKED = 0
    CANNOT = 1
    BUSY = 3
    DECLINED = 4
    NO_ANSWER = 5
    UNREACHABLE = 6
    REFUSED = 7
    LOST = 8
    CANCELLED = 9


MEANINGS = {
    Exit.TALKED: "answered, and ended by either side",
    Exit.CANNOT: "could not start: an option or a file is wrong",
    Exit.BUSY: "busy (486, 600)",
    Exit.DECLINED: "declined (603)",
    Exit.NO_ANSWER: "nobody answered (408, 480, 487), or nobody called in time",
    Exit.UNREACHABLE: "no way to the address",
    Exit.REFUSED: "refused with another SIP status",
    Exit.LOST: "answered, then lost",
    Exit.CANCELLED: "the caller gave up before the answer",
}

BY_STATUS = {
    486: Exit.BUSY,
    600: Exit.BUSY,
    603: Exit.DECLINED,
    408: Exit.NO_ANSWER,
    480: Exit.NO_ANSWER,
    487: Exit.NO_ANSWER,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a call.

    Attributes:
        status: SIP status that ended it, 0 when none did.
    """

    exit: Exit
    words: str
    status: int = 0


def of_failure(failure: Failure) -> Outcome:
    """What a refused INVITE means."""
    if failure.cause in ("transport", "tls", "resolve", "policy"):
        return Outcome(Exit.UNREACHABLE, failure.reason, failure.status)
    if failure.cause == "timeout":
        return Outcome(Exit.NO_ANSWER, failure.reason or "no answer", failure.status)
    return Outcome(BY_STATUS.get(failure.status, Exit.REFUSED), failure.reason, failure.status)
