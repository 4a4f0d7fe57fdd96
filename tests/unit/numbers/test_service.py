import random
from typing import Any

import pytest

from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.ids import DomainId, RoomName
from ringback.numbers.ports import KeptNumber, KeptTrunk
from ringback.numbers.service import Numbers
from ringback.numbers.trunk import Trunk
from ringback.rooms.domains import Domains
from ringback.testing.clock import VirtualClock

ROOM = RoomName("desk")


class Shelf(dict[str, Any]):
    """A table in memory, for trunks or numbers or domains."""

    async def all(self) -> list[Any]:
        return list(self.values())

    async def put(self, kept: Any) -> None:
        self[kept.trunk.name if isinstance(kept, KeptTrunk) else kept.number] = kept

    async def delete(self, key: str) -> None:
        self.pop(key, None)

    async def insert(self, domain: Any) -> None:
        self[domain.id] = domain

    async def update(self, domain: DomainId, change: Any) -> Any:
        return None


class Setting:
    """A service over empty shelves, with two domains."""

    def __init__(self) -> None:
        self.trunks, self.numbers = Shelf(), Shelf()
        self.clock = VirtualClock()
        chance = random.Random(1)
        self.domains = Domains(Shelf(), self.clock, chance)
        self.service = Numbers(self.trunks, self.numbers, self.domains, self.clock, chance, lambda: "us.example")


async def test_trunks_of_the_file_stand_first_and_are_changed_only_there() -> None:
    it = Setting()
    it.trunks["acme"] = KeptTrunk(Trunk("acme", open=True), 1.0, 1.0)

    await it.service.start([{"name": "acme", "hosts": ["sip.file.example"]}])

    kept = it.service.trunk("acme")
    assert (kept.configured, kept.trunk.hosts[0].host) == (True, "sip.file.example")
    for change in (it.service.change_trunk("acme", {}), it.service.delete_trunk("acme")):
        with pytest.raises(InvalidRequest, match=r"ringback\.toml"):
            await change


async def test_a_trunk_of_the_file_that_cannot_be_read_is_refused_with_its_field() -> None:
    with pytest.raises(InvalidRequest, match="acme: transport"):
        await Setting().service.start([{"name": "acme", "hosts": ["a"], "transport": "pigeon"}])


async def test_whoever_listens_is_told_all_trunks_at_once_and_after_each_change() -> None:
    it = Setting()
    told: list[list[str]] = []
    await it.service.start()
    it.service.listen(lambda trunks: told.append([trunk.name for trunk in trunks]))

    await it.service.add_trunk({"name": "a", "hosts": ["a.example"]})
    await it.service.change_trunk("a", {"enabled": False})
    await it.service.delete_trunk("a")

    assert told == [[], ["a"], ["a"], []]
    with pytest.raises(NotFound):
        it.service.trunk("a")


async def test_a_change_keeps_what_it_does_not_name_and_null_resets() -> None:
    it = Setting()
    await it.service.start()
    secret = {"username": "me", "password": "secret"}
    await it.service.add_trunk({"name": "a", "hosts": ["a.example"], "max_calls": 5, "credentials": secret})

    kept = await it.service.change_trunk("a", {"max_calls": None, "transport": "tcp"})

    assert (kept.trunk.max_calls, kept.trunk.transport.value) == (None, "tcp")
    assert kept.trunk.credentials is not None
    assert kept.trunk.credentials.password == "secret"


async def test_a_number_rings_its_room_over_trunks_that_serve_its_domain_only() -> None:
    it = Setting()
    await it.service.start()
    mine, other = await it.domains.create("mine"), await it.domains.create("other")
    await it.service.add_trunk({"name": "all", "open": True})
    await it.service.add_trunk({"name": "others", "hosts": ["a.example"], "domains": ["other"]})
    await it.service.put_number(mine.id, "+4930123456", ROOM)

    assert await it.service.room_of("+4930123456", "all") == (mine.id, ROOM)
    assert await it.service.room_of("+4930123456", "others") is None
    assert await it.service.room_of("+491", "all") is None
    with pytest.raises(InvalidRequest, match="another domain"):
        await it.service.put_number(other.id, "+4930123456", ROOM)
    for number in ("030123456", "+49112"):
        with pytest.raises(InvalidRequest, match="number"):
            await it.service.put_number(mine.id, number, ROOM)


async def test_a_domains_oldest_number_is_shown_when_none_is_named() -> None:
    it = Setting()
    await it.service.start()
    mine = await it.domains.create("mine")
    await it.service.add_trunk({"name": "a", "hosts": ["a.example"]})
    it.service._numbers["+4930111111"] = KeptNumber("+4930111111", mine.id, ROOM, 1.0)

    route = await it.service.route(mine.id, ROOM, "+4940123456")

    assert route.caller_id == "+4930111111"
    assert route.attempts[0].from_uri == "sip:+4930111111@us.example"
