"""What access needs of the outside: keys and SIP accounts at rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ringback.model.ids import DomainId
from ringback.model.sip_client import SipClient


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of a domain.

    Attributes:
        id: UUID that names it without telling it.
        secret: The key itself; meeting tokens are signed with it.
        operator: Whether it may also act on domains, keys and trunks.
        configured: Whether it came from ``RINGBACK_API_KEY``.
        created_at, revoked_at: Unix seconds.
    """

    id: str
    domain: DomainId
    secret: str
    label: str
    operator: bool
    configured: bool
    created_at: float
    revoked_at: float | None = None

    def __repr__(self) -> str:
        return f"ApiKey({self.id})"


class KeyStore(Protocol):
    """Keys at rest, sealed."""

    async def active(self) -> Sequence[ApiKey]:
        """Oldest first, without the revoked ones."""

    async def put(self, keys: Sequence[ApiKey]) -> None:
        """Insert, or replace by id, all in one unit. Raises ``InvalidRequest`` when the same key is there already."""


class SipClientStore(Protocol):
    """Accounts of SIP phones at rest; what proves their passwords is sealed."""

    async def all(self) -> Sequence[SipClient]:
        """Oldest first."""

    async def insert(self, client: SipClient, most: int) -> None:
        """Raises ``InvalidRequest`` when its domain has one of that name, or ``most`` of them."""

    async def replace(self, client: SipClient, *, forget_phones: bool = True) -> bool:
        """By id, and forget in the same unit who was registered with the former password. False: it is gone."""

    async def delete(self, clients: Sequence[str]) -> None:
        """By id, with where they are registered. Unknown ones are ignored."""
