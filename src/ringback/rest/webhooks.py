"""``/webhooks`` in Daily's shapes, and below ``/ringback`` what was sent and sending it again."""

from starlette.responses import Response

from ringback.model.errors import InvalidRequest
from ringback.model.times import iso
from ringback.model.webhook import Delivery, Webhook
from ringback.rest.errors import printable
from ringback.rest.routing import Asked, Operation

LARGEST_NUMBER = 2**53


async def index(asked: Asked) -> object:
    """A bare array, as published programs expect."""
    return [_row(webhook) for webhook in asked.services.webhooks.all(asked.domain.id)]


async def create(asked: Asked) -> object:
    return _row(await asked.services.webhooks.create(asked.domain.id, asked.body))


async def show(asked: Asked) -> object:
    return _row(asked.services.webhooks.get(asked.domain.id, asked.params["webhook"]))


async def update(asked: Asked) -> object:
    return _row(await asked.services.webhooks.update(asked.domain.id, asked.params["webhook"], asked.body))


async def remove(asked: Asked) -> object:
    await asked.services.webhooks.delete(asked.domain.id, asked.params["webhook"])
    return Response()


async def deliveries(asked: Asked) -> object:
    before = asked.query.get("before")
    number = None if before is None else _number(before, InvalidRequest(f"before={printable(before)} is no delivery"))
    found = await asked.services.webhooks.deliveries(asked.domain.id, asked.params["webhook"], number, asked.limit())
    return {"data": [_delivery(each) for each in found]}


async def redeliver(asked: Asked) -> object:
    text = asked.params["delivery"]
    number = _number(text, InvalidRequest(f"{printable(text)} is no delivery"))
    return _delivery(await asked.services.webhooks.redeliver(asked.domain.id, asked.params["webhook"], number))


def _number(text: str, otherwise: InvalidRequest) -> int:
    if not text.isascii() or not text.isdecimal() or int(text[:17]) > LARGEST_NUMBER:
        raise otherwise
    return int(text[:17])


def _row(webhook: Webhook) -> dict[str, object]:
    return {
        "uuid": webhook.id,
        "url": webhook.url,
        "hmac": webhook.hmac,
        "basicAuth": webhook.basic_auth or None,
        "retryType": webhook.retry_type.value,
        "eventTypes": list(webhook.event_types),
        "state": webhook.state.value,
        "failedCount": webhook.failed_count,
        "lastMomentPushed": None if webhook.last_pushed is None else iso(webhook.last_pushed),
        "domainId": webhook.domain,
        "createdAt": iso(webhook.created_at),
        "updatedAt": iso(webhook.updated_at),
    }


def _delivery(delivery: Delivery) -> dict[str, object]:
    return {
        "delivery": delivery.number,
        "type": delivery.type,
        "id": delivery.event_id,
        "state": delivery.state.value,
        "created_at": iso(delivery.created_at),
        "attempts": [
            {
                "at": iso(attempt.at),
                "status": attempt.status or None,
                "error": attempt.error or None,
                "seconds": attempt.seconds,
            }
            for attempt in delivery.attempts
        ],
        "body": delivery.body,
    }


OPERATIONS = (
    Operation("GET", "/webhooks", index),
    Operation("POST", "/webhooks", create),
    Operation("GET", "/webhooks/{webhook}", show),
    Operation("POST", "/webhooks/{webhook}", update),
    Operation("DELETE", "/webhooks/{webhook}", remove),
    Operation("GET", "/ringback/webhooks/{webhook}/deliveries", deliveries),
    Operation("POST", "/ringback/webhooks/{webhook}/deliveries/{delivery}/redeliver", redeliver),
)
