"""Calls that come in: which room, desk or other call each is for. Whether it gets in, ``Door`` decides."""

import asyncio
from collections.abc import Callable

import structlog

from ringback.calls.admit import (
    BROKEN,
    DRAINING,
    NO_PORT,
    NO_SUCH_ENDPOINT,
    NO_SUCH_NUMBER,
    NO_TRUNK,
    NOBODY_JOINED,
    SIP_OFF,
    STORE_FAILED,
    Refusal,
    because,
)
from ringback.calls.between_clients import ClientCalls, private_room
from ringback.calls.client_numbers import ClientNumbers, dials_number
from ringback.calls.door import Door, as_told
from ringback.calls.ports.carrier import IncomingInvite
from ringback.calls.ports.reception import FrontDesk, NumberedRooms, SipClients
from ringback.calls.registry import Registry
from ringback.calls.tasks import Tasks
from ringback.meetings.actor import Actor
from ringback.meetings.effects import Effect
from ringback.meetings.meeting import MeetingOver
from ringback.meetings.service import Meetings
from ringback.model.errors import NotStored, Unavailable
from ringback.model.ids import CallId, DomainId, EndpointUser, RoomName
from ringback.model.instant import Instant
from ringback.model.room import Room
from ringback.model.values import replace
from ringback.numbers.endpoints import endpoint_user

log = structlog.get_logger()

MAX_LOOKUPS = 1000
"""Calls whose room is being looked up at once; more are refused."""


class Arrivals:
    """Calls that are in no meeting yet.

    Args:
        meetings: Where they go.
        registry: Where those between clients are entered.
        tasks: Where look-ups run.
        door: Lets them in.
        numbers: Which rooms telephone numbers ring.
        clients: Accounts of SIP phones.
        client_numbers: Calls the numbers that they dial.
        replacing: Takes a call that takes the place of another.

    Attributes:
        desk: Takes calls that are for no room yet, where there is somebody who does.
        take_over_trunk: Takes calls over customers' trunks.
    """

    def __init__(
        self,
        meetings: Meetings,
        registry: Registry,
        tasks: Tasks,
        door: Door,
        numbers: NumberedRooms,
        clients: SipClients,
        client_numbers: ClientNumbers,
        replacing: Callable[[IncomingInvite], None],
    ) -> None:
        self.desk: FrontDesk | None = None
        self.take_over_trunk: Callable[[IncomingInvite], None] = lambda invite: door.refuse(invite, NO_TRUNK)
        self._meetings = meetings
        self._tasks = tasks
        self._door = door
        self._numbers = numbers
        self._clients = clients
        self._client_calls = ClientCalls(meetings, registry, clients)
        self._client_numbers = client_numbers
        self._replacing = replacing
        self._looking: set[CallId] = set()

    def incoming(self, invite: IncomingInvite) -> None:
        """A new call: into the meeting that has its endpoint, or after a look-up of the room."""
        user = None if dials_number(invite) else endpoint_user(invite.user)
        if invite.replaces is not None:
            self._replacing(invite)
        elif self._meetings.draining:
            self._door.refuse(invite, DRAINING)
        elif user is None and invite.client and not invite.called_number:
            self._call_by_name(invite)
        elif invite.sip_trunk:
            self.take_over_trunk(invite)
        elif self.desk is not None and (config := self.desk.config_of(invite)) is not None:
            self.desk.take(invite, config)
        elif user is None and not invite.called_number:
            self._door.refuse(invite, NO_SUCH_NUMBER if invite.trunk else NO_TRUNK)
        elif user and not invite.called_number and (actor := self._meetings.endpoints.get(user)) is not None:
            self._looking.add(invite.call)
            self.hand_over(actor, invite, user)
        elif len(self._looking) >= MAX_LOOKUPS or not self._tasks.open:
            self._door.refuse(invite, DRAINING)
        else:
            self._looking.add(invite.call)
            self._tasks.run(self._look_up(invite, user))

    def _call_by_name(self, invite: IncomingInvite) -> None:
        """A SIP client dialled another client of its domain, or else one of its domain's rooms, or else a number."""
        address = self._clients.address(invite.client_domain, invite.user)
        if len(self._looking) >= MAX_LOOKUPS or not self._tasks.open:
            self._door.refuse(invite, DRAINING)
            return
        self._looking.add(invite.call)
        if address is None:
            self._tasks.run(self._look_up(invite, None))
            return
        settings = private_room(invite.client_domain, self._meetings.new_id(), self._meetings.office.clock.wall())
        actor = self._meetings.actor(settings)

        def done(taken: asyncio.Future[None]) -> None:
            error = None if taken.cancelled() else taken.exception()
            if error is not None:
                self._looking.discard(invite.call)
                otherwise = NO_PORT if isinstance(error, Unavailable) else BROKEN
                self._door.refuse(invite, because(error, otherwise))

        actor.ask(lambda now: (self._connect(actor, invite, address, now), None)).add_done_callback(done)

    def _connect(self, actor: Actor, invite: IncomingInvite, address: str, now: Instant) -> list[Effect]:
        if invite.call not in self._looking:
            return []  # the caller gave up meanwhile
        begun = self._client_calls.connect(actor, invite, address, now)
        self._looking.discard(invite.call)
        return begun

    def expect(self, call: CallId) -> bool:
        """A call is about to be taken by somebody else; false when too many are."""
        if len(self._looking) >= MAX_LOOKUPS or not self._tasks.open or self._meetings.draining:
            return False
        self._looking.add(call)
        return True

    def waits(self, call: CallId) -> bool:
        """Whether the caller of a call that is expected has not given up."""
        return call in self._looking

    def is_expected(self, call: CallId) -> bool:
        """Whether its caller still waits to be taken; from now on it is expected no longer."""
        expected = call in self._looking
        self._looking.discard(call)
        return expected

    async def _look_up(self, invite: IncomingInvite, user: EndpointUser | None) -> None:
        try:
            refusal = await self._find_meeting(invite, user)
        except NotStored as error:
            log.error("store.failed", call=invite.call, error=error.info)
            refusal = STORE_FAILED
        except Exception:
            log.exception("call.lookup-failed", call=invite.call)
            refusal = BROKEN
        if refusal is not None:
            self._looking.discard(invite.call)
            self._door.refuse(invite, refusal)

    async def _find_meeting(self, invite: IncomingInvite, user: EndpointUser | None) -> Refusal | None:
        if invite.called_number and self.desk is not None and await self.desk.take_number(invite):
            return None
        room = await self._numbered_room(invite) or (await self._named_room(invite) if user is None else None)
        if room is not None:
            user = None  # any endpoint of the room that is free
        else:
            found = await self._meetings.rooms.by_endpoint(user) if user is not None else None
            if found is None and invite.client and not invite.called_number:
                return await self._client_numbers.call(invite, self.is_expected)
            if found is None:
                return NO_SUCH_NUMBER if invite.called_number else NO_SUCH_ENDPOINT
            room = found[0]
            invite = replace(invite, called_number="")  # what looked like a number is an address of a room
        invite = _as_known_to(invite, room.domain)
        settings = await self._meetings.rooms.settings(room)
        if settings.sip is None or not room.endpoints:
            return as_told(SIP_OFF, invite)
        if (room.domain, room.name) not in self._meetings.actors and not settings.sip.dialin.allow_room_start:
            return as_told(NOBODY_JOINED, invite)
        self.hand_over(self._meetings.actor(settings), invite, user)
        return None

    async def _numbered_room(self, invite: IncomingInvite) -> Room | None:
        if not invite.called_number:
            return None
        where = await self._numbers.room_of(invite.called_number, invite.trunk)
        return None if where is None else await self._meetings.rooms.find(*where)

    async def _named_room(self, invite: IncomingInvite) -> Room | None:
        if not invite.client or invite.called_number:
            return None
        return await self._meetings.rooms.find(invite.client_domain, RoomName(invite.user))

    def hand_over(self, actor: Actor, invite: IncomingInvite, user: EndpointUser | None) -> None:
        """Queue the call with a meeting. One that ends before its turn sends us looking again."""
        invite = _as_known_to(invite, actor.meeting.settings.room.domain)

        def done(taken: asyncio.Future[None]) -> None:
            error = None if taken.cancelled() else taken.exception()
            if isinstance(error, MeetingOver) and self._tasks.open:
                self._tasks.run(self._look_up(invite, user))
            elif error is not None:
                self._looking.discard(invite.call)
                self._door.refuse(invite, because(error))

        actor.ask(lambda now: (self._take(actor, invite, user, now), None)).add_done_callback(done)

    def _take(self, actor: Actor, invite: IncomingInvite, user: EndpointUser | None, now: Instant) -> list[Effect]:
        if not self.is_expected(invite.call):
            return []  # the caller gave up meanwhile
        return self._door.take(actor, invite, user, now)


def _as_known_to(invite: IncomingInvite, domain: DomainId) -> IncomingInvite:
    """To rooms of other domains, a SIP client is a stranger."""
    return replace(invite, known=False) if invite.client and invite.client_domain != domain else invite
