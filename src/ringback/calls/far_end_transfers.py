"""REFER: a call's far end is asked to call somebody else itself (RFC 3515).

From its 202 on the caller waits in a bridge, and comes back to its room if that fails.
"""

from collections.abc import Mapping

from ringback.calls.call import TRANSFERRED
from ringback.calls.effects import News, Refer
from ringback.calls.handover import HandOver
from ringback.calls.moving import Moving
from ringback.calls.registry import Registry
from ringback.calls.repeats import Remember
from ringback.calls.transfer import OK, REFER, Transfer, forget, warning
from ringback.calls.transfer_request import validate_refer
from ringback.meetings.actor import Actor
from ringback.meetings.bridge import Bridge
from ringback.meetings.effects import Effect
from ringback.meetings.service import Meetings
from ringback.model.end_reason import Ending
from ringback.model.events import TransferStep
from ringback.model.ids import CallId, DomainId, RoomName
from ringback.model.instant import Instant
from ringback.model.room import IdleTimeouts
from ringback.model.values import replace


class FarEndTransfers:
    """Transfers that far ends make because we ask them to.

    Args:
        meetings: Where calls are, and wait.
        registry: How they are reached on their way.
        moving: How they go there.
    """

    def __init__(self, meetings: Meetings, registry: Registry, moving: Moving) -> None:
        self._meetings = meetings
        self._registry = registry
        self._moving = moving
        self._under_way: dict[CallId, Transfer] = {}

    def leftovers(self) -> int:
        """How many are under way, for a test that expects none."""
        return len(self._under_way)

    async def refer(
        self,
        domain: DomainId,
        room: RoomName,
        body: Mapping[str, object],
        remember: Remember = forget,
    ) -> None:
        """Ask a call's far end to call somebody else itself (RFC 3515). Raises as ``Transfers.transfer``."""
        request = validate_refer(body)
        home, call = self._moving.standing(domain, room, request)

        def step(now: Instant) -> tuple[list[Effect], None]:
            machine = self._moving.still(home, call)
            transfer = self._moving.begin(machine, home, request.to, REFER, now)
            self._under_way[call.id] = transfer
            machine.listener = lambda news: self._referred_news(transfer, news)
            us = machine.record.dialog.local_uri if machine.record.dialog else ""
            target = request.dial.target or ""
            told = transfer.step(TransferStep.TRIGGERED)
            return [*remember(OK, now), *told, Refer(machine.line, target, us)], None

        await self._moving.ask(home, step)

    def progress(self, call: CallId, status: int, reason: str, final: bool, notified: bool) -> None:
        """How a REFER goes that we sent (``CarrierEvents.refer_progress``)."""
        if (transfer := self._under_way.get(call)) is None:
            return
        if final:
            del self._under_way[call]
        self._registry.post(
            call, lambda where, machine, now: self._referred(transfer, where, status, reason, final, notified, now)
        )

    def _referred(
        self, transfer: Transfer, where: Actor, status: int, reason: str, final: bool, notified: bool, now: Instant
    ) -> list[Effect]:
        call, home = transfer.call, transfer.home
        said: list[Effect] = []
        if notified:
            said = [transfer.note(notify_status=status)]
        elif transfer.record.refer_status is None:
            said = [transfer.note(refer_status=status)]
        if not final:
            return [*said, *(self._park(transfer, now) if transfer.bridge is None else [])]
        if transfer.bridge is None:
            words = f"transfer to {transfer.to} failed: the far end refused ({status} {reason})".replace(" )", ")")
            return [warning(call, words), *transfer.complete("failed", now)]
        if notified and 200 <= status < 300:
            return [*transfer.complete("completed", now), *call.hang_up(TRANSFERRED, now)]
        outcome = {486: "busy", 600: "busy", 480: "no-answer", 487: "canceled"}.get(status, "failed")
        if status == 408:
            outcome = "no-answer" if notified else "failed"

        def attach(now: Instant) -> list[Effect]:
            home.meeting.call_begins(call.id, _surely(home), now)
            home.calls[call.id] = call
            words = f"transfer to {transfer.to} failed: {outcome} ({status} {reason})".replace(" )", ")")
            return [*call.arrives(now), warning(call, words), *transfer.complete(outcome, now)]

        del where.calls[call.id]
        self._registry.leaves(call.id)
        return [
            HandOver(self._moving.hand_over, call, home, attach, transfer),
            *where.meeting.phone_leaves(call.id, now),
        ]

    def _park(self, transfer: Transfer, now: Instant) -> list[Effect]:
        """The far end took it on: the caller is out of the room, and its call stands until the outcome is known."""
        call = transfer.call
        bridge = self._moving.speaks_home(transfer, self._meetings.bridge(transfer.home))

        def attach(now: Instant) -> list[Effect]:
            bridge.meeting.call_begins(call.id, IdleTimeouts(), now)
            bridge.calls[call.id] = call
            call.listener = None
            assert isinstance(bridge.meeting, Bridge)
            # A far end that hangs up after it said that it takes the call on has done so.
            bridge.meeting.farewell = lambda now: self._referred_away(transfer, now)
            return []

        return [*transfer.step(TransferStep.INITIATED), *self._moving.leave(transfer, call, bridge, attach, now)]

    def _referred_news(self, transfer: Transfer, news: News) -> None:
        """A far end that hangs up before it answered the REFER goes nowhere."""
        if news.what == "ended" and not transfer.over:
            self._under_way.pop(transfer.call.id, None)
            self._moving.speak(transfer, lambda now: transfer.complete("canceled", now))

    def _referred_away(self, transfer: Transfer, now: Instant) -> list[Effect]:
        """The caller's call ended while it waited. Only a far end that hung up by itself has gone where it was sent."""
        self._under_way.pop(transfer.call.id, None)
        end = transfer.call.record.end
        went = end is not None and end.ending is Ending.HANGUP_REMOTE
        return transfer.complete("completed" if went else "failed", now)


def _surely(home: Actor) -> IdleTimeouts:
    """The room's times for telephones that wait; who comes back is not asked whether it may."""
    sip = home.meeting.settings.sip
    return replace(sip.dialin if sip else home.meeting.settings.dialout, allow_room_start=True)
