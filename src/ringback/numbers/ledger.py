"""What paid calls take of their caps: at once, by the minute and hour, by the day; and when that is used up (pure).

Each call counts in several scopes. Until it is answered it holds back one minute and what being answered costs, so that
calls which are answered at the same moment cannot together go past a cap; from then on it costs by the second. The
ledger knows to the second when a cap will be reached by the calls that run, and which have to end then.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ringback.model.instant import Instant
from ringback.numbers.policy import Caps, Rate

HELD = 60.0
"""Seconds that a call which is not answered yet holds back."""

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

MOST_IDLE = 10_000
"""Accounts from which on those of earlier days are dropped."""

NO_CAPS = Caps()

Scope = tuple[str, str]
"""Kind (``domain``, ``key``, ``token``, ``trunk``) and whose."""


@dataclass(slots=True)
class Leg:
    """One call. Times are monotonic seconds; ``told``: it was said that it has to end."""

    scopes: tuple[Scope, ...]
    rate: Rate
    answered: float | None = None
    told: bool = False


@dataclass(slots=True)
class Account:
    """One scope: what was used today, and sums over the calls that run, so that asking costs the same for many."""

    caps: Caps = NO_CAPS
    day: int = 0
    open: int = 0
    waiting: int = 0
    seconds: float = 0.0
    money: float = 0.0
    held_money: float = 0.0
    running: int = 0
    since: float = 0.0
    rate: float = 0.0
    rate_since: float = 0.0
    starts: deque[float] = field(default_factory=deque)

    def used_seconds(self, now: float) -> float:
        return self.seconds + self.running * now - self.since

    def used_money(self, now: float) -> float:
        return self.money + self.rate * now - self.rate_since

    def started_within(self, seconds: float, now: float) -> int:
        while self.starts and self.starts[0] <= now - HOUR:
            self.starts.popleft()
        return sum(1 for at in reversed(self.starts) if at > now - seconds) if seconds < HOUR else len(self.starts)

    def left(self, now: float) -> float | None:
        """Seconds until the calls that run have used a cap up; ``None``: never."""
        found = []
        if self.caps.minutes_per_day is not None and self.running:
            room = self.caps.minutes_per_day * MINUTE - self.waiting * HELD - self.used_seconds(now)
            found.append(room / self.running)
        if self.caps.spend_per_day is not None and self.rate > 0:
            found.append((self.caps.spend_per_day - self.held_money - self.used_money(now)) / self.rate)
        return min(found, default=None)


class Ledger:
    """All paid calls of one process."""

    def __init__(self) -> None:
        self._accounts: dict[Scope, Account] = {}
        self._legs: dict[str, Leg] = {}
        self._metered: dict[str, Leg] = {}

    def __len__(self) -> int:
        return len(self._legs)

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def against(self, scopes: Sequence[tuple[Scope, Caps]], rate: Rate, now: Instant) -> Iterator[tuple[str, str]]:
        """What is against one more call: rule and words for each cap that it would break."""
        for scope, caps in scopes:
            account, kind = self._account(scope, now), scope[0]
            if caps.concurrent is not None and account.open >= caps.concurrent:
                yield "too-many-calls", f"this {kind} has {account.open} of {caps.concurrent} calls at once"
            for name, most, seconds in (("minute", caps.per_minute, MINUTE), ("hour", caps.per_hour, HOUR)):
                if most is not None and account.started_within(seconds, now.mono) >= most:
                    yield "call-rate-reached", f"this {kind} has begun {most} calls within the last {name}"
            if caps.minutes_per_day is not None:
                used = account.used_seconds(now.mono) + account.waiting * HELD
                if used + HELD > caps.minutes_per_day * MINUTE:
                    yield "minutes-cap-reached", f"this {kind} has used its {caps.minutes_per_day:g} minutes of today"
            if caps.spend_per_day is not None:
                spent = account.used_money(now.mono) + account.held_money
                if spent + _held(rate) > caps.spend_per_day:
                    yield "spending-cap-reached", f"this {kind} has spent its {caps.spend_per_day:g} of today"

    def spent(self, scope: Scope, now: Instant) -> tuple[int, float, float]:
        """Calls now, seconds and money of today."""
        account = self._account(scope, now)
        return account.open, account.used_seconds(now.mono), account.used_money(now.mono)

    # ── counting ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def open(self, grant: str, scopes: Sequence[tuple[Scope, Caps]], rate: Rate, now: Instant) -> None:
        """One more call."""
        self._legs[grant] = Leg(tuple(scope for scope, _ in scopes), rate)
        for scope, caps in scopes:
            account = self._account(scope, now)
            account.caps = caps
            account.open += 1
            account.waiting += 1
            account.held_money += _held(rate)
            if caps.per_minute is not None or caps.per_hour is not None:
                account.started_within(HOUR, now.mono)
                account.starts.append(now.mono)

    def answered(self, grant: str, now: Instant) -> None:
        """From here on it costs."""
        leg = self._legs.get(grant)
        if leg is None or leg.answered is not None:
            return
        leg.answered = now.mono
        if any(account.caps.is_metered for account in self._of(leg, now)):
            self._metered[grant] = leg
        for account in self._of(leg, now):
            account.waiting -= 1
            account.held_money -= _held(leg.rate)
            account.money += leg.rate.per_call
            account.running += 1
            account.since += now.mono
            account.rate += leg.rate.per_minute / MINUTE
            account.rate_since += leg.rate.per_minute / MINUTE * now.mono

    def settle(self, grant: str, now: Instant) -> tuple[float, float] | None:
        """It is over. Returns seconds and money; ``None`` when it was over before."""
        leg = self._legs.pop(grant, None)
        if leg is None:
            return None
        self._metered.pop(grant, None)
        seconds = 0.0 if leg.answered is None else max(0.0, now.mono - leg.answered)
        cost = 0.0 if leg.answered is None else cost_of(leg.rate, seconds)
        for scope, account in zip(leg.scopes, self._of(leg, now), strict=True):
            account.open -= 1
            if leg.answered is None:
                account.waiting -= 1
                account.held_money -= _held(leg.rate)
            else:
                pace = leg.rate.per_minute / MINUTE
                account.running -= 1
                account.since -= leg.answered
                account.rate -= pace
                account.rate_since -= pace * leg.answered
                account.seconds += seconds
                account.money += pace * seconds
            self._tidy(scope, account)
        return seconds, cost

    def replay(self, scopes: Sequence[Scope], age: float, seconds: float, cost: float, now: Instant) -> None:
        """A call of an earlier life of this process, begun ``age`` seconds ago, as the store has it."""
        for scope in scopes:
            account = self._account(scope, now)
            account.seconds += seconds
            account.money += cost
            if age < HOUR:
                account.starts.append(now.mono - age)

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def next_wake(self, now: Instant) -> float | None:
        """When a cap will be used up by the calls that run."""
        soonest = None
        for scope in {scope for leg in self._metered.values() if not leg.told for scope in leg.scopes}:
            left = self._account(scope, now).left(now.mono)
            if left is not None and (soonest is None or now.mono + left < soonest):
                soonest = max(now.mono, now.mono + left)
        return soonest

    def due(self, now: Instant) -> list[str]:
        """Grants whose calls have to end now; each is told once."""
        spent = {
            scope
            for scope in {scope for leg in self._metered.values() for scope in leg.scopes}
            if (left := self._account(scope, now).left(now.mono)) is not None and left <= 1e-6
        }
        found = []
        for grant, leg in self._metered.items():
            if not leg.told and spent.intersection(leg.scopes):
                leg.told = True
                found.append(grant)
        return found

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _of(self, leg: Leg, now: Instant) -> list[Account]:
        return [self._account(scope, now) for scope in leg.scopes]

    def _account(self, scope: Scope, now: Instant) -> Account:
        day = int(now.wall // DAY)
        account = self._accounts.get(scope)
        if account is None:
            if len(self._accounts) >= MOST_IDLE:
                self._accounts = {key: each for key, each in self._accounts.items() if each.open or each.day == day}
            account = self._accounts[scope] = Account(day=day)
        elif account.day != day:
            # What ran before midnight was yesterday's.
            midnight = now.mono - now.wall % DAY
            account.day = day
            account.seconds = -(account.running * midnight - account.since)
            account.money = -(account.rate * midnight - account.rate_since)
        return account

    def _tidy(self, scope: Scope, account: Account) -> None:
        """Sums of nothing are nothing; and whoever used nothing needs no account."""
        if not account.open:
            account.waiting, account.held_money = 0, 0.0
        if not account.running:
            account.since = account.rate = account.rate_since = 0.0
        if not (account.open or account.starts or account.seconds > 0 or account.money > 0):
            self._accounts.pop(scope, None)


def cost_of(rate: Rate, seconds: float) -> float:
    """What an answered call costs."""
    return rate.per_call + rate.per_minute * seconds / MINUTE


def _held(rate: Rate) -> float:
    return cost_of(rate, HELD)
