"""Who may spend how much on calls (``calls.ports.paid.Quota``, ``Audit``): rules, caps, lists, and what was refused.

It fails closed: a rule that cannot be asked, a list that cannot be read and a store that cannot be written refuse the
call. What is granted is stored before the call is made, so that a killed process forgets nothing that was spent.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import structlog

from ringback.calls.ports.clock import Clock, Timer
from ringback.calls.ports.paid import Grant, PaidLeg, Refusal
from ringback.model.ids import CallId, DomainId
from ringback.model.instant import Instant
from ringback.model.values import replace
from ringback.numbers.ledger import DAY, Ledger, Scope, cost_of
from ringback.numbers.policy import Caps, Policy, Rate, read_policy
from ringback.numbers.ports import AuditEntry, AuditStore, DoNotCall, PaidRow, PaidStore, PolicyStore
from ringback.rooms.domains import new_uuid
from ringback.rooms.ports import Chance

log = structlog.get_logger()

AUDIT_PER_SECOND, AUDIT_BURST = 5.0, 100.0
"""Refusals of one domain that are written down; the others are counted with the next one."""

MOST_WAITING = 10_000
"""Rows that may wait to be written."""

TOKENS = ("token", "phone", "client")
"""Kinds of askers that the caps of tokens are for."""


@dataclass(slots=True)
class _Running:
    row: PaidRow
    call: CallId | None = None


class GuardedQuota:
    """All paid calls of this process. Call ``start`` first, then use it as an asynchronous context manager.

    Args:
        paid, audit, policies: Where they rest.
        clock: Time.
        chance: For ids.
        node: This process.
        defaults: The policy of domains that have none.
        do_not_call: Whom else to ask about a number; any of them may refuse.
        takes_premium: Whether a trunk, by name, takes premium numbers.
    """

    def __init__(
        self,
        paid: PaidStore,
        audit: AuditStore,
        policies: PolicyStore,
        clock: Clock,
        chance: Chance,
        *,
        node: str = "main",
        defaults: Policy | None = None,
        do_not_call: Sequence[DoNotCall] = (),
        takes_premium: Callable[[str], bool] = lambda trunk: False,
    ) -> None:
        self._paid = paid
        self._audit = audit
        self._policy_store = policies
        self._clock = clock
        self._chance = chance
        self._node = node
        self._defaults = defaults or Policy()
        self._lists = tuple(do_not_call)
        self._takes_premium = takes_premium
        self._ledger = Ledger()
        self._bodies: dict[DomainId, Mapping[str, Any]] = {}
        self._policies: dict[DomainId, Policy] = {}
        self._running: dict[str, _Running] = {}
        self._timer: Timer | None = None
        self._writes: asyncio.Queue[Callable[[], Awaitable[None]] | None] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None
        self._buckets: dict[DomainId, tuple[float, float, int]] = {}
        self.run_out: Callable[[CallId], None] = lambda call: None

    async def start(self) -> None:
        """Load policies, and what was spent today. Calls of an earlier life are settled as if they ran until now."""
        self._bodies = dict(await self._policy_store.all())
        self._policies = {domain: read_policy(body, self._defaults) for domain, body in self._bodies.items()}
        now = self._now()
        for row in await self._paid.since(min(now.wall - now.wall % DAY, now.wall - 3600.0), self._node):
            if row.ended_at is None:
                seconds = min(max(0.0, now.wall - row.began_at), self.policy(row.domain).longest_call)
                row = replace(row, ended_at=now.wall, seconds=seconds, cost=cost_of(_rate(row), seconds))
                await self._paid.put(row)
            of_today = row.began_at >= now.wall - now.wall % DAY
            used = (row.seconds or 0.0, row.cost or 0.0) if of_today else (0.0, 0.0)
            self._ledger.replay(_names(row), now.wall - row.began_at, *used, now)

    async def __aenter__(self) -> Self:
        self._writer = asyncio.create_task(self._write(), name="quota")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What waits is written."""
        if self._timer is not None:
            self._timer.cancel()
        self._writes.put_nowait(None)
        if self._writer is not None:
            await self._writer

    # ── policies ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def policy(self, domain: DomainId) -> Policy:
        """What is in force for a domain."""
        return self._policies.get(domain, self._defaults)

    def own_body(self, domain: DomainId) -> Mapping[str, Any]:
        """What was written for a domain itself."""
        return self._bodies.get(domain, {})

    async def change_policy(self, domain: DomainId, body: Mapping[str, Any]) -> Policy:
        """Change what is in force; ``null`` resets a field to the operator's default. Raises ``InvalidRequest``."""
        merged = {**self._bodies.get(domain, {}), **body}
        if isinstance(body.get("caps"), Mapping):
            before = self._bodies.get(domain, {}).get("caps") or {}
            merged["caps"] = {**before, **body["caps"]}
        merged = {name: value for name, value in merged.items() if value is not None}
        read_policy(body, self._defaults)  # so that mistakes in fields that are reset are told too
        policy = read_policy(merged, self._defaults)
        await self._policy_store.put(domain, merged, self._clock.wall())
        self._bodies[domain], self._policies[domain] = merged, policy
        return policy

    def spent(self, domain: DomainId) -> dict[str, float]:
        """Calls at once, minutes and money of today, of a domain."""
        calls, seconds, money = self._ledger.spent(("domain", domain), self._now())
        return {"calls": calls, "minutes": round(seconds / 60, 3), "spent": round(money, 6)}

    # ── as calls see it ──────────────────────────────────────────────────────────────────────────────────────────────

    async def reserve(self, leg: PaidLeg, now: Instant) -> Grant | Refusal:
        try:
            return await self._reserve(leg)
        except Exception:
            log.exception("quota.broken", domain=leg.asker.domain)
            return Refusal("quota-unavailable", "what calls cost cannot be counted now, so none are made")

    async def _reserve(self, leg: PaidLeg) -> Grant | Refusal:
        async for refusal in self._against(leg):
            return refusal
        policy, now, rate = self.policy(leg.asker.domain), self._now(), self._rate(leg)
        row = PaidRow(
            id=new_uuid(self._chance),
            node=self._node,
            domain=leg.asker.domain,
            asker_kind=leg.asker.kind,
            asker_id=leg.asker.id,
            room=leg.room,
            made_by=leg.by,
            destination=leg.number or leg.destination,
            trunk=leg.trunk,
            consent=leg.consent,
            per_minute=rate.per_minute,
            per_call=rate.per_call,
            began_at=now.wall,
        )
        # Counted before it is stored: whoever asks meanwhile finds it there.
        self._ledger.open(row.id, _scopes(row, policy), rate, now)
        try:
            await self._paid.put(row)
        except BaseException:
            self._ledger.settle(row.id, now)
            raise
        self._running[row.id] = _Running(row)
        return Grant(row.id, policy.longest_call)

    async def check(self, leg: PaidLeg, now: Instant) -> Sequence[Refusal]:
        return [refusal async for refusal in self._against(leg)]

    def carries(self, grant: Grant, call: CallId) -> None:
        if (running := self._running.get(grant.id)) is not None:
            running.call, running.row = call, replace(running.row, call=call)

    def answered(self, grant: Grant) -> None:
        self._ledger.answered(grant.id, self._now())
        self._arm()

    def settle(self, grant: Grant, seconds: float) -> None:
        now, running = self._now(), self._running.pop(grant.id, None)
        used = self._ledger.settle(grant.id, now)
        if running is None or used is None:
            return
        cost = used[1] if used[0] else (cost_of(_rate(running.row), seconds) if seconds else 0.0)
        row = replace(running.row, ended_at=now.wall, seconds=seconds, cost=cost)
        self._later(lambda: self._paid.put(row))
        self._arm()

    def refused(self, leg: PaidLeg, rule: str, info: str) -> None:
        domain, now = leg.asker.domain, self._clock.monotonic()
        log.warning("call.not-allowed", domain=domain, rule=rule, asker=leg.asker.kind, asker_id=leg.asker.id)
        level, at, unseen = self._buckets.get(domain, (AUDIT_BURST, now, 0))
        level = min(AUDIT_BURST, level + (now - at) * AUDIT_PER_SECOND)
        if level < 1.0:
            self._buckets[domain] = (level, now, unseen + 1)
            return
        self._buckets[domain] = (level - 1.0, now, 0)
        entry = AuditEntry(
            at=self._clock.wall(),
            domain=domain,
            asker_kind=leg.asker.kind,
            asker_id=leg.asker.id,
            room=leg.room,
            made_by=leg.by,
            destination=(leg.number or leg.destination)[:512],
            rule=rule[:64],
            info=info[:1000],
            unseen=unseen,
        )
        self._later(lambda: self._audit.append(entry))

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _against(self, leg: PaidLeg) -> AsyncIterator[Refusal]:
        """Everything against a call, what it is about first, then what it costs."""
        policy, now = self.policy(leg.asker.domain), self._now()
        if leg.number:
            if why := policy.refusal(leg.number, self._takes_premium(leg.trunk)):
                yield Refusal("destination-not-allowed", why)
            if policy.is_unwanted(leg.number):
                yield Refusal("do-not-call", "this number is on a list of numbers that are not called")
            if not policy.is_open(leg.number, now.wall):
                yield Refusal("outside-calling-hours", "this number may not be called at this time")
            if policy.consent_required and not leg.consent:
                yield Refusal("consent-missing", "this domain's calls need ringback.consentReference")
            for each in self._lists:
                if why := await each.refusal(leg):
                    yield Refusal("do-not-call", why)
        scopes = _scopes(leg, policy)
        if policy.rate(leg.number) is None and any(caps.spend_per_day is not None for _, caps in scopes):
            yield Refusal("spending-cap-reached", "there is no rate for this number, and spending is capped")
        for rule, words in self._ledger.against(scopes, self._rate(leg), self._now()):
            yield Refusal(rule, words)

    def _rate(self, leg: PaidLeg) -> Rate:
        return self.policy(leg.asker.domain).rate(leg.number) or Rate()

    def _arm(self) -> None:
        """Wake when a cap is used up by the calls that run."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self._ledger.next_wake(self._now())
        if at is not None:
            self._timer = self._clock.call_at(at, self._wake)

    def _wake(self) -> None:
        self._timer = None
        for grant in self._ledger.due(self._now()):
            running = self._running.get(grant)
            if running is not None and running.call is not None:
                self.run_out(running.call)
        self._arm()

    def _later(self, write: Callable[[], Awaitable[None]]) -> None:
        if self._writes.qsize() >= MOST_WAITING:
            log.error("quota.rows-dropped", because="the store is too slow or fails")
        else:
            self._writes.put_nowait(write)

    async def _write(self) -> None:
        while (write := await self._writes.get()) is not None:
            try:
                await write()
            except Exception as error:
                # A row that is not settled counts as running until the next start: too much, never too little.
                log.error("quota.row-lost", error=str(error))

    def _now(self) -> Instant:
        return Instant.of(self._clock)


def _scopes(leg: PaidLeg | PaidRow, policy: Policy) -> list[tuple[Scope, Caps]]:
    """What a call counts in, with the caps in force."""
    caps = {"domain": policy.domain, "key": policy.key, "token": policy.token, "trunk": policy.trunk}
    return [(scope, caps[scope[0]]) for scope in _names(leg)]


def _names(leg: PaidLeg | PaidRow) -> list[Scope]:
    if isinstance(leg, PaidLeg):
        domain, kind, who = leg.asker.domain, leg.asker.kind, leg.asker.id
    else:
        domain, kind, who = leg.domain, leg.asker_kind, leg.asker_id
    names: list[Scope] = [("domain", domain)]
    if kind == "key" or kind in TOKENS:
        names.append(("key" if kind == "key" else "token", f"{domain} {kind} {who}"))
    if leg.trunk:
        names.append(("trunk", f"{domain} {leg.trunk}"))
    return names


def _rate(row: PaidRow) -> Rate:
    return Rate(row.per_minute, row.per_call)
