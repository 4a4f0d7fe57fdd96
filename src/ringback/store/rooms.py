"""Rooms and the SIP addresses that ring them, at rest (``rooms.ports.RoomStore``)."""

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Dialect, Row, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.ids import DomainId, EndpointUser, RoomId, RoomName
from ringback.model.room import Privacy, Room
from ringback.rooms.ports import EndpointTaken
from ringback.store.prepared import Prepared
from ringback.store.schema import endpoints, rooms
from ringback.store.transactions import Transactions


class RoomTable:
    """See ``rooms.ports.RoomStore``."""

    def __init__(self, database: Transactions, dialect: Dialect) -> None:
        self._database = database
        self._select = Prepared(
            select(rooms).where(rooms.c.domain == bindparam("domain"), rooms.c.name == bindparam("name")), dialect
        )
        self._select_by_endpoint = Prepared(
            select(rooms, endpoints.c.position)
            .join(endpoints, endpoints.c.room == rooms.c.id)
            .where(endpoints.c.user == bindparam("user")),
            dialect,
        )
        self._select_users = Prepared(
            select(endpoints.c.user).where(endpoints.c.room == bindparam("room")).order_by(endpoints.c.position),
            dialect,
        )
        written: dict[str, Any] = {column.name: bindparam(column.name) for column in rooms.c if column.name != "number"}
        self._insert = Prepared(insert(rooms).values(written), dialect)
        self._insert_user = Prepared(insert(endpoints), dialect)

    async def insert(self, added: Sequence[Room]) -> None:
        def work(connection: Connection) -> None:
            for room in added:
                if self._select.first(connection, {"domain": room.domain, "name": room.name}) is not None:
                    raise InvalidRequest(f"a room named {room.name} already exists")
                self._insert.run(connection, _values(room))
                self._write_users(connection, room)

        try:
            await self._database.write(work)
        except IntegrityError as error:
            raise EndpointTaken from error

    async def find(self, domain: DomainId, name: RoomName) -> Room | None:
        return await self._database.read(lambda connection: self._find(connection, domain, name))

    async def update(
        self, domain: DomainId, name: RoomName, change: Callable[[Room], Room]
    ) -> tuple[Room, Room] | None:
        def work(connection: Connection) -> tuple[Room, Room] | None:
            before = self._find(connection, domain, name)
            if before is None:
                return None
            after = change(before)
            connection.execute(update(rooms).where(rooms.c.id == before.id).values(_values(after)))
            if after.endpoints != before.endpoints:
                connection.execute(delete(endpoints).where(endpoints.c.room == before.id))
                self._write_users(connection, after)
            return before, after

        try:
            return await self._database.write(work)
        except IntegrityError as error:
            raise EndpointTaken from error

    async def delete(self, domain: DomainId, names: Sequence[RoomName]) -> Sequence[Room]:
        def work(connection: Connection) -> list[Room]:
            gone = []
            for name in names:
                room = self._find(connection, domain, name)
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
            row = self._select_by_endpoint.first(connection, {"user": user})
            return None if row is None else (_room(row, self._users(connection, row.id)), row.position)

        return await self._database.read(work)

    async def by_code(self, code: str) -> Room | None:
        query = select(rooms).where(rooms.c.dialin_code == code)

        def work(connection: Connection) -> Room | None:
            row = connection.execute(query).first()
            return None if row is None else _room(row, self._users(connection, row.id))

        return await self._database.read(work)

    async def expired(self, now: float, most: int) -> Sequence[Room]:
        query = select(rooms).where(rooms.c.expires_at < now).order_by(rooms.c.expires_at).limit(most)
        return await self._database.read(
            lambda connection: _with_endpoints(connection, connection.execute(query).all())
        )

    def _find(self, connection: Connection, domain: DomainId, name: RoomName) -> Room | None:
        row = self._select.first(connection, {"domain": domain, "name": name})
        return None if row is None else _room(row, self._users(connection, row.id))

    def _users(self, connection: Connection, room: str) -> tuple[EndpointUser, ...]:
        return tuple(EndpointUser(row.user) for row in self._select_users.all(connection, {"room": room}))

    def _write_users(self, connection: Connection, room: Room) -> None:
        for position, user in enumerate(room.endpoints):
            self._insert_user.run(connection, {"user": user, "room": room.id, "position": position})


def _with_endpoints(connection: Connection, found: Sequence[Row[Any]]) -> list[Room]:
    users: dict[str, list[EndpointUser]] = {row.id: [] for row in found}
    query = select(endpoints.c.room, endpoints.c.user).where(endpoints.c.room.in_(users))
    for row in connection.execute(query.order_by(endpoints.c.position)):
        users[row.room].append(EndpointUser(row.user))
    return [_room(row, tuple(users[row.id])) for row in found]


def _room(row: Any, users: tuple[EndpointUser, ...]) -> Room:
    return Room(
        id=RoomId(row.id),
        domain=DomainId(row.domain),
        name=RoomName(row.name),
        privacy=cast(Privacy, row.privacy),
        created_at=row.created_at,
        properties=json.loads(row.properties),
        endpoints=users,
        dialin_code=row.dialin_code or "",
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
        "dialin_code": room.dialin_code or None,
    }
