"""The store in memory: what ``calls.ports.records.Records`` promises, without a disk, and a switch to make it fail."""

import asyncio
from collections.abc import Sequence

from ringback.model.errors import InvalidRequest, NotStored
from ringback.model.records import (
    CallRecord,
    CommandRecord,
    EventRecord,
    MeetingRecord,
    ParticipantRecord,
    TransferRecord,
    Unit,
)


class MemoryRecords:
    """Rows by id, stays by participant and meeting, as they were last committed.

    Attributes:
        commits: How many units were written.
        broken: While true, every commit raises ``NotStored`` and writes nothing.
    """

    def __init__(self) -> None:
        self.calls: dict[str, CallRecord] = {}
        self.meetings: dict[str, MeetingRecord] = {}
        self.participants: dict[tuple[str, str], ParticipantRecord] = {}
        self.events: list[EventRecord] = []
        self.transfers: dict[str, TransferRecord] = {}
        self.commands: dict[tuple[str, str], CommandRecord] = {}
        self.commits = 0
        self.broken = False
        self._keys: dict[tuple[str, str], str] = {}
        self._epochs: dict[str, int] = {}

    async def commit(self, unit: Unit) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise NotStored("the store is broken on purpose")
        for call in unit.calls:
            if call.idempotency_key is not None:
                owner = self._keys.setdefault((call.domain, call.idempotency_key), call.id)
                if owner != call.id:
                    raise InvalidRequest(f"idempotency key {call.idempotency_key} belongs to another call")
        for command in unit.commands:
            if (command.domain, command.key) in self.commands:
                raise InvalidRequest(f"idempotency key {command.key} belongs to another command")
        self.commands |= {(command.domain, command.key): command for command in unit.commands}
        self.transfers |= {transfer.id: transfer for transfer in unit.transfers}
        self.calls |= {call.id: call for call in unit.calls}
        self.meetings |= {meeting.id: meeting for meeting in unit.meetings}
        self.participants |= {(stay.id, stay.meeting): stay for stay in unit.participants}
        self.events += unit.events
        self.commits += 1

    async def call_by_idempotency_key(self, domain: str, key: str) -> CallRecord | None:
        await asyncio.sleep(0)
        owner = self._keys.get((domain, key))
        return None if owner is None else self.calls[owner]

    async def command(self, domain: str, key: str) -> CommandRecord | None:
        await asyncio.sleep(0)
        return self.commands.get((domain, key))

    async def unfinished_transfers(self, node: str, before_epoch: int) -> Sequence[TransferRecord]:
        rows = self.transfers.values()
        return [row for row in rows if row.ended_at is None and row.node == node and row.epoch < before_epoch]

    async def unfinished_calls(self, node: str, before_epoch: int) -> Sequence[CallRecord]:
        rows = self.calls.values()
        return [row for row in rows if row.ended_at is None and row.node == node and row.epoch < before_epoch]

    async def unfinished_meetings(self, node: str, before_epoch: int) -> Sequence[MeetingRecord]:
        rows = self.meetings.values()
        return [row for row in rows if row.ended_at is None and row.node == node and row.epoch < before_epoch]

    async def unfinished_participants(self, node: str, before_epoch: int) -> Sequence[ParticipantRecord]:
        meetings = {meeting.id for meeting in await self.unfinished_meetings(node, before_epoch)}
        return [row for row in self.participants.values() if row.left_at is None and row.meeting in meetings]

    async def next_epoch(self, node: str) -> int:
        self._epochs[node] = self._epochs.get(node, 0) + 1
        return self._epochs[node]

    def snapshot(self) -> "MemoryRecords":
        """What a disk has at this moment: nothing that is written here later shows there."""
        copy = MemoryRecords()
        copy.calls, copy.meetings, copy.participants = dict(self.calls), dict(self.meetings), dict(self.participants)
        copy.events = list(self.events)
        copy.transfers, copy.commands = dict(self.transfers), dict(self.commands)
        copy._keys, copy._epochs = dict(self._keys), dict(self._epochs)
        return copy

    def stays(self, participant: str) -> list[ParticipantRecord]:
        """Where a participant has been, in order."""
        return [stay for (who, _), stay in self.participants.items() if who == participant]

    def event_names(self) -> list[str]:
        """Names of the stored events, in order."""
        return [event.name for event in self.events]

    def assert_idle(self) -> None:
        """No row tells of something that still goes on."""
        for call in self.calls.values():
            assert call.ended_at is not None, f"left unfinished: {call}"
        for transfer in self.transfers.values():
            assert transfer.ended_at is not None, f"left unfinished: {transfer}"
        for meeting in self.meetings.values():
            assert meeting.ended_at is not None, f"left unfinished: {meeting}"
        for stay in self.participants.values():
            assert stay.left_at is not None, f"never left: {stay}"
