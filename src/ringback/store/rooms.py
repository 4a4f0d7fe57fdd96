"""Rooms and the SIP addresses that ring them, at rest (``rooms.ports.RoomStore``)."""

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.ids import DomainId, EndpointUser, RoomId, RoomName
from ringback.model.room import Privacy, Room
from ringback.rooms.ports import EndpointTaken
from ringback.store.schema import endpoints, rooms
from ringback.store.transactions import Transactions


class RoomTable:
    """See ``rooms.ports.RoomStore``."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def insert(self, added: Sequence[Room]) -> None:
        def work(connection: Connection) -> None:
            for room in added:
                if _select_one(connection, room.domain, room.name) is not None:
                    raise InvalidRequest(f"a room named {room.name} already exists")
                connection.execute(insert(rooms).values(_values(room)))
                _write_endpoints(connection, room)

        try:
            await self._database.write(work)
        except IntegrityError as error:
            raise EndpointTaken from error

    async def find(self, domain: DomainId, name: RoomName) -> Room | None:
        return await self._database.read(lambda connection: _find(connection, domain, name))

    async def update(
        self, domain: DomainId, name: RoomName, change: Callable[[Room], Room]
    ) -> tuple[Room, Room] | None:
        def work(connection: Connection) -> tuple[Room, Room] | None:
            before = _find(connection, domain, name)
            if before is None:
                return None
            after = change(before)
            connection.execute(update(rooms).where(rooms.c.id == before.id).values(_values(after)))
            if after.endpoints != before.endpoints:
                connection.execute(delete(endpoints).where(endpoints.c.room == before.id))
                _write_endpoints(connection, after)
            return before, after

        try:
            return await self._database.write(work)
        except IntegrityError as error:
            raise EndpointTaken from error

    async def delete(self, domain: DomainId, names: Sequence[RoomName]) -> Sequence[Room]:
        def work(connection: Connection) -> list[Room]:
            gone = []
            for name in names:
                room = _find(connection, domain, name)
                if room is None:
                    raise NotFound(f"room {name} not found")
                connection.execute(delete(endpoints).where(endpoints.c.room == room.id))
                connection.execute(delete(rooms).where(rooms.c.id == room.id))
                gone.append(room)
            return gone

        return await self._database.write(work)

    async def page(
        self, domain: DomainId, limit: int, after: RoomId | None, before: RoomId | None
    ) -> tuple[int, Sequence[Room]] | None:
        def work(connection: Connection) -> tuple[int, list[Room]] | None:
            query = select(rooms).where(rooms.c.domain == domain)
            cursor = after or before
            if cursor is not None:
                number = connection.execute(
                    select(rooms.c.number).where(rooms.c.domain == domain, rooms.c.id == cursor)
                ).scalar()
                if number is None:
                    return None
                query = query.where(rooms.c.number < number if after else rooms.c.number > number)
            # Before a cursor, the page that touches it: count upwards, then turn it round.
            order = rooms.c.number.asc() if before and not after else rooms.c.number.desc()
            found = connection.execute(query.order_by(order).limit(limit)).all()
            if before and not after:
                found = found[::-1]
            total = connection.execute(select(func.count()).where(rooms.c.domain == domain)).scalar_one()
            return total, _with_endpoints(connection, found)

        return await self._database.read(work)

    async def count(self, domain: DomainId) -> int:
        query = select(func.count()).select_from(rooms).where(rooms.c.domain == domain)
        return await self._database.read(lambda connection: int(connection.execute(query).scalar_one()))

    async def by_endpoint(self, user: str) -> tuple[Room, int] | None:
        def work(connection: Connection) -> tuple[Room, int] | None:
            row = connection.execute(
                select(rooms, endpoints.c.position)
                .join(endpoints, endpoints.c.room == rooms.c.id)
                .where(endpoints.c.user == user)
            ).first()
            return None if row is None else (_with_endpoints(connection, [row])[0], row.position)

        return await self._database.read(work)

    async def expired(self, now: float, most: int) -> Sequence[Room]:
        query = select(rooms).where(rooms.c.expires_at < now).order_by(rooms.c.expires_at).limit(most)
        return await self._database.read(
            lambda connection: _with_endpoints(connection, connection.execute(query).all())
        )


def _select_one(connection: Connection, domain: DomainId, name: RoomName) -> Row[Any] | None:
    return connection.execute(select(rooms).where(rooms.c.domain == domain, rooms.c.name == name)).first()


def _find(connection: Connection, domain: DomainId, name: RoomName) -> Room | None:
    row = _select_one(connection, domain, name)
    return None if row is None else _with_endpoints(connection, [row])[0]


def _with_endpoints(connection: Connection, found: Sequence[Row[Any]]) -> list[Room]:
    users: dict[str, list[EndpointUser]] = {row.id: [] for row in found}
    query = select(endpoints.c.room, endpoints.c.user).where(endpoints.c.room.in_(users))
    for row in connection.execute(query.order_by(endpoints.c.position)):
        users[row.room].append(EndpointUser(row.user))
    return [_room(row, tuple(users[row.id])) for row in found]


def _room(row: Row[Any], users: tuple[EndpointUser, ...]) -> Room:
    return Room(
        id=RoomId(row.id),
        domain=DomainId(row.domain),
        name=RoomName(row.name),
        privacy=cast(Privacy, row.privacy),
        created_at=row.created_at,
        properties=json.loads(row.properties),
        endpoints=users,
    )


def _values(room: Room) -> dict[str, object]:
    return {
        "id": room.id,
        "domain": room.domain,
        "name": room.name,
        "privacy": room.privacy,
        "created_at": room.created_at,
        "expires_at": room.properties.get("exp"),
        "properties": json.dumps(room.properties),
    }


def _write_endpoints(connection: Connection, room: Room) -> None:
    if room.endpoints:
        connection.execute(
            insert(endpoints),
            [{"user": user, "room": room.id, "position": position} for position, user in enumerate(room.endpoints)],
        )
