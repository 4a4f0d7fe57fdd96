"""A call on its way from one meeting into another: what keeps its place there, and what takes it over."""

from collections.abc import Callable
from dataclasses import dataclass

from ringback.calls.call import Call
from ringback.calls.transfer import Transfer
from ringback.meetings.actor import Actor
from ringback.meetings.effects import Effect, Outside
from ringback.meetings.ports import World
from ringback.model.end_reason import EndReason
from ringback.model.ids import CallId
from ringback.model.instant import Instant


def release(there: Actor, call: CallId, now: Instant) -> list[Effect]:
    """A call does not come after all."""
    if not isinstance(there.calls.get(call), Reserved):
        return []
    del there.calls[call]
    return there.meeting.phone_leaves(call, now)


class Reserved:
    """Keeps the place of a call that is on its way into a meeting."""

    def __init__(self, call: CallId, endpoint: str, there: Actor) -> None:
        self.endpoint = endpoint
        self._call = call
        self._there = there

    def hang_up(self, reason: EndReason, now: Instant) -> list[Effect]:
        return release(self._there, self._call, now)

    def wake(self, now: Instant) -> list[Effect]:
        return []

    def next_wake(self) -> float | None:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class HandOver(Outside):
    """A call that left its meeting arrives in another: ``attach`` is its first step there."""

    hand_over: Callable[["HandOver"], None]
    call: Call
    there: Actor
    attach: Callable[[Instant], list[Effect]]
    transfer: Transfer

    def apply(self, world: World) -> None:
        self.hand_over(self)
