"""The calls of this process as all others see them: commands go in here, and what the SIP side reports of a call.

Who gets in is decided by ``Arrivals`` and ``Door``, who is called by ``Dialling``, what happens in a call by ``DialIn``
and ``DialOut``, each step in the queue of the meeting that has the call.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self, cast

import structlog

from ringback.calls.arrivals import Arrivals
from ringback.calls.call import Call
from ringback.calls.client_numbers import ClientNumbers
from ringback.calls.concealed import Fingerprint, unkeyed
from ringback.calls.dialin import DialIn
from ringback.calls.dialling import Dialling
from ringback.calls.dialout import DialOut
from ringback.calls.digit_request import validate_digits
from ringback.calls.display_name import clean
from ringback.calls.door import Door
from ringback.calls.far_end_transfers import FarEndTransfers
from ringback.calls.moving import Moving
from ringback.calls.observing import Observer
from ringback.calls.paid import PaidLegs, Unlimited, Verdict
from ringback.calls.ports.carrier import Failure, IncomingInvite, Refer
from ringback.calls.ports.paid import Asker, Audit, Quota
from ringback.calls.ports.reception import FrontDesk, NumberedRooms, SipClients
from ringback.calls.ports.routes import Routes
from ringback.calls.protection import ProtectionRules
from ringback.calls.referrals import Referrals
from ringback.calls.registry import Registry
from ringback.calls.repeats import DIAL_OUT, Asked, Remember, Repeats
from ringback.calls.tasks import Tasks
from ringback.calls.transfers import Transfers
from ringback.calls.warm import WarmTransfers
from ringback.calls.ways import NoClients, NoTrunks
from ringback.meetings.actor import Actor
from ringback.meetings.effects import Effect
from ringback.meetings.meeting import MeetingOver
from ringback.meetings.service import Meetings
from ringback.model.end_reason import Ending, EndReason
from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.ids import CallId, DomainId, RoomName
from ringback.model.instant import Instant
from ringback.model.records import DialogRecord
from ringback.model.sound import Sound

log = structlog.get_logger()


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
        fingerprint: What is kept of digits that are asked for.

    Attributes:
        paid: What every call out passes through.
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
        fingerprint: Fingerprint = unkeyed,
    ) -> None:
        self._meetings = meetings
        self._office = meetings.office
        nobody_counts = Unlimited()
        quota = quota or nobody_counts
        quota.run_out = self._ran_out
        routes, clients = routes or NoTrunks(), clients or NoClients()
        self.paid = PaidLegs(routes, quota, audit or nobody_counts, self._office.clock)
        self._tasks = Tasks()
        self._registry = Registry(meetings, reachable, protection or ProtectionRules())
        self._dialling = Dialling(meetings, self._registry, self.paid, fingerprint)
        self._door = Door(meetings, self._registry)
        self.moving = Moving(meetings, self._registry)
        self.transfers = Transfers(meetings, self.moving, self._dialling)
        self.warm = WarmTransfers(meetings, self.moving, self._dialling, self.transfers, music)
        self._far_ends = FarEndTransfers(meetings, self._registry, self.moving)
        self.referrals = Referrals(meetings, self._registry, self._dialling, self.transfers, self._tasks.run)
        self._arrivals = Arrivals(
            meetings,
            self._registry,
            self._tasks,
            self._door,
            numbers or NoTrunks(),
            clients,
            ClientNumbers(meetings, self._registry, self._dialling, self.paid, routes, clients),
            self.referrals.replacing,
        )
        self._observer = Observer(meetings, self._office.world.media, self._office.clock)
        self._repeats = Repeats(self._office.records, fingerprint)
        # What desks that take calls of their own reach through the service.
        self.run, self.refuse = self._tasks.run, self._door.refuse
        self.post, self.register, self.record = self._registry.post, self._registry.register, self._registry.record
        self.expect, self.waits = self._arrivals.expect, self._arrivals.waits
        self.is_expected, self.hand_over = self._arrivals.is_expected, self._arrivals.hand_over

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.__aexit__(kind, error, trace)

    # ── dial-in ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def incoming(self, invite: IncomingInvite) -> None:
        self._arrivals.incoming(invite)

    def cancelled(self, call: CallId, reason: str = "", q850: int | None = None) -> None:
        if not self._arrivals.is_expected(call):
            self._registry.on_line(call, DialIn, lambda it, now: it.cancelled(q850, now))

    @property
    def desk(self) -> FrontDesk | None:
        """Takes calls that are for no room yet, where there is somebody who does."""
        return self._arrivals.desk

    @desk.setter
    def desk(self, desk: FrontDesk) -> None:
        self._arrivals.desk = desk

    @property
    def take_over_trunk(self) -> Callable[[IncomingInvite], None]:
        """Takes calls over customers' trunks."""
        return self._arrivals.take_over_trunk

    @take_over_trunk.setter
    def take_over_trunk(self, take: Callable[[IncomingInvite], None]) -> None:
        self._arrivals.take_over_trunk = take

    @property
    def refused(self) -> Callable[[str], None]:
        """Told the rule by which a call was turned away."""
        return self._door.refused

    @refused.setter
    def refused(self, told: Callable[[str], None]) -> None:
        self._door.refused = told

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
        """``sipRefer``; see ``FarEndTransfers.refer``. A repeat with the same key does nothing."""
        asked = Asked("sipRefer", room, dict(body))
        work = partial(self._far_ends.refer, domain, room, body)
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

    def leftovers(self) -> int:
        """Transfers and calls that are still on their way somewhere, for a test that expects none."""
        return self._registry.on_the_way() + self._far_ends.leftovers() + self.warm.leftovers()

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
        return {**machine.sound(Instant.of(clock)), **actor.steps.counters(call)}

    # ── what telephony reports ───────────────────────────────────────────────────────────────────────────────────────

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
        self._registry.on_line(call, Call, lambda it, now: it.picture_wanted(now))

    def referred(self, call: CallId, refer: Refer) -> None:
        self.referrals.referred(call, refer)

    def refer_progress(self, call: CallId, status: int, reason: str, final: bool, notified: bool = False) -> None:
        known = self._meetings.lines.get(call, call)
        if not self.warm.progress(known, status, reason, final, notified):
            self._far_ends.progress(known, status, reason, final, notified)

    def ended(self, call: CallId, cause: str, reason: str = "", q850: int | None = None) -> None:
        self._registry.on_line(call, Call, lambda it, now: it.remote_ended(cause, reason, q850, now))
