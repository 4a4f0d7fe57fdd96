"""What calls cost, who may spend how much, and what was refused, at rest (``numbers.ports``)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from ringback.model.ids import DomainId
from ringback.numbers.ports import AuditEntry, PaidRow
from ringback.store.schema import audit, dialout_policies, paid_legs
from ringback.store.transactions import Transactions

_PAID = tuple(field.name for field in fields(PaidRow))
_AUDIT = tuple(field.name for field in fields(AuditEntry))


class PaidTable:
    """See ``numbers.ports.PaidStore``."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def put(self, row: PaidRow) -> None:
        values = asdict(row)

        def work(connection: Connection) -> None:
            changed = connection.execute(update(paid_legs).where(paid_legs.c.id == row.id).values(values))
            if not changed.rowcount:
                connection.execute(insert(paid_legs).values(values))

        await self._database.write(work, flush=False)

    async def since(self, wall: float, node: str) -> Sequence[PaidRow]:
        query = (
            select(paid_legs)
            .where(paid_legs.c.node == node, or_(paid_legs.c.began_at >= wall, paid_legs.c.ended_at.is_(None)))
            .order_by(paid_legs.c.began_at)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [PaidRow(**{name: getattr(row, name) for name in _PAID}) for row in rows]


class AuditTable:
    """See ``numbers.ports.AuditStore``."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def append(self, entry: AuditEntry) -> None:
        values = {name: value for name, value in asdict(entry).items() if name != "number"}
        await self._database.write(lambda connection: connection.execute(insert(audit).values(values)), flush=False)

    async def page(
        self, domain: DomainId | None, limit: int, after: int | None, rule: str | None
    ) -> tuple[int, Sequence[AuditEntry]]:
        wanted = [audit.c.domain == domain] if domain is not None else []
        if rule is not None:
            wanted.append(audit.c.rule == rule)
        count = select(func.count()).select_from(audit).where(*wanted)
        query = select(audit).where(*wanted, *([audit.c.number < after] if after is not None else []))
        query = query.order_by(audit.c.number.desc()).limit(limit)

        def work(connection: Connection) -> tuple[int, Sequence[Row[Any]]]:
            # Counted last: an entry that comes in between is counted, rather than listed and not counted.
            rows = connection.execute(query).all()
            return connection.execute(count).scalar_one(), rows

        total, rows = await self._database.read(work)
        return total, [AuditEntry(**{name: getattr(row, name) for name in _AUDIT}) for row in rows]


class PolicyTable:
    """See ``numbers.ports.PolicyStore``."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def all(self) -> Mapping[DomainId, Mapping[str, Any]]:
        rows = await self._database.read(lambda connection: connection.execute(select(dialout_policies)).all())
        return {DomainId(row.domain): json.loads(row.body) for row in rows}

    async def put(self, domain: DomainId, body: Mapping[str, Any], wall: float) -> None:
        values = {"domain": domain, "body": json.dumps(body), "updated_at": wall}

        def work(connection: Connection) -> None:
            connection.execute(delete(dialout_policies).where(dialout_policies.c.domain == domain))
            connection.execute(insert(dialout_policies).values(values))

        await self._database.write(work)
