"""Records that say when something was added to the outbox."""

from collections.abc import Callable, Sequence

from ringback.calls.ports.records import Records
from ringback.model.ids import DomainId
from ringback.model.records import CallRecord, CommandRecord, MeetingRecord, ParticipantRecord, TransferRecord, Unit


class WatchedRecords:
    """``calls.ports.records.Records`` around another.

    Args:
        records: The other one.
        news: Called with a domain after each commit with events of it.
        ended: Called with each call that has ended, once its row says so.
    """

    def __init__(
        self,
        records: Records,
        news: Callable[[DomainId], None],
        ended: Callable[[CallRecord], None] = lambda call: None,
    ) -> None:
        self._records = records
        self._news = news
        self._ended = ended

    async def commit(self, unit: Unit) -> None:
        await self._records.commit(unit)
        for domain in {event.domain for event in unit.events}:
            self._news(domain)
        for call in unit.calls:
            if call.end is not None:
                self._ended(call)

    async def next_epoch(self, node: str) -> int:
        return await self._records.next_epoch(node)

    async def call_by_idempotency_key(self, domain: str, key: str) -> CallRecord | None:
        return await self._records.call_by_idempotency_key(domain, key)

    async def command(self, domain: str, key: str) -> CommandRecord | None:
        return await self._records.command(domain, key)

    async def unfinished_transfers(self, node: str, before_epoch: int) -> Sequence[TransferRecord]:
        return await self._records.unfinished_transfers(node, before_epoch)

    async def unfinished_calls(self, node: str, before_epoch: int) -> Sequence[CallRecord]:
        return await self._records.unfinished_calls(node, before_epoch)

    async def unfinished_meetings(self, node: str, before_epoch: int) -> Sequence[MeetingRecord]:
        return await self._records.unfinished_meetings(node, before_epoch)

    async def unfinished_participants(self, node: str, before_epoch: int) -> Sequence[ParticipantRecord]:
        return await self._records.unfinished_participants(node, before_epoch)
