"""The way of a call from its lobby into a room's meeting."""

from collections.abc import Callable
from functools import partial

import structlog

from ringback.calls.admit import NO_SUCH_NUMBER, NOBODY_JOINED, SIP_OFF, Refusal, check_call
from ringback.calls.display_name import display_name
from ringback.calls.handover import Reserved, release
from ringback.calls.moving import Moving
from ringback.calls.transfer import Transfer
from ringback.dialin.caller import LedCall
from ringback.meetings.actor import Actor
from ringback.meetings.effects import Effect, StopPlaying
from ringback.meetings.meeting import MeetingOver
from ringback.meetings.permissions import phone_permissions
from ringback.meetings.service import Meetings
from ringback.model.ids import CallId, EndpointUser
from ringback.model.instant import Instant
from ringback.model.records import TransferRecord, TransferState
from ringback.model.room import Room, SipSettings
from ringback.model.values import replace

log = structlog.get_logger()


class Entrance:
    """Moves calls.

    Args:
        meetings: Where they go.
        moving: Carries dialog and sound over.
        arrived: Told of each call that is in a room from now on.
    """

    def __init__(self, meetings: Meetings, moving: Moving, arrived: Callable[[CallId], None]) -> None:
        self._meetings = meetings
        self._moving = moving
        self._arrived = arrived

    async def enter(self, lobby: Actor, call: LedCall, room: Room, user: EndpointUser | None) -> Refusal | None:
        """Move a call into a room's meeting; a refusal when it is not let in, and stays where it is."""
        settings = await self._meetings.rooms.settings(room)
        if user is not None and settings.sip is None:
            return SIP_OFF
        sip = settings.sip or SipSettings("")
        if user is None:
            # Whether callers with a code wait is for ``wait_for_meeting_start`` alone to say; telephones are somebody.
            running = self._meetings.running(room.domain, room.name)
            there_already = running is not None and bool(running.meeting.members)
            sip = replace(sip, dialin=replace(sip.dialin, allow_room_start=there_already))
        if (room.domain, room.name) not in self._meetings.actors and not sip.dialin.allow_room_start:
            return NOBODY_JOINED
        there = self._meetings.actor(settings)
        place = user or EndpointUser(f"code:{call.id}")
        try:
            refusal = await there.ask(lambda now: self._reserve(there, call.id, place, sip, now))
        except MeetingOver:
            return NOBODY_JOINED
        if refusal is not None:
            return refusal

        def go(now: Instant) -> tuple[list[Effect], None]:
            if lobby.calls.get(call.id) is not call or call.ended:
                raise MeetingOver
            transfer = Transfer(call, lobby, self._moved(lobby, call, now))
            attach = partial(self._arrive, call, there, user)
            return [StopPlaying(call.leg), *self._moving.depart(transfer, call, there, attach, now)], None

        try:
            await lobby.ask(go)
        except MeetingOver:
            there.post(lambda now: release(there, call.id, now))
            return NO_SUCH_NUMBER
        return None

    def _reserve(
        self, there: Actor, call: CallId, place: EndpointUser, sip: SipSettings, now: Instant
    ) -> tuple[list[Effect], Refusal | None]:
        refusal = check_call(there.meeting, sip, place, list(there.calls.values()), now)
        if refusal is not None:
            return [], refusal
        begun = self._meetings.started(there, there.meeting.call_begins(call, sip.dialin, now))
        there.calls[call] = Reserved(call, place, there)
        return begun, None

    def _arrive(self, call: LedCall, there: Actor, user: EndpointUser | None, now: Instant) -> list[Effect]:
        """The call is in the room from now on: a dial-in like any other."""
        if not isinstance(there.calls.get(call.id), Reserved):
            raise MeetingOver
        settings, invite = there.meeting.settings, call.invite
        if user is not None and settings.sip is not None:
            shown = settings.sip.display_name
        else:
            shown = settings.dialin.display_name if settings.dialin is not None else ""
        name = display_name(invite.uri_headers, invite.headers, shown, _user_of(call.facts.remote))
        call.lets_go(name, phone_permissions(settings, None), now)
        call.endpoint = user or EndpointUser("")
        room = settings.room.name
        call.record = replace(call.record, room=room, meeting=there.meeting.id, endpoint=call.endpoint)
        call.facts = replace(call.facts, endpoint=self._meetings.address(user) if user is not None else "")
        there.calls[call.id] = call
        self._arrived(call.id)
        log.info("dialin.connected", call=call.id, room=room)
        return call.arrives(now)

    def _moved(self, lobby: Actor, call: LedCall, now: Instant) -> TransferRecord:
        """What a move between meetings is known by on its way; this one is told to nobody and kept nowhere."""
        office, room = self._meetings.office, lobby.meeting.settings.room
        return TransferRecord(
            "", room.domain, room.name, lobby.meeting.id, call.id, "dial-in", "", TransferState.COMPLETED,
            office.node, office.epoch, now.wall,
        )  # fmt: skip


def _user_of(uri: str) -> str:
    user, at, host = uri.removeprefix("sips:").removeprefix("sip:").rpartition("@")
    return user if at else host
