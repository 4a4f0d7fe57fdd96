"""The trunk that leads from a server to a pretend carrier."""

from ringback.testing.carrier.directory import PATTERNS
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
    return {**body, "profile": carrier.manners.profile} if carrier.manners.profile else body
