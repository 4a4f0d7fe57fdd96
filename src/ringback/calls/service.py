"""The calls of this process: finds the room a call is for, starts and stops calls, and hands each what happens to it.

What the SIP side and the media side report is turned into a step in the queue of the meeting that has the call. Nothing
here decides what happens in a call; ``DialIn`` and ``DialOut`` do.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Any, Self, cast

import structlog

from ringback.calls.admit import (
    BROKEN,
    DRAINING,
    LOOP,
    NO_PORT,
    NO_SUCH_ENDPOINT,
    NO_SUCH_NUMBER,
    NO_TRUNK,
    NOBODY_JOINED,
    SIP_OFF,
    Refusal,
    check_call,
    told,
)
from ringback.calls.between_clients import CalleeLeg, CallerLeg, private_room
from ringback.calls.call import Call
from ringback.calls.dialin import DialIn
from ringback.calls.dialling import Dialling
from ringback.calls.dialout import DialOut
from ringback.calls.digit_request import validate_digits
from ringback.calls.display_name import PARAMETER, clean, display_name
from ringback.calls.observing import Observer
from ringback.calls.paid import PaidLegs, Unlimited, Verdict
from ringback.calls.ports import (
    Asker,
    Audit,
    Failure,
    FrontDesk,
    IncomingInvite,
    NumberedRooms,
    Quota,
    Refer,
    Routes,
    SipClients,
)
from ringback.calls.protection import ProtectionRules
from ringback.calls.referrals import Referrals
from ringback.calls.registry import Registry
from ringback.calls.repeats import DIAL_OUT, Asked, Remember, Repeats
from ringback.calls.requests import DialOutRequest
from ringback.calls.transfers import Transfers
from ringback.calls.warm import WarmTransfers
from ringback.calls.ways import NoClients, NoTrunks
from ringback.meetings.actor import Actor
from ringback.meetings.effects import Effect, Outside
from ringback.meetings.meeting import MeetingOver
from ringback.meetings.permissions import phone_permissions
from ringback.meetings.ports import World
from ringback.meetings.service import Meetings
from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.errors import InvalidRequest, NotFound, Unavailable
from ringback.model.events import CallFacts
from ringback.model.ids import CallId, DomainId, EndpointUser, ParticipantId, RoomName
from ringback.model.instant import Instant
from ringback.model.records import DialogRecord, Direction
from ringback.model.room import Room
from ringback.model.sound import Sound
from ringback.numbers.endpoints import endpoint_user

log = structlog.get_logger()

MAX_LOOKUPS = 1000
"""Calls whose room is being looked up at once; more are refused."""


class Calls:
    """All calls. It is what telephony reports to (``CarrierEvents``).

    Args:
        meetings: Where calls go in and come from.
        reachable: Whether sound may go to an IP address and port that only a far end's SDP vouches for.
        routes: Which trunks carry calls out.
        numbers: Which rooms telephone numbers ring.
        clients: Accounts of SIP phones.
        protection: Whether the sound of calls that no trunk carries is encrypted.
        music: What a caller hears that waits; ``None``: silence.
        quota: Who may spend how much on calls; everybody anything where there is none.
        audit: Told what is refused.

    Attributes:
        paid: What every call out passes through.
        desk: Takes calls that are for no room yet, where there is somebody who does.
        refused: Told the rule by which a call was turned away.
        take_over_trunk: Takes calls over customers' trunks.
    """

    def __init__(
        self,
        meetings: Meetings,
        reachable: Callable[[str, int], bool] = lambda host, port: True,
        *,
        routes: Routes | None = None,
        numbers: NumberedRooms | None = None,
        clients: SipClients | None = None,
        protection: ProtectionRules | None = None,
        music: Callable[[], Sound | None] = lambda: None,
        quota: Quota | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._meetings = meetings
        self._numbers = numbers or NoTrunks()
        self._clients = clients or NoClients()
        self._office = meetings.office
        nobody_counts = Unlimited()
        quota = quota or nobody_counts
        quota.run_out = self._ran_out
        self.paid = PaidLegs(routes or NoTrunks(), quota, audit or nobody_counts, self._office.clock)
        self._registry = Registry(meetings, reachable, protection or ProtectionRules())
        self.post, self.register, self.record = self._registry.post, self._registry.register, self._registry.record
        self._dialling = Dialling(meetings, self._registry, self.paid)
        self.transfers = Transfers(meetings, self._registry, self._dialling)
        self.warm = WarmTransfers(meetings, self._dialling, self.transfers, music)
        self._observer = Observer(meetings, meetings.office.world.media, meetings.office.clock)
        self.referrals = Referrals(meetings, self._registry, self._dialling, self.transfers, self.run)
        self.desk: FrontDesk | None = None
        self.refused: Callable[[str], None] = lambda rule: None
        self.take_over_trunk: Callable[[IncomingInvite], None] = lambda invite: self.refuse(invite, NO_TRUNK)
        self._looking: set[CallId] = set()
        self._repeats = Repeats(meetings.office.records)
        self._tasks: asyncio.TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._tasks is not None
        await self._tasks.__aexit__(None, None, None)
        self._tasks = None

    # ── dial-in ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def incoming(self, invite: IncomingInvite) -> None:
        """A new call: into the meeting that has its endpoint, or after a look-up of the room."""
        user = endpoint_user(invite.user)
        if invite.replaces is not None:
            self.referrals.replacing(invite)
        elif self._meetings.draining:
            self.refuse(invite, DRAINING)
        elif user is None and invite.client and not invite.called_number:
            self._call_by_name(invite)
        elif invite.sip_trunk:
            self.take_over_trunk(invite)
        elif self.desk is not None and (config := self.desk.config_of(invite)) is not None:
            self.desk.take(invite, config)
        elif user is None and not invite.called_number:
            self.refuse(invite, NO_SUCH_NUMBER if invite.trunk else NO_TRUNK)
        elif user and not invite.called_number and (actor := self._meetings.endpoints.get(user)) is not None:
            self._looking.add(invite.call)
            self.hand_over(actor, invite, user)
        elif len(self._looking) >= MAX_LOOKUPS or self._tasks is None:
            self.refuse(invite, DRAINING)
        else:
            self._looking.add(invite.call)
            self._tasks.create_task(self._look_up(invite, user))

    def _call_by_name(self, invite: IncomingInvite) -> None:
        """A SIP client dialled a name: another client of its domain, or else one of its domain's rooms."""
        address = self._clients.address(invite.client_domain, invite.user)
        if len(self._looking) >= MAX_LOOKUPS or self._tasks is None:
            self.refuse(invite, DRAINING)
            return
        self._looking.add(invite.call)
        if address is None:
            self._tasks.create_task(self._look_up(invite, None))
            return
        settings = private_room(invite.client_domain, self._meetings.new_id(), self._office.clock.wall())
        actor = self._meetings.actor(settings)

        def done(taken: asyncio.Future[None]) -> None:
            error = None if taken.cancelled() else taken.exception()
            if error is not None:
                self._looking.discard(invite.call)
                self.refuse(invite, NO_PORT if isinstance(error, Unavailable) else BROKEN)

        actor.ask(lambda now: (self._connect(actor, invite, address, now), None)).add_done_callback(done)

    def _connect(self, actor: Actor, invite: IncomingInvite, address: str, now: Instant) -> list[Effect]:
        """Begin both halves of a call between two clients."""
        if invite.call not in self._looking:
            return []  # the caller gave up meanwhile
        world, settings, call = self._office.world, actor.meeting.settings, CallId(self._meetings.new_id())
        own = self._clients.address(invite.client_domain, invite.client) or invite.from_uri
        dialog = replace(world.carrier.prepare(address, call, invite.client), local_uri=own)
        here, there = (world.media.open_phone(actor.meeting.id, ParticipantId(leg)) for leg in (invite.call, call))
        self._looking.discard(invite.call)
        name = clean(invite.from_name) or invite.client
        common: dict[str, Any] = {"sip_call_id": invite.sip_call_id, "display_name": name}
        record = self.record(actor, invite.call, Direction.DIAL_IN, now, dialog=invite.dialog, remote=own, **common)
        facts = CallFacts(invite.call, Direction.DIAL_IN, "daily", remote=own, endpoint=address, **common)
        caller = CallerLeg(invite, record, facts, settings, call)
        common = {"sip_call_id": dialog.call_id, "display_name": invite.user}
        record = self.record(actor, call, Direction.DIAL_OUT, now, dialog=dialog, remote=address, **common)
        facts = CallFacts(call, Direction.DIAL_OUT, "daily", remote=address, origin=own, **common)
        callee = CalleeLeg(DialOutRequest(address, None, invite.user), record, facts, settings, caller)
        begun = self._meetings.started(actor, actor.meeting.call_begins(caller.id, settings.dialout, now))
        begun += actor.meeting.call_begins(callee.id, settings.dialout, now)
        self.register(actor, caller)
        self.register(actor, callee)
        return [*begun, *caller.begin(here, now), *callee.begin(there, now)]

    def expect(self, call: CallId) -> bool:
        """A call is about to be taken by somebody else; false when too many are."""
        if len(self._looking) >= MAX_LOOKUPS or self._tasks is None or self._meetings.draining:
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

    def run(self, task: Coroutine[Any, Any, None]) -> object:
        assert self._tasks is not None, "calls are reported while their service runs"
        return self._tasks.create_task(task)

    async def _look_up(self, invite: IncomingInvite, user: EndpointUser | None) -> None:
        try:
            refusal = await self._find_meeting(invite, user)
        except Exception:
            log.exception("call.lookup-failed", call=invite.call)
            refusal = BROKEN
        if refusal is not None:
            self._looking.discard(invite.call)
            self.refuse(invite, refusal)

    async def _find_meeting(self, invite: IncomingInvite, user: EndpointUser | None) -> Refusal | None:
        if invite.called_number and self.desk is not None and await self.desk.take_number(invite):
            return None
        room = await self._numbered_room(invite) or (await self._named_room(invite) if user is None else None)
        if room is not None:
            user = None  # any endpoint of the room that is free
        else:
            found = await self._meetings.rooms.by_endpoint(user) if user is not None else None
            if found is None:
                return NO_SUCH_NUMBER if invite.called_number else NO_SUCH_ENDPOINT
            room = found[0]
            invite = replace(invite, called_number="")  # what looked like a number is an address of a room
        invite = _as_known_to(invite, room.domain)
        settings = await self._meetings.rooms.settings(room)
        if settings.sip is None or not room.endpoints:
            return _told(SIP_OFF, invite)
        if (room.domain, room.name) not in self._meetings.actors and not settings.sip.dialin.allow_room_start:
            return _told(NOBODY_JOINED, invite)
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
            if isinstance(error, MeetingOver) and self._tasks is not None:
                self._tasks.create_task(self._look_up(invite, user))
            elif error is not None:
                self._looking.discard(invite.call)
                self.refuse(invite, BROKEN)

        actor.ask(lambda now: (self._take(actor, invite, user, now), None)).add_done_callback(done)

    def _take(self, actor: Actor, invite: IncomingInvite, wanted: EndpointUser | None, now: Instant) -> list[Effect]:
        """Let a call in, or refuse it. One step in the meeting's queue, so the limits are exact."""
        if invite.call not in self._looking:
            return []  # the caller gave up meanwhile
        self._looking.discard(invite.call)
        meeting, sip = actor.meeting, actor.meeting.settings.sip
        user = wanted or _free_endpoint(actor)
        refusal = SIP_OFF if sip is None else check_call(meeting, sip, user, list(actor.calls.values()), now)
        if refusal is None and _is_own(invite, actor):
            refusal = LOOP
        if refusal is not None or sip is None:
            return [self._refused(invite, refusal or SIP_OFF).effect(invite.call)]
        call = self._dial_in(actor, invite, user, now)
        begun = self._meetings.started(actor, meeting.call_begins(call.id, sip.dialin, now))
        self.register(actor, call, invite.srtp)
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
        record = self.record(
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
        try:
            return self._office.world.media.open_phone(actor.meeting.id, call.leg, call.signalling_host)
        except Unavailable as error:
            log.error("call.no-port", call=call.id, error=error.info)
            return None

    def refuse(self, invite: IncomingInvite, refusal: Refusal) -> None:
        self._refused(invite, refusal).effect(invite.call).apply(self._office.world)

    def _refused(self, invite: IncomingInvite, refusal: Refusal) -> Refusal:
        answer = _told(refusal, invite)
        self.refused(refusal.rule)
        trunk = {"trunk": invite.trunk} if invite.trunk else {}
        log.info(
            "call.refused", rule=refusal.rule, status=answer.status, source=invite.source, call=invite.call, **trunk
        )
        return answer

    # ── dial-out ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def start_dial_out(
        self,
        domain: DomainId,
        room: RoomName,
        body: Mapping[str, object],
        *,
        idempotency_key: str | None = None,
        asker: Asker | None = None,
    ) -> CallId:
        """Start a call out of a room. Answers when its row is stored and its INVITE is queued.

        Args:
            body: As REST and SDKs send it (``requests.validate``).
            idempotency_key: A repeat with the same key answers with the first one's call and starts nothing.
            asker: On whose word; the server's own where it is left out.

        Raises:
            InvalidRequest: The body, the room's settings or a limit forbid it; or the key was used for something else.
            NotFound: There is no such room, or nobody is in it and a call may not start a meeting.
            Unavailable: This process is ending or out of ports.
        """
        asker = asker or Asker(domain)
        asked = Asked(DIAL_OUT, room, dict(body))
        call: CallId = await self._repeats.once(
            domain, idempotency_key, asked, lambda _: self._dialling.start(asker, room, body, idempotency_key)
        )
        return call

    async def check_dial_out(
        self, domain: DomainId, room: RoomName, body: Mapping[str, object], *, asker: Asker | None = None
    ) -> Verdict:
        """What ``start_dial_out`` would do, and everything that is against it; nothing is called.

        Raises ``InvalidRequest`` for the body, ``NotFound`` where there is no such room.
        """
        return await self._dialling.check(asker or Asker(domain), room, body)

    async def stop_dial_out(self, domain: DomainId, room: RoomName, session_id: object) -> None:
        """Hang up a dial-out: CANCEL while it rings, BYE once answered.

        Raises:
            InvalidRequest: ``session_id`` is not a string.
            NotFound: Nobody is in the room, or it has no such dial-out.
        """
        if not isinstance(session_id, str) or not session_id:
            raise InvalidRequest("sessionId is required and must be a string")
        if await self.transfers.stop(domain, room, session_id):
            return
        actor = self._meetings.running(domain, room)
        if actor is None:
            raise NotFound(f"room {room} is not hosting a call")

        def step(now: Instant) -> tuple[list[Effect], None]:
            call = actor.calls.get(CallId(session_id))
            if not isinstance(call, DialOut):
                raise NotFound(f"no dial-out {clean(session_id)} to stop in room {room}")
            return call.hang_up(EndReason(Ending.HANGUP_LOCAL), now), None

        await self._ask(actor, room, step)

    # ── in a call ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def send_dtmf(
        self, domain: DomainId, room: RoomName, body: Mapping[str, object], *, idempotency_key: str | None = None
    ) -> None:
        """Press keys towards a telephone.

        Args:
            body: ``sessionId``, ``tones``, ``method``, ``digitDurationMs`` as on the wire.
            idempotency_key: A repeat with the same key presses nothing.

        Raises:
            InvalidRequest: The body is wrong, or the call cannot carry keys that way.
            NotFound: There is no such telephone.
        """
        request = validate_digits(body)

        async def press(remember: Remember) -> None:
            await self._with_call(
                domain,
                room,
                request.session_id,
                lambda call, now: [*call.send_digits(request, now), *remember(None, now)],
            )

        await self._repeats.once(domain, idempotency_key, Asked("dialOut/sendDTMF", room, dict(body)), press)

    async def transfer(
        self,
        domain: DomainId,
        room: RoomName,
        body: Mapping[str, object],
        *,
        idempotency_key: str | None = None,
        asker: Asker | None = None,
    ) -> None:
        """``sipCallTransfer``; see ``Transfers.transfer``. A repeat with the same key does nothing."""
        asked = Asked("sipCallTransfer", room, dict(body))
        work = partial(self.transfers.transfer, domain, room, body, asker)
        await self._repeats.once(domain, idempotency_key, asked, work)

    async def refer(
        self, domain: DomainId, room: RoomName, body: Mapping[str, object], *, idempotency_key: str | None = None
    ) -> None:
        """``sipRefer``; see ``Transfers.refer``. A repeat with the same key does nothing."""
        asked = Asked("sipRefer", room, dict(body))
        work = partial(self.transfers.refer, domain, room, body)
        await self._repeats.once(domain, idempotency_key, asked, work)

    async def warm_transfer(
        self,
        domain: DomainId,
        call: str,
        body: Mapping[str, object],
        *,
        idempotency_key: str | None = None,
        asker: Asker | None = None,
        room: RoomName | None = None,
    ) -> Mapping[str, object]:
        """Begin a warm transfer; see ``WarmTransfers.start``. A repeat with the same key does nothing."""
        asked = Asked(f"warm-transfer {call}", RoomName(""), dict(body))
        work = partial(self.warm.start, domain, call, body, asker, room)
        answer: Mapping[str, object] = await self._repeats.once(domain, idempotency_key, asked, work)
        return answer

    async def hold(self, domain: DomainId, room: RoomName, session_id: str, on: bool) -> None:
        """Put a telephone on hold, or take it back. Raises ``NotFound`` for an unknown one."""
        await self._with_call(domain, room, session_id, lambda call, now: call.hold(on, now))

    def _ran_out(self, call: CallId) -> None:
        """What a call may cost is spent: it ends."""
        log.warning("call.quota-exhausted", call=call)
        reason = EndReason(Ending.QUOTA_EXHAUSTED)
        self.post(call, lambda actor, machine, now: machine.hang_up(reason, now))

    async def _with_call(
        self, domain: DomainId, room: RoomName, session_id: str, act: Callable[[Call, Instant], list[Effect]]
    ) -> None:
        actor = self.transfers.bridge_of(domain, room, session_id) or self._meetings.running(domain, room)
        if actor is None:
            raise NotFound(f"room {room} is not hosting a call")

        def step(now: Instant) -> tuple[list[Effect], None]:
            call = actor.calls.get(CallId(session_id))
            if call is None:
                raise NotFound(f"no telephone {clean(session_id)} in room {room}")
            return act(cast(Call, call), now), None

        await self._ask(actor, room, step)

    async def _ask(self, actor: Actor, room: RoomName, step: Callable[[Instant], tuple[list[Effect], None]]) -> None:
        try:
            await actor.ask(step)
        except MeetingOver:
            raise NotFound(f"room {room} is not hosting a call") from None

    @property
    def observer(self) -> Observer:
        """Who looks at calls that go on."""
        return self._observer

    def timeline(self, call: CallId) -> Sequence[Mapping[str, object]]:
        """What has happened so far in a call that still goes on, as ``CallRecord.timeline`` has it."""
        found = self._registry.find(call)
        return found[1].timeline.steps() if found is not None else ()

    def sound(self, call: CallId) -> Mapping[str, object]:
        """What a call that still goes on sounds like now, as ``CallRecord.sound`` has it; empty for any other."""
        if (found := self._registry.find(call)) is None:
            return {}
        (actor, machine), clock = found, self._office.clock
        return {**machine.sound(Instant(clock.monotonic(), clock.wall())), **actor.steps.counters(call)}

    # ── what telephony reports ───────────────────────────────────────────────────────────────────────────────────────

    def cancelled(self, call: CallId, reason: str = "", q850: int | None = None) -> None:
        if call in self._looking:
            self._looking.discard(call)
        else:
            self._registry.on_line(call, DialIn, lambda it, now: it.cancelled(q850, now))

    def acknowledged(self, call: CallId, sdp: bytes | None) -> None:
        self._registry.on_line(call, Call, lambda it, now: it.acknowledged(sdp, now))

    def routed(self, call: CallId, attempt: int, trunk: str) -> None:
        self._registry.on_line(call, DialOut, lambda it, now: it.routed(attempt, trunk, now))

    def progress(
        self,
        call: CallId,
        status: int,
        reason: str,
        sdp: bytes | None,
        fork: str = "",
        wants_answer: bool = False,
    ) -> None:
        self._registry.on_line(call, DialOut, lambda it, now: it.progress(status, reason, sdp, now, fork))

    def answered(self, call: CallId, sdp: bytes | None) -> None:
        self._registry.on_line(call, DialOut, lambda it, now: it.far_end_answered(sdp, now))

    def failed(self, call: CallId, failure: Failure) -> None:
        self._registry.on_line(call, DialOut, lambda it, now: it.failed(failure, now))

    def dialog_changed(self, call: CallId, dialog: DialogRecord) -> None:
        self._registry.on_line(call, Call, lambda it, now: it.dialog_changed(dialog, now))

    def reoffered(self, call: CallId, sdp: bytes | None) -> None:
        self._registry.on_line(call, Call, lambda it, now: it.reoffered(sdp, now))

    def reoffer_answered(self, call: CallId, sdp: bytes) -> None:
        self._registry.on_line(call, Call, lambda it, now: it.reoffer_answered(sdp, now))

    def reoffer_failed(self, call: CallId, status: int) -> None:
        self._registry.on_line(call, Call, lambda it, now: it.reoffer_failed(status, now))

    def dtmf_info(self, call: CallId, digit: str, duration_ms: int) -> None:
        self._registry.on_line(call, Call, lambda it, now: it.digit(digit, "sip-info", 0, now))

    def picture_wanted(self, call: CallId) -> None:
        """Telephones are sent no pictures."""

    def referred(self, call: CallId, refer: Refer) -> None:
        self.referrals.referred(call, refer)

    def refer_progress(self, call: CallId, status: int, reason: str, final: bool, notified: bool = False) -> None:
        known = self._meetings.lines.get(call, call)
        if not self.warm.progress(known, status, reason, final, notified):
            self.transfers.progress(known, status, reason, final, notified)

    def ended(self, call: CallId, cause: str, reason: str = "", q850: int | None = None) -> None:
        self._registry.on_line(call, Call, lambda it, now: it.remote_ended(cause, reason, q850, now))

    # ── what the media side reports of telephones ────────────────────────────────────────────────────────────────────

    def digit(self, leg: ParticipantId, digit: str, volume: int, method: str = "telephone-event") -> None:
        self.post(CallId(leg), lambda where, it, now: it.digit(digit, method, volume, now))

    def played(self, leg: ParticipantId, sound: str) -> None:
        self.post(CallId(leg), lambda where, it, now: it.played(sound, now))

    def heard(self, leg: ParticipantId) -> None:
        self.post(CallId(leg), lambda where, it, now: it.heard(now))

    def silent(self, leg: ParticipantId) -> None:
        self.post(CallId(leg), lambda where, it, now: it.silent(now))

    def media_failed(self, leg: ParticipantId, reason: str) -> None:
        words = EndReason(Ending.INTERNAL_ERROR, Fault.OURS)
        self.post(CallId(leg), lambda where, it, now: it.hang_up(words, now))


@dataclass(frozen=True, slots=True, eq=False)
class WantPort(Outside):
    """Look for a port again for a call that waits for one."""

    calls: Calls
    actor: Actor
    call: CallId

    def apply(self, world: World) -> None:
        self.calls.look_for_port(self.actor, self.call)


def _is_own(invite: IncomingInvite, actor: Actor) -> bool:
    """Whether a room's own dial-out comes back to it (RFC 3261 §8.2.2.2)."""
    return any(
        isinstance(call, DialOut) and call.facts.sip_call_id == invite.sip_call_id for call in actor.calls.values()
    )


def _told(refusal: Refusal, invite: IncomingInvite) -> Refusal:
    """A refusal as this caller hears it. What other domains have is, to a SIP client, not there."""
    return told(refusal, invite.known, 404 if invite.client else 480)


def _as_known_to(invite: IncomingInvite, domain: DomainId) -> IncomingInvite:
    """To rooms of other domains, a SIP client is a stranger."""
    return replace(invite, known=False) if invite.client and invite.client_domain != domain else invite


def _free_endpoint(actor: Actor) -> EndpointUser:
    """An endpoint of the room that nobody is on; the first when all are taken."""
    endpoints = actor.meeting.settings.room.endpoints
    taken = {call.endpoint for call in actor.calls.values()}
    return next((user for user in endpoints if user not in taken), endpoints[0])


def _user_of(uri: str) -> str:
    user, at, host = uri.removeprefix("sips:").removeprefix("sip:").rpartition("@")
    return user if at else host
