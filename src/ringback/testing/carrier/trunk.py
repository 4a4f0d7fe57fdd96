"""What a server has of a pretend carrier: the trunk that leads to it, and its numbers."""

from ringback.numbers.purchases import Purchases
from ringback.numbers.service import Numbers
from ringback.testing.carrier.directory import PATTERNS, for_sale
from ringback.testing.carrier.service import PretendCarrier

TRUNK = "pretend"


def trunk_of(carrier: PretendCarrier) -> dict[str, object]:
    """As in ``[[trunks]]``: for numbers of fiction and its own and for no others, before any other trunk."""
    host, _, port = carrier.address.rpartition(":")
    body: dict[str, object] = {
        "name": TRUNK,
        "hosts": [{"host": host, "port": int(port)}],
        "priority": 1,
        "trusted": True,
        "codecs": list(carrier.codecs),
        "outbound_rules": [
            *({"match": pattern} for pattern in (*PATTERNS, *carrier.others)),
            {"match": "*", "deny": True},
        ],
    }
    if carrier.manners.profile:
        # Its real addresses are elsewhere.
        body |= {"profile": carrier.manners.profile, "networks": [], "media_networks": []}
    return body


async def fill_stock(numbers: Numbers, purchases: Purchases) -> None:
    """Put its numbers up for sale; those that are known stay as they are."""
    for offer in for_sale():
        if numbers.number(offer.number) is None:
            await purchases.stock(offer.number, TRUNK, offer.region, offer.city)
