"""One meeting's serial queue: everything that happens to a meeting or its calls goes through it, one step at a time.

A step is a function from the time to effects. What waits is taken in one gulp, its rows and events are committed as one
unit, and only then is anything done outside. So a process killed at any moment has either not begun or left a row.
A bug in a step costs this meeting and no other: its legs are ended and it is taken from the register.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import structlog

from ringback.meetings.admission import JoinRefused
from ringback.meetings.effects import (
    CallEnds,
    CallMachine,
    CloseMeeting,
    Effect,
    HangUp,
    MeetingEnds,
    Outside,
    PhoneChanges,
    PhoneJoins,
    Save,
    SetName,
    Tell,
)
from ringback.meetings.meeting import Life, Meeting, MeetingOver
from ringback.meetings.ports import Office, Told, Unseated
from ringback.meetings.steps import Steps
from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.errors import NotStored, RingbackError, Unavailable
from ringback.model.events import DURABLE, MeetingEnded, ParticipantJoined, ParticipantUpdated
from ringback.model.ids import CallId, ParticipantId
from ringback.model.instant import Instant
from ringback.model.records import (
    CallRecord,
    CommandRecord,
    EventRecord,
    MeetingRecord,
    ParticipantRecord,
    Row,
    TransferRecord,
    Unit,
)

log = structlog.get_logger()

T = TypeVar("T")
Step = Callable[[Instant], list[Effect]]
Question = Callable[[Instant], tuple[list[Effect], T]]

REFUSALS = (RingbackError, JoinRefused, MeetingOver)
"""What a step may raise before it changed anything: the asker's to hear."""

MAX_GULP = 64
"""Steps taken into one unit of work."""

MAX_BACKLOG = 1000
"""Events kept for the next commit while the store fails."""


class Batch:
    """What one gulp of steps wants: rows (the last version of each), events, effects outside."""

    def __init__(self) -> None:
        self.rows: dict[tuple[type, str], Row] = {}
        self.events: list[EventRecord] = []
        self.outside: list[Outside] = []
        self.answers: list[tuple[asyncio.Future[Any], Any, range]] = []
        """Who waits for which answer, and where the step's own effects are in ``outside``."""

    def unit(self) -> Unit:
        rows = self.rows.values()
        return Unit(
            calls=tuple(row for row in rows if isinstance(row, CallRecord)),
            meetings=tuple(row for row in rows if isinstance(row, MeetingRecord)),
            participants=tuple(row for row in rows if isinstance(row, ParticipantRecord)),
            events=tuple(self.events),
            transfers=tuple(row for row in rows if isinstance(row, TransferRecord)),
            commands=tuple(row for row in rows if isinstance(row, CommandRecord)),
        )


class Actor:
    """Runs one meeting.

    Args:
        meeting: Its state machine, still idle.
        office: What all meetings share.
        gone: Called once, synchronously, when the meeting has ended.
        call_gone: Called for each call that no longer exists.

    Attributes:
        speaks_as: In whose name something is told that happens here: its own, unless its calls are of another
            meeting. ``None``: it is told to nobody.
    """

    def __init__(
        self,
        meeting: Meeting,
        office: Office,
        gone: Callable[["Actor"], None],
        call_gone: Callable[[CallId], None],
    ) -> None:
        self.meeting = meeting
        self.calls: dict[CallId, CallMachine] = {}
        self._office = office
        self._gone = gone
        self._call_gone = call_gone
        self.speaks_as: Callable[[Tell], Actor | None] = lambda tell: self
        self._queue: deque[tuple[Question[Any], asyncio.Future[Any] | None, Callable[[], None] | None]] = deque()
        self._ready = asyncio.Event()
        self._hang_ups: deque[HangUp] = deque()
        self._last_words: Tell | None = None
        self._sequence = 0
        self._timer_at: float | None = None
        self._timer: Any = None
        self._backlog: Batch | None = None
        self._log = log.bind(room=meeting.settings.room.name, meeting=meeting.id)
        self.steps = Steps(office.world.media, office.clock, self._log)

    # ── feeding ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def post(self, step: Step, lost: Callable[[], None] | None = None) -> None:
        """Queue a step; nobody waits for it. ``lost`` is called instead when the meeting ends before its turn."""
        self._put(lambda now: (step(now), None), None, lost)

    def ask(self, question: Question[T]) -> "asyncio.Future[T]":
        """Queue a step and get its answer once it is committed and done.

        The future raises what the step refused with, ``MeetingOver`` when the meeting ended first, or ``Unavailable``.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._put(question, future)
        return future

    def _put(
        self,
        question: Question[Any],
        future: asyncio.Future[Any] | None,
        lost: Callable[[], None] | None = None,
    ) -> None:
        if self.meeting.ended:
            _settle(future, MeetingOver())
            if lost is not None:
                lost()
            return
        self._queue.append((question, future, lost))
        self._ready.set()

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Serve the queue until the meeting has ended."""
        while not self.meeting.ended:
            await self._ready.wait()
            self._ready.clear()
            try:
                await self._gulp()
            except Exception:
                self._log.exception("meeting.broken")
                await self._collapse()
        self._cancel_timer()
        self.steps.stop()
        while self._queue:
            _, future, lost = self._queue.popleft()
            _settle(future, MeetingOver())
            if lost is not None:
                lost()

    async def _gulp(self) -> None:
        while self._queue and not self.meeting.ended:
            now = self._now()
            batch, self._backlog = self._backlog or Batch(), None
            try:
                for _ in range(min(len(self._queue), MAX_GULP)):
                    question, future, _ = self._queue.popleft()
                    self._step(question, future, now, batch)
                    if self.meeting.ended:
                        break
                await self._commit(batch)
            finally:
                for future, *_ in batch.answers:
                    _settle(future, Unavailable("the meeting met an internal error"))
        if self.meeting.life is Life.IDLE:
            self._retire()
        self._arm()

    def _step(self, question: Question[Any], future: asyncio.Future[Any] | None, now: Instant, batch: Batch) -> None:
        try:
            effects, answer = question(now)
        except REFUSALS as refusal:
            if not _settle(future, refusal):
                self._log.warning("meeting.refused", refusal=repr(refusal))
            return
        except Exception:
            _settle(future, Unavailable("the meeting met an internal error"))
            raise
        start = len(batch.outside)
        if future is not None:
            batch.answers.append((future, answer, range(start, start)))
        self._gather(effects, now, batch)
        while self._hang_ups:
            hang_up = self._hang_ups.popleft()
            if (machine := self.calls.get(hang_up.call)) is not None:
                self._gather(machine.hang_up(hang_up.reason, now), now, batch)
        if self._last_words is not None:
            # The call whose end ended the meeting is told of first.
            self._tell(self._last_words, now, batch)
            self._last_words = None
        if future is not None:
            batch.answers[-1] = (future, answer, range(start, len(batch.outside)))

    def _retire(self) -> None:
        """Nobody came in after all: the meeting never began."""
        self.meeting.abandon(self._now())
        self._office.world.media.close_meeting(self.meeting.id)
        self._gone(self)

    def _gather(self, effects: list[Effect], now: Instant, batch: Batch) -> None:
        """Sort effects into the batch.

        What a call tells its meeting is heard at once, so that somebody has joined before the call is told as
        connected; what the meeting wants of its calls waits until they have finished speaking.
        """
        meeting = self.meeting
        for effect in effects:
            match effect:
                case Outside():
                    batch.outside.append(effect)
                case Tell(MeetingEnded()):
                    self._last_words = effect
                case Tell():
                    # In this unit of work, whoever is told: what happened and the event of it are stored together.
                    if (speaker := self.speaks_as(effect)) is not None:
                        speaker._tell(effect, now, batch)
                    if isinstance(effect.event, ParticipantJoined | ParticipantUpdated):
                        who = effect.event.participant
                        batch.outside.append(SetName(ParticipantId(who.id), who.user_name))
                case Save(row):
                    batch.rows[type(row), row.id] = self.steps.counted(row) if isinstance(row, CallRecord) else row
                case HangUp():
                    self._hang_ups.append(effect)
                case PhoneJoins(participant):
                    self._gather(meeting.phone_joins(participant, now), now, batch)
                case PhoneChanges(call, state, held_by, video):
                    self._gather(meeting.phone_changes(call, state, held_by, now, video), now, batch)
                case CallEnds(call):
                    self.calls.pop(call, None)
                    self._call_gone(call)
                    self._gather(meeting.call_ends(call, now), now, batch)
                case MeetingEnds():
                    self._gone(self)
                case _:
                    raise AssertionError(f"nobody handles {effect!r}")

    def _tell(self, tell: Tell, now: Instant, batch: Batch) -> None:
        self.steps.told(tell.event)
        name, payload = self._office.spell(tell.event)
        room = self.meeting.settings.room
        if isinstance(tell.event, DURABLE):
            self._sequence += 1
            batch.events.append(
                EventRecord(
                    room.domain,
                    room.name,
                    self.meeting.id,
                    self._office.epoch,
                    self._sequence,
                    now.wall,
                    name,
                    payload,
                    tell.to,
                )
            )
        if self.meeting.has_clients and tell.to != ():
            batch.outside.append(_Publish(Told(self.meeting.id, name, payload, tell.to, tell.but)))

    async def _commit(self, batch: Batch) -> None:
        unit = batch.unit()
        stored = True
        if unit:
            try:
                await self._office.records.commit(unit)
            except Exception as error:
                stored = False
                self._log.error("store.failed", error=str(error))
                self._keep(batch)
        self.steps.stored(unit)
        world = self._office.world
        for effect in batch.outside:
            if not stored and (call := effect.needs_row) is not None:
                self._fail(call)
            else:
                effect.apply(world)
        for future, answer, own in batch.answers:
            if not stored and any(batch.outside[index].needs_row for index in own):
                _settle(future, NotStored("the call could not be stored, so it was not made"))
            else:
                _settle(future, None, answer)

    def _keep(self, batch: Batch) -> None:
        """The store failed: calls that stand go on, and their rows go with the next unit."""
        kept = Batch()
        kept.rows = batch.rows
        kept.events = batch.events[-MAX_BACKLOG:]
        self._backlog = kept

    def _fail(self, call: CallId) -> None:
        """What must not happen without a row does not happen: the call ends instead."""
        self.post(lambda now: [HangUp(call, EndReason(Ending.STORE_FAILED, Fault.OURS))])

    async def _collapse(self) -> None:
        """A bug of ours in this meeting: end what it has as well as we can and let the others be."""
        now = self._now()
        batch = Batch()
        reason = EndReason(Ending.INTERNAL_ERROR, Fault.OURS)
        for call, machine in list(self.calls.items()):
            try:
                part = Batch()
                for effect in machine.hang_up(reason, now):
                    if isinstance(effect, Save):
                        part.rows[type(effect.row), effect.row.id] = effect.row
                    elif isinstance(effect, Outside):
                        part.outside.append(effect)
                    elif isinstance(effect, Tell):
                        self._tell(effect, now, part)
            except Exception:
                self._log.exception("call.broken", call=call)
            else:
                batch.rows |= part.rows
                batch.outside += part.outside
                batch.events += part.events
            self._call_gone(call)
        self.calls.clear()
        for who, member in self.meeting.members.items():
            if member.is_client:
                words = ("connection-error", "The meeting met an internal error.")
                batch.outside.append(_Publish(Unseated(self.meeting.id, who, words)))
        batch.outside.append(CloseMeeting(self.meeting.id))
        for effect in self.meeting.abandon(now):
            if isinstance(effect, Save):
                batch.rows[type(effect.row), effect.row.id] = effect.row
            elif isinstance(effect, Tell):
                self._tell(effect, now, batch)
        self._gone(self)
        try:
            await self._commit(batch)
        except Exception:
            self._log.exception("meeting.broken-twice")

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _now(self) -> Instant:
        clock = self._office.clock
        return Instant.of(clock)

    def _wake(self) -> None:
        self._timer_at = None
        self.post(self._wake_all)

    def _wake_all(self, now: Instant) -> list[Effect]:
        effects = self.meeting.wake(now)
        for machine in list(self.calls.values()):
            at = machine.next_wake()
            if at is not None and at <= now.mono:
                effects += machine.wake(now)
        return effects

    def _arm(self) -> None:
        times = [at for machine in self.calls.values() if (at := machine.next_wake()) is not None]
        if (at := self.meeting.next_wake()) is not None:
            times.append(at)
        soonest = min(times, default=None)
        if soonest == self._timer_at:
            return
        self._cancel_timer()
        if soonest is not None and not self.meeting.ended:
            self._timer_at = soonest
            self._timer = self._office.clock.call_at(soonest, self._wake)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, None


class _Publish(Outside):
    """A message on the meeting's own subject."""

    __slots__ = ("message",)

    def __init__(self, message: Told | Unseated) -> None:
        self.message = message

    def apply(self, world: Any) -> None:
        world.bus.publish(self.message.meeting, self.message)


def _settle(future: asyncio.Future[Any] | None, error: BaseException | None, answer: Any = None) -> bool:
    if future is None:
        return False
    if not future.done():
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(answer)
    return True
