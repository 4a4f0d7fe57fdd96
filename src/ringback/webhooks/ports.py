"""What webhooks need of the outside: a table, and somebody who sends an HTTP request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ringback.model.ids import DomainId
from ringback.model.records import EventRecord
from ringback.model.webhook import Delivery, Webhook


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a POST: ``status`` 0 when no HTTP answer came, then ``error`` says why."""

    status: int
    error: str = ""


class Poster(Protocol):
    """Sends a POST to an address that an application named, by its rules for such addresses."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        """Never raises for the network's sake; never follows a redirect; gives up after a few seconds."""


class WebhookStore(Protocol):
    """Webhooks, the outbox and what is owed (``store.webhooks``)."""

    async def all(self) -> Sequence[Webhook]: ...
    async def insert(self, webhook: Webhook) -> Webhook:
        """Store a new one. Its cursor becomes the outbox's end: it is told what happens from now on."""

    async def update(self, webhook: Webhook) -> None: ...
    async def delete(self, webhook: str) -> None:
        """With everything it was owed."""

    async def events_after(self, domain: DomainId, cursor: int, limit: int) -> Sequence[tuple[int, EventRecord]]:
        """The outbox of a domain, oldest first, with each event's number."""

    async def owe(self, webhook: str, deliveries: Sequence[Delivery], cursor: int) -> Sequence[Delivery]:
        """Store deliveries (their numbers are given here) and how far the outbox was read, in one unit."""

    async def pending(self, webhook: str, after: int, limit: int) -> Sequence[Delivery]:
        """What is owed, oldest first, with numbers above ``after``."""

    async def settle(self, deliveries: Sequence[Delivery], webhook: Webhook) -> None:
        """Store how POSTs of one webhook went, in the order in which they went, in one unit."""

    async def deliveries(self, webhook: str, before: int | None, limit: int) -> Sequence[Delivery]:
        """Newest first, with numbers below ``before``."""

    async def delivery(self, webhook: str, number: int) -> Delivery | None: ...
