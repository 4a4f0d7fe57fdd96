"""What one webhook is owed: in order within each meeting, retried, stopped when its server is down. Pure.

Both ways of failing are Daily's. *Circuit breaker*: after three failures in a row nothing more is sent, and what is
owed waits until the webhook is updated. *Exponential*: an event is tried five times within about fifteen minutes, then
dropped.
"""

import heapq
from collections import deque
from itertools import count

from ringback.model.values import replace
from ringback.model.webhook import Attempt, Delivery, DeliveryState, RetryType, Webhook, WebhookState

FAILURES_TO_BREAK = 3
BREAKER_WAITS = (2.0, 10.0)
"""Seconds before an event is tried again while the circuit is closed."""

BACKOFF = (15.0, 60.0, 240.0, 600.0)
"""Seconds between the five tries of an event: a little over fifteen minutes in all."""

AT_ONCE = 32
"""POSTs to one webhook at a time."""


class Courier:
    """Deliveries of one webhook.

    Args:
        webhook: As stored.

    Attributes:
        webhook: As it has to be stored now.
    """

    def __init__(self, webhook: Webhook) -> None:
        self.webhook = webhook
        self._lanes: dict[str, deque[Delivery]] = {}
        self._busy: dict[int, Delivery] = {}
        self._waiting: list[tuple[float, int, str]] = []
        self._order = count()

    @property
    def owed(self) -> int:
        """Deliveries that were added and are not settled."""
        return len(self._busy) + sum(len(lane) for lane in self._lanes.values())

    def add(self, delivery: Delivery) -> None:
        """Owe one more; they come in the order of their numbers."""
        lane = self._lanes.setdefault(delivery.lane, deque())
        lane.append(delivery)
        if len(lane) == 1 and not self._is_busy(delivery.lane):
            self._wait(delivery)

    def due(self, now: float, most: int = AT_ONCE) -> list[Delivery]:
        """What is to be sent now; each is answered by ``settle`` before its meeting's next one is due."""
        found: list[Delivery] = []
        if self.webhook.state is not WebhookState.ACTIVE:
            return found
        while self._waiting and self._waiting[0][0] <= now and len(self._busy) < AT_ONCE and len(found) < most:
            _, _, lane = heapq.heappop(self._waiting)
            delivery = self._lanes[lane].popleft()
            if not self._lanes[lane]:
                del self._lanes[lane]
            self._busy[delivery.number] = delivery
            found.append(delivery)
        return found

    def next_wake(self) -> float | None:
        """When ``due`` has something more, unless a ``settle`` comes first."""
        if self.webhook.state is not WebhookState.ACTIVE or len(self._busy) >= AT_ONCE:
            return None
        return self._waiting[0][0] if self._waiting else None

    def settle(self, delivery: Delivery, attempt: Attempt, now: float) -> Delivery:
        """How a POST went; returns the delivery as it has to be stored. Only a 200 is a success."""
        del self._busy[delivery.number]
        tried = replace(delivery, attempts=(*delivery.attempts, attempt))
        if attempt.status == 200:
            self.webhook = replace(self.webhook, failed_count=0, last_pushed=now)
            settled = replace(tried, state=DeliveryState.DELIVERED)
        else:
            self.webhook = replace(self.webhook, failed_count=self.webhook.failed_count + 1)
            settled = self._failed(tried, now)
        if settled.state is DeliveryState.PENDING:
            self._lanes.setdefault(settled.lane, deque()).appendleft(settled)
        if settled.lane in self._lanes:
            self._wait(self._lanes[settled.lane][0])
        return settled

    def _failed(self, tried: Delivery, now: float) -> Delivery:
        tries = len(tried.attempts)
        if self.webhook.retry_type is RetryType.EXPONENTIAL:
            if tries > len(BACKOFF):
                return replace(tried, state=DeliveryState.DROPPED)
            return replace(tried, next_at=now + BACKOFF[tries - 1])
        if self.webhook.failed_count >= FAILURES_TO_BREAK:
            self.webhook = replace(self.webhook, state=WebhookState.FAILED)
            return replace(tried, next_at=now)
        return replace(tried, next_at=now + BREAKER_WAITS[min(tries, len(BREAKER_WAITS)) - 1])

    def _is_busy(self, lane: str) -> bool:
        return any(delivery.lane == lane for delivery in self._busy.values())

    def _wait(self, delivery: Delivery) -> None:
        heapq.heappush(self._waiting, (delivery.next_at, next(self._order), delivery.lane))
