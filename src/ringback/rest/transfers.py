"""``/ringback/calls/{call}/transfers`` and ``…/warm-transfer``: what Daily's API lacks of transfers."""

from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.records import TransferRecord
from ringback.model.times import iso
from ringback.rest.dialout import idempotency_key
from ringback.rest.errors import printable
from ringback.rest.routing import Asked, Operation
from ringback.rooms.checks import not_allowed

WARM = "warm-transfer"


async def transfers(asked: Asked) -> object:
    """Every transfer of a call, oldest first."""
    found = await _transfers(asked)
    return {"total_count": len(found), "data": [transfer_row(record) for record in found]}


async def begin(asked: Asked) -> object:
    """Let a caller wait, and call whom it is to go to into its room."""
    return await asked.services.calls.warm_transfer(
        asked.domain.id,
        asked.params["call"],
        asked.body,
        idempotency_key=idempotency_key(asked),
        asker=asked.asker(),
    )


async def state(asked: Asked) -> object:
    """The call's warm transfer, of several the last."""
    warm = [record for record in await _transfers(asked) if record.verb == WARM]
    if not warm:
        raise NotFound(f"call {printable(asked.params['call'])} has had no warm transfer")
    return transfer_row(warm[-1])


async def accept(asked: Asked) -> object:
    """Connect both with each other, outside the room; ``useSipRefer``: by the caller's own system, if it can."""
    by_refer = asked.body.pop("useSipRefer", False)
    _nothing_in(asked)
    if not isinstance(by_refer, bool):
        raise InvalidRequest("useSipRefer must be a boolean value")
    await asked.services.calls.warm.accept(asked.domain.id, asked.params["call"], by_refer=by_refer)
    return {"ok": True}


async def merge(asked: Asked) -> object:
    """Take the caller back into the room, where all talk."""
    _nothing_in(asked)
    await asked.services.calls.warm.merge(asked.domain.id, asked.params["call"])
    return {"ok": True}


async def give_back(asked: Asked) -> object:
    """Hang up on whom it was to go to."""
    _nothing_in(asked)
    await asked.services.calls.warm.give_back(asked.domain.id, asked.params["call"])
    return {"ok": True}


def transfer_row(record: TransferRecord) -> dict[str, object]:
    """A transfer as its row shows it."""
    return {
        "id": record.id,
        "room": record.room,
        "meeting_id": record.meeting,
        "session_id": record.call,
        "to_session_id": record.leg or None,
        "from_endpoint": record.remote,
        "to_endpoint": record.to,
        "kind": record.verb,
        "state": record.state.value,
        "complete_status": record.status or None,
        "refer_sip_response_code": record.refer_status,
        "notify_sip_response_code": record.notify_status,
        "created_at": iso(record.created_at),
        "ended_at": None if record.ended_at is None else iso(record.ended_at),
    }


async def _transfers(asked: Asked) -> list[TransferRecord]:
    call, domain = asked.params["call"], asked.domain.id
    found = list(await asked.services.reports.transfers(domain, call))
    if not found and await asked.services.reports.call(domain, call) is None:
        raise NotFound(f"call {printable(call)} not found")
    return found


def _nothing_in(asked: Asked) -> None:
    for name, value in asked.body.items():
        raise not_allowed(name, value)


OPERATIONS = (
    Operation("GET", "/ringback/calls/{call}/transfers", transfers),
    Operation("POST", "/ringback/calls/{call}/warm-transfer", begin, "dial"),
    Operation("GET", "/ringback/calls/{call}/warm-transfer", state),
    Operation("POST", "/ringback/calls/{call}/warm-transfer/accept", accept),
    Operation("POST", "/ringback/calls/{call}/warm-transfer/merge", merge),
    Operation("POST", "/ringback/calls/{call}/warm-transfer/return", give_back),
)
