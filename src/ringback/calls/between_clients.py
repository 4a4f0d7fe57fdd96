"""One SIP client calls another: two calls in a meeting of their own, and what happens to one happens to the other.

```
caller ──INVITE──▶ us ──INVITE──▶ every phone of the callee
       ◀──180────     ◀──180────
       ◀──200────     ◀──200────      sound both ways; a BYE or a refusal is passed on
```
"""

from collections.abc import Sequence
from typing import Any

from ringback.calls.dialin import DialIn
from ringback.calls.dialout import DialOut
from ringback.calls.display_name import clean
from ringback.calls.effects import Ring
from ringback.calls.ports.carrier import IncomingInvite
from ringback.calls.ports.reception import SipClients
from ringback.calls.ports.routes import Attempt
from ringback.calls.registry import Registry
from ringback.calls.requests import DialOutRequest
from ringback.meetings.actor import Actor
from ringback.meetings.effects import Effect, HangUp, Save
from ringback.meetings.permissions import phone_permissions
from ringback.meetings.service import Meetings
from ringback.model.end_reason import Ending, EndReason
from ringback.model.events import CallFacts, CallStep
from ringback.model.ids import CallId, DomainId, ParticipantId, RoomId, RoomName
from ringback.model.instant import Instant
from ringback.model.records import CallRecord, CallState, Direction
from ringback.model.room import IdleTimeouts, Permissions, Room, RoomSettings, SipSettings
from ringback.model.values import replace

NO_LIMIT = 365 * 86400.0
"""Seconds two phones may talk with nobody else there."""

PASSED_ON = frozenset({404, 480, 486, 488, 600, 603, 606})
"""Refusals of the callee that the caller is told as they are; any other becomes 480."""


def private_room(domain: DomainId, id: str, now: float) -> RoomSettings:
    """The settings of a meeting that only these two are in. It is no room: nobody else can find it."""
    room = Room(RoomId(id), domain, RoomName(f"sip-call-{id}"), "private", now)
    stays = IdleTimeouts(True, NO_LIMIT, NO_LIMIT)
    return RoomSettings(
        room,
        max_participants=2,
        max_sip_pstn_sessions=2,
        enable_dialout=True,
        dialout=stays,
        sip=SipSettings("", dialin=stays),
    )


class CallerLeg(DialIn):
    """The client that calls. It is answered when the other is.

    Args:
        other: The callee's call; may be set later, before it begins.
    """

    def __init__(
        self, invite: IncomingInvite, record: CallRecord, facts: CallFacts, settings: RoomSettings, other: CallId
    ) -> None:
        assert settings.sip is not None, "made with it"
        super().__init__(invite, record, facts, settings.sip, phone_permissions(settings, None), Effect())
        self.other = other
        self._port: tuple[str, int] | None = None

    def begin(self, address: tuple[str, int] | None, now: Instant) -> list[Effect]:
        self._port = address
        self.timeline.note("queued", now)
        return [Save(self.record)]

    def other_rings(self, now: Instant) -> list[Effect]:
        """180, once."""
        if self.ended or self.record.state is not CallState.QUEUED:
            return []
        self.record = replace(self.record, state=CallState.RINGING, ringing_at=now.wall)
        self.timeline.note("ringing", now)
        return [Save(self.record), Ring(self.id)]

    def other_answered(self, now: Instant) -> list[Effect]:
        """The callee is there: so are we."""
        assert self._port is not None, "a call between clients has its ports from the start"
        return self.port_found(self._port, now)

    def hang_up(self, reason: EndReason, now: Instant) -> list[Effect]:
        if self.ended or self.answered:
            return super().hang_up(reason, now)
        status = reason.sip_status if reason.sip_status in PASSED_ON else 480
        return self._refuse(status or 480, reason, now)

    def _finish(self, reason: EndReason, now: Instant, step: CallStep = CallStep.STOPPED) -> list[Effect]:
        return [*super()._finish(reason, now, step), HangUp(self.other, _passed_on(reason))]


class CalleeLeg(DialOut):
    """The client, or the number, that is called.

    Args:
        caller: Whom it is told to. The rest as for ``DialOut``.
    """

    def __init__(
        self,
        caller: CallerLeg,
        request: DialOutRequest,
        record: CallRecord,
        facts: CallFacts,
        permissions: Permissions,
        display_name: str = "",
        attempts: Sequence[Attempt] = (),
    ) -> None:
        super().__init__(request, record, facts, permissions, display_name, attempts)
        self._caller = caller

    def progress(self, status: int, reason: str, sdp: bytes | None, now: Instant, fork: str = "") -> list[Effect]:
        return [*super().progress(status, reason, sdp, now, fork), *self._caller.other_rings(now)]

    def far_end_answered(self, sdp: bytes | None, now: Instant) -> list[Effect]:
        effects = super().far_end_answered(sdp, now)
        return [*effects, *self._caller.other_answered(now)] if self.answered and not self._caller.ended else effects

    def _finish(self, reason: EndReason, now: Instant, step: CallStep = CallStep.STOPPED) -> list[Effect]:
        return [*super()._finish(reason, now, step), HangUp(self._caller.id, _passed_on(reason))]


class ClientCalls:
    """Connects SIP clients of a domain with each other.

    Args:
        meetings: Where both calls are.
        registry: Where they are entered.
        clients: Whose names they dial.
    """

    def __init__(self, meetings: Meetings, registry: Registry, clients: SipClients) -> None:
        self._meetings = meetings
        self._registry = registry
        self._clients = clients

    def connect(self, actor: Actor, invite: IncomingInvite, address: str, now: Instant) -> list[Effect]:
        """Begin both halves of a call between two clients. Raises ``Unavailable`` without ports for both."""
        world, settings, call = self._meetings.office.world, actor.meeting.settings, CallId(self._meetings.new_id())
        own = self._clients.address(invite.client_domain, invite.client) or invite.from_uri
        dialog = replace(world.carrier.prepare(address, call, invite.client), local_uri=own)
        here, there = (world.media.open_phone(actor.meeting.id, ParticipantId(leg)) for leg in (invite.call, call))
        name = clean(invite.from_name) or invite.client
        common: dict[str, Any] = {"sip_call_id": invite.sip_call_id, "display_name": name}
        record = self._registry.record(
            actor, invite.call, Direction.DIAL_IN, now, dialog=invite.dialog, remote=own, **common
        )
        facts = CallFacts(invite.call, Direction.DIAL_IN, "daily", remote=own, endpoint=address, **common)
        caller = CallerLeg(invite, record, facts, settings, call)
        common = {"sip_call_id": dialog.call_id, "display_name": invite.user}
        record = self._registry.record(actor, call, Direction.DIAL_OUT, now, dialog=dialog, remote=address, **common)
        facts = CallFacts(call, Direction.DIAL_OUT, "daily", remote=address, origin=own, **common)
        request, permissions = DialOutRequest(address, None, invite.user), phone_permissions(settings, None)
        callee = CalleeLeg(caller, request, record, facts, permissions, name)
        begun = self._meetings.started(actor, actor.meeting.call_begins(caller.id, settings.dialout, now))
        begun += actor.meeting.call_begins(callee.id, settings.dialout, now)
        self._registry.register(actor, caller)
        self._registry.register(actor, callee)
        return [*begun, *caller.begin(here, now), *callee.begin(there, now)]


def _passed_on(reason: EndReason) -> EndReason:
    """Why the other one's call ends: what its far end did is, over here, our hanging up."""
    ended_by_far_end = (Ending.HANGUP_REMOTE, Ending.CANCELLED_REMOTE, Ending.CANCELLED_LOCAL)
    return EndReason(Ending.HANGUP_LOCAL) if reason.ending in ended_by_far_end else reason
