"""What REST needs of the services and the store, as it sees them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ringback.calls.commands import CallCommands
from ringback.calls.observing import Observer
from ringback.calls.paid import Verdict
from ringback.calls.ports.paid import Asker
from ringback.model.ids import CallId, DomainId, ParticipantId, RoomName
from ringback.model.presence import Presence
from ringback.model.records import CallRecord, MeetingRecord, ParticipantRecord, TransferRecord
from ringback.model.reports import CallFilter, UsageLine
from ringback.model.traces import Remembered


class Meetings(Protocol):
    """``meetings.service.Meetings``."""

    def presence(self, domain: DomainId, name: RoomName, /) -> list[Presence]: ...
    def presence_all(self, domain: DomainId, /) -> dict[RoomName, list[Presence]]: ...
    async def eject(
        self, domain: DomainId, name: RoomName, ids: list[str], user_ids: list[str], ban: bool = False, /
    ) -> list[ParticipantId]: ...
    async def update_permissions(
        self, domain: DomainId, name: RoomName, changes: Mapping[str, Mapping[str, object]], /
    ) -> None: ...
    async def send_app_message(
        self, domain: DomainId, name: RoomName, data: object, recipient: str = "*", /
    ) -> None: ...
    def counts(self) -> Mapping[str, int]: ...


class WarmTransfers(Protocol):
    """``calls.warm.WarmTransfers``."""

    async def accept(self, domain: DomainId, call_id: str, *, by_refer: bool = False) -> None: ...
    async def merge(self, domain: DomainId, call_id: str) -> None: ...
    async def give_back(self, domain: DomainId, call_id: str) -> None: ...


class Calls(CallCommands, Protocol):
    """``calls.service.Calls``."""

    async def check_dial_out(
        self, domain: DomainId, room: RoomName, body: Mapping[str, object], *, asker: Asker | None = None
    ) -> Verdict: ...
    @property
    def warm(self) -> WarmTransfers: ...
    def sound(self, call: CallId) -> Mapping[str, object]: ...
    def timeline(self, call: CallId) -> Sequence[Mapping[str, object]]: ...
    @property
    def observer(self) -> Observer: ...


class PretendNetwork(Protocol):
    """``testing.carrier.desk.CarrierDesk``: a telephone network that exists in ``ringback dev`` only."""

    def people(self) -> Sequence[Mapping[str, object]]: ...
    def calls(self) -> Sequence[Mapping[str, object]]: ...
    def call(self, body: Mapping[str, object]) -> Mapping[str, object]:
        """Raises ``InvalidRequest``."""

    def hang_up(self, call: str) -> Mapping[str, object]:
        """Raises ``NotFound``."""


class Reports(Protocol):
    """``store.reports.StoredReports``. A page is ``None`` when its cursor is unknown."""

    async def calls(
        self,
        domain: DomainId,
        wanted: CallFilter,
        *,
        limit: int,
        after: str | None,
        before: str | None,
    ) -> tuple[int, Sequence[CallRecord]] | None: ...
    async def call(self, domain: DomainId, call: str) -> CallRecord | None: ...
    async def transfers(self, domain: DomainId, call: str) -> Sequence[TransferRecord]: ...
    async def meetings(
        self,
        domain: DomainId,
        *,
        limit: int,
        after: str | None,
        before: str | None,
        room: str | None,
        start: float | None,
        end: float | None,
        ongoing: bool | None,
    ) -> tuple[int, Sequence[tuple[MeetingRecord, Sequence[ParticipantRecord]]]] | None: ...
    async def meeting(
        self, domain: DomainId, meeting: str
    ) -> tuple[MeetingRecord, Sequence[ParticipantRecord]] | None: ...


class Usage(Protocol):
    """``store.usage.StoredUsage``."""

    async def usage(
        self, domain: DomainId, first: int, last: int, by: Sequence[str], room: str | None
    ) -> Sequence[UsageLine]: ...


class Traces(Protocol):
    """``telephony.service.Telephony``."""

    def trace(self, sip_call_id: str, our_tag: str, /) -> Remembered: ...
