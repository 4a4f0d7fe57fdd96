"""What becomes of an INVITE that came over a trunk: the number it is for, who calls, or why it is refused (pure)."""

from dataclasses import dataclass

from ringback.numbers.identity import believed, called_number, called_text
from ringback.numbers.load import Load
from ringback.numbers.rules import apply
from ringback.numbers.trunk import Trunk
from ringback.sip.message import Request
from ringback.sip.q850 import CONGESTION


@dataclass(frozen=True, slots=True)
class Refused:
    """A final answer to an INVITE, and the rule behind it for the operator's log.

    Attributes:
        q850: Cause for its ``Reason`` header, where the status says too little.
    """

    rule: str
    status: int
    reason: str
    q850: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a call over a trunk is known by.

    Attributes:
        user: User part it is for, after the rules: a room's endpoint, or a number.
        called_number: E.164; empty when it is no number.
        caller: Who calls, on the trunk's word; empty when not believed.
        withheld: The caller is not to be shown.
    """

    user: str
    called_number: str
    caller: str
    withheld: bool


RATE_LIMITED = Refused("trunk-rate-limited", 480, "Rate Limited", CONGESTION)
"""Never 503, which would make the trunk avoid us altogether."""

FULL = Refused("trunk-full", 486, "Trunk Limit Reached")
NOT_ALLOWED = Refused("number-not-allowed", 403, "Number Not Allowed")
DISABLED = Refused("trunk-disabled", 403, "Trunk Disabled")


def accept(trunk: Trunk, request: Request, load: Load, now: float) -> Accepted | Refused:
    """Judge a new call by its trunk's pace, cap and rules, in this order."""
    if not load.takes(trunk, now):
        return RATE_LIMITED
    if load.is_full(trunk):
        return FULL
    outcome = apply(trunk.inbound_rules, called_text(trunk, request))
    if outcome.denied:
        return NOT_ALLOWED
    caller = believed(trunk, request)
    return Accepted(outcome.number, called_number(trunk, outcome.number), caller.number, caller.withheld)
