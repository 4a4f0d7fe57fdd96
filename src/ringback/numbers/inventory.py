"""The first vendor of numbers (``numbers.ports.NumberVendor``): those the operator imported, each of a trunk."""

from collections.abc import Callable, Sequence

from ringback.model.errors import NumberRefused
from ringback.numbers.e164 import country_of
from ringback.numbers.ports import KeptNumber, NumberSearch, OfferedNumber

INVENTORY = "inventory"
UNITED_STATES = "+1"


class Inventory:
    """Sells what is in stock.

    Args:
        stock: Numbers that are nobody's, in the order they came.
        serves: Whether a trunk serves a domain, both by name.
    """

    name = INVENTORY

    def __init__(self, stock: Callable[[], Sequence[KeptNumber]], serves: Callable[[str, str], bool]) -> None:
        self._stock = stock
        self._serves = serves

    async def available(self, domain: str, search: NumberSearch, most: int) -> tuple[int, Sequence[OfferedNumber]]:
        found = [_offered(kept) for kept in self._for(domain) if matches(search, kept)]
        return len(found), found[:most]

    async def buy(self, domain: str, number: str | None) -> OfferedNumber:
        for kept in self._for(domain):
            if kept.number == number or (number is None and kept.number.startswith(UNITED_STATES)):
                return _offered(kept)
        raise NumberRefused(f"{number or 'a number of the United States'} is not available")

    async def release(self, number: str) -> None:
        """It is back in stock as soon as it is nobody's."""

    def _for(self, domain: str) -> list[KeptNumber]:
        return [kept for kept in self._stock() if self._serves(kept.trunk, domain)]


def matches(search: NumberSearch, kept: KeptNumber) -> bool:
    """Whether a number is what somebody looks for. Digits count from the national number or from the country code."""
    digits = kept.number.removeprefix("+")
    national = digits.removeprefix(country_of(kept.number))
    return (
        national.startswith(search.areacode)
        and (not search.region or kept.region.upper() == search.region.upper())
        and (not search.city or kept.city.casefold() == search.city.casefold())
        and search.contains in digits
        and (national.startswith(search.starts_with) or digits.startswith(search.starts_with))
        and digits.endswith(search.ends_with)
    )


def _offered(kept: KeptNumber) -> OfferedNumber:
    return OfferedNumber(kept.number, kept.region, kept.city, kept.trunk)
