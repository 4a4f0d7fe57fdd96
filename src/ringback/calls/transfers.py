"""Calls that go elsewhere: to another room, or to whoever we dial for them.

```
to a room      leaves this meeting and arrives in the other one, the same call all along
to an address  we dial it; while it rings the caller hears that; once it answers both go into a bridge
```
A transfer that fails gives the caller back to its room; each is told step by step (``CallTransfer``), to its end.
"""

from collections.abc import Mapping

from ringback.calls.admit import check_call
from ringback.calls.call import Call
from ringback.calls.dialling import DIAL_OUT_OFF, Dialling
from ringback.calls.dialout import DialOut
from ringback.calls.effects import News
from ringback.calls.handover import Reserved, release
from ringback.calls.limits import check_call_limit
from ringback.calls.moving import Moving
from ringback.calls.outcome import transfer_status
from ringback.calls.ports.paid import Asker
from ringback.calls.ports.routes import OutgoingRoute
from ringback.calls.repeats import Remember
from ringback.calls.transfer import OK, TRANSFER, Transfer, forget, warning
from ringback.calls.transfer_request import TransferRequest, validate_transfer
from ringback.meetings.actor import Actor
from ringback.meetings.bridge import Bridge
from ringback.meetings.effects import Effect, HangUp, MovePhone
from ringback.meetings.meeting import MeetingOver
from ringback.meetings.permissions import phone_permissions
from ringback.meetings.service import Meetings
from ringback.model.end_reason import Ending, EndReason
from ringback.model.errors import Forbidden, InvalidRequest
from ringback.model.events import TransferStep
from ringback.model.ids import CallId, DomainId, EndpointUser, RoomName
from ringback.model.instant import Instant
from ringback.model.records import Direction, TransferState
from ringback.model.room import IdleTimeouts, Room
from ringback.model.values import replace
from ringback.numbers.endpoints import endpoint_user

GIVEN_UP = EndReason(Ending.CANCELLED_LOCAL)


class Transfers:
    """Transfers of this process.

    Args:
        meetings: Where calls are, and go.
        moving: How they go there.
        dialling: Makes calls.
    """

    def __init__(self, meetings: Meetings, moving: Moving, dialling: Dialling) -> None:
        self._meetings = meetings
        self._moving = moving
        self._dialling = dialling

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
        home, call = self._moving.standing(domain, room, request)
        target = await self.own_room(request.dial.target)
        if target is not None:
            await self.move(home, call, request.to, *target, remember=remember)
            return
        if not home.meeting.settings.enable_dialout:
            raise InvalidRequest(DIAL_OUT_OFF)
        async with self._dialling.place_paid_leg(asker or Asker(domain), room, request.dial, "transfer") as route:
            await self._moving.ask(home, lambda now: self._dial(home, call, request, route, remember, now))

    async def stop(self, domain: DomainId, room: RoomName, session_id: str) -> bool:
        """Hang up the call that was made for a transfer out of this room; false when that is none."""
        actor = self.bridge_of(domain, room, session_id)
        call = actor.calls.get(CallId(session_id)) if actor is not None else None
        if actor is None or not isinstance(call, DialOut):
            return False
        await self._moving.ask(actor, lambda now: (call.hang_up(EndReason(Ending.HANGUP_LOCAL), now), None))
        return True

    def bridge_of(self, domain: DomainId, room: RoomName, session_id: str) -> Actor | None:
        """The bridge that a call of this room is in, if it is in one."""
        actor = self._meetings.by_call.get(CallId(session_id))
        if actor is None or not isinstance(actor.meeting, Bridge) or CallId(session_id) not in actor.calls:
            return None
        home = actor.meeting.settings.room
        return actor if (home.domain, home.name) == (domain, room) else None

    # ── checks ───────────────────────────────────────────────────────────────────────────────────────────────────────

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
            transfer = self._moving.begin(self._moving.still(home, call), home, to, TRANSFER, now)
            return [
                *remember(OK, now),
                *transfer.step(TransferStep.TRIGGERED),
                *transfer.step(TransferStep.INITIATED),
                *self._moving.leave(transfer, call, there, lambda now: self._arrive(transfer, there, user, now), now),
                *transfer.step(TransferStep.ANSWERED),
                *transfer.complete("completed", now, arrived=False),
            ], None

        try:
            await self._moving.ask(home, step)
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
        self._moving.still(home, call)
        check_call_limit(home.meeting)
        bridge = self._meetings.bridge(home)
        try:
            leg = self._dialling.dial(bridge, request.dial, route, now)
        except BaseException:
            bridge.post(lambda now: [])  # nobody is in it, so it goes
            raise
        transfer = self._moving.begin(call, home, request.to, TRANSFER, now, leg)
        self._moving.speaks_home(transfer, bridge)
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
            self._moving.speak(transfer, lambda now: self._give_back(transfer, news, now))

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
        self._moving.connects(transfer)

        def attach(now: Instant) -> list[Effect]:
            bridge.meeting.call_begins(call.id, IdleTimeouts(), now)
            bridge.calls[call.id] = call
            assert isinstance(bridge.meeting, Bridge)
            bridge.meeting.guest = None
            bridge.meeting.farewell = lambda now: transfer.complete("completed", now)
            return call.hold(False, now)

        return [*self._moving.leave(transfer, call, bridge, attach, now), *transfer.step(TransferStep.ANSWERED)]

    def _give_back(self, transfer: Transfer, news: News, now: Instant) -> list[Effect]:
        """Whom we dialled did not answer: the caller is in its room as before."""
        home, call = transfer.home, transfer.call
        status = transfer_status(news.end)
        if home.calls.get(call.id) is not call:
            return transfer.complete("canceled", now)
        back = home.meeting.sources_of(call.id) if transfer.listens else []
        words = news.end.sentence() if news.end else status
        return [*back, warning(call, f"transfer to {transfer.to} failed: {words}"), *transfer.complete(status, now)]
