"""``/ringback``: what Daily's API has no place for. Status, call records, keys."""

from collections.abc import Mapping
from dataclasses import replace

from ringback.access.claims import CLAIMS
from ringback.access.ports import ApiKey
from ringback.model.end_reason import EndReason
from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.records import CallRecord
from ringback.model.times import iso
from ringback.rest.errors import printable
from ringback.rest.routing import Asked, Operation
from ringback.rooms.checks import not_allowed, refusal
from ringback.rooms.properties import DOMAIN_PROPERTIES, ROOM_PROPERTIES, idle_properties

MOST_LABEL = 200


async def status(asked: Asked) -> object:
    """What is accepted, kept and returned, but changes nothing yet."""
    return {
        "version": asked.services.version,
        "node": asked.services.node,
        "not_acted_on": {
            "room_properties": idle_properties(ROOM_PROPERTIES),
            "domain_properties": idle_properties(DOMAIN_PROPERTIES),
            "token_properties": sorted(claim.name for claim in CLAIMS if claim.idle),
            "settings": sorted(asked.services.idle_settings),
        },
    }


async def calls(asked: Asked) -> object:
    page = await asked.services.reports.calls(
        asked.domain.id,
        limit=asked.limit(),
        after=asked.query.get("starting_after"),
        before=asked.query.get("ending_before"),
        room=asked.query.get("room"),
        ongoing=asked.flag("ongoing"),
    )
    if page is None:
        raise InvalidRequest("starting_after and ending_before must be the id of a call")
    return {"total_count": page[0], "data": [call_row(record) for record in page[1]]}


async def call(asked: Asked) -> object:
    record = await asked.services.reports.call(asked.domain.id, asked.params["call"])
    if record is None:
        raise NotFound(f"call {printable(asked.params['call'])} not found")
    if record.end is None:
        record = replace(record, sound=asked.services.calls.sound(record.id))
    return call_row(record)


def call_row(record: CallRecord) -> dict[str, object]:
    """A call as its record shows it."""
    return {
        "id": record.id,
        "room": record.room,
        "meeting_id": record.meeting,
        "direction": record.direction.value,
        "state": record.state.value,
        "remote": record.remote,
        "endpoint": record.endpoint or None,
        "display_name": record.display_name,
        "user_id": record.user_id,
        "sip_call_id": record.sip_call_id or None,
        "media": record.media or None,
        "codec": record.codec or None,
        "trunk": record.trunk or None,
        "node": record.node,
        "created_at": iso(record.created_at),
        "ringing_at": _time(record.ringing_at),
        "answered_at": _time(record.answered_at),
        "ended_at": _time(record.ended_at),
        "duration": None if record.answered_at is None or record.ended_at is None else record.talked_ms / 1000,
        "end": _end(record.end),
        "sound": _sound(record.sound),
        "request": dict(record.request),
    }


async def keys(asked: Asked) -> object:
    asked.require_operator()
    return {"data": [await _key_row(asked, key) for key in asked.services.access.active_keys()]}


async def add_key(asked: Asked) -> object:
    """Body ``label`` and ``domain`` (its name; the first when left out). The key is in this answer and nowhere else."""
    asked.require_operator()
    for name, value in asked.body.items():
        if name not in ("label", "domain"):
            raise not_allowed(name, value)
        if not isinstance(value, str) or len(value) > MOST_LABEL or not value.isprintable():
            raise refusal(name, f"must be a string of at most {MOST_LABEL} printable characters", value)
    domains = asked.services.domains
    wanted = asked.body.get("domain")
    domain = await domains.by_name(wanted) if wanted else asked.domain
    if domain is None:
        raise NotFound(f"domain {wanted} not found")
    key = await asked.services.access.add_key(domain.id, asked.body.get("label", ""))
    return {**await _key_row(asked, key), "key": key.secret}


async def revoke_key(asked: Asked) -> object:
    asked.require_operator()
    key = await asked.services.access.revoke_key(asked.params["key"])
    return {"revoked": True, "id": key.id}


async def _key_row(asked: Asked, key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "domain": (await asked.services.domains.get(key.domain)).name,
        "label": key.label,
        "operator": key.operator,
        "ends_with": key.secret[-4:] if len(key.secret) >= 16 else None,
        "created_at": iso(key.created_at),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)


def _sound(sound: Mapping[str, object]) -> dict[str, object]:
    """What a call sounded like; of an unfinished one only the call itself has it, not the list."""
    return {
        name: iso(value) if name.endswith("_at") and isinstance(value, float) else value
        for name, value in sound.items()
    }


def _end(end: EndReason | None) -> Mapping[str, object] | None:
    if end is None:
        return None
    return {
        "reason": end.ending.value,
        "fault": end.fault.value,
        "sentence": end.sentence(),
        "sip_status": end.sip_status,
        "sip_reason": end.sip_reason,
        "q850": end.q850,
    }


OPERATIONS = (
    Operation("GET", "/ringback/status", status),
    Operation("GET", "/ringback/calls", calls),
    Operation("GET", "/ringback/calls/{call}", call),
    Operation("GET", "/ringback/keys", keys),
    Operation("POST", "/ringback/keys", add_key),
    Operation("DELETE", "/ringback/keys/{key}", revoke_key),
)
