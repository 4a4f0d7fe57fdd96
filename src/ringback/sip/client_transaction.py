"""Client transactions: one request on its way to an answer (RFC 3261 §17.1, RFC 6026 §7.2).

Each is fed responses and the time, answers with effects, and says when to wake it. The first ``wake`` sends.
"""

from enum import Enum, auto
from typing import Protocol

from ringback.model.values import dataclass
from ringback.sip.flow import Flow
from ringback.sip.message import Request, Response, Row, header_key
from ringback.sip.timers import Timing


@dataclass(frozen=True, slots=True)
class Send:
    """Put these octets on the transaction's flow."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PassUp:
    """A response for whoever made the request."""

    response: Response


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No final answer came (timers B and F)."""


Effect = Send | PassUp | TimedOut


class State(Enum):
    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    ACCEPTED = auto()
    COMPLETED = auto()
    TERMINATED = auto()


class Answer(Enum):
    PROVISIONAL = auto()
    SUCCESS = auto()
    FAILURE = auto()

    @classmethod
    def of(cls, response: Response) -> "Answer":
        if response.status < 200:
            return cls.PROVISIONAL
        return cls.SUCCESS if response.status < 300 else cls.FAILURE


# (state, what came) → (next state, what to do). Anything not listed is absorbed.   RFC 3261 fig. 5, RFC 6026
INVITE_RESPONSES = {
    (State.CALLING, Answer.PROVISIONAL): (State.PROCEEDING, "pass_up"),
    (State.CALLING, Answer.SUCCESS): (State.ACCEPTED, "pass_up"),
    (State.CALLING, Answer.FAILURE): (State.COMPLETED, "ack_and_pass_up"),
    (State.PROCEEDING, Answer.PROVISIONAL): (State.PROCEEDING, "pass_up"),
    (State.PROCEEDING, Answer.SUCCESS): (State.ACCEPTED, "pass_up"),
    (State.PROCEEDING, Answer.FAILURE): (State.COMPLETED, "ack_and_pass_up"),
    (State.ACCEPTED, Answer.SUCCESS): (State.ACCEPTED, "pass_up"),
    (State.COMPLETED, Answer.FAILURE): (State.COMPLETED, "ack"),
}

# The same for every other method.   RFC 3261 fig. 6
OTHER_RESPONSES = {
    (State.TRYING, Answer.PROVISIONAL): (State.PROCEEDING, "pass_up"),
    (State.TRYING, Answer.SUCCESS): (State.COMPLETED, "pass_up"),
    (State.TRYING, Answer.FAILURE): (State.COMPLETED, "pass_up"),
    (State.PROCEEDING, Answer.PROVISIONAL): (State.PROCEEDING, "pass_up"),
    (State.PROCEEDING, Answer.SUCCESS): (State.COMPLETED, "pass_up"),
    (State.PROCEEDING, Answer.FAILURE): (State.COMPLETED, "pass_up"),
}


class Owner(Protocol):
    """Whoever made a request, and is told how it goes."""

    def on_response(self, transaction: "ClientTransaction", response: Response, now: float) -> None: ...
    def on_lost(self, transaction: "ClientTransaction", cause: str, now: float) -> None:
        """No answer will come: ``timeout``, or ``transport`` (the far end cannot be reached)."""


class ClientTransaction:
    """What both kinds share.

    Args:
        request: The request, its Via branch already set.
        flow: Where it goes and where its answers must come from.
        now: Seconds on any monotonic clock; every later ``now`` is on the same one.
        timing: T1, T2 and T4.

    Attributes:
        owner: Whoever made the request, ``None`` when nobody waits for an answer.
        why: What the network said when it refused the request, in words.
    """

    responses: dict[tuple[State, Answer], tuple[State, str]]
    first: State

    def __init__(self, request: Request, flow: Flow, now: float, timing: Timing, owner: Owner | None = None) -> None:
        self.request = request
        self.flow = flow
        self.owner = owner
        self.why = ""
        self.branch = request.top_via.branch
        self.state = self.first
        self._timing = timing
        self._data = request.to_bytes()
        self._interval = timing.t1
        self._resend_at: float | None = now
        self._ends_at: float | None = now + timing.give_up

    def next_wake(self) -> float | None:
        """When ``wake`` is due; ``None`` when only a response can bring it on."""
        if self._resend_at is None:
            return self._ends_at
        return self._resend_at if self._ends_at is None else min(self._resend_at, self._ends_at)

    def receive(self, response: Response, now: float) -> list[Effect]:
        row = self.responses.get((self.state, Answer.of(response)))
        if row is None:
            return []
        entered = row[0] is not self.state
        self.state = row[0]
        if entered:
            self._enter(now)
        effects: list[Effect] = []
        if row[1].startswith("ack"):
            effects.append(Send(ack_of_failure(self.request, response).to_bytes()))
        if row[1].endswith("pass_up"):
            effects.append(PassUp(response))
        return effects

    def wake(self, now: float) -> list[Effect]:
        if self._ends_at is not None and now >= self._ends_at:
            waiting = self.state in (State.CALLING, State.TRYING, State.PROCEEDING)
            self.end()
            return [TimedOut()] if waiting else []
        if self._resend_at is not None and now >= self._resend_at:
            # §17.1.1.2, §17.1.2.2: only an unreliable transport repeats.
            self._resend_at = None if self.flow.reliable else now + self._interval
            self._interval = self._longer(self._interval)
            return [Send(self._data)]
        return []

    def end(self) -> None:
        self.state = State.TERMINATED
        self._resend_at = self._ends_at = None

    def _longer(self, interval: float) -> float:
        raise NotImplementedError

    def _enter(self, now: float) -> None:
        raise NotImplementedError


class InviteClientTransaction(ClientTransaction):
    """One INVITE on its way to an answer (§17.1.1). Timers A, B, D and M."""

    responses = INVITE_RESPONSES
    first = State.CALLING
    _is_limited = False

    def stop_resending(self) -> None:
        """Nobody waits for this any more, but a late answer must still be seen."""
        self._resend_at = None

    def limit(self, now: float) -> None:
        """Nobody waits much longer: without a final answer it is over after 64·T1, also after a provisional one."""
        if self.state in (State.CALLING, State.PROCEEDING):
            self._ends_at = now + self._timing.give_up
            self._is_limited = True

    def restored(self, now: float) -> None:
        """It was sent by an earlier process: send nothing, only see to its answers."""
        self.state = State.PROCEEDING
        self._resend_at = None
        self._ends_at = now + self._timing.give_up

    def _longer(self, interval: float) -> float:
        return interval * 2

    def _enter(self, now: float) -> None:
        self._resend_at = None
        if self.state is State.PROCEEDING:
            self._ends_at = self._ends_at if self._is_limited else None
        elif self.state is State.ACCEPTED:
            self._ends_at = now + self._timing.give_up
        elif self.flow.reliable:
            self.end()
        else:
            self._ends_at = now + max(32.0, self._timing.give_up)


class OtherClientTransaction(ClientTransaction):
    """A request other than INVITE and ACK (§17.1.2). Timers E, F and K."""

    responses = OTHER_RESPONSES
    first = State.TRYING

    def _longer(self, interval: float) -> float:
        return min(interval * 2, self._timing.t2)

    def _enter(self, now: float) -> None:
        if self.state is State.PROCEEDING:
            # §17.1.2.2: in Proceeding, timer E fires every T2.
            if self._resend_at is not None:
                self._resend_at, self._interval = now + self._timing.t2, self._timing.t2
        elif self.flow.reliable:
            self.end()
        else:
            self._resend_at = None
            self._ends_at = now + self._timing.t4


def ack_of_failure(invite: Request, response: Response) -> Request:
    """§17.1.1.3: the ACK reuses the INVITE's branch, Request-URI, From, Call-ID and Route; To is the response's."""
    rows: list[Row] = [("Via", str(invite.top_via)), ("Max-Forwards", "70")]
    rows += [row for row in invite.headers.rows if header_key(row[0]) in ("route", "from", "call-id")]
    rows.append(("To", response.headers.get("to") or ""))
    rows.append(("CSeq", f"{invite.cseq.number} ACK"))
    return Request("ACK", invite.target, rows)


def cancel_of(invite: Request) -> Request:
    """§9.1: like the INVITE in Request-URI, Call-ID, To, From, CSeq number, Route and its one Via, branch and all."""
    rows: list[Row] = [("Via", str(invite.top_via)), ("Max-Forwards", "70")]
    rows += [row for row in invite.headers.rows if header_key(row[0]) in ("route", "from", "to", "call-id")]
    rows.append(("CSeq", f"{invite.cseq.number} CANCEL"))
    return Request("CANCEL", invite.target, rows)
