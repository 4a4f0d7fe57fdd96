"""A quota in memory (``calls.ports.paid``): grants until told not to, and remembers what it was asked."""

from collections.abc import Callable, Sequence

from ringback.calls.ports.paid import Grant, PaidLeg, Refusal
from ringback.model.ids import CallId
from ringback.model.instant import Instant


class FakeQuota:
    """What a test sets, and what happened.

    Attributes:
        refusal: What every paid leg is told; ``None`` grants it.
        longest: Seconds that a granted call may last.
        asked: Every leg that ``reserve`` was asked for.
        running: Calls by their grant, from ``carries`` to ``settle``.
        answered_grants: Grants whose calls were answered.
        settled: Grant and seconds, in order.
        audit: Leg, rule and text of every refusal.
    """

    def __init__(self) -> None:
        self.refusal: Refusal | None = None
        self.longest = float("inf")
        self.asked: list[PaidLeg] = []
        self.open: set[str] = set()
        self.running: dict[str, CallId] = {}
        self.answered_grants: list[str] = []
        self.settled: list[tuple[str, float]] = []
        self.audit: list[tuple[PaidLeg, str, str]] = []
        self.run_out: Callable[[CallId], None] = lambda call: None

    async def reserve(self, leg: PaidLeg, now: Instant) -> Grant | Refusal:
        self.asked.append(leg)
        if self.refusal is not None:
            return self.refusal
        grant = Grant(f"grant-{len(self.asked)}", self.longest)
        self.open.add(grant.id)
        return grant

    async def check(self, leg: PaidLeg, now: Instant) -> Sequence[Refusal]:
        return () if self.refusal is None else (self.refusal,)

    def carries(self, grant: Grant, call: CallId) -> None:
        self.running[grant.id] = call

    def answered(self, grant: Grant) -> None:
        self.answered_grants.append(grant.id)

    def settle(self, grant: Grant, seconds: float) -> None:
        if grant.id in self.open:
            self.open.remove(grant.id)
            self.running.pop(grant.id, None)
            self.settled.append((grant.id, seconds))

    def exhaust(self) -> None:
        """A cap is reached while calls run: they have to end."""
        for call in list(self.running.values()):
            self.run_out(call)

    def refused(self, leg: PaidLeg, rule: str, info: str) -> None:
        self.audit.append((leg, rule, info))

    def assert_idle(self) -> None:
        """Everything granted was settled."""
        assert not self.open, f"grants left: {self.open}"
