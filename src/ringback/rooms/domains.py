"""Domains: who owns rooms, and the properties that hold in all of them."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from ringback.model.domain import Domain
from ringback.model.errors import NotFound
from ringback.model.ids import DomainId
from ringback.rooms.checks import Rules
from ringback.rooms.ports import Chance, DomainStore, WallClock
from ringback.rooms.properties import check_domain_properties, merge

SHOWN_DEFAULTS: Mapping[str, object] = {
    "lang": "en",
    "hipaa": False,
    "max_live_streams": 0,
    "max_app_message_size": 4096,
    "max_webhook_count": 0,
}


class Domains:
    """All domains of this installation, kept in memory: they are few, and every request needs one.

    Args:
        store: Where they rest.
        clock: For ``created_at``.
        chance: For ids and secrets.
        shown_limits: The operator's limits as ``config`` shows them.
    """

    def __init__(
        self, store: DomainStore, clock: WallClock, chance: Chance, *, shown_limits: Mapping[str, object] | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._chance = chance
        self._shown_limits = dict(shown_limits or {})
        self._known: dict[DomainId, Domain] | None = None

    async def first(self, name: str = "main") -> Domain:
        """The oldest domain; created with this name when there is none yet."""
        known = await self._load()
        return next(iter(known.values())) if known else await self.create(name)

    async def create(self, name: str) -> Domain:
        """A new domain. Raises ``InvalidRequest`` when the name is taken."""
        known = await self._load()
        domain = Domain(DomainId(new_uuid(self._chance)), name, self._clock.wall())
        await self._store.insert(domain)
        known[domain.id] = domain
        return domain

    async def get(self, domain: DomainId) -> Domain:
        """Raises ``NotFound``."""
        found = (await self._load()).get(domain)
        if found is None:
            raise NotFound(f"domain {domain} not found")
        return found

    async def by_name(self, name: str) -> Domain | None:
        return next((domain for domain in (await self._load()).values() if domain.name == name), None)

    async def all(self) -> list[Domain]:
        return list((await self._load()).values())

    async def is_first(self, domain: DomainId) -> bool:
        return next(iter(await self._load()), None) == domain

    async def configure(self, domain: DomainId, sent: object) -> Domain:
        """Set properties from a request body's ``properties``. Raises ``InvalidRequest``."""
        changes = check_domain_properties(sent, Rules(now=self._clock.wall()))
        after = await self._store.update(domain, lambda before: replace(before, config=merge(before.config, changes)))
        if after is None:
            raise NotFound(f"domain {domain} not found")
        (await self._load())[domain] = after
        return after

    def describe(self, domain: Domain) -> dict[str, object]:
        """The domain as ``GET /v1`` shows it."""
        return {
            "domain_name": domain.name,
            "domain_id": domain.id,
            "config": {**SHOWN_DEFAULTS, **self._shown_limits, **domain.config},
        }

    async def _load(self) -> dict[DomainId, Domain]:
        if self._known is None:
            self._known = {domain.id: domain for domain in await self._store.all()}
        return self._known


def new_uuid(chance: Chance) -> str:
    """A random (version 4) UUID from an injected source."""
    return str(UUID(int=chance.getrandbits(128), version=4))
