"""Server transactions: one request we were sent, until its answer surely arrived (RFC 3261 §17.2, RFC 6026)."""

from enum import Enum, auto

from ringback.sip.flow import Flow
from ringback.sip.message import Request, Response
from ringback.sip.timers import Timing

MOST_FOR_STRANGERS = 2
"""Octets sent for one heard, while a source is unproved."""


class State(Enum):
    PROCEEDING = auto()
    ACCEPTED = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    TERMINATED = auto()


class ServerTransaction:
    """What both kinds share. ``receive``, ``respond`` and ``wake`` answer with octets to send, or ``None``.

    Args:
        request: What came.
        flow: Where it came from, and where answers go.

    Attributes:
        allowance: Octets that may still be sent by ourselves where nothing has proved yet that the request came from
            where it says; ``None`` for any number. Answers to what comes are sent, repeats only within it: then
            nobody can have a third party sent more than twice what they send.
    """

    def __init__(self, request: Request, flow: Flow, timing: Timing) -> None:
        self.request = request
        self.flow = flow
        self.owner: object = None
        self.state = State.PROCEEDING
        self.last: bytes | None = None
        self.allowance: int | None = None
        self._timing = timing
        self._resend_at: float | None = None
        self._ends_at: float | None = None

    def next_wake(self) -> float | None:
        if self._resend_at is None:
            return self._ends_at
        return self._resend_at if self._ends_at is None else min(self._resend_at, self._ends_at)

    @property
    def answered(self) -> bool:
        """Whether a final response has gone out."""
        return self.state is not State.PROCEEDING

    def respond(self, response: Response, now: float) -> bytes | None:
        """Send a response; after a final one, others are ignored."""
        if self.state is not State.PROCEEDING:
            return None
        self.last = response.to_bytes()
        self._spend(self.last)
        if response.status >= 200:
            self._finish(response, now)
        return self.last

    def receive(self, request: Request, now: float, size: int = 0) -> bytes | None:
        """The request again, or an ACK, of ``size`` octets."""
        raise NotImplementedError

    def wake(self, now: float) -> bytes | None:
        raise NotImplementedError

    def end(self) -> None:
        self.state = State.TERMINATED
        self._resend_at = self._ends_at = None

    def _finish(self, response: Response, now: float) -> None:
        raise NotImplementedError

    def _repeat(self, size: int) -> bytes | None:
        """The last answer, for a request that came again."""
        if self.allowance is not None:
            self.allowance += MOST_FOR_STRANGERS * size
        if self.last is not None:
            self._spend(self.last)
        return self.last

    def _spend(self, data: bytes) -> None:
        if self.allowance is not None:
            self.allowance -= len(data)


# (state, method) → (next state, what to do). Anything not listed is absorbed.   RFC 3261 fig. 7, RFC 6026 fig. 3
INVITE_REQUESTS = {
    (State.PROCEEDING, "INVITE"): (State.PROCEEDING, "repeat"),
    (State.COMPLETED, "INVITE"): (State.COMPLETED, "repeat"),
    (State.COMPLETED, "ACK"): (State.CONFIRMED, "rest"),
}


class InviteServerTransaction(ServerTransaction):
    """An INVITE we were sent (§17.2.1). Timers G, H, I and L. A 2xx is repeated by its dialog, not here (RFC 6026)."""

    def __init__(self, request: Request, flow: Flow, timing: Timing) -> None:
        super().__init__(request, flow, timing)
        self._interval = timing.t1

    def receive(self, request: Request, now: float, size: int = 0) -> bytes | None:
        row = INVITE_REQUESTS.get((self.state, request.method))
        if row is None:
            return None
        self.state = row[0]
        if row[1] == "repeat":
            return self._repeat(size)
        self._resend_at = None
        self._ends_at = now + self._timing.t4
        if self.flow.reliable:
            self.end()
        return None

    def wake(self, now: float) -> bytes | None:
        if self._ends_at is not None and now >= self._ends_at:
            self.end()
        elif self._resend_at is not None and now >= self._resend_at:
            self._interval = min(self._interval * 2, self._timing.t2)
            self._resend_at = now + self._interval
            assert self.last is not None, "an answer that is repeated"
            if self.allowance is not None and len(self.last) > self.allowance:
                # A caller that did not get it repeats its INVITE.
                self._resend_at = None
                return None
            self._spend(self.last)
            return self.last
        return None

    def _finish(self, response: Response, now: float) -> None:
        self._ends_at = now + self._timing.give_up
        self.state = State.ACCEPTED if response.status < 300 else State.COMPLETED
        if self.state is State.COMPLETED and not self.flow.reliable:
            self._resend_at = now + self._interval


class OtherServerTransaction(ServerTransaction):
    """A request other than INVITE and ACK (§17.2.2). Timer J."""

    def receive(self, request: Request, now: float, size: int = 0) -> bytes | None:
        return self._repeat(size)

    def wake(self, now: float) -> bytes | None:
        if self._ends_at is not None and now >= self._ends_at:
            self.end()
        return None

    def _finish(self, response: Response, now: float) -> None:
        self.state = State.COMPLETED
        self._ends_at = now + self._timing.give_up
        if self.flow.reliable:
            self.end()
