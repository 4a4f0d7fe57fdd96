"""Who takes what comes in, and whose accounts and numbers there are."""

from typing import Protocol

from ringback.calls.ports.carrier import IncomingInvite
from ringback.model.dialin import DialinConfig
from ringback.model.ids import DomainId, RoomName
from ringback.model.values import dataclass


class SipClients(Protocol):
    """Accounts of plain SIP phones, which register with us."""

    def address(self, domain: DomainId, user: str) -> str | None:
        """``sip:`` address of a domain's client of that name, registered now or not; ``None``: there is no such."""

    def may_dial_numbers(self, domain: DomainId, user: str) -> bool:
        """Whether its phones may call telephone numbers, which cost."""


@dataclass(frozen=True, slots=True)
class OwnedNumber:
    """A telephone number of a domain's.

    Attributes:
        id: UUID (Daily: ``callerId``).
        number: E.164.
        trunk: Trunk it belongs to, empty for none.
        room: Room it rings, empty for none.
    """

    id: str
    number: str
    trunk: str = ""
    room: str = ""


class OwnedNumbers(Protocol):
    """Telephone numbers that domains own."""

    def oldest(self, domain: DomainId) -> OwnedNumber | None:
        """The one shown when a call names none."""

    def by_id(self, domain: DomainId, id: str) -> OwnedNumber | None: ...
    def by_number(self, domain: DomainId, number: str) -> OwnedNumber | None: ...


class FrontDesk(Protocol):
    """Takes calls that are for no room yet: callers with a code, and those that are held (``dialin.desk``)."""

    def config_of(self, invite: IncomingInvite) -> DialinConfig | None:
        """Whose static address was dialled, if it is one."""

    def take(self, invite: IncomingInvite, config: DialinConfig) -> None: ...
    async def take_number(self, invite: IncomingInvite) -> bool:
        """Take a call to a telephone number that is already expected; false: it is for a room."""


class NumberedRooms(Protocol):
    """Which room a telephone number rings."""

    async def room_of(self, number: str, trunk: str) -> tuple[DomainId, RoomName] | None:
        """The room of an E.164 number called over ``trunk``; ``None`` when nothing is set up for it."""
