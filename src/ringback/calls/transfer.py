"""One transfer on its way: its row, and what is told of each step of it."""

from dataclasses import dataclass, field
from typing import Any

import structlog

from ringback.calls.call import Call
from ringback.calls.dialout import DialOut
from ringback.calls.display_name import clean
from ringback.meetings.actor import Actor
from ringback.meetings.effects import Effect, Save, Tell
from ringback.model.events import CallEvent, CallStep, CallTransfer, TransferStep
from ringback.model.ids import CallId
from ringback.model.instant import Instant
from ringback.model.records import TransferRecord, TransferState
from ringback.model.values import replace

log = structlog.get_logger()

OK = {"ok": True}
"""What a command that was carried out answers."""

TRANSFER, REFER, WARM = "transfer", "refer", "warm-transfer"
"""What ``TransferRecord.verb`` says."""


@dataclass(slots=True, eq=False)
class Transfer:
    """One transfer on its way.

    Attributes:
        call: What goes elsewhere.
        home: The meeting it comes from, and comes back to if it fails.
        record: Its row.
        bridge: Where both calls meet, or the caller waits.
        leg: The call we make for it.
        listens: Whether the caller hears the leg.
        connected: Whether both were put together.
        gone: Calls that were told to have left the room: it hears no more of them.
    """

    call: Call
    home: Actor
    record: TransferRecord
    bridge: Actor | None = None
    leg: DialOut | None = None
    listens: bool = False
    connected: bool = False
    gone: set[CallId] = field(default_factory=set)

    @property
    def to(self) -> str:
        return self.record.to

    @property
    def over(self) -> bool:
        """Whether ``COMPLETED`` was told."""
        return self.record.state is TransferState.COMPLETED

    def note(self, **changes: Any) -> Effect:
        """What its row says from now on."""
        self.record = replace(self.record, **changes)
        return Save(self.record)

    def step(self, step: TransferStep, **changes: Any) -> list[Effect]:
        """It has got this far: row and event."""
        saved = self.note(state=TransferState(step.value), **changes)
        return [saved, Tell(spoken(step, self.record))]

    def complete(self, status: str, now: Instant, *, arrived: bool = True) -> list[Effect]:
        """It is over, and is told so once. Its row is finished only once the call has ``arrived``."""
        if self.over:
            return []
        if not self.connected:
            self.call.moving = False
            self.call.listener = None
        log.info("call.transfer-completed", call=self.call.id, status=status, verb=self.record.verb)
        return self.step(TransferStep.COMPLETED, status=status, ended_at=now.wall if arrived else None)


def spoken(step: TransferStep, record: TransferRecord) -> CallTransfer:
    """The event of a step. Only the last one says how it went."""
    final = step is TransferStep.COMPLETED
    return CallTransfer(
        record.call,
        record.remote,
        step,
        record.to,
        record.verb == REFER,
        record.status if final else "",
        record.refer_status if final else None,
        record.notify_status if final else None,
        record.verb == WARM,
        record.leg,
    )


def warning(call: Call, words: str) -> Tell:
    """Told to everybody: a transfer came to nothing, and why."""
    return Tell(CallEvent(call.facts, CallStep.WARNING, clean(words)))


def forget(answer: object, now: Instant) -> list[Effect]:
    """A command without an idempotency key leaves nothing behind that says so."""
    return []
