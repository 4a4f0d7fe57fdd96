"""What trunks and numbers need of the outside: their tables, and what telephony knows of a trunk right now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ringback.model.ids import DomainId, RoomName
from ringback.numbers.health import Health
from ringback.numbers.trunk import Trunk


@dataclass(frozen=True, slots=True)
class KeptTrunk:
    """A trunk and when it was made and changed, Unix seconds. ``configured``: it stands in the settings' file."""

    trunk: Trunk
    created_at: float
    updated_at: float
    configured: bool = False


@dataclass(frozen=True, slots=True)
class KeptNumber:
    """A telephone number (E.164) and the room it rings. ``created_at`` is Unix seconds."""

    number: str
    domain: DomainId
    room: RoomName
    created_at: float


class TrunkStore(Protocol):
    """Trunks at rest, secrets sealed."""

    async def all(self) -> Sequence[KeptTrunk]:
        """By name. Raises ``StoreError`` when ``RINGBACK_SECRET`` is not the one that sealed them."""

    async def put(self, kept: KeptTrunk) -> None:
        """Write, in place of one of the same name."""

    async def delete(self, name: str) -> None: ...


class NumberStore(Protocol):
    """Numbers at rest."""

    async def all(self) -> Sequence[KeptNumber]:
        """Oldest first."""

    async def put(self, kept: KeptNumber) -> None: ...
    async def delete(self, number: str) -> None: ...


@dataclass(frozen=True, slots=True)
class TrunkState:
    """What is known of a trunk right now.

    Attributes:
        calls: Calls it carries.
        hosts: Health by host as configured (``host`` or ``host:port``).
        registration: ``off``, or how registering goes, in words.
    """

    calls: int = 0
    hosts: Mapping[str, Health] = field(default_factory=dict)
    registration: str = "off"


class TrunkWatch(Protocol):
    """Telephony, as trunks see it."""

    def state(self, trunk: Trunk) -> TrunkState: ...
    def is_down(self, trunk: str, host: str, port: int | None) -> bool: ...
    async def check(self, trunk: Trunk) -> None:
        """Ask every host with OPTIONS now; ``state`` tells what came of it."""
