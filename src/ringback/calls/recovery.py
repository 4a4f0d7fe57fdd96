"""After a restart: what an earlier life of this node left unfinished is ended, told and hung up. Nothing is sent twice.

A call whose row says ``queued`` may or may not have left; it is never dialled again, only given up.
"""

from collections.abc import Sequence
from itertools import count

import structlog

from ringback.calls.outcome import told
from ringback.calls.ports.carrier import Carrier
from ringback.calls.ports.clock import Clock
from ringback.calls.ports.records import Records
from ringback.calls.transfer import WARM, spoken
from ringback.meetings.ports import Spell
from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.events import (
    CallEvent,
    CallFacts,
    CallStep,
    CallTransfer,
    Event,
    MeetingEnded,
    ParticipantLeft,
    TransferStep,
)
from ringback.model.ids import CallId
from ringback.model.participant import Participant, ParticipantType
from ringback.model.records import (
    CallRecord,
    CallState,
    Direction,
    EventRecord,
    MeetingRecord,
    ParticipantRecord,
    TransferRecord,
    TransferState,
    Unit,
)
from ringback.model.values import replace

log = structlog.get_logger()

About = CallRecord | MeetingRecord | ParticipantRecord | TransferRecord
"""What an event is told of."""

ENDED = told(EndReason(Ending.SERVER_RESTART, Fault.OURS))


async def finish_earlier_life(
    records: Records,
    carrier: Carrier,
    clock: Clock,
    spell: Spell,
    node: str,
    epoch: int,
) -> int:
    """End every call, stay and meeting of earlier epochs, in one unit of work.

    BYE and CANCEL go out first: a kill in between repeats them, which does no harm, where the other order could leave
    a far end talking to nobody.

    Returns:
        How many calls were ended.
    """
    calls = await records.unfinished_calls(node, epoch)
    transfers = await records.unfinished_transfers(node, epoch)
    meetings = await records.unfinished_meetings(node, epoch)
    stays = await records.unfinished_participants(node, epoch)
    now = clock.wall()
    for call in calls:
        carrier.finish(call)
    number = count(1)
    told: tuple[tuple[About, Event], ...] = (
        *((stay, _left(stay)) for stay in stays),
        *((transfer, _completed(transfer)) for transfer in transfers if not transfer.status),
        *((call, _stopped(call)) for call in calls if _was_told(call) and not _has_left(call.id, transfers)),
        *((meeting, MeetingEnded(meeting.started_at, now)) for meeting in meetings),
    )
    ended = tuple(replace(call, state=CallState.ENDED, ended_at=now, end=ENDED) for call in calls)
    unit = Unit(
        calls=ended,
        meetings=tuple(replace(meeting, ended_at=now) for meeting in meetings),
        transfers=tuple(
            replace(transfer, state=TransferState.COMPLETED, status=_outcome(transfer), ended_at=now)
            for transfer in transfers
        ),
        participants=tuple(replace(stay, left_at=now) for stay in stays),
        events=tuple(_event(about, event, next(number), epoch, now, spell) for about, event in told),
    )
    if unit:
        await records.commit(unit)
        log.warning("server.restarted", calls=len(calls), meetings=len(meetings))
    return len(calls)


def _was_told(call: CallRecord) -> bool:
    """Whether anybody knows of the call: a caller who was never in a room does not stop, either."""
    return call.direction is Direction.DIAL_OUT or (call.answered_at is not None and bool(call.room))


def _has_left(call: CallId, transfers: Sequence[TransferRecord]) -> bool:
    """Whether its room was told that a call went elsewhere: it stopped there then, and only once."""
    return any(
        transfer.left and (transfer.call == call or (transfer.verb == WARM and transfer.leg == call))
        for transfer in transfers
    )


def _outcome(transfer: TransferRecord) -> str:
    """How a transfer went that the kill cut off: those who talked with each other had come together."""
    if transfer.status:
        return transfer.status  # it has been told, and the call was on its way
    return "completed" if transfer.state in (TransferState.ANSWERED, TransferState.MERGED) else "failed"


def _completed(transfer: TransferRecord) -> CallTransfer:
    return spoken(TransferStep.COMPLETED, replace(transfer, status=_outcome(transfer)))


def _left(stay: ParticipantRecord) -> ParticipantLeft:
    kind = stay.participant_type
    return ParticipantLeft(
        Participant(
            stay.id,
            stay.joined_at,
            stay.user_name or "",
            stay.user_id,
            type=ParticipantType(kind) if kind else None,
        )
    )


def _stopped(call: CallRecord) -> CallEvent:
    dial_in = call.direction is Direction.DIAL_IN
    provider = call.request.get("provider")
    facts = CallFacts(
        call=call.id,
        direction=call.direction,
        provider=provider if isinstance(provider, str) else "daily",
        sip_call_id=call.sip_call_id,
        remote=call.remote,
        display_name=call.display_name,
        user_id=call.user_id,
        sip_headers={name: str(value) for name, value in call.request.items()} if dial_in else {},
    )
    return CallEvent(facts, CallStep.STOPPED, end=ENDED)


def _event(
    about: About,
    event: Event,
    number: int,
    epoch: int,
    now: float,
    spell: Spell,
) -> EventRecord:
    name, payload = spell(event)
    # Of a meeting's end clients are not told: there are none.
    to = () if isinstance(about, MeetingRecord) else None
    meeting = about.id if isinstance(about, MeetingRecord) else about.meeting
    return EventRecord(about.domain, about.room, meeting, epoch, number, now, name, payload, to)
