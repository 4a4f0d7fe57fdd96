"""A call that goes elsewhere: whether it can, how it leaves one meeting and arrives in another, and who hears of it."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import structlog

from ringback.calls.call import TRANSFERRED, Call
from ringback.calls.dialout import DialOut
from ringback.calls.digit_request import DigitRequest
from ringback.calls.display_name import clean
from ringback.calls.handover import HandOver
from ringback.calls.registry import Registry
from ringback.calls.transfer import Transfer
from ringback.calls.transfer_request import TransferRequest
from ringback.meetings.actor import Actor
from ringback.meetings.effects import Effect, Tell
from ringback.meetings.meeting import MeetingOver
from ringback.meetings.service import Meetings
from ringback.model.end_reason import Ending, EndReason
from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.events import CallEvent, CallStep, DigitPressed
from ringback.model.ids import CallId, DomainId, RoomName
from ringback.model.instant import Instant
from ringback.model.participant import Holder
from ringback.model.records import TransferRecord, TransferState
from ringback.model.room import IdleTimeouts

log = structlog.get_logger()

GONE = "call closed before command could be delivered"
PASSED_KEY_MS = 160
"""How long a key lasts that is passed on over a bridge."""

LOST = EndReason(Ending.MEETING_ENDED)


class Moving:
    """What every kind of transfer does alike.

    Args:
        meetings: Where calls are, and go.
        registry: How they are reached on their way.
    """

    def __init__(self, meetings: Meetings, registry: Registry) -> None:
        self._meetings = meetings
        self._registry = registry

    def standing(self, domain: DomainId, room: RoomName, request: TransferRequest) -> tuple[Actor, Call]:
        """The call that is to be transferred, and the meeting it is in.

        Raises:
            InvalidRequest: It cannot be now.
            NotFound: Nobody is in the room, or it has no such call.
        """
        home = self._meetings.running(domain, room)
        if home is None:
            raise NotFound(f"room {room} is not hosting a call")
        call = home.calls.get(CallId(request.session_id))
        if not isinstance(call, Call):
            raise NotFound(f"invalid sessionId {clean(request.session_id)[:64]}")
        return home, self.still(home, call)

    def still(self, home: Actor, call: Call) -> Call:
        """The call, if it can be transferred now."""
        if home.calls.get(call.id) is not call or call.ended:
            raise InvalidRequest(GONE)
        if not call.answered:
            raise InvalidRequest("call is not answered: it can be transferred once it is")
        if call.moving:
            raise InvalidRequest("the call is being transferred already")
        return call

    async def ask(self, actor: Actor, step: Callable[[Instant], tuple[list[Effect], Any]]) -> Any:
        """Take a step of a command in a meeting. Raises ``InvalidRequest`` where it ended before."""
        try:
            return await actor.ask(step)
        except MeetingOver:
            raise InvalidRequest(GONE) from None

    def begin(self, call: Call, home: Actor, to: str, verb: str, now: Instant, leg: DialOut | None = None) -> Transfer:
        """A transfer of a call that can be transferred (``still``)."""
        call.moving = True
        log.info("call.transfer-triggered", call=call.id, verb=verb)
        office, room = self._meetings.office, home.meeting.settings.room
        record = TransferRecord(
            self._meetings.new_id(),
            room.domain,
            room.name,
            home.meeting.id,
            call.id,
            verb,
            to,
            TransferState.TRIGGERED,
            office.node,
            office.epoch,
            now.wall,
            call.facts.remote,
            leg.id if leg is not None else "",
        )
        return Transfer(call, home, record, leg=leg)

    def connects(self, transfer: Transfer) -> None:
        """Both calls are put together: from here on each goes its own way, and may be transferred anew."""
        transfer.connected = True
        transfer.call.moving = False
        transfer.call.listener = None

    def leave(
        self, transfer: Transfer, call: Call, there: Actor, attach: Callable[[Instant], list[Effect]], now: Instant
    ) -> list[Effect]:
        """A call leaves its meeting; ``attach`` is the first step of it in the other."""
        left = self.depart(transfer, call, there, attach, now)
        transfer.gone.add(call.id)
        stopped = Tell(CallEvent(call.facts, CallStep.STOPPED, end=TRANSFERRED))
        return [transfer.note(left=True), *left, stopped]

    def depart(
        self, transfer: Transfer, call: Call, there: Actor, attach: Callable[[Instant], list[Effect]], now: Instant
    ) -> list[Effect]:
        """As ``leave``, without a word to anybody."""
        home = transfer.home
        del home.calls[call.id]
        self._registry.leaves(call.id)
        over = HandOver(self.hand_over, call, there, attach, transfer)
        return [over, *home.meeting.phone_leaves(call.id, now)]

    def hand_over(self, over: HandOver) -> None:
        """What a ``HandOver`` does once it is stored that the call left."""
        call, there, media = over.call, over.there, self._meetings.office.world.media
        if not there.meeting.ended:
            media.move_phone(call.leg, there.meeting.id)
            media.set_muted(call.leg, False)
        self._registry.moves(call.id, there)
        arrived = there.ask(lambda now: (over.attach(now), None))
        arrived.add_done_callback(lambda done: self._arrived(over, done))
        self._registry.arrives(call.id)

    def _arrived(self, over: HandOver, done: "asyncio.Future[None]") -> None:
        """The other meeting ended before the call was in it: nobody is left to talk with."""
        if done.cancelled() or done.exception() is None:
            return
        log.warning("call.transfer-lost", call=over.call.id, error=repr(done.exception()))
        last, call = self.speaks_home(over.transfer, self._meetings.bridge(over.transfer.home)), over.call

        def end(now: Instant) -> list[Effect]:
            last.meeting.call_begins(call.id, IdleTimeouts(), now)
            last.calls[call.id] = call
            failed = over.transfer.complete("failed", now)
            return [*failed, over.transfer.note(ended_at=now.wall), *call.hang_up(LOST, now)]

        self._meetings.by_call[call.id] = last
        last.post(end)

    def speaks_home(self, transfer: Transfer, bridge: Actor) -> Actor:
        """What the calls of a bridge tell is heard in the room they came from."""
        transfer.bridge = bridge
        bridge.speaks_as = lambda tell: self._pass_on(bridge, transfer, tell)
        return bridge

    def speak(self, transfer: Transfer, step: Callable[[Instant], list[Effect]]) -> None:
        """Take a step in the room the call came from. Where nobody is left there, the transfer ends all the same."""
        future = transfer.home.ask(lambda now: (step(now), None))

        def done(taken: "asyncio.Future[None]") -> None:
            if not taken.cancelled() and isinstance(taken.exception(), MeetingOver):
                last = self.speaks_home(transfer, self._meetings.bridge(transfer.home))
                last.post(lambda now: transfer.complete("canceled", now))

        future.add_done_callback(done)

    def _pass_on(self, bridge: Actor, transfer: Transfer, tell: Tell) -> Actor | None:
        """What the calls of a bridge tell: keys and hold go to the other one, the rest to the room they came from.

        The room was told that the caller stopped when it left, so it hears no more of it.
        """
        event = tell.event
        if isinstance(event, DigitPressed):
            self._to_other(bridge, event.call, lambda it, now: _press(it, event.digit, now))
            return None
        if isinstance(event, CallEvent) and event.held_by is Holder.FAR_END:
            held = event.step is CallStep.HELD
            self._to_other(bridge, event.facts.call, lambda it, now: it.hold(held, now))
        if isinstance(event, CallEvent) and event.facts.call in transfer.gone:
            return None
        return transfer.home

    def _to_other(self, bridge: Actor, call: CallId, act: Callable[[Call, Instant], list[Effect]]) -> None:
        def step(now: Instant) -> list[Effect]:
            others = [machine for known, machine in bridge.calls.items() if known != call]
            return [effect for machine in others for effect in act(cast(Call, machine), now)]

        bridge.post(step)


def _press(call: Call, digit: str, now: Instant) -> list[Effect]:
    if not call.answered:
        return []
    return call.send_digits(DigitRequest(call.id, digit, duration_ms=PASSED_KEY_MS), now)
