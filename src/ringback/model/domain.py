"""A customer's domain: the owner of rooms, keys and everything that happens in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ringback.model.ids import DomainId


@dataclass(frozen=True, slots=True)
class Domain:
    """One tenant. Its key acts on it only.

    Attributes:
        name: Host-safe name (``acme``), unique.
        created_at: Unix seconds.
        config: Domain properties that were set, validated, in wire names.
    """

    id: DomainId
    name: str
    created_at: float
    config: Mapping[str, object] = field(default_factory=dict)
