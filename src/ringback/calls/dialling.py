"""Calls out of rooms: whether one may be made now, and the one place where it is made, whoever asked for it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial

from ringback.calls.concealed import Fingerprint, concealed, unkeyed
from ringback.calls.dialout import DialOut
from ringback.calls.limits import check_call_limit, check_people_limit
from ringback.calls.paid import PaidLegs, Verdict
from ringback.calls.picture_ports import open_pictures
from ringback.calls.ports.paid import Asker
from ringback.calls.ports.routes import OutgoingRoute
from ringback.calls.registry import Registry
from ringback.calls.requests import DialOutRequest, validate
from ringback.calls.sip_uri import literal_host
from ringback.meetings.actor import Actor
from ringback.meetings.admission import JoinRefused, check_room_times
from ringback.meetings.effects import Effect
from ringback.meetings.meeting import MeetingOver
from ringback.meetings.permissions import phone_permissions
from ringback.meetings.service import Meetings
from ringback.model.errors import Forbidden, InvalidRequest, NotFound, RingbackError, Unavailable
from ringback.model.events import CallFacts
from ringback.model.ids import CallId, ParticipantId, RoomName
from ringback.model.instant import Instant
from ringback.model.records import Direction
from ringback.model.room import Room, RoomSettings

DRAINS = "this server is shutting down and starts no new calls"
DIAL_OUT_OFF = "dial-out not enabled for room. add enable_dialout property to room"


class Dialling:
    """Makes calls.

    Args:
        meetings: Where they come from.
        registry: Where they are entered.
        paid: What every one of them passes through.
        fingerprint: What is kept of the digits of an extension.
    """

    def __init__(
        self, meetings: Meetings, registry: Registry, paid: PaidLegs, fingerprint: Fingerprint = unkeyed
    ) -> None:
        self._meetings = meetings
        self._registry = registry
        self._paid = paid
        self._fingerprint = fingerprint

    async def start(self, asker: Asker, name: RoomName, body: Mapping[str, object], key: str | None) -> CallId:
        """Start a call out of a room; its row keeps ``key``. Raises as ``Calls.start_dial_out``."""
        try:
            request = validate(body)
        except Forbidden as refused:
            self._paid.refused(asker, name, "dial-out", body.get("phoneNumber") or body.get("sipUri"), refused)
            raise
        if self._meetings.draining:
            raise Unavailable(DRAINS)
        while True:
            room = await self._meetings.rooms.find(asker.domain, name)
            if room is None:
                raise NotFound(f"room {name} not found")
            settings = await self._meetings.rooms.settings(room)
            if not settings.enable_dialout:
                raise InvalidRequest(DIAL_OUT_OFF)
            async with self.place_paid_leg(asker, name, request, "dial-out") as route:
                actor = self._actor_for(room, settings)
                try:
                    return await actor.ask(partial(self._place, actor, request, route, key))
                except MeetingOver:
                    if not settings.dialout.allow_room_start:
                        raise _not_hosting(name) from None

    async def check(self, asker: Asker, room: RoomName, body: Mapping[str, object]) -> Verdict:
        """What ``start`` would do, and everything that is against it; nothing is called.

        Raises ``InvalidRequest`` for the body, ``NotFound`` where there is no such room.
        """
        request = validate(body)
        found = await self._meetings.rooms.find(asker.domain, room)
        if found is None:
            raise NotFound(f"room {room} not found")
        settings = await self._meetings.rooms.settings(found)
        verdict = await self._paid.check(asker, room, request)
        against: list[RingbackError] = []
        if self._meetings.draining:
            against.append(Unavailable(DRAINS))
        if not settings.enable_dialout:
            against.append(InvalidRequest(DIAL_OUT_OFF))
        actor = self._meetings.running(asker.domain, room)
        if actor is None and not settings.dialout.allow_room_start:
            against.append(_not_hosting(room))
        elif actor is not None:
            try:
                clock = self._meetings.office.clock
                self._check_place(actor, request, Instant.of(clock))
            except InvalidRequest as refused:
                against.append(refused)
        verdict.refusals = [*against, *verdict.refusals]
        return verdict

    def place_paid_leg(
        self, asker: Asker, room: RoomName, request: DialOutRequest, by: str
    ) -> AbstractAsyncContextManager[OutgoingRoute]:
        """The way a call goes out, granted: the one door for every call out, whoever asks (``PaidLegs.place``)."""
        return self._paid.place(asker, room, request, by)

    def _actor_for(self, room: Room, settings: RoomSettings) -> Actor:
        if settings.dialout.allow_room_start or (room.domain, room.name) in self._meetings.actors:
            return self._meetings.actor(settings)
        raise _not_hosting(room.name)

    def _place(
        self, actor: Actor, request: DialOutRequest, route: OutgoingRoute, key: str | None, now: Instant
    ) -> tuple[list[Effect], CallId]:
        """Start one call: checks, dialog, port, row, INVITE. Nothing has changed when it refuses."""
        meeting = actor.meeting
        if not meeting.takes_calls(meeting.settings.dialout):
            raise MeetingOver
        self._check_place(actor, request, now)
        machine = self.dial(actor, request, route, now, key)
        assert machine.address is not None, "a call that is dialled has a port"
        begun = self._meetings.started(actor, meeting.call_begins(machine.id, meeting.settings.dialout, now))
        return begun + machine.begin(machine.address, now), machine.id

    def dial(
        self,
        actor: Actor,
        request: DialOutRequest,
        route: OutgoingRoute,
        now: Instant,
        key: str | None = None,
        make: Callable[..., DialOut] = DialOut,
    ) -> DialOut:
        """A call that has not begun, registered with the actor, with a port of its own; ``make`` makes it.

        Raises ``InvalidRequest``, ``Forbidden`` or ``Unavailable``; then nothing has changed.
        """
        meeting, settings = actor.meeting, actor.meeting.settings
        call = CallId(self._meetings.new_id())
        first = route.attempts[0]
        attempts = route.attempts if first.trunk else ()
        dialog = self._meetings.office.world.carrier.prepare(first.uri, call, settings.room.name)
        if not first.trunk and self._registry.protection.forbids(dialog.transport):
            raise InvalidRequest(
                "sipUri must be reached by TLS (sips:, or ;transport=tls): every call is protected here"
            )
        peer = literal_host(first.proxy or first.uri)
        address = self._meetings.office.world.media.open_phone(meeting.id, ParticipantId(call), peer)
        record = self._registry.record(
            actor,
            call,
            Direction.DIAL_OUT,
            now,
            dialog=dialog,
            sip_call_id=dialog.call_id,
            remote=request.destination,
            display_name=request.display_name,
            user_id=request.user_id,
            idempotency_key=key,
            request=concealed(request.accepted, self._fingerprint),
            trunk=first.trunk,
            called=route.number,
            # Rows say which number was shown; events name it by its id, as Daily's do.
            caller=first.caller_id or route.caller_id,
        )
        facts = CallFacts(
            call=call,
            direction=Direction.DIAL_OUT,
            provider=request.provider,
            sip_call_id=dialog.call_id,
            remote=request.destination,
            display_name=request.display_name,
            user_id=request.user_id,
            origin=first.from_uri or dialog.local_uri,
            caller_id=route.caller_id or None,
            sip_headers=dict(request.sip_headers),
            trunk=first.trunk,
        )
        machine = make(request, record, facts, phone_permissions(settings, request.permissions), attempts=attempts)
        machine.address = address
        open_pictures(self._meetings.office.world.media, machine)
        machine.meter = self._paid.meter(route, call)
        machine.longest = _shortest(request.longest, route.grant.longest if route.grant else None)
        self._registry.register(actor, machine, *((first.srtp, first.srtp_keys) if first.trunk else ()))
        return machine

    def _check_place(self, actor: Actor, request: DialOutRequest, now: Instant) -> None:
        meeting = actor.meeting
        try:
            check_room_times(meeting.settings, now)
        except JoinRefused as refused:
            raise InvalidRequest(refused.msg) from None
        for other in actor.calls.values():
            if isinstance(other, DialOut) and not other.answered and other.request == request:
                raise InvalidRequest("dialOut already started")
        check_call_limit(meeting)
        check_people_limit(meeting)


def _shortest(*seconds: float | None) -> float | None:
    """The least of those that are limits."""
    return min((each for each in seconds if each is not None and each != float("inf")), default=None)


def _not_hosting(name: RoomName) -> NotFound:
    return NotFound(
        f"room {name} is not hosting a call: somebody has to join first, or set dialout_config.allow_room_start"
    )
