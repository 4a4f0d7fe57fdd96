"""Domains and their API keys, at rest (``rooms.ports.DomainStore``, ``access.ports.KeyStore``)."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ringback.access.ports import ApiKey
from ringback.model.domain import Domain
from ringback.model.errors import InvalidRequest
from ringback.model.ids import DomainId
from ringback.store.schema import api_keys, domains
from ringback.store.sealing import Sealer
from ringback.store.transactions import Transactions


class DomainTable:
    """See ``rooms.ports.DomainStore``."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def all(self) -> Sequence[Domain]:
        query = select(domains).order_by(domains.c.number)
        return await self._database.read(lambda connection: [_domain(row) for row in connection.execute(query)])

    async def insert(self, domain: Domain) -> None:
        values = {
            "id": domain.id,
            "name": domain.name,
            "created_at": domain.created_at,
            "config": json.dumps(domain.config),
        }

        def work(connection: Connection) -> None:
            connection.execute(insert(domains).values(values))

        try:
            await self._database.write(work)
        except IntegrityError:
            raise InvalidRequest(f"a domain named {domain.name} already exists") from None

    async def update(self, domain: DomainId, change: Callable[[Domain], Domain]) -> Domain | None:
        def work(connection: Connection) -> Domain | None:
            row = connection.execute(select(domains).where(domains.c.id == domain)).first()
            if row is None:
                return None
            after = change(_domain(row))
            connection.execute(update(domains).where(domains.c.id == domain).values(config=json.dumps(after.config)))
            return after

        return await self._database.write(work)


class KeyTable:
    """See ``access.ports.KeyStore``."""

    def __init__(self, database: Transactions, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def active(self) -> Sequence[ApiKey]:
        """Raises ``StoreError`` when ``RINGBACK_SECRET`` is not the one that sealed them."""
        query = select(api_keys).where(api_keys.c.revoked_at.is_(None)).order_by(api_keys.c.created_at, api_keys.c.id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [self._key(row) for row in rows]

    async def put(self, keys: Sequence[ApiKey]) -> None:
        values = [self._values(key) for key in keys]

        def work(connection: Connection) -> None:
            for value in values:
                # A key that was revoked earlier may come back: its old row makes room for the new one.
                connection.execute(
                    delete(api_keys).where(
                        (api_keys.c.id == value["id"])
                        | ((api_keys.c.hash == value["hash"]) & api_keys.c.revoked_at.is_not(None))
                    )
                )
                connection.execute(insert(api_keys).values(value))

        try:
            await self._database.write(work)
        except IntegrityError:
            raise InvalidRequest("this API key is already in use") from None

    def _key(self, row: Row[Any]) -> ApiKey:
        return ApiKey(
            id=row.id,
            domain=DomainId(row.domain),
            secret=self._sealer.open(row.sealed, row.id),
            label=row.label,
            operator=row.operator,
            configured=row.configured,
            created_at=row.created_at,
            revoked_at=row.revoked_at,
        )

    def _values(self, key: ApiKey) -> dict[str, object]:
        return {
            "id": key.id,
            "domain": key.domain,
            "hash": self._sealer.fingerprint(key.secret),
            "sealed": self._sealer.seal(key.secret, key.id),
            "label": key.label,
            "operator": key.operator,
            "configured": key.configured,
            "created_at": key.created_at,
            "revoked_at": key.revoked_at,
        }


def _domain(row: Row[Any]) -> Domain:
    return Domain(id=DomainId(row.id), name=row.name, created_at=row.created_at, config=json.loads(row.config))
