"""Rooms over a store in memory: endpoints that survive, listeners that hear, expiry that sweeps."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from ringback.model.domain import Domain
from ringback.model.errors import Forbidden, InvalidRequest, NotFound
from ringback.model.ids import DomainId, RoomId, RoomName
from ringback.model.room import Room
from ringback.rooms.addresses import Addresses
from ringback.rooms.domains import Domains
from ringback.rooms.names import ENDPOINT_DIGITS
from ringback.rooms.ports import EndpointTaken
from ringback.rooms.service import Caps, Rooms
from ringback.testing.clock import VirtualClock

SIP = {"sip_mode": "dial-in", "display_name": "Desk"}


@dataclass
class Shelf:
    """Rooms and domains in memory, as the store keeps them."""

    rooms: dict[tuple[str, str], Room] = field(default_factory=dict)
    domains: list[Domain] = field(default_factory=list)

    async def all(self) -> Sequence[Domain]:
        return self.domains

    async def insert(self, added: Sequence[Room] | Domain) -> None:
        if isinstance(added, Domain):
            self.domains.append(added)
            return
        for room in added:
            if (room.domain, room.name) in self.rooms:
                raise InvalidRequest(f"a room named {room.name} already exists")
        self._claim([user for room in added for user in room.endpoints], set())
        self.rooms |= {(room.domain, room.name): room for room in added}

    async def find(self, domain: DomainId, name: RoomName) -> Room | None:
        return self.rooms.get((domain, name))

    async def update(
        self, domain: DomainId, name: RoomName, change: Callable[[Room], Room]
    ) -> tuple[Room, Room] | None:
        before = self.rooms.get((domain, name))
        if before is None:
            return None
        after = change(before)
        self._claim(after.endpoints, set(before.endpoints))
        self.rooms[domain, name] = after
        return before, after

    async def delete(self, domain: DomainId, names: Sequence[RoomName]) -> Sequence[Room]:
        if missing := [name for name in names if (domain, name) not in self.rooms]:
            raise NotFound(f"room {missing[0]} not found")
        return [self.rooms.pop((domain, name)) for name in names]

    async def page(
        self, domain: DomainId, limit: int, after: RoomId | None, before: RoomId | None
    ) -> tuple[int, Sequence[Room]] | None:
        raise NotImplementedError

    async def count(self, domain: DomainId) -> int:
        return len(self.rooms)

    async def by_endpoint(self, user: str) -> tuple[Room, int] | None:
        raise NotImplementedError

    async def expired(self, now: float, most: int) -> Sequence[Room]:
        return [room for room in self.rooms.values() if float(str(room.properties.get("exp", now))) < now][:most]

    def _claim(self, users: Sequence[str], own: set[str]) -> None:
        taken = {user for room in self.rooms.values() for user in room.endpoints} - own
        if taken & set(users):
            raise EndpointTaken


class Desk:
    """The service on a shelf, and what its listeners heard."""

    def __init__(self, caps: Caps | None = None, chance: random.Random | None = None) -> None:
        self.shelf, self.clock = Shelf(), VirtualClock()
        chance = chance or random.Random(1)
        self.domains = Domains(self.shelf, self.clock, chance)  # type: ignore[arg-type]
        self.rooms = Rooms(self.shelf, self.domains, Addresses("http://h", "s"), self.clock, chance, caps)  # type: ignore[arg-type]
        self.heard: list[tuple[Room, ...]] = []
        self.rooms.listen(self._changed, self._deleted)

    async def _changed(self, before: Room, after: Room) -> None:
        self.heard.append((before, after))

    async def _deleted(self, room: Room) -> None:
        self.heard.append((room,))

    async def make(self, name: str = "desk", **properties: object) -> Room:
        domain = await self.domains.first()
        return await self.rooms.create(domain.id, {"name": name, "properties": properties})

    async def change(self, **properties: object) -> Room:
        return await self.rooms.update((await self.domains.first()).id, "desk", {"properties": properties})


async def test_addresses_survive_updates_grow_at_the_end_and_shrink_from_it() -> None:
    desk = Desk()
    first = (await desk.make(sip={**SIP, "num_endpoints": 2})).endpoints

    assert (await desk.change(sip={**SIP, "num_endpoints": 2, "video": True})).endpoints == first
    assert (await desk.change(start_audio_off=True)).endpoints == first
    grown = (await desk.change(sip={**SIP, "num_endpoints": 4})).endpoints
    assert grown[:2] == first and len(set(grown)) == 4
    assert (await desk.change(sip=SIP)).endpoints == first[:1]
    assert (await desk.change(sip=None)).endpoints == ()


async def test_an_address_that_is_taken_is_chosen_again() -> None:
    class Stuck(random.Random):
        """Draws the same endpoint twice in a row."""

        draws = 0

        def getrandbits(self, k: int, /) -> int:
            if k == 8 * ENDPOINT_DIGITS + 64:
                self.draws += 1
                return 111111111111 if self.draws <= 2 else 222222222222
            return super().getrandbits(k)

    desk = Desk(chance=Stuck(1))

    assert (await desk.make("a", sip=SIP)).endpoints == ("1" * 12,)
    assert (await desk.make("b", sip=SIP)).endpoints == ("2" * 12,)


async def test_listeners_hear_a_change_once_and_no_change_never() -> None:
    desk = Desk()
    before = await desk.make()

    await desk.change()
    assert desk.heard == []
    after = await desk.change(start_audio_off=True)
    assert desk.heard == [(before, after)]
    await desk.rooms.delete(before.domain, "desk")
    assert desk.heard[1:] == [(after,)]


async def test_an_expired_room_goes_once_it_is_empty() -> None:
    desk = Desk()
    now = int(desk.clock.wall())
    await desk.make("soon", exp=now + 10)
    busy = await desk.make("busy", exp=now + 10)
    await desk.make("later", exp=now + 100)
    await desk.make("never")

    assert await desk.rooms.sweep(lambda room: False) == 0
    await desk.clock.run_for(20)
    assert await desk.rooms.sweep(lambda room: room.id == busy.id) == 1
    assert {name for _, name in desk.shelf.rooms} == {"busy", "later", "never"}
    assert await desk.rooms.sweep(lambda room: False) == 1


async def test_a_domain_has_only_so_many_rooms_and_a_failure_takes_no_share() -> None:
    desk = Desk(Caps(max_rooms=2))
    await desk.make("a")
    for _ in range(3):
        with pytest.raises(InvalidRequest):
            await desk.make("a")
    await desk.make("b")

    with pytest.raises(Forbidden, match="at most 2 rooms"):
        await desk.make("c")
    await desk.rooms.delete((await desk.domains.first()).id, "a")
    await desk.make("c")


async def test_a_room_is_found_by_its_exact_name_only() -> None:
    desk = Desk()
    room = await desk.make()

    assert await desk.rooms.find(room.domain, "desk") == room
    for name in ("Desk", "../desk", "desk\x00", "d" * 10_000, ""):
        assert await desk.rooms.find(room.domain, name) is None
    assert await desk.rooms.find(DomainId("other"), "desk") is None
