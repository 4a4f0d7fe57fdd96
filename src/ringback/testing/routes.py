"""Ways out and numbers of one process: ``calls.ports.Routes`` and ``NumberedRooms`` without trunks behind them."""

from ringback.calls.ports import Attempt, OutgoingRoute
from ringback.model.errors import InvalidRequest
from ringback.model.ids import DomainId, RoomName


class MemoryRoutes:
    """Every number goes out over every trunk named in ``trunks``, in order; ``sip:`` addresses go straight.

    Attributes:
        trunks: Trunk name → host.
        rooms: Number → room it rings.
    """

    def __init__(self) -> None:
        self.trunks: dict[str, str] = {}
        self.rooms: dict[str, tuple[DomainId, RoomName]] = {}

    async def route(
        self, domain: DomainId, room: RoomName, destination: str, caller_id: str | None = None
    ) -> OutgoingRoute:
        if not destination.startswith("+"):
            return OutgoingRoute((Attempt(destination),))
        if not self.trunks:
            raise InvalidRequest("dial-out to phone numbers needs a trunk, and none is set up")
        attempts = tuple(Attempt(f"sip:{destination}@{host}", trunk) for trunk, host in self.trunks.items())
        return OutgoingRoute(attempts, destination, caller_id or "")

    async def room_of(self, number: str, trunk: str) -> tuple[DomainId, RoomName] | None:
        return self.rooms.get(number)
