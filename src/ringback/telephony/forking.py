"""A call to somebody with several telephones: all of them ring, the first to answer has it (RFC 3261 §16.7).

Each telephone is called by a leg of its own, with its own Call-ID; whoever is above knows one call. What the legs tell
is turned into what the call tells: every ringing, one answer, or the best of the refusals when the last one has come.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ringback.model.ids import CallId
from ringback.model.values import replace
from ringback.sip.agent import Agent
from ringback.sip.events import Answered, DialogChanged, Event, Failed, Progress, Refused, Registering
from ringback.sip.outbound import OutboundCall
from ringback.sip.q850 import ELSEWHERE

GLOBAL = range(600, 700)
"""§16.7 step 5: one such refusal is everybody's."""


@dataclass(slots=True)
class _Fork:
    """One call.

    Attributes:
        first: The leg whose INVITE is stored with the call, so that it is taken back after a restart.
        legs: Those that still may answer.
        over: It was answered, or given up: what the others say counts no more.
    """

    call: CallId
    first: CallId
    legs: set[CallId]
    refusals: list[Failed] = field(default_factory=list)
    over: bool = False


class Forks:
    """All calls with several legs.

    Args:
        agent: The stack their legs live in.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._forks: dict[CallId, _Fork] = {}
        self._by_leg: dict[CallId, _Fork] = {}
        self._adopted: list[CallId] = []

    @property
    def busy(self) -> bool:
        """Whether there is any leg that is not a call of its own."""
        return bool(self._by_leg)

    def leg(self, call: CallId, number: int) -> CallId:
        """Id of a leg."""
        return CallId(f"{call}/{number}")

    def start(self, call: CallId, legs: Sequence[OutboundCall], now: float) -> None:
        """Call everybody; the ids of the legs come from ``leg``."""
        fork = _Fork(call, legs[0].id, {leg.id for leg in legs})
        self._forks[call] = fork
        for leg in legs:
            self._by_leg[leg.id] = fork
        for leg in legs:
            self._agent.invite(leg, now)

    def cancel(self, call: CallId, reason: str, now: float) -> bool:
        """Give up a call that is not answered yet. False: no such fork."""
        fork = self._forks.get(call)
        if fork is None:
            return False
        self._cancel(fork, reason, now)
        return True

    def translate(self, event: Event, now: float) -> list[Event]:
        """What an event of a leg means for its call; an event of any other call is itself."""
        if isinstance(event, Refused | Registering):
            return [event]
        fork = self._by_leg.get(event.call)
        if fork is None:
            return [event]
        if event.call in self._adopted:
            return [replace(event, call=fork.call)]
        if isinstance(event, Failed):
            return self._refused(fork, event, now)
        if fork.over:
            return []
        if isinstance(event, Answered):
            return self._answered(fork, event, now)
        if isinstance(event, Progress):
            return [replace(event, call=fork.call)]
        if isinstance(event, DialogChanged) and event.call == fork.first:
            return [replace(event, call=fork.call)]
        return []

    def settle(self) -> None:
        """To be said when everything the stack told at once has been translated."""
        for leg in self._adopted:
            self._by_leg.pop(leg, None)
        self._adopted.clear()

    def _answered(self, fork: _Fork, event: Answered, now: float) -> list[Event]:
        """The leg becomes the call; the others stop ringing."""
        winner = self._agent.calls.pop(event.call)
        winner.id = fork.call
        self._agent.calls[fork.call] = winner
        fork.over = True
        fork.legs.discard(event.call)
        self._adopted.append(event.call)
        self._cancel(fork, "answered elsewhere", now, ELSEWHERE)
        self._forget(fork)
        return [DialogChanged(fork.call, winner.record), replace(event, call=fork.call)]

    def _refused(self, fork: _Fork, event: Failed, now: float) -> list[Event]:
        fork.legs.discard(event.call)
        self._by_leg.pop(event.call, None)
        if fork.over:
            self._forget(fork)
            return []
        fork.refusals.append(event)
        if event.status in GLOBAL and fork.legs:
            fork.over = True
            self._cancel(fork, "", now)
        elif fork.legs:
            return []
        fork.over = True
        self._forget(fork)
        return [replace(min(fork.refusals, key=_rank), call=fork.call)]

    def _cancel(self, fork: _Fork, reason: str, now: float, q850: int | None = None) -> None:
        for leg in list(fork.legs):
            call = self._agent.calls.get(leg)
            if isinstance(call, OutboundCall):
                call.cancel(reason, now, q850)

    def _forget(self, fork: _Fork) -> None:
        """The call is somebody else's business from now on; legs that still say goodbye are known by themselves."""
        self._forks.pop(fork.call, None)


def _rank(failure: Failed) -> tuple[int, int]:
    """§16.7 step 6: 6xx before all, then an answer before none, busy before the other 4xx, and the lowest class."""
    if failure.status in GLOBAL:
        return 0, failure.status
    if failure.cause != "answer" or not failure.status:
        return 3, 0
    return (1, 0) if failure.status == 486 else (2, failure.status)
