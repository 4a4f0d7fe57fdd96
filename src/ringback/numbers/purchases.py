"""Buying telephone numbers and giving them back, whoever sells them; and the stock that the operator imports."""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from ringback.model.errors import InvalidRequest, NotFound, NumberRefused
from ringback.model.ids import NO_DOMAIN, DomainId, RoomName
from ringback.model.values import replace
from ringback.numbers import guard
from ringback.numbers.e164 import country_of, is_e164
from ringback.numbers.inventory import INVENTORY, Inventory
from ringback.numbers.ports import KeptNumber, NumberSearch, NumberVendor, OfferedNumber
from ringback.numbers.service import Numbers
from ringback.rooms.domains import Domains, new_uuid
from ringback.rooms.ports import Chance, WallClock

log = structlog.get_logger()

MOST_OFFERED = 100
MOST_IN_STOCK = 100_000
DAY = 86400.0


class Purchases:
    """What domains buy.

    Args:
        numbers: Where numbers are kept.
        domains: Who buys.
        clock: For dates.
        chance: For ids.
        vendor: Who sells; what the operator imported, where it is left out.
        release_after: Seconds that a number has to be kept before it can be given back.

    Attributes:
        on_release: Done before a number is given back: what rings by it goes, so that its next owner's calls do not.
    """

    def __init__(
        self,
        numbers: Numbers,
        domains: Domains,
        clock: WallClock,
        chance: Chance,
        vendor: NumberVendor | None = None,
        release_after: float = 0.0,
    ) -> None:
        self._numbers = numbers
        self._domains = domains
        self._clock = clock
        self._chance = chance
        self._stock = Inventory(numbers.stock, numbers.serves)
        self._vendor: NumberVendor = vendor or self._stock
        self._release_after = release_after
        self.on_release: list[Callable[[KeptNumber], Awaitable[None]]] = []

    async def available(self, domain: DomainId, search: NumberSearch) -> tuple[int, Sequence[OfferedNumber]]:
        """How many numbers can be bought, and the first of them."""
        return await self._vendor.available((await self._domains.get(domain)).name, search, MOST_OFFERED)

    async def buy(self, domain: DomainId, number: str | None) -> KeptNumber:
        """Buy a number, or any of the United States. Raises ``InvalidRequest``, ``NumberRefused``."""
        if number is not None and not is_e164(number):
            raise InvalidRequest("number must be E.164, as in +14155550123")
        before = self._numbers.number(number) if number is not None else None
        if before is not None and before.domain:
            raise NumberRefused(f"{number} is not available")
        sold = await self._vendor.buy((await self._domains.get(domain)).name, number)
        taken = self._numbers.number(sold.number)
        if taken is not None and taken.domain:
            raise NumberRefused(f"{sold.number} is not available")
        log.info("number.bought", vendor=self._vendor.name, trunk=sold.trunk)
        kept = KeptNumber(
            number=sold.number,
            domain=domain,
            room=RoomName(""),
            created_at=self._clock.wall(),
            id=new_uuid(self._chance),
            trunk=sold.trunk,
            vendor=self._vendor.name,
            region=sold.region,
            city=sold.city,
        )
        return await self._numbers.keep(kept)

    def purchased(self, domain: DomainId) -> list[KeptNumber]:
        """A domain's numbers, newest first."""
        return self._numbers.numbers_of(domain)[::-1]

    async def release(self, domain: DomainId, id: str) -> KeptNumber:
        """Give a number back. Raises ``NotFound``, ``InvalidRequest`` while it is too new, ``NumberRefused``."""
        kept = next((each for each in self._numbers.numbers_of(domain) if each.id == id), None)
        if kept is None:
            raise NotFound(f"phone number {id[:64]!r} not found".replace("'", ""))
        if self._clock.wall() - kept.created_at < self._release_after:
            days = round(self._release_after / DAY)
            raise InvalidRequest(f"Failed to release new number, try again in {days} days")
        await self.drop(kept)
        return kept

    async def drop(self, kept: KeptNumber) -> None:
        """A number is its domain's no longer: back in stock, or back to its vendor."""
        for let_go in self.on_release:
            await let_go(kept)
        if kept.vendor == INVENTORY:
            empty = replace(kept, domain=NO_DOMAIN, room=RoomName(""), name="", vendor="")
            await self._numbers.keep(replace(empty, created_at=self._clock.wall()))
        else:
            if kept.vendor and kept.vendor == self._vendor.name:
                await self._vendor.release(kept.number)
            await self._numbers.forget(kept.number)
        log.info("number.released", vendor=kept.vendor, trunk=kept.trunk)

    async def delete(self, domain: DomainId, number: str) -> None:
        """``release`` by the number itself, whenever it was bought. Raises ``NotFound``."""
        kept = self._numbers.number(number)
        if kept is None or kept.domain != domain:
            raise NotFound(f"there is no number {number[:64]!r}".replace("'", ""))
        await self.drop(kept)

    # ── the stock ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def stock(self, number: str, trunk: str, region: str = "", city: str = "") -> KeptNumber:
        """Put a number of a trunk up for sale. Raises ``InvalidRequest``, ``NotFound`` for an unknown trunk."""
        if not is_e164(number):
            raise InvalidRequest("number must be E.164, as in +14155550123")
        if why := guard.refusal(number, country_of(number), allow_premium=True):
            raise InvalidRequest(f"number {number} cannot be used: {why}")
        self._numbers.trunk(trunk)
        before = self._numbers.number(number)
        if before is not None and before.domain:
            raise InvalidRequest(f"number {number} is a domain's already")
        if before is None and len(self._numbers.stock()) >= MOST_IN_STOCK:
            raise InvalidRequest(f"there are {MOST_IN_STOCK} numbers in stock already")
        since = before.created_at if before is not None else self._clock.wall()
        known = before.id if before is not None else new_uuid(self._chance)
        return await self._numbers.keep(
            KeptNumber(number, NO_DOMAIN, RoomName(""), since, known, trunk=trunk, region=region, city=city)
        )

    def in_stock(self) -> list[KeptNumber]:
        return self._numbers.stock()

    async def unstock(self, number: str) -> None:
        """Nobody can buy a number any more. Raises ``NotFound``."""
        kept = self._numbers.number(number)
        if kept is None or kept.domain:
            raise NotFound(f"there is no number {number[:64]!r} in stock".replace("'", ""))
        await self._numbers.forget(number)
