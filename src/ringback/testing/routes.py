"""Ways out and numbers of one process: ``Routes`` and ``NumberedRooms`` without trunks behind them."""

from ringback.calls.ports.reception import OwnedNumber
from ringback.calls.ports.routes import Attempt, OutgoingRoute
from ringback.model.errors import InvalidRequest
from ringback.model.ids import DomainId, RoomName
from ringback.numbers.plan import dialled_in
from ringback.numbers.trunk import Trunk


class MemoryRoutes:
    """Every number goes out over every trunk named in ``trunks``, in order; ``sip:`` addresses go straight.

    Attributes:
        trunks: Trunk name → host.
        rooms: Number → room it rings.
        country: Country code where telephones dial national numbers; empty for none.
        owned: Number → domain that has it, for numbers that ring no room.
        shown: Id of an owned number → the number that is shown for it.
    """

    def __init__(self) -> None:
        self.trunks: dict[str, str] = {}
        self.country = ""
        self.rooms: dict[str, tuple[DomainId, RoomName]] = {}
        self.owned: dict[str, DomainId] = {}
        self.shown: dict[str, str] = {}

    async def route(
        self, domain: DomainId, room: RoomName, destination: str, caller_id: str | None = None
    ) -> OutgoingRoute:
        if not destination.startswith("+"):
            return OutgoingRoute((Attempt(destination),))
        if not self.trunks:
            raise InvalidRequest("dial-out to phone numbers needs a trunk, and none is set up")
        number = self.shown.get(caller_id or "", caller_id or "")
        attempts = tuple(
            Attempt(f"sip:{destination}@{host}", trunk, caller_id=number) for trunk, host in self.trunks.items()
        )
        return OutgoingRoute(attempts, destination, caller_id or "")

    async def dialled(self, domain: DomainId, text: str) -> str:
        return dialled_in([Trunk("plan", country=self.country)], text)

    async def room_of(self, number: str, trunk: str) -> tuple[DomainId, RoomName] | None:
        return self.rooms.get(number)

    async def owner_of(self, number: str, trunk: str) -> tuple[DomainId, RoomName] | None:
        if number in self.owned:
            return self.owned[number], RoomName("")
        return self.rooms.get(number)

    def oldest(self, domain: DomainId) -> OwnedNumber | None:
        return next((OwnedNumber(each, each) for each, owner in self.owned.items() if owner == domain), None)

    def by_id(self, domain: DomainId, id: str) -> OwnedNumber | None:
        return self.by_number(domain, id)

    def by_number(self, domain: DomainId, number: str) -> OwnedNumber | None:
        return OwnedNumber(number, number) if self.owned.get(number) == domain else None
