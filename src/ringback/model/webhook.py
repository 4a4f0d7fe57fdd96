"""A webhook of a domain and the deliveries it is owed. Times are Unix seconds."""

from dataclasses import dataclass
from enum import StrEnum

from ringback.model.ids import DomainId


class RetryType(StrEnum):
    """What happens after a failed delivery (Daily: ``retryType``)."""

    CIRCUIT_BREAKER = "circuit-breaker"
    EXPONENTIAL = "exponential"


class WebhookState(StrEnum):
    """``FAILED``: nothing is sent until the webhook is updated; what it is owed waits."""

    ACTIVE = "ACTIVE"
    FAILED = "FAILED"


class DeliveryState(StrEnum):
    """``DROPPED``: tried as often as its webhook allows; it can be sent again by hand."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a domain's events go.

    Attributes:
        hmac: Base64 secret that signs each delivery.
        basic_auth: Sent as ``Authorization: Basic …`` when not empty.
        event_types: What it asked for; empty means everything.
        failed_count: Failures since the last success.
        cursor: Number of the last event of the outbox that was looked at for it.
        last_pushed: When something was last delivered.
    """

    id: str
    domain: DomainId
    url: str
    hmac: str
    basic_auth: str
    event_types: tuple[str, ...]
    retry_type: RetryType
    created_at: float
    updated_at: float
    state: WebhookState = WebhookState.ACTIVE
    failed_count: int = 0
    cursor: int = 0
    last_pushed: float | None = None

    def wants(self, type: str) -> bool:
        return not self.event_types or type in self.event_types


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST and what became of it: ``status`` 0 when no HTTP answer came, then ``error`` says why."""

    at: float
    status: int
    error: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one webhook.

    Attributes:
        number: Rises with the order of events.
        lane: Deliveries with one lane (a meeting) go out one after the other.
        event_id: The ``id`` in the body: the same however often it is sent.
        next_at: When it may be tried (again).
    """

    number: int
    webhook: str
    lane: str
    type: str
    event_id: str
    body: str
    created_at: float
    state: DeliveryState = DeliveryState.PENDING
    next_at: float = 0.0
    attempts: tuple[Attempt, ...] = ()
