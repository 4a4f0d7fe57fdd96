"""Dial-in configurations at rest (``dialin.ports.ConfigStore``)."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ringback.model.dialin import DialinConfig, DialinType
from ringback.model.errors import InvalidRequest
from ringback.model.ids import DomainId
from ringback.store.schema import dialin_configs
from ringback.store.sealing import Sealer
from ringback.store.transactions import Transactions


class DialinConfigTable:
    """See ``dialin.ports.ConfigStore``."""

    def __init__(self, database: Transactions, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def all(self) -> Sequence[DialinConfig]:
        """Raises ``StoreError`` when ``RINGBACK_SECRET`` is not the one that sealed their secrets."""
        query = select(dialin_configs).order_by(dialin_configs.c.number)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [self._config(row) for row in rows]

    async def write(self, put: Sequence[DialinConfig], gone: Sequence[str]) -> None:
        rows = [self._values(config) for config in put]

        def work(connection: Connection) -> None:
            connection.execute(delete(dialin_configs).where(dialin_configs.c.id.in_(gone)))
            for row in rows:
                found = connection.execute(
                    update(dialin_configs).where(dialin_configs.c.id == row["id"]).values(row)
                ).rowcount
                if not found:
                    connection.execute(insert(dialin_configs).values(row))

        try:
            await self._database.write(work)
        except IntegrityError:
            raise InvalidRequest("phone_number is already used by another config") from None

    def _config(self, row: Row[Any]) -> DialinConfig:
        return DialinConfig(
            id=row.id,
            domain=DomainId(row.domain),
            type=DialinType(row.type),
            phone_number=row.phone_number or "",
            address_user=row.address_user or "",
            secret=self._sealer.open(row.sealed, row.id),
            fields=json.loads(row.fields),
            created_at=row.created_at,
        )

    def _values(self, config: DialinConfig) -> dict[str, object]:
        return {
            "id": config.id,
            "domain": config.domain,
            "type": config.type.value,
            "phone_number": config.phone_number or None,
            "address_user": config.address_user or None,
            "sealed": self._sealer.seal(config.secret, config.id),
            "fields": json.dumps(config.fields),
            "created_at": config.created_at,
        }
