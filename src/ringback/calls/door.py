"""Lets a call into the meeting it is for, or refuses it, in the words its caller may hear."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from ringback.calls.admit import LOOP, SIP_OFF, Refusal, check_call, told
from ringback.calls.dialin import DialIn
from ringback.calls.dialout import DialOut
from ringback.calls.display_name import PARAMETER, clean, display_name
from ringback.calls.picture_ports import open_pictures
from ringback.calls.ports.carrier import IncomingInvite
from ringback.calls.registry import Registry
from ringback.meetings.actor import Actor
from ringback.meetings.effects import Effect, Outside
from ringback.meetings.permissions import phone_permissions
from ringback.meetings.ports import World
from ringback.meetings.service import Meetings
from ringback.model.errors import Unavailable
from ringback.model.events import CallFacts
from ringback.model.ids import CallId, EndpointUser
from ringback.model.instant import Instant
from ringback.model.records import Direction

log = structlog.get_logger()


class Door:
    """Where calls come into meetings.

    Args:
        meetings: Where they go.
        registry: Where they are entered.

    Attributes:
        refused: Told the rule by which a call was turned away.
    """

    def __init__(self, meetings: Meetings, registry: Registry) -> None:
        self.refused: Callable[[str], None] = lambda rule: None
        self._meetings = meetings
        self._registry = registry
        self._office = meetings.office

    def take(self, actor: Actor, invite: IncomingInvite, wanted: EndpointUser | None, now: Instant) -> list[Effect]:
        """Let a call in, or refuse it. One step in the meeting's queue, so the limits are exact.

        Args:
            wanted: The endpoint it dialled; ``None``: any of the room that is free.
        """
        meeting, sip = actor.meeting, actor.meeting.settings.sip
        user = wanted or _free_endpoint(actor)
        refusal = SIP_OFF if sip is None else check_call(meeting, sip, user, list(actor.calls.values()), now)
        if refusal is None and _is_own(invite, actor):
            refusal = LOOP
        if refusal is not None or sip is None:
            return [self._refused(invite, refusal or SIP_OFF).effect(invite.call)]
        call = self._dial_in(actor, invite, user, now)
        begun = self._meetings.started(actor, meeting.call_begins(call.id, sip.dialin, now))
        self._registry.register(actor, call, invite.srtp, invite.srtp_keys)
        call.media_networks = invite.media_networks
        call.dtmf = invite.dtmf
        return begun + call.begin(self._open_port(actor, call), now)

    def _dial_in(self, actor: Actor, invite: IncomingInvite, user: EndpointUser, now: Instant) -> DialIn:
        settings = actor.meeting.settings
        assert settings.sip is not None
        sip = settings.sip
        caller = "anonymous" if invite.withheld else invite.caller or invite.from_uri
        name = display_name(invite.uri_headers, invite.headers, sip.display_name, _user_of(caller))
        headers = {clean(key): clean(value) for key, value in invite.headers if key.lower() != PARAMETER}
        record = self._registry.record(
            actor,
            invite.call,
            Direction.DIAL_IN,
            now,
            dialog=invite.dialog,
            sip_call_id=invite.sip_call_id,
            remote=caller,
            endpoint=user,
            display_name=name,
            request=headers,
            trunk=invite.trunk,
            called=invite.called_number,
            caller="" if invite.withheld else invite.caller,
        )
        facts = CallFacts(
            call=invite.call,
            direction=Direction.DIAL_IN,
            provider=sip.provider or "daily",
            sip_call_id=invite.sip_call_id,
            remote=caller,
            display_name=name,
            endpoint=self._meetings.address(user),
            sip_headers=headers,
            trunk=invite.trunk,
        )
        return DialIn(invite, record, facts, sip, phone_permissions(settings, None), WantPort(self, actor, invite.call))

    def look_for_port(self, actor: Actor, call: CallId) -> None:
        """A call rings because ports were short: answer it when there is one now."""
        machine = actor.calls.get(call)
        address = self._open_port(actor, machine) if isinstance(machine, DialIn) else None
        if address is not None:
            self._registry.on_line(call, DialIn, lambda it, now: it.port_found(address, now))

    def _open_port(self, actor: Actor, call: DialIn) -> tuple[str, int] | None:
        media = self._office.world.media
        try:
            address = media.open_phone(actor.meeting.id, call.leg, call.signalling_host)
        except Unavailable as error:
            log.error("call.no-port", call=call.id, error=error.info)
            return None
        open_pictures(media, call)
        return address

    def refuse(self, invite: IncomingInvite, refusal: Refusal) -> None:
        """Turn a call away that is in no meeting's queue."""
        self._refused(invite, refusal).effect(invite.call).apply(self._office.world)

    def _refused(self, invite: IncomingInvite, refusal: Refusal) -> Refusal:
        answer = as_told(refusal, invite)
        self.refused(refusal.rule)
        trunk = {"trunk": invite.trunk} if invite.trunk else {}
        log.info(
            "call.refused", rule=refusal.rule, status=answer.status, source=invite.source, call=invite.call, **trunk
        )
        return answer


@dataclass(frozen=True, slots=True, eq=False)
class WantPort(Outside):
    """Look for a port again for a call that waits for one."""

    door: Door
    actor: Actor
    call: CallId

    def apply(self, world: World) -> None:
        self.door.look_for_port(self.actor, self.call)


def as_told(refusal: Refusal, invite: IncomingInvite) -> Refusal:
    """A refusal as this caller hears it. What other domains have is, to a SIP client, not there."""
    return told(refusal, invite.known, 404 if invite.client else 480)


def _is_own(invite: IncomingInvite, actor: Actor) -> bool:
    """Whether a room's own dial-out comes back to it (RFC 3261 §8.2.2.2)."""
    return any(
        isinstance(call, DialOut) and call.facts.sip_call_id == invite.sip_call_id for call in actor.calls.values()
    )


def _free_endpoint(actor: Actor) -> EndpointUser:
    """An endpoint of the room that nobody is on; the first when all are taken."""
    endpoints = actor.meeting.settings.room.endpoints
    taken = {call.endpoint for call in actor.calls.values()}
    return next((user for user in endpoints if user not in taken), endpoints[0])


def _user_of(uri: str) -> str:
    user, at, host = uri.removeprefix("sips:").removeprefix("sip:").rpartition("@")
    return user if at else host
