"""What trunks and numbers need of the outside: their tables, and what telephony knows of a trunk right now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ringback.calls.ports.paid import PaidLeg
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
    """A telephone number (E.164).

    Attributes:
        domain: Whose it is; ``NO_DOMAIN``: nobody's yet, it can be bought.
        room: The room it rings, empty for none.
        created_at: Since when it is the domain's, or can be bought; Unix seconds.
        id: UUID.
        name: The domain's own name for it.
        trunk: Trunk that it belongs to, empty for none.
        vendor: Who it was bought from, empty where the operator just gave it.
        region: Subdivision of the country without the country (ISO 3166-2), empty when unknown.
    """

    number: str
    domain: DomainId
    room: RoomName
    created_at: float
    id: str = ""
    name: str = ""
    trunk: str = ""
    vendor: str = ""
    region: str = ""
    city: str = ""


@dataclass(frozen=True, slots=True)
class NumberSearch:
    """Which numbers somebody looks for; empty fields ask for nothing."""

    areacode: str = ""
    region: str = ""
    city: str = ""
    contains: str = ""
    starts_with: str = ""
    ends_with: str = ""


@dataclass(frozen=True, slots=True)
class OfferedNumber:
    """A number that can be bought, or was: E.164, where it is, and the trunk its calls come over."""

    number: str
    region: str = ""
    city: str = ""
    trunk: str = ""


class NumberVendor(Protocol):
    """Sells telephone numbers. One file per vendor: see ``numbers.inventory`` and docs/guides/numbers.md.

    Attributes:
        name: Kept with each number that was bought, so that it is given back to whom it came from.
    """

    name: str

    async def available(self, domain: str, search: NumberSearch, most: int) -> tuple[int, Sequence[OfferedNumber]]:
        """How many match, and at most so many of them.

        Args:
            domain: Name of the domain that looks.
        """

    async def buy(self, domain: str, number: str | None) -> OfferedNumber:
        """Buy one; ``None``: any number of the United States. Raises ``NumberRefused`` when that cannot be."""

    async def release(self, number: str) -> None:
        """Give one back. Raises ``NumberRefused`` when the vendor does not take it."""


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


# ── what calls cost ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class PaidRow:
    """One paid call at rest, from before its INVITE. Times are Unix seconds.

    Attributes:
        asker_kind, asker_id: On whose word (``calls.ports.paid.Asker``).
        made_by: ``dial-out``, ``transfer``, ``refer``, ``client``.
        consent: Reference to the callee's consent, empty for none.
        call: The call it became, empty until it did.
        per_minute, per_call: Its rate.
        ended_at, seconds, cost: ``None`` while it may still be running.
    """

    id: str
    node: str
    domain: DomainId
    asker_kind: str
    asker_id: str
    room: RoomName
    made_by: str
    destination: str
    trunk: str
    consent: str
    per_minute: float
    per_call: float
    began_at: float
    call: str = ""
    ended_at: float | None = None
    seconds: float | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One refusal. ``unseen``: how many of this domain before it were not written down. ``number`` rises."""

    at: float
    domain: DomainId
    asker_kind: str
    asker_id: str
    room: RoomName
    made_by: str
    destination: str
    rule: str
    info: str
    unseen: int = 0
    number: int = 0


class PaidStore(Protocol):
    """Paid calls at rest."""

    async def put(self, row: PaidRow) -> None:
        """Insert, or replace by id; durable when it returns."""

    async def since(self, wall: float, node: str) -> Sequence[PaidRow]:
        """Of a node: those begun since then, and those that have no end."""


class AuditStore(Protocol):
    """Refusals at rest."""

    async def append(self, entry: AuditEntry) -> None: ...
    async def page(
        self, domain: DomainId | None, limit: int, after: int | None, rule: str | None
    ) -> tuple[int, Sequence[AuditEntry]]:
        """How many there are, and one page, newest first, below the number ``after``."""


class PolicyStore(Protocol):
    """What domains may call, as it was written."""

    async def all(self) -> Mapping[DomainId, Mapping[str, Any]]: ...
    async def put(self, domain: DomainId, body: Mapping[str, Any], wall: float) -> None: ...


class DoNotCall(Protocol):
    """Somebody who knows which numbers are not to be called: a file, a server, a class of the operator's own."""

    async def refusal(self, leg: PaidLeg) -> str | None:
        """Why a call is not to be made; ``None`` when it may be. Whoever cannot tell refuses."""
