"""The store as calls and meetings see it. ``store`` implements it."""

from collections.abc import Sequence
from typing import Protocol

from ringback.model.records import CallRecord, CommandRecord, MeetingRecord, ParticipantRecord, TransferRecord, Unit


class Records(Protocol):
    """The store as calls and meetings see it."""

    async def commit(self, unit: Unit) -> None:
        """Write all of it or nothing, durably against a kill of the process. Units are committed in call order."""

    async def call_by_idempotency_key(self, domain: str, key: str) -> CallRecord | None: ...
    async def command(self, domain: str, key: str) -> CommandRecord | None:
        """The command that was carried out under an idempotency key; dial-outs are found by the method above."""

    async def unfinished_transfers(self, node: str, before_epoch: int) -> Sequence[TransferRecord]: ...
    async def unfinished_calls(self, node: str, before_epoch: int) -> Sequence[CallRecord]: ...
    async def unfinished_meetings(self, node: str, before_epoch: int) -> Sequence[MeetingRecord]: ...
    async def unfinished_participants(self, node: str, before_epoch: int) -> Sequence[ParticipantRecord]:
        """Stays without an end in those meetings, in order of joining."""

    async def next_epoch(self, node: str) -> int:
        """The node's boot number, one higher at each call, never reused."""
