"""Accounts of SIP phones and where they are registered, at rest (``access.ports.SipClientStore``)."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ringback.model.errors import InvalidRequest
from ringback.model.ids import DomainId
from ringback.model.sip_client import Binding, SipClient
from ringback.store.schema import sip_bindings, sip_clients
from ringback.store.sealing import Sealer
from ringback.store.transactions import Transactions


class SipClientTable:
    """See ``access.ports.SipClientStore``."""

    def __init__(self, database: Transactions, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def all(self) -> Sequence[SipClient]:
        """Raises ``StoreError`` when ``RINGBACK_SECRET`` is not the one that sealed them."""
        query = select(sip_clients).order_by(sip_clients.c.number)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [self._client(row) for row in rows]

    async def insert(self, client: SipClient, most: int) -> None:
        values = self._values(client)
        own = select(func.count()).select_from(sip_clients).where(sip_clients.c.domain == client.domain)

        def work(connection: Connection) -> None:
            if connection.execute(own).scalar_one() >= most:
                raise InvalidRequest(f"a domain may have at most {most} sip clients; delete one first")
            connection.execute(insert(sip_clients).values(values))

        try:
            await self._database.write(work)
        except IntegrityError:
            raise InvalidRequest(f"a sip client named {client.username} already exists") from None

    async def replace(self, client: SipClient, *, forget_phones: bool = True) -> bool:
        values = self._values(client)

        def work(connection: Connection) -> bool:
            if forget_phones:
                connection.execute(delete(sip_bindings).where(sip_bindings.c.client == client.id))
            found = connection.execute(update(sip_clients).where(sip_clients.c.id == client.id).values(values))
            return found.rowcount == 1

        return await self._database.write(work)

    async def delete(self, clients: Sequence[str]) -> None:
        def work(connection: Connection) -> None:
            connection.execute(delete(sip_bindings).where(sip_bindings.c.client.in_(clients)))
            connection.execute(delete(sip_clients).where(sip_clients.c.id.in_(clients)))

        await self._database.write(work)

    def _client(self, row: Row[Any]) -> SipClient:
        return SipClient(
            id=row.id,
            domain=DomainId(row.domain),
            username=row.username,
            realm=row.realm,
            proofs=json.loads(self._sealer.open(row.sealed, row.id)),
            created_at=row.created_at,
            expires_at=row.expires_at,
            dials_numbers=row.dials_numbers,
        )

    def _values(self, client: SipClient) -> dict[str, object]:
        return {
            "id": client.id,
            "domain": client.domain,
            "username": client.username,
            "realm": client.realm,
            "sealed": self._sealer.seal(json.dumps(dict(client.proofs)), client.id),
            "created_at": client.created_at,
            "expires_at": client.expires_at,
            "dials_numbers": client.dials_numbers,
        }


class BindingTable:
    """See ``telephony.registrar.BindingStore``."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def all(self, after: float) -> Sequence[tuple[str, Binding]]:
        """Those that expire after a moment (Unix seconds), each with the id of its client; older ones are deleted."""
        query = select(sip_bindings).order_by(sip_bindings.c.client, sip_bindings.c.key)
        expired = delete(sip_bindings).where(sip_bindings.c.expires_at <= after)

        def work(connection: Connection) -> Sequence[Row[Any]]:
            connection.execute(expired)
            return connection.execute(query).all()

        return [(row.client, _binding(row)) for row in await self._database.write(work)]

    async def save(self, client: str, bindings: Sequence[Binding]) -> bool:
        """All bindings a client has from now on. False: there is no such client any more.

        It is safe from the death of the process, and from a loss of power a little later: phones register again.
        """
        values = [_row(client, binding) for binding in bindings]
        exists = select(sip_clients.c.id).where(sip_clients.c.id == client)

        def work(connection: Connection) -> bool:
            connection.execute(delete(sip_bindings).where(sip_bindings.c.client == client))
            if connection.execute(exists).first() is None:
                return False
            if values:
                connection.execute(insert(sip_bindings), values)
            return True

        return await self._database.write(work, flush=False)


def _row(client: str, binding: Binding) -> dict[str, object]:
    return {
        "client": client,
        "key": binding.key,
        "contact": binding.contact,
        "transport": binding.transport,
        "host": binding.host,
        "port": binding.port,
        "path": json.dumps(binding.path),
        "instance": binding.instance,
        "reg_id": binding.reg_id,
        "q": binding.q,
        "call_id": binding.call_id,
        "cseq": binding.cseq,
        "user_agent": binding.user_agent,
        "expires_at": binding.expires_at,
    }


def _binding(row: Row[Any]) -> Binding:
    return Binding(
        key=row.key,
        contact=row.contact,
        transport=row.transport,
        host=row.host,
        port=row.port,
        expires_at=row.expires_at,
        call_id=row.call_id,
        cseq=row.cseq,
        path=tuple(json.loads(row.path)),
        instance=row.instance,
        reg_id=row.reg_id,
        q=row.q,
        user_agent=row.user_agent,
    )
