"""The real HTTP application over a real SQLite file, real rooms, meetings and calls; telephony and media pretend."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import Connection

import migrated
from ringback.access.service import Access
from ringback.access.sip_clients import SipClients
from ringback.bus.local import LocalBus
from ringback.calls.service import Calls
from ringback.dialin.configs import DialinConfigs
from ringback.dialin.desk import DialinDesk
from ringback.dialin.sip_trunks import SipTrunks
from ringback.meetings.ports import Message, Office, World
from ringback.meetings.service import Meetings
from ringback.model.domain import Domain
from ringback.model.traces import Remembered
from ringback.numbers.purchases import Purchases
from ringback.numbers.quota import GuardedQuota
from ringback.numbers.service import Numbers
from ringback.rest.api import Services, create_api
from ringback.rooms.addresses import Addresses, sip_address
from ringback.rooms.domains import Domains
from ringback.rooms.service import Caps, Rooms
from ringback.signalling.wire import spell
from ringback.store.database import Database
from ringback.store.sealing import Sealer
from ringback.testing.carrier import FakeCarrier
from ringback.testing.clock import VirtualClock
from ringback.testing.dialin import FakeSounds
from ringback.testing.media import FakeMedia
from ringback.testing.poster import FakePoster
from ringback.webhooks.outbox import WatchedRecords
from ringback.webhooks.service import Webhooks

KEY = "key-of-the-first-domain"
SIP_DOMAIN = "sip.example.test"
PUBLIC_URL = "https://rooms.example.test"

T = TypeVar("T")


@dataclass
class House:
    """A server without sockets.

    Attributes:
        http: A client that holds the first domain's key.
        stranger: A client without any key.
    """

    services: Services
    database: Database
    carrier: FakeCarrier
    traces: "FakeTraces"
    meetings: Meetings
    clock: VirtualClock
    domain: Domain
    http: httpx.AsyncClient
    stranger: httpx.AsyncClient

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """Status and answer of a request with the first domain's key."""
        response = await self.http.request(method, path, json=body, **more)
        return response.status_code, response.json()

    async def other_key(self, name: str = "other") -> str:
        """A key of another domain."""
        domain = await self.services.domains.create(name)
        return (await self.services.access.add_key(domain.id, "test")).secret


class FakeTraces(dict[tuple[str, str], Remembered]):
    """What is remembered, by Call-ID and our tag."""

    def trace(self, sip_call_id: str, our_tag: str) -> Remembered:
        return self.get((sip_call_id, our_tag), Remembered())


class WatchedDatabase(Database):
    """A real one that knows whether it is asked something just now."""

    def __init__(self, url: str, sealer: Sealer) -> None:
        self._asked = 0
        self._idle = asyncio.Event()
        self._idle.set()
        super().__init__(url, sealer)

    async def write(self, work: Callable[[Connection], T], *, flush: bool = True) -> T:
        with self._busy():
            return await super().write(work, flush=flush)

    async def read(self, work: Callable[[Connection], T]) -> T:
        with self._busy():
            return await super().read(work)

    async def idle(self) -> None:
        """Return once every question that was asked has its answer."""
        await asyncio.wait_for(self._idle.wait(), 30)

    @property
    def is_idle(self) -> bool:
        return self._idle.is_set()

    @contextmanager
    def _busy(self) -> Iterator[None]:
        self._asked += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._asked -= 1
            if not self._asked:
                self._idle.set()


class StoreClock(VirtualClock):
    """Stands still while the real store works: otherwise minutes would pass before a call's end is written."""

    def __init__(self) -> None:
        super().__init__()
        self.database: WatchedDatabase | None = None

    async def settled(self) -> None:
        await super().settled()
        while self.database is not None and not self.database.is_idle:
            await self.database.idle()
            await super().settled()


@asynccontextmanager
async def a_house(
    folder: Path,
    *,
    rate_limits: bool = False,
    caps: Caps | None = None,
    bare: bool = False,
    seed: int = 1,
    release_after: float = 0.0,
) -> AsyncIterator[House]:
    """Build it, and take it down."""
    clock, chance = StoreClock(), random.Random(seed)
    migrated.put(folder / "ringback.db")
    clock.database = database = WatchedDatabase(f"sqlite:///{folder / 'ringback.db'}", Sealer("a secret for tests"))
    addresses = Addresses(PUBLIC_URL, SIP_DOMAIN, bare)
    domains = Domains(database.domains, clock, chance)
    rooms = Rooms(database.rooms, domains, addresses, clock, chance, caps)
    access = Access(database.keys, domains, clock, chance)
    domain = await access.start(KEY, "acme")
    sip_clients = SipClients(database.sip_clients, domains, lambda: addresses.sip_domain, clock, chance)
    await sip_clients.start(domain)
    numbers = Numbers(database.trunks, database.numbers, domains, clock, chance, lambda: SIP_DOMAIN)
    await numbers.start()
    quota = GuardedQuota(
        database.paid, database.audit, database.policies, clock, chance, takes_premium=numbers.takes_premium
    )
    await quota.start()
    carrier, media, traces = FakeCarrier(), FakeMedia(100), FakeTraces()
    bus: LocalBus[Message] = LocalBus()
    bus.subscribe(lambda message: None)
    epoch = await database.records.next_epoch("test")
    office = Office(
        World(carrier, media, bus),
        WatchedRecords(database.records, lambda domain: webhooks.news(domain)),
        clock,
        spell,
        "test",
        epoch,
    )
    ids = iter(f"{number:08x}-0000-4000-8000-000000000000" for number in range(1, 100))
    secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
    poster = FakePoster()
    poster.down.add("https://down.example.test/")
    async with (
        quota,
        Webhooks(database.webhooks, poster, clock, lambda: next(ids), lambda: secret, most=3) as webhooks,
        Meetings(office, rooms, lambda user: sip_address(user, SIP_DOMAIN)) as meetings,
        Calls(meetings, routes=numbers, numbers=numbers, clients=sip_clients, quota=quota, audit=quota) as calls,
    ):
        carrier.events = calls
        rooms.listen(meetings.room_changed, meetings.room_deleted)
        sounds = FakeSounds()
        configs = DialinConfigs(database.dialin_configs, numbers, poster, sounds, clock, chance)
        configs.begin = calls.run
        desk = DialinDesk(calls, meetings, configs, rooms, numbers, sounds, poster)
        calls.desk = desk
        await configs.start()
        purchases = Purchases(numbers, domains, clock, chance, release_after=release_after)
        purchases.on_release.append(lambda kept: configs.number_released(kept.domain, kept.number))
        trunks = SipTrunks(database.sip_trunks, domains, poster, clock, chance)
        services = Services(
            rooms,
            domains,
            access,
            meetings,
            calls,
            database.reports,
            traces,
            addresses,
            clock,
            "0.0.test",
            sip_clients,
            numbers,
            webhooks,
            purchases,
            usage=database.usage,
            quota=quota,
            audit=database.audit,
            dialin_configs=configs,
            dialin=desk,
            sip_trunks=trunks,
            rate_limits=rate_limits,
            web=folder / "web",
        )
        # Bugs must come back as the 500 that a client sees, not as an exception in the test.
        transport = httpx.ASGITransport(create_api(services), raise_app_exceptions=False)
        bearer = {"Authorization": f"Bearer {KEY}"}
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://test", headers=bearer) as http,
            httpx.AsyncClient(transport=transport, base_url="http://test") as stranger,
        ):
            yield House(services, database, carrier, traces, meetings, clock, domain, http, stranger)
    await database.close()
