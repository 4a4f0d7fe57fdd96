"""A store of bindings that a test can look into, and break."""

from collections.abc import Sequence

from ringback.model.errors import NotStored
from ringback.model.sip_client import Binding


class MemoryBindings:
    """``telephony.registrar.BindingStore``."""

    def __init__(self, kept: dict[str, Sequence[Binding]] | None = None) -> None:
        self.kept = kept or {}
        self.broken = False
        self.saves = 0

    async def all(self, after: float) -> Sequence[tuple[str, Binding]]:
        return [(client, one) for client, many in self.kept.items() for one in many if one.expires_at > after]

    async def save(self, client: str, bindings: Sequence[Binding]) -> bool:
        self.saves += 1
        if self.broken:
            raise NotStored("the disk is full")
        self.kept[client] = bindings
        return True


def a_binding(host: str, contact: str = "", **more: object) -> Binding:
    """A phone registered from an address."""
    contact = contact or f"sip:ann@{host}:5060"
    return Binding(contact, contact, "udp", host, 5060, 1e12, "reg", 1, **more)  # type: ignore[arg-type]
