"""Webhooks of every domain: kept, tested, and told what happens, from the outbox and at least once.

The outbox is the truth: each webhook remembers how far it was read, so a process killed at any moment delivers the rest
when it runs again.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import structlog

from ringback.calls.ports.clock import Clock, Timer
from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.ids import DomainId
from ringback.model.values import replace
from ringback.model.webhook import Attempt, Delivery, DeliveryState, RetryType, Webhook, WebhookState
from ringback.rooms.checks import refusal
from ringback.webhooks import signing
from ringback.webhooks.bodies import body_of
from ringback.webhooks.checks import Wanted, check
from ringback.webhooks.courier import Courier
from ringback.webhooks.ports import Posted, Poster, WebhookStore

log = structlog.get_logger()

PROBE = b'{"test":"test"}'
PAGE = 200
"""Events read, and deliveries held, at a time."""

GATHER = 0.05
"""Seconds after a look at the store within which news and results are gathered for the next one: a busy server reads
and writes for many at a time, a quiet one at once."""

STORE_AGAIN = 5.0
"""Seconds until the outbox is read again after the store failed."""

FINISH_WITHIN = 2.0
"""Seconds that POSTs under way get at the end; what they owe is sent again by the next process."""


@dataclass(slots=True)
class _Route:
    """A webhook at work."""

    courier: Courier
    news: asyncio.Event = field(default_factory=asyncio.Event)
    loaded: int | None = 0
    """Number of the last delivery of an earlier process that was taken up; ``None`` when there are no more."""
    unread: bool = True
    """Whether the outbox, or what an earlier process owed, may have more."""
    settled: list[Delivery] = field(default_factory=list)
    """How POSTs went that is not stored yet."""
    gather_until: float = 0.0
    """Monotonic; until then nothing is read or written."""
    timer: Timer | None = None
    task: "asyncio.Task[None] | None" = None
    posts: "set[asyncio.Task[None]]" = field(default_factory=set)

    @property
    def webhook(self) -> Webhook:
        return self.courier.webhook

    @property
    def readable(self) -> bool:
        """Whether there may be more to send, and room for it."""
        return self.unread and self.webhook.state is WebhookState.ACTIVE and self.courier.owed < PAGE

    @property
    def has_work(self) -> bool:
        """Whether the store is to be read or written."""
        return self.readable or bool(self.settled)


class Webhooks:
    """Use as a context: leaving it stops sending.

    Args:
        store: The table and the outbox.
        poster: Sends.
        clock: Time.
        new_id: A UUID for a new webhook.
        new_secret: A base64 secret.
        most: Webhooks a domain may have.
        clear_text: Whether ``http://`` will do.

    Attributes:
        posted: Told of each POST: ``delivered``, ``failed`` or ``dropped``.
    """

    def __init__(
        self,
        store: WebhookStore,
        poster: Poster,
        clock: Clock,
        new_id: Callable[[], str],
        new_secret: Callable[[], str],
        most: int = 10,
        clear_text: bool = False,
    ) -> None:
        self._store = store
        self._poster = poster
        self._clock = clock
        self._new_id = new_id
        self._new_secret = new_secret
        self._most = most
        self._clear_text = clear_text
        self.posted: Callable[[str], None] = lambda result: None
        self._routes: dict[str, _Route] = {}
        self._domains: dict[DomainId, list[_Route]] = {}
        self._closing = False

    async def __aenter__(self) -> Self:
        for webhook in await self._store.all():
            self._begin(webhook)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        posts = [post for route in self._routes.values() for post in route.posts]
        if posts:
            await asyncio.wait(posts, timeout=FINISH_WITHIN)
        for route in self._routes.values():
            await self._store_settled(route)
        for id in list(self._routes):
            await self._end(id)

    def news(self, domain: DomainId) -> None:
        """Something was added to a domain's outbox."""
        for route in self._domains.get(domain, ()):
            route.unread = True
            route.news.set()

    # ── what applications ask ────────────────────────────────────────────────────────────────────────────────────────

    def all(self, domain: DomainId) -> Sequence[Webhook]:
        """A domain's webhooks, oldest first."""
        return [route.webhook for route in self._domains.get(domain, ())]

    def get(self, domain: DomainId, id: str) -> Webhook:
        """Raises ``NotFound``."""
        return self._route(domain, id).webhook

    async def create(self, domain: DomainId, body: Mapping[str, object]) -> Webhook:
        """Test an address and keep it. Raises ``InvalidRequest``."""
        if "url" not in body:
            raise InvalidRequest("missing required field")
        wanted = check(body)
        if len(self._domains.get(domain, ())) >= self._most:
            raise InvalidRequest(f"a domain may have at most {self._most} webhooks; delete one first")
        now = self._clock.wall()
        webhook = Webhook(
            id=self._new_id(),
            domain=domain,
            url="",
            hmac=self._new_secret(),
            basic_auth="",
            event_types=(),
            retry_type=RetryType.CIRCUIT_BREAKER,
            created_at=now,
            updated_at=now,
        )
        webhook = _changed(webhook, wanted)
        await self._probe(webhook)
        webhook = await self._store.insert(webhook)
        self._begin(webhook)
        log.info("webhook.created", webhook=webhook.id, domain=domain, types=len(webhook.event_types) or "all")
        return webhook

    async def update(self, domain: DomainId, id: str, body: Mapping[str, object]) -> Webhook:
        """Change it, test it, and set it going again. Raises ``NotFound``, ``InvalidRequest``."""
        route = self._route(domain, id)
        wanted = check(body)
        await self._probe(_changed(route.webhook, wanted))
        # What was settled while the test ran stays counted.
        webhook = replace(
            _changed(route.webhook, wanted),
            state=WebhookState.ACTIVE,
            failed_count=0,
            updated_at=self._clock.wall(),
        )
        await self._store.update(webhook)
        # The outbox may have been read further meanwhile.
        route.courier.webhook = replace(webhook, cursor=route.webhook.cursor)
        route.unread = True
        route.news.set()
        return webhook

    async def delete(self, domain: DomainId, id: str) -> None:
        """Raises ``NotFound``."""
        self._route(domain, id)
        await self._end(id)
        await self._store.delete(id)

    async def deliveries(self, domain: DomainId, id: str, before: int | None, limit: int) -> Sequence[Delivery]:
        """What it was sent and is owed, newest first. Raises ``NotFound``."""
        self._route(domain, id)
        return await self._store.deliveries(id, before, limit)

    async def redeliver(self, domain: DomainId, id: str, number: int) -> Delivery:
        """Send one again. Raises ``NotFound``; ``InvalidRequest`` while it is owed anyway."""
        route = self._route(domain, id)
        delivery = await self._store.delivery(id, number)
        if delivery is None:
            raise NotFound(f"webhook {id} has no delivery {number}")
        if delivery.state is DeliveryState.PENDING:
            raise InvalidRequest("this delivery is still being tried")
        again = replace(delivery, state=DeliveryState.PENDING, next_at=self._clock.wall())
        await self._store.settle([again], route.webhook)
        route.courier.add(again)
        route.news.set()
        return again

    # ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, webhook: Webhook) -> None:
        route = _Route(Courier(webhook))
        self._routes[webhook.id] = route
        self._domains.setdefault(webhook.domain, []).append(route)
        route.task = asyncio.get_running_loop().create_task(self._serve(route))

    async def _end(self, id: str) -> None:
        route = self._routes.pop(id)
        self._domains[route.webhook.domain].remove(route)
        if route.timer is not None:
            route.timer.cancel()
        tasks = [*route.posts, *([route.task] if route.task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, route: _Route) -> None:
        while True:
            route.news.clear()
            if route.has_work and self._clock.monotonic() >= route.gather_until:
                await self._read_and_write(route)
            self._send(route)
            await route.news.wait()

    async def _read_and_write(self, route: _Route) -> None:
        cursor, pause = route.webhook.cursor, 0.0
        try:
            if route.readable:
                await self._refill(route)
            if route.settled or route.webhook.cursor != cursor:
                pause = GATHER
        except Exception as error:
            log.error("webhook.outbox-unread", webhook=route.webhook.id, error=str(error))
            pause = STORE_AGAIN
        self._send(route)
        await self._store_settled(route)
        route.gather_until = self._clock.monotonic() + pause

    async def _store_settled(self, route: _Route) -> None:
        settled, route.settled = route.settled, []
        if not settled:
            return
        try:
            await self._store.settle(settled, route.webhook)
        except Exception as error:
            # Their rows still say that they are owed: sent twice is better than not at all.
            log.error("store.failed", error=str(error))

    async def _refill(self, route: _Route) -> None:
        """Take up what an earlier process owed, then what happened since."""
        more = True
        while more and route.readable:
            if route.loaded is not None:
                owed = await self._store.pending(route.webhook.id, route.loaded, PAGE)
                route.loaded = owed[-1].number if len(owed) == PAGE else None
            else:
                owed, more = await self._next_page(route)
            for delivery in owed:
                route.courier.add(delivery)

    async def _next_page(self, route: _Route) -> tuple[Sequence[Delivery], bool]:
        """What the next events make us owe, and whether there are more than were read."""
        # What happens from here on is news again, and waits for the next look.
        route.unread = False
        try:
            events = await self._store.events_after(route.webhook.domain, route.webhook.cursor, PAGE)
            owed = await self._owe(route, events) if events else ()
        except BaseException:
            route.unread = True
            raise
        more = len(events) == PAGE
        route.unread = route.unread or more
        return owed, more

    async def _owe(self, route: _Route, events: Sequence[tuple[int, Any]]) -> Sequence[Delivery]:
        webhook, now = route.webhook, self._clock.wall()
        wanted: list[Delivery] = []
        for _, event in events:
            body = body_of(event)
            if body is not None and webhook.wants(body.type):
                wanted.append(Delivery(0, webhook.id, event.meeting, body.type, body.event_id, body.text, now))
        cursor = events[-1][0]
        owed = await self._store.owe(webhook.id, wanted, cursor)
        route.courier.webhook = replace(route.webhook, cursor=cursor)
        return owed

    def _send(self, route: _Route) -> None:
        if self._closing:
            return
        now = self._clock.wall()
        for delivery in route.courier.due(now):
            post = asyncio.get_running_loop().create_task(self._deliver(route, delivery))
            route.posts.add(post)
            post.add_done_callback(route.posts.discard)
        at = route.courier.next_wake()
        waits = [at - now] if at is not None else []
        if route.has_work:
            waits.append(route.gather_until - self._clock.monotonic())
        if waits:
            self._wake(route, min(waits))

    def _wake(self, route: _Route, seconds: float) -> None:
        if route.timer is not None:
            route.timer.cancel()
        route.timer = self._clock.call_at(self._clock.monotonic() + max(0.0, seconds), route.news.set)

    async def _deliver(self, route: _Route, delivery: Delivery) -> None:
        """Send one, and whatever is due when it is done."""
        due = [delivery]
        while due:
            await self._deliver_one(route, due[0])
            due = [] if self._closing else route.courier.due(self._clock.wall(), most=1)
            route.news.set()

    async def _deliver_one(self, route: _Route, delivery: Delivery) -> None:
        begun, mono = self._clock.wall(), self._clock.monotonic()
        try:
            posted = await self._post(route.webhook, delivery.body.encode())
        except Exception as error:
            log.exception("webhook.broken", webhook=route.webhook.id)
            posted = Posted(0, type(error).__name__)
        took = round(self._clock.monotonic() - mono, 3)
        before = route.webhook.state
        attempt = Attempt(begun, posted.status, posted.error, took)
        settled = route.courier.settle(delivery, attempt, self._clock.wall())
        route.settled.append(settled)
        self._log(route.webhook, settled, posted, before)
        failed = "dropped" if settled.state is DeliveryState.DROPPED else "failed"
        self.posted("delivered" if settled.state is DeliveryState.DELIVERED else failed)

    def _log(self, webhook: Webhook, settled: Delivery, posted: Posted, before: WebhookState) -> None:
        if posted.status != 200:
            log.warning(
                "webhook.failed",
                webhook=webhook.id,
                type=settled.type,
                status=posted.status,
                error=posted.error,
                tries=len(settled.attempts),
                dropped=settled.state is DeliveryState.DROPPED,
            )
        if webhook.state is not before:
            log.error(
                "webhook.circuit-open",
                webhook=webhook.id,
                failures=webhook.failed_count,
                fix="mend its server, then: ringback webhooks resume ID",
            )

    async def _post(self, webhook: Webhook, body: bytes) -> Posted:
        headers = signing.headers(webhook.hmac, webhook.basic_auth, body, self._clock.wall())
        return await self._poster.post(webhook.url, body, headers)

    async def _probe(self, webhook: Webhook) -> None:
        if not self._clear_text and not webhook.url.startswith("https://"):
            raise refusal("url", "must begin with https:// (RINGBACK_WEBHOOKS__ALLOW_PRIVATE allows http)", webhook.url)
        posted = await self._post(webhook, PROBE)
        if posted.status != 200:
            received = str(posted.status) if posted.status else "undefined"
            because = f" ({posted.error})" if posted.error else ""
            raise InvalidRequest(f"non-200 status code returned from webhook endpoint, recvd {received}{because}")

    def _route(self, domain: DomainId, id: str) -> _Route:
        route = self._routes.get(id)
        if route is None or route.webhook.domain != domain:
            raise NotFound(f"webhook {id} not found")
        return route


def _changed(webhook: Webhook, wanted: Wanted) -> Webhook:
    return replace(
        webhook,
        url=wanted.url if wanted.url is not None else webhook.url,
        hmac=wanted.hmac if wanted.hmac is not None else webhook.hmac,
        basic_auth=wanted.basic_auth if wanted.basic_auth is not None else webhook.basic_auth,
        event_types=wanted.event_types if wanted.event_types is not None else webhook.event_types,
        retry_type=wanted.retry_type or webhook.retry_type,
    )
