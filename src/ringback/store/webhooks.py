"""Webhooks, and what each is owed, at rest (``webhooks.ports.WebhookStore``)."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Dialect, Row, bindparam, delete, func, insert, select, update

from ringback.model.ids import DomainId
from ringback.model.payload import write_json
from ringback.model.records import EventRecord
from ringback.model.webhook import Attempt, Delivery, DeliveryState, RetryType, Webhook, WebhookState
from ringback.store.prepared import Prepared
from ringback.store.records import event_record
from ringback.store.schema import events, webhook_deliveries, webhooks
from ringback.store.sealing import Sealer
from ringback.store.transactions import Transactions


class WebhookTable:
    """See ``webhooks.ports.WebhookStore``. Both secrets of a webhook are sealed."""

    def __init__(self, database: Transactions, sealer: Sealer, dialect: Dialect) -> None:
        self._database = database
        self._sealer = sealer
        deliveries = webhook_deliveries
        self._owed = Prepared(
            insert(deliveries).values(dict.fromkeys(_DELIVERY_COLUMNS)).returning(deliveries.c.number), dialect
        )
        self._went = Prepared(
            update(deliveries)
            .where(deliveries.c.number == bindparam("which"))
            .values(state=bindparam("state"), next_at=bindparam("next_at"), attempts=bindparam("attempts")),
            dialect,
        )
        self._after = Prepared(
            select(events)
            .where(events.c.number > bindparam("cursor"), events.c.domain == bindparam("domain"))
            .order_by(events.c.number)
            .limit(bindparam("limit")),
            dialect,
        )

    async def all(self) -> Sequence[Webhook]:
        """Raises ``StoreError`` when ``RINGBACK_SECRET`` is not the one that sealed them."""
        query = select(webhooks).order_by(webhooks.c.created_at, webhooks.c.id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [self._webhook(row) for row in rows]

    async def insert(self, webhook: Webhook) -> Webhook:
        values = {**self._values(webhook), "id": webhook.id, "domain": webhook.domain, "created_at": webhook.created_at}

        def work(connection: Connection) -> int:
            cursor = int(connection.execute(select(func.coalesce(func.max(events.c.number), 0))).scalar_one())
            connection.execute(insert(webhooks).values({**values, "cursor": cursor}))
            return cursor

        return replace(webhook, cursor=await self._database.write(work))

    async def update(self, webhook: Webhook) -> None:
        values = self._values(webhook)

        def work(connection: Connection) -> None:
            connection.execute(update(webhooks).where(webhooks.c.id == webhook.id).values(values))

        await self._database.write(work)

    async def delete(self, webhook: str) -> None:
        def work(connection: Connection) -> None:
            connection.execute(delete(webhook_deliveries).where(webhook_deliveries.c.webhook == webhook))
            connection.execute(delete(webhooks).where(webhooks.c.id == webhook))

        await self._database.write(work)

    async def events_after(self, domain: DomainId, cursor: int, limit: int) -> Sequence[tuple[int, EventRecord]]:
        values = {"cursor": cursor, "domain": domain, "limit": limit}
        rows = await self._database.read(lambda connection: self._after.all(connection, values))
        return [(row.number, event_record(row)) for row in rows]

    async def owe(self, webhook: str, deliveries: Sequence[Delivery], cursor: int) -> Sequence[Delivery]:
        rows = [{**_settled(each), **_fixed(each)} for each in deliveries]

        def work(connection: Connection) -> list[int]:
            numbers = []
            for row in rows:
                key = self._owed.first(connection, row)
                assert key is not None, "an insert of one row gives its key"
                numbers.append(int(key[0]))
            connection.execute(update(webhooks).where(webhooks.c.id == webhook).values(cursor=cursor))
            return numbers

        numbers = await self._database.write(work, flush=False)
        return [replace(each, number=number) for each, number in zip(deliveries, numbers, strict=True)]

    async def pending(self, webhook: str, after: int, limit: int) -> Sequence[Delivery]:
        query = (
            select(webhook_deliveries)
            .where(
                webhook_deliveries.c.webhook == webhook,
                webhook_deliveries.c.state == DeliveryState.PENDING,
                webhook_deliveries.c.number > after,
            )
            .order_by(webhook_deliveries.c.number)
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_delivery(row) for row in rows]

    async def settle(self, deliveries: Sequence[Delivery], webhook: Webhook) -> None:
        rows = []
        for delivery in deliveries:
            values = {**_settled(delivery), "which": delivery.number}
            rows.append([values[name] for name in self._went.columns])
        counted = {"state": webhook.state, "failed_count": webhook.failed_count, "last_pushed": webhook.last_pushed}

        def work(connection: Connection) -> None:
            self._went.write(connection, rows)
            connection.execute(update(webhooks).where(webhooks.c.id == webhook.id).values(counted))

        await self._database.write(work, flush=False)

    async def deliveries(self, webhook: str, before: int | None, limit: int) -> Sequence[Delivery]:
        query = select(webhook_deliveries).where(webhook_deliveries.c.webhook == webhook)
        if before is not None:
            query = query.where(webhook_deliveries.c.number < before)
        query = query.order_by(webhook_deliveries.c.number.desc()).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_delivery(row) for row in rows]

    async def delivery(self, webhook: str, number: int) -> Delivery | None:
        query = select(webhook_deliveries).where(
            webhook_deliveries.c.webhook == webhook, webhook_deliveries.c.number == number
        )
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else _delivery(row)

    def _webhook(self, row: Row[Any]) -> Webhook:
        secrets = json.loads(self._sealer.open(row.sealed, row.id))
        return Webhook(
            id=row.id,
            domain=DomainId(row.domain),
            url=row.url,
            hmac=secrets["hmac"],
            basic_auth=secrets["basic_auth"],
            event_types=tuple(json.loads(row.event_types)),
            retry_type=RetryType(row.retry_type),
            created_at=row.created_at,
            updated_at=row.updated_at,
            state=WebhookState(row.state),
            failed_count=row.failed_count,
            cursor=row.cursor,
            last_pushed=row.last_pushed,
        )

    def _values(self, webhook: Webhook) -> dict[str, object]:
        """What an update may change; the cursor is moved by ``owe`` alone."""
        secrets = json.dumps({"hmac": webhook.hmac, "basic_auth": webhook.basic_auth})
        return {
            "url": webhook.url,
            "sealed": self._sealer.seal(secrets, webhook.id),
            "event_types": json.dumps(webhook.event_types),
            "retry_type": webhook.retry_type,
            "updated_at": webhook.updated_at,
            "state": webhook.state,
            "failed_count": webhook.failed_count,
            "last_pushed": webhook.last_pushed,
        }


_DELIVERY_COLUMNS = tuple(column.name for column in webhook_deliveries.c if not column.primary_key)


def _fixed(delivery: Delivery) -> dict[str, object]:
    return {
        "webhook": delivery.webhook,
        "lane": delivery.lane,
        "type": delivery.type,
        "event_id": delivery.event_id,
        "body": delivery.body,
        "created_at": delivery.created_at,
    }


def _settled(delivery: Delivery) -> dict[str, object]:
    return {
        "state": delivery.state.value,
        "next_at": delivery.next_at,
        "attempts": write_json([(one.at, one.status, one.error, one.seconds) for one in delivery.attempts]),
    }


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        number=row.number,
        webhook=row.webhook,
        lane=row.lane,
        type=row.type,
        event_id=row.event_id,
        body=row.body,
        created_at=row.created_at,
        state=DeliveryState(row.state),
        next_at=row.next_at,
        attempts=tuple(Attempt(*each) for each in json.loads(row.attempts)),
    )
