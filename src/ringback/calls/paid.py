"""Calls that cost: the one way to make a call out of a room, whoever asks for it.

```python
async with dialling.place_paid_leg(asker, room, request, "transfer") as route:
    await actor.ask(lambda now: ... dialling.dial(actor, request, route, now))
```

The way is found (emergency numbers and short codes have none), the quota is asked, and what it grants is bound to the
call that ``dial`` makes; a grant that no call took is given back when the block is left. Each refusal is audited.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ringback.calls.ports.clock import Clock
from ringback.calls.ports.paid import Asker, Audit, Grant, PaidLeg, Quota, Refusal
from ringback.calls.ports.routes import OutgoingRoute, Routes
from ringback.calls.requests import DialOutRequest
from ringback.model.errors import Forbidden, InvalidRequest, NumberNotAllowed, RingbackError
from ringback.model.ids import CallId, RoomName
from ringback.model.instant import Instant
from ringback.model.values import replace


class Unlimited:
    """Implements ``Quota`` and ``Audit`` where nobody counts: everything is granted."""

    def __init__(self) -> None:
        self.run_out: Callable[[CallId], None] = lambda call: None

    async def reserve(self, leg: PaidLeg, now: Instant) -> Grant | Refusal:
        return Grant("", float("inf"))

    async def check(self, leg: PaidLeg, now: Instant) -> Sequence[Refusal]:
        return ()

    def carries(self, grant: Grant, call: CallId) -> None:
        pass

    def answered(self, grant: Grant) -> None:
        pass

    def settle(self, grant: Grant, seconds: float) -> None:
        pass

    def refused(self, leg: PaidLeg, rule: str, info: str) -> None:
        pass


@dataclass(slots=True)
class Meter:
    """Tells the quota what becomes of one call. It is no part of the call's rules: they only say when."""

    quota: Quota
    grant: Grant
    answered_at: float | None = None

    def answered(self, now: Instant) -> None:
        if self.answered_at is None:
            self.answered_at = now.mono
            self.quota.answered(self.grant)

    def ended(self, now: Instant) -> None:
        self.quota.settle(self.grant, 0.0 if self.answered_at is None else max(0.0, now.mono - self.answered_at))


@dataclass(slots=True)
class Verdict:
    """What would happen to a call.

    Attributes:
        route: How it would go out; ``None`` when there is no way.
        refusals: Everything against it, most important first, each as its error would read.
    """

    route: OutgoingRoute | None = None
    refusals: list[RingbackError] = field(default_factory=list)


class PaidLegs:
    """All calls out pass here.

    Args:
        routes: Which trunks carry them.
        quota: Who may spend how much.
        audit: What was refused.
        clock: Time.
    """

    def __init__(self, routes: Routes, quota: Quota, audit: Audit, clock: Clock) -> None:
        self._routes = routes
        self._quota = quota
        self._audit = audit
        self._clock = clock
        self._loose: dict[str, Grant] = {}

    @asynccontextmanager
    async def place(
        self, asker: Asker, room: RoomName, request: DialOutRequest, by: str
    ) -> AsyncIterator[OutgoingRoute]:
        """The way a call goes out, with what is granted to it.

        Args:
            asker: On whose word, and in which domain.
            by: ``dial-out``, ``transfer``, ``refer``, ``client``.

        Raises:
            InvalidRequest: No trunk is set up or takes it, or its ``callerId`` is not the domain's.
            Forbidden: A rule or a cap refuses it: the text begins with the rule.
            NumberNotAllowed: Emergency services and short codes.
        """
        leg = _leg(asker, room, request, by)
        try:
            route = await self._routes.route(asker.domain, room, request.destination, request.caller_id)
        except Forbidden as refused:
            self._audit.refused(leg, rule_of(refused), refused.info)
            raise
        leg = replace(leg, number=leg.number or route.number, trunk=route.attempts[0].trunk)
        if route.emergency:
            self._audit.refused(leg, "emergency-called", "not refused: the trunk may call emergency services")
        if route.emergency or not _costs(leg):
            yield route
            return
        granted = await self._quota.reserve(leg, self._now())
        if isinstance(granted, Refusal):
            self._audit.refused(leg, granted.rule, granted.info)
            raise refusal_error(granted)
        self._loose[granted.id] = granted
        try:
            yield replace(route, grant=granted)
        finally:
            if self._loose.pop(granted.id, None) is not None:
                self._quota.settle(granted, 0.0)

    def refused(
        self, asker: Asker, room: RoomName, by: str, destination: object, error: Forbidden, rule: str = ""
    ) -> None:
        """Audit what was refused before there was a request that could be placed."""
        self._audit.refused(PaidLeg(asker, room, by, str(destination)[:200]), rule or rule_of(error), error.info)

    def meter(self, route: OutgoingRoute, call: CallId) -> Meter | None:
        """Bind what was granted to the call that uses it; ``None`` where the call costs nothing."""
        if route.grant is None:
            return None
        self._loose.pop(route.grant.id, None)
        self._quota.carries(route.grant, call)
        return Meter(self._quota, route.grant)

    async def check(self, asker: Asker, room: RoomName, request: DialOutRequest) -> Verdict:
        """What ``place`` would say; nothing is counted, audited or called."""
        verdict, leg = Verdict(), _leg(asker, room, request, "dial-out")
        try:
            route = await self._routes.route(asker.domain, room, request.destination, request.caller_id)
            verdict.route = route
            leg = replace(leg, number=leg.number or route.number, trunk=route.attempts[0].trunk)
        except (Forbidden, InvalidRequest) as refused:
            verdict.refusals.append(refused)
        if _costs(leg) and not (verdict.route and verdict.route.emergency):
            verdict.refusals += [refusal_error(each) for each in await self._quota.check(leg, self._now())]
        return verdict

    def _now(self) -> Instant:
        return Instant.of(self._clock)


def refusal_error(refusal: Refusal) -> Forbidden:
    """A quota's refusal as the application hears it."""
    return Forbidden(f"{refusal.rule}: {refusal.info}")


def _leg(asker: Asker, room: RoomName, request: DialOutRequest, by: str) -> PaidLeg:
    return PaidLeg(asker, room, by, request.destination, request.number, consent=request.consent)


def _costs(leg: PaidLeg) -> bool:
    return bool(leg.trunk or leg.number)


def rule_of(error: Forbidden) -> str:
    """The rule behind a refusal: what its text begins with, else its code."""
    if isinstance(error, NumberNotAllowed):
        return error.code
    rule, colon, _ = error.info.partition(":")
    return rule if colon and " " not in rule else error.code
