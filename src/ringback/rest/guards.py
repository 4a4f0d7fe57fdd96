"""What keeps calls from costing more than they should: policies, what was refused, and asking before calling. Ours."""

from ringback.model.domain import Domain
from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.ids import DomainId, RoomName
from ringback.model.times import iso
from ringback.numbers.policy import show_policy
from ringback.numbers.ports import AuditEntry
from ringback.rest.errors import printable, status_of
from ringback.rest.routing import Asked, Operation


async def policy(asked: Asked) -> object:
    """What a domain may call, and what it has used today; with the operator's key of any ``domain``."""
    return _shown(asked, await _domain(asked, asked.query.get("domain")))


async def change(asked: Asked) -> object:
    """Body: fields of a policy and ``domain``, its name (the key's own when left out); ``null`` resets a field."""
    asked.require_operator()
    body = dict(asked.body)
    name = body.pop("domain", None)
    if name is not None and not isinstance(name, str):
        raise InvalidRequest("domain must be a string")
    domain = await _domain(asked, name)
    await asked.services.quota.change_policy(domain.id, body)
    return _shown(asked, domain)


async def audit(asked: Asked) -> object:
    """Refused calls, newest first: of the key's domain; with the operator's key of any ``domain``, ``*`` for all."""
    wanted = asked.query.get("domain")
    of: DomainId | None
    if wanted == "*":
        asked.require_operator()
        of = None
    else:
        of = (await _domain(asked, wanted)).id
    text = asked.query.get("starting_after")
    if text is not None and not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise InvalidRequest("starting_after must be the id of an entry")
    total, rows = await asked.services.audit.page(
        of, asked.limit(), int(text) if text is not None else None, asked.query.get("rule")
    )
    return {"total_count": total, "data": [_entry(row) for row in rows]}


async def check(asked: Asked) -> object:
    """Body as of ``dialOut/start``: what that would do. Nothing is called, counted or written."""
    verdict = await asked.services.calls.check_dial_out(
        asked.domain.id, RoomName(asked.params["name"]), asked.body, asker=asked.asker()
    )
    route = verdict.route
    return {
        "allowed": not verdict.refusals,
        "number": route.number or None if route else None,
        "callerId": route.caller_id or None if route else None,
        "trunks": list(dict.fromkeys(each.trunk for each in route.attempts if each.trunk)) if route else [],
        "refusals": [{"status": status_of(each), "error": each.code, "info": each.info} for each in verdict.refusals],
    }


async def _domain(asked: Asked, name: str | None) -> Domain:
    """The key's own domain, or the one that the operator names."""
    if name is None or name == asked.domain.name:
        return asked.domain
    asked.require_operator()
    found = await asked.services.domains.by_name(name)
    if found is None:
        raise NotFound(f"domain {printable(name)} not found")
    return found


def _shown(asked: Asked, domain: Domain) -> dict[str, object]:
    quota = asked.services.quota
    return {
        "domain": domain.name,
        "policy": show_policy(quota.policy(domain.id)),
        "own": dict(quota.own_body(domain.id)),
        "today": quota.spent(domain.id),
    }


def _entry(row: AuditEntry) -> dict[str, object]:
    return {
        "id": str(row.number),
        "at": iso(row.at),
        "rule": row.rule,
        "info": row.info,
        "by": row.made_by,
        "asker": {"kind": row.asker_kind, "id": row.asker_id},
        "domain_id": row.domain,
        "room": row.room,
        "destination": row.destination,
        "not_written_before": row.unseen,
    }


OPERATIONS = (
    Operation("POST", "/rooms/{name}/dialOut/check", check),
    Operation("GET", "/ringback/dialout-policy", policy),
    Operation("POST", "/ringback/dialout-policy", change),
    Operation("GET", "/ringback/audit", audit),
)
