"""Ways out and numbers for a server that has no trunks."""

from ringback.calls.ports.routes import Attempt, OutgoingRoute
from ringback.model.errors import InvalidRequest
from ringback.model.ids import DomainId, RoomName
from ringback.numbers.plan import dialled_in


class NoTrunks:
    """Implements ``calls.ports``' ``Routes`` and ``NumberedRooms``: ``sip:`` addresses are dialled, numbers are not."""

    async def route(
        self, domain: DomainId, room: RoomName, destination: str, caller_id: str | None = None
    ) -> OutgoingRoute:
        if destination.startswith("+"):
            raise InvalidRequest("dial-out to phone numbers needs a trunk, and none is set up: dial a sipUri instead")
        return OutgoingRoute((Attempt(destination),))

    async def dialled(self, domain: DomainId, text: str) -> str:
        return dialled_in((), text)

    async def room_of(self, number: str, trunk: str) -> tuple[DomainId, RoomName] | None:
        return None


class NoClients:
    """Implements ``calls.ports.reception.SipClients``: nobody has an account."""

    def address(self, domain: DomainId, user: str) -> str | None:
        return None

    def may_dial_numbers(self, domain: DomainId, user: str) -> bool:
        return False
