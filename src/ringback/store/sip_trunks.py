"""Customers' SIP trunks at rest (``dialin.sip_trunks.TrunkStore``)."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from ringback.model.ids import DomainId
from ringback.model.sip_trunk import SipTrunk
from ringback.store.schema import sip_trunks
from ringback.store.sealing import Sealer
from ringback.store.transactions import Transactions

PLAIN = (
    "name",
    "description",
    "enabled",
    "template",
    "webhook_url",
    "allowed_ips",
    "username",
    "is_open",
    "exp_offset",
)


class SipTrunkTable:
    """See ``dialin.sip_trunks.TrunkStore``. ``sealed`` holds the secret that signs and the password."""

    def __init__(self, database: Transactions, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def all(self) -> Sequence[SipTrunk]:
        query = select(sip_trunks).order_by(sip_trunks.c.number)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [self._trunk(row) for row in rows]

    async def put(self, trunk: SipTrunk) -> None:
        secrets = json.dumps({"secret": trunk.secret, "password": trunk.password})
        values = {
            "id": trunk.id,
            "domain": trunk.domain,
            "label": trunk.label,
            "config": json.dumps({name: getattr(trunk, name) for name in PLAIN}),
            "sealed": self._sealer.seal(secrets, trunk.id),
            "created_at": trunk.created_at,
        }

        def work(connection: Connection) -> None:
            found = connection.execute(update(sip_trunks).where(sip_trunks.c.id == trunk.id).values(values))
            if not found.rowcount:
                connection.execute(insert(sip_trunks).values(values))

        await self._database.write(work)

    async def delete(self, id: str) -> None:
        await self._database.write(
            lambda connection: connection.execute(delete(sip_trunks).where(sip_trunks.c.id == id))
        )

    def _trunk(self, row: Row[Any]) -> SipTrunk:
        plain = json.loads(row.config)
        plain["allowed_ips"] = tuple(plain["allowed_ips"])
        secrets = json.loads(self._sealer.open(row.sealed, row.id))
        return SipTrunk(
            id=row.id, domain=DomainId(row.domain), label=row.label, created_at=row.created_at, **plain, **secrets
        )
