"""Trunks and telephone numbers at rest (``numbers.ports``). Passwords and keys are sealed; everything else is JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from ringback.model.ids import DomainId, RoomName
from ringback.numbers.ports import KeptNumber, KeptTrunk
from ringback.numbers.trunk_body import read_trunk, secrets_of, show_trunk, with_secrets
from ringback.store.schema import numbers, trunks
from ringback.store.sealing import Sealer
from ringback.store.transactions import Transactions


class TrunkTable:
    """See ``numbers.ports.TrunkStore``."""

    def __init__(self, database: Transactions, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def all(self) -> Sequence[KeptTrunk]:
        query = select(trunks).order_by(trunks.c.name)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [self._kept(row) for row in rows]

    async def put(self, kept: KeptTrunk) -> None:
        values = self._values(kept)

        def work(connection: Connection) -> None:
            connection.execute(delete(trunks).where(trunks.c.name == kept.trunk.name))
            connection.execute(insert(trunks).values(values))

        await self._database.write(work)

    async def delete(self, name: str) -> None:
        await self._database.write(lambda connection: connection.execute(delete(trunks).where(trunks.c.name == name)))

    def _kept(self, row: Row[Any]) -> KeptTrunk:
        body = json.loads(row.config)
        body.pop("name", None)
        secrets = json.loads(self._sealer.open(row.sealed, f"trunk {row.name}")) if row.sealed else {}
        return KeptTrunk(read_trunk(row.name, with_secrets(body, secrets)), row.created_at, row.updated_at)

    def _values(self, kept: KeptTrunk) -> dict[str, object]:
        trunk, secrets = kept.trunk, secrets_of(kept.trunk)
        return {
            "name": trunk.name,
            "config": json.dumps(show_trunk(trunk)),
            "sealed": self._sealer.seal(json.dumps(secrets), f"trunk {trunk.name}") if secrets else None,
            "created_at": kept.created_at,
            "updated_at": kept.updated_at,
        }


class NumberTable:
    """See ``numbers.ports.NumberStore``."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def all(self) -> Sequence[KeptNumber]:
        query = select(numbers).order_by(numbers.c.created_at, numbers.c.number)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_number(row) for row in rows]

    async def put(self, kept: KeptNumber) -> None:
        values = {**asdict(kept), "domain": kept.domain or None}

        def work(connection: Connection) -> None:
            connection.execute(delete(numbers).where(numbers.c.number == kept.number))
            connection.execute(insert(numbers).values(values))

        await self._database.write(work)

    async def delete(self, number: str) -> None:
        query = delete(numbers).where(numbers.c.number == number)
        await self._database.write(lambda connection: connection.execute(query))


def _number(row: Row[Any]) -> KeptNumber:
    values = {column.name: getattr(row, column.name) for column in numbers.c}
    return KeptNumber(**{**values, "domain": DomainId(row.domain or ""), "room": RoomName(row.room)})
