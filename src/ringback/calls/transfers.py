"""Calls that go elsewhere: to another room, to whoever we dial for them, or to where their far end calls itself.

```
to a room      leaves this meeting and arrives in the other one, the same call all along
to an address  we dial it; while it rings the caller hears that; once it answers both go into a bridge
REFER          the far end is asked to call; from its 202 on the caller waits in a bridge, and comes back if that fails
```
A transfer that fails gives the caller back to its room; each is told step by step (``CallTransfer``), to its end.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import structlog

from ringback.calls.admit import check_call
from ringback.calls.call import Call
from ringback.calls.dialling import DIAL_OUT_OFF, Dialling
from ringback.calls.dialout import DialOut
from ringback.calls.digit_request import DigitRequest
from ringback.calls.display_name import clean
from ringback.calls.effects import News, Refer
from ringback.calls.handover import HandOver, Reserved, release
from ringback.calls.outcome import transfer_status
from ringback.calls.ports import Asker, OutgoingRoute
from ringback.calls.registry import Registry
from ringback.calls.repeats import Remember
from ringback.calls.transfer import REFER, TRANSFER, Transfer
from ringback.calls.transfer_request import TransferRequest, validate_refer, validate_transfer
from ringback.meetings.actor import Actor
from ringback.meetings.bridge import Bridge
from ringback.meetings.effects import Effect, HangUp, MovePhone, Tell
from ringback.meetings.meeting import MeetingOver
from ringback.meetings.permissions import phone_permissions
from ringback.meetings.service import Meetings
from ringback.model.end_reason import Ending, EndReason
from ringback.model.errors import Forbidden, InvalidRequest, NotFound
from ringback.model.events import CallEvent, CallStep, DigitPressed, TransferStep
from ringback.model.ids import CallId, DomainId, EndpointUser, RoomName
from ringback.model.instant import Instant
from ringback.model.participant import Holder
from ringback.model.records import Direction, TransferRecord, TransferState
from ringback.model.room import IdleTimeouts, Room
from ringback.numbers.endpoints import endpoint_user

log = structlog.get_logger()

OK = {"ok": True}

GONE = "call closed before command could be delivered"
PASSED_KEY_MS = 160
"""How long a key lasts that is passed on over a bridge."""

TRANSFERRED = EndReason(Ending.TRANSFERRED)
GIVEN_UP = EndReason(Ending.CANCELLED_LOCAL)
LOST = EndReason(Ending.MEETING_ENDED)


def forget(answer: object, now: Instant) -> list[Effect]:
    """A command without an idempotency key leaves nothing behind that says so."""
    return []


class Transfers:
    """Transfers of this process.

    Args:
        meetings: Where calls are, and go.
        registry: How they are reached on their way.
        dialling: Makes calls.
    """

    def __init__(self, meetings: Meetings, registry: Registry, dialling: Dialling) -> None:
        self._meetings = meetings
        self._registry = registry
        self._dialling = dialling
        self._by_refer: dict[CallId, Transfer] = {}

    def leftovers(self) -> int:
        """Transfers that are still under way, for a test that expects none."""
        return len(self._by_refer) + self._registry.on_the_way()

    # ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def transfer(
        self,
        domain: DomainId,
        room: RoomName,
        body: Mapping[str, object],
        asker: Asker | None = None,
        remember: Remember = forget,
    ) -> None:
        """Move a call to another room, or connect it with an address or number that we dial.

        Args:
            remember: Makes what is written with it, that it was carried out (``Repeats``).

        Raises:
            InvalidRequest: The body, the room or the call's state forbids it.
            NotFound: Nobody is in the room, or it has no such call.
            Forbidden: The destination is not allowed.
        """
        request = validate_transfer(body)
        home, call = self._standing(domain, room, request)
        target = await self.own_room(request.dial.target)
        if target is not None:
            await self.move(home, call, request.to, *target, remember=remember)
            return
        if not home.meeting.settings.enable_dialout:
            raise InvalidRequest(DIAL_OUT_OFF)
        async with self._dialling.place_paid_leg(asker or Asker(domain), room, request.dial, "transfer") as route:
            await self.ask(home, lambda now: self._dial(home, call, request, route, remember, now))

    async def refer(
        self,
        domain: DomainId,
        room: RoomName,
        body: Mapping[str, object],
        remember: Remember = forget,
    ) -> None:
        """Ask a call's far end to call somebody else itself (RFC 3515). Raises as ``transfer``."""
        request = validate_refer(body)
        home, call = self._standing(domain, room, request)

        def step(now: Instant) -> tuple[list[Effect], None]:
            machine = self.still(home, call)
            transfer = self.begin(machine, home, request.to, REFER, now)
            self._by_refer[call.id] = transfer
            machine.listener = lambda news: self._referred_news(transfer, news)
            us = machine.record.dialog.local_uri if machine.record.dialog else ""
            target = request.dial.target or ""
            told = transfer.step(TransferStep.TRIGGERED)
            return [*remember(OK, now), *told, Refer(machine.line, target, us)], None

        await self.ask(home, step)

    async def stop(self, domain: DomainId, room: RoomName, session_id: str) -> bool:
        """Hang up the call that was made for a transfer out of this room; false when that is none."""
        actor = self.bridge_of(domain, room, session_id)
        call = actor.calls.get(CallId(session_id)) if actor is not None else None
        if actor is None or not isinstance(call, DialOut):
            return False
        await self.ask(actor, lambda now: (call.hang_up(EndReason(Ending.HANGUP_LOCAL), now), None))
        return True

    def bridge_of(self, domain: DomainId, room: RoomName, session_id: str) -> Actor | None:
        """The bridge that a call of this room is in, if it is in one."""
        actor = self._meetings.by_call.get(CallId(session_id))
        if actor is None or not isinstance(actor.meeting, Bridge) or CallId(session_id) not in actor.calls:
            return None
        home = actor.meeting.settings.room
        return actor if (home.domain, home.name) == (domain, room) else None

    # ── checks ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _standing(self, domain: DomainId, room: RoomName, request: TransferRequest) -> tuple[Actor, Call]:
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

    async def own_room(self, target: str | None) -> tuple[Room, EndpointUser] | None:
        """The room an address rings, if it is one of ours."""
        user, at, host = (target or "").removeprefix("sip:").rpartition("@")
        if not at or not self.is_own_host(host):
            return None
        endpoint = endpoint_user(user)
        found = await self._meetings.rooms.by_endpoint(endpoint) if endpoint else None
        return (found[0], endpoint) if found and endpoint else None

    def is_own_host(self, host: str) -> bool:
        """Whether a host, with port and parameters as in a ``sip:`` address, is how we are addressed."""
        ours = self._meetings.address(EndpointUser("")).rpartition("@")[2].lower()
        return host.partition(";")[0].lower().removesuffix(":5060") == ours.removesuffix(":5060")

    # ── to a room ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def move(
        self,
        home: Actor,
        call: Call,
        to: str,
        room: Room,
        user: EndpointUser,
        instead_of: CallId | None = None,
        remember: Remember = forget,
    ) -> None:
        """Move a call to an endpoint of another room, where it takes the place of ``instead_of``. Raises as above."""
        here = home.meeting.settings.room
        if room.domain != here.domain:
            raise Forbidden("destination-not-allowed: toEndPoint is a room of another domain")
        if room.name == here.name:
            raise InvalidRequest("toEndPoint is an address of the room that the call is in")
        settings = await self._meetings.rooms.settings(room)
        known = (room.domain, room.name) in self._meetings.actors
        if settings.sip is None or not (known or settings.sip.dialin.allow_room_start):
            raise InvalidRequest(f"toEndPoint cannot be reached: room {room.name} is not hosting a call")
        there = self._meetings.actor(settings)
        try:
            await there.ask(lambda now: (self._reserve(there, call.id, user, instead_of, now), None))
        except MeetingOver:
            raise InvalidRequest(f"toEndPoint cannot be reached: room {room.name} is not hosting a call") from None

        def step(now: Instant) -> tuple[list[Effect], None]:
            transfer = self.begin(self.still(home, call), home, to, TRANSFER, now)
            return [
                *remember(OK, now),
                *transfer.step(TransferStep.TRIGGERED),
                *transfer.step(TransferStep.INITIATED),
                *self.leave(transfer, call, there, lambda now: self._arrive(transfer, there, user, now), now),
                *transfer.step(TransferStep.ANSWERED),
                *transfer.complete("completed", now, arrived=False),
            ], None

        try:
            await self.ask(home, step)
        except BaseException:
            there.post(lambda now: release(there, call.id, now))
            raise

    def _reserve(
        self, there: Actor, call: CallId, user: EndpointUser, instead_of: CallId | None, now: Instant
    ) -> list[Effect]:
        """Keep a place for a call in another meeting, as if it had dialled the endpoint."""
        sip = there.meeting.settings.sip
        if sip is None:
            raise MeetingOver
        others = [other for known, other in there.calls.items() if known != instead_of]
        refusal = check_call(there.meeting, sip, user, others, now)
        if refusal is not None:
            raise InvalidRequest(f"toEndPoint cannot be reached: {refusal.rule.replace('-', ' ')}")
        begun = self._meetings.started(there, there.meeting.call_begins(call, sip.dialin, now))
        there.calls[call] = Reserved(call, user, there)
        return begun

    def _arrive(self, transfer: Transfer, there: Actor, user: EndpointUser, now: Instant) -> list[Effect]:
        """The call is in the other room from now on."""
        call = transfer.call
        if not isinstance(there.calls.get(call.id), Reserved):
            raise MeetingOver
        settings = there.meeting.settings
        call.endpoint = user
        call.record = replace(call.record, room=settings.room.name, meeting=there.meeting.id, endpoint=user)
        if call.record.direction is Direction.DIAL_IN:
            call.facts = replace(call.facts, endpoint=self._meetings.address(user))
        call.permissions = phone_permissions(settings, None)
        there.calls[call.id] = call
        return [*call.arrives(now), transfer.note(ended_at=now.wall), *call.hold(False, now)]

    # ── to an address or number ──────────────────────────────────────────────────────────────────────────────────────

    def _dial(
        self,
        home: Actor,
        call: Call,
        request: TransferRequest,
        route: OutgoingRoute,
        remember: Remember,
        now: Instant,
    ) -> tuple[list[Effect], None]:
        """Dial whom the call goes to, in a bridge of its own."""
        self.still(home, call)
        if not home.meeting.may_take_call():
            limit = home.meeting.settings.max_sip_pstn_sessions
            raise InvalidRequest(f"max_sip_pstn_sessions_per_room limit ({limit}) reached")
        bridge = self._meetings.bridge(home)
        try:
            leg = self._dialling.dial(bridge, request.dial, route, now)
        except BaseException:
            bridge.post(lambda now: [])  # nobody is in it, so it goes
            raise
        transfer = self.begin(call, home, request.to, TRANSFER, now, leg)
        self.speaks_home(transfer, bridge)
        call.listener = lambda news: self._caller_news(transfer, news)
        leg.listener = lambda news: self._leg_news(transfer, news)
        address = leg.address
        assert address is not None, "a call that is dialled has a port"

        def begin(now: Instant) -> list[Effect]:
            return bridge.meeting.call_begins(leg.id, IdleTimeouts(), now) + leg.begin(address, now)

        bridge.post(begin)
        told = [*transfer.step(TransferStep.TRIGGERED), *transfer.step(TransferStep.INITIATED)]
        return [*remember(OK, now), *told], None

    def _caller_news(self, transfer: Transfer, news: News) -> None:
        """The caller hung up, or was removed, before anybody answered: whom we dial need not, either."""
        bridge, leg = transfer.bridge, transfer.leg
        if news.what == "ended" and bridge is not None and leg is not None:
            self._give_up(bridge, leg.id)

    def _give_up(self, bridge: Actor, leg: CallId) -> None:
        bridge.post(lambda now: [HangUp(leg, GIVEN_UP)])

    def _leg_news(self, transfer: Transfer, news: News) -> None:
        """What becomes of whom we dial."""
        home, bridge = transfer.home, transfer.bridge
        assert bridge is not None, "a leg is dialled in a bridge"
        if news.what == "rings" and not transfer.listens:
            home.post(lambda now: self._listen_in(transfer, bridge))
        elif news.what == "answered":
            leg = news.call
            home.post(lambda now: self._connect(transfer, now), lambda: self._give_up(bridge, leg))
        elif news.what == "ended" and not transfer.connected:
            self.speak(transfer, lambda now: self._give_back(transfer, news, now))

    def _listen_in(self, transfer: Transfer, bridge: Actor) -> list[Effect]:
        """The caller hears how it rings where it goes; it is still in its room."""
        gone = transfer.call.id not in transfer.home.calls or bridge.meeting.ended or transfer.over
        if gone or transfer.listens or transfer.connected:
            return []
        transfer.listens = True
        if isinstance(bridge.meeting, Bridge):
            bridge.meeting.guest = transfer.call.leg
        return [transfer.note(state=TransferState.RINGING), MovePhone(transfer.call.leg, bridge.meeting.id)]

    def _connect(self, transfer: Transfer, now: Instant) -> list[Effect]:
        """Whom we dialled answered: both calls are connected with each other."""
        home, call, bridge, leg = transfer.home, transfer.call, transfer.bridge, transfer.leg
        assert bridge is not None and leg is not None
        if home.calls.get(call.id) is not call:
            self._give_up(bridge, leg.id)
            return []
        self.connects(transfer)

        def attach(now: Instant) -> list[Effect]:
            bridge.meeting.call_begins(call.id, IdleTimeouts(), now)
            bridge.calls[call.id] = call
            assert isinstance(bridge.meeting, Bridge)
            bridge.meeting.guest = None
            bridge.meeting.farewell = lambda now: transfer.complete("completed", now)
            return call.hold(False, now)

        return [*self.leave(transfer, call, bridge, attach, now), *transfer.step(TransferStep.ANSWERED)]

    def connects(self, transfer: Transfer) -> None:
        """Both calls are put together: from here on each goes its own way, and may be transferred anew."""
        transfer.connected = True
        transfer.call.moving = False
        transfer.call.listener = None

    def _give_back(self, transfer: Transfer, news: News, now: Instant) -> list[Effect]:
        """Whom we dialled did not answer: the caller is in its room as before."""
        home, call = transfer.home, transfer.call
        status = transfer_status(news.end)
        if home.calls.get(call.id) is not call:
            return transfer.complete("canceled", now)
        back = home.meeting.sources_of(call.id) if transfer.listens else []
        words = news.end.sentence() if news.end else status
        return [*back, warning(call, f"transfer to {transfer.to} failed: {words}"), *transfer.complete(status, now)]

    # ── by REFER ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def progress(self, call: CallId, status: int, reason: str, final: bool, notified: bool) -> None:
        """How a REFER goes that we sent (``CarrierEvents.refer_progress``)."""
        if (transfer := self._by_refer.get(call)) is None:
            return
        if final:
            del self._by_refer[call]
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
        return [HandOver(self.hand_over, call, home, attach, transfer), *where.meeting.phone_leaves(call.id, now)]

    def _park(self, transfer: Transfer, now: Instant) -> list[Effect]:
        """The far end took it on: the caller is out of the room, and its call stands until the outcome is known."""
        call = transfer.call
        bridge = self.speaks_home(transfer, self._meetings.bridge(transfer.home))

        def attach(now: Instant) -> list[Effect]:
            bridge.meeting.call_begins(call.id, IdleTimeouts(), now)
            bridge.calls[call.id] = call
            call.listener = None
            assert isinstance(bridge.meeting, Bridge)
            # A far end that hangs up after it said that it takes the call on has done so.
            bridge.meeting.farewell = lambda now: self._referred_away(transfer, now)
            return []

        return [*transfer.step(TransferStep.INITIATED), *self.leave(transfer, call, bridge, attach, now)]

    def _referred_news(self, transfer: Transfer, news: News) -> None:
        """A far end that hangs up before it answered the REFER goes nowhere."""
        if news.what == "ended" and not transfer.over:
            self._by_refer.pop(transfer.call.id, None)
            self.speak(transfer, lambda now: transfer.complete("canceled", now))

    def _referred_away(self, transfer: Transfer, now: Instant) -> list[Effect]:
        """The caller's call ended while it waited. Only a far end that hung up by itself has gone where it was sent."""
        self._by_refer.pop(transfer.call.id, None)
        end = transfer.call.record.end
        went = end is not None and end.ending is Ending.HANGUP_REMOTE
        return transfer.complete("completed" if went else "failed", now)

    # ── moving ───────────────────────────────────────────────────────────────────────────────────────────────────────

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

    async def ask(self, actor: Actor, step: Callable[[Instant], tuple[list[Effect], Any]]) -> Any:
        """Take a step of a command in a meeting. Raises ``InvalidRequest`` where it ended before."""
        try:
            return await actor.ask(step)
        except MeetingOver:
            raise InvalidRequest(GONE) from None


def _surely(home: Actor) -> IdleTimeouts:
    """The room's times for telephones that wait; who comes back is not asked whether it may."""
    sip = home.meeting.settings.sip
    return replace(sip.dialin if sip else home.meeting.settings.dialout, allow_room_start=True)


def _press(call: Call, digit: str, now: Instant) -> list[Effect]:
    if not call.answered:
        return []
    return call.send_digits(DigitRequest(call.id, digit, duration_ms=PASSED_KEY_MS), now)


def warning(call: Call, words: str) -> Tell:
    """Told to everybody: a transfer came to nothing, and why."""
    return Tell(CallEvent(call.facts, CallStep.WARNING, clean(words)))
