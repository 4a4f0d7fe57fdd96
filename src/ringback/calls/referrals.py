"""What telephones ask for themselves: "call somebody in my place" (REFER) and "I take that one's place" (Replaces).

A REFER of a telephone in a room is the room's to carry out: whom it names is dialled, or, where that is another room of
ours, the one other telephone it talks with goes there. It is told truthfully how that goes; once it worked it is hung
up on, otherwise it stays. A call that replaces another takes its leg over, and the participant stays who it was.
Both only where the room's ``enable_phone_transfer`` allows it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from ringback.calls.call import TRANSFERRED, Call
from ringback.calls.dialling import Dialling
from ringback.calls.dialout import DialOut
from ringback.calls.effects import AcceptRefer, News, NotifyRefer, Reject
from ringback.calls.ports.carrier import IncomingInvite, Refer
from ringback.calls.ports.paid import Asker
from ringback.calls.ports.routes import OutgoingRoute
from ringback.calls.registry import Registry
from ringback.calls.requests import PHONE_NUMBER, DialOutRequest, validate
from ringback.calls.transfers import Transfers
from ringback.meetings.actor import Actor
from ringback.meetings.effects import Effect
from ringback.meetings.meeting import MeetingOver
from ringback.meetings.service import Meetings
from ringback.model.end_reason import Ending
from ringback.model.errors import Forbidden, InvalidRequest, NotFound, NotStored, RingbackError, Unavailable
from ringback.model.ids import CallId
from ringback.model.instant import Instant
from ringback.model.values import replace
from ringback.numbers.endpoints import endpoint_user

log = structlog.get_logger()


BAD_REQUEST, FORBIDDEN, GONE, BUSY, UNUSABLE, PENDING, UNAVAILABLE, DECLINE = 400, 403, 481, 486, 488, 491, 503, 603


class Refused(RingbackError):
    """A REFER that is not carried out: raised before anything changed.

    Args:
        rule: Which rule refused, for the operator's log.
        status: What the telephone is told.
    """

    def __init__(self, rule: str, status: int) -> None:
        super().__init__(rule)
        self.rule = rule
        self.status = status


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A REFER on its way.

    Attributes:
        phone: Who asks; ``line`` is what the SIP side knows it by.
        home: The meeting it is in.
    """

    phone: Call
    line: CallId
    home: Actor
    refer: Refer

    def notify(self, status: int, reason: str = "") -> NotifyRefer:
        return NotifyRefer(self.line, self.refer.id, status, reason)


class Referrals:
    """REFERs and replacing calls of this process.

    Args:
        meetings, dialling: See ``Transfers``.
        registry: How telephones are told, wherever they are.
        transfers: Moves calls to rooms.
        start: Runs a task that ends with the service.
    """

    def __init__(
        self,
        meetings: Meetings,
        registry: Registry,
        dialling: Dialling,
        transfers: Transfers,
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._meetings = meetings
        self._registry = registry
        self._dialling = dialling
        self._transfers = transfers
        self._start = start

    # ── REFER ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def referred(self, line: CallId, refer: Refer) -> None:
        """A telephone asks us to call somebody in its place."""
        home = self._meetings.by_call.get(line)
        phone = home.calls.get(self._meetings.lines.get(line, line)) if home is not None else None
        if home is None or not isinstance(phone, Call):
            self._refuse(line, refer, Refused("no-such-call", GONE))
            return
        self._start(self._carry_out(Asked(phone, line, home, refer)))

    async def _carry_out(self, asked: Asked) -> None:
        try:
            self._check(asked)
            room = await self._transfers.own_room(asked.refer.target)
            if room is not None:
                await self._move_other(asked, *room)
            else:
                await self._dial(asked)
        except Refused as refused:
            self._refuse(asked.line, asked.refer, refused)
        except Forbidden:
            self._refuse(asked.line, asked.refer, Refused("destination-not-allowed", FORBIDDEN))
        except NotStored:
            self._refuse(asked.line, asked.refer, Refused("store-failed", UNAVAILABLE))
        except Unavailable:
            self._refuse(asked.line, asked.refer, Refused("no-port", UNAVAILABLE))
        except RingbackError as error:
            self._refuse(asked.line, asked.refer, Refused(error.info, BAD_REQUEST))
        except MeetingOver:
            self._refuse(asked.line, asked.refer, Refused("no-such-call", GONE))
        except Exception:
            log.exception("call.refer-broken", call=asked.phone.id)
            self._refuse(asked.line, asked.refer, Refused("internal-error", UNAVAILABLE))

    def _refuse(self, line: CallId, refer: Refer, refused: Refused) -> None:
        log.info("call.refer-refused", call=line, rule=refused.rule, status=refused.status)
        self._meetings.office.world.carrier.refuse_refer(line, refer.id, refused.status)

    def _check(self, asked: Asked) -> None:
        """Whether the room lets its telephones do this, and this one now."""
        if not asked.home.meeting.settings.enable_phone_transfer:
            raise Refused("transfers-off", DECLINE)
        if asked.home.calls.get(asked.phone.id) is not asked.phone or not asked.phone.answered:
            raise Refused("no-such-call", GONE)
        if asked.phone.moving:
            raise Refused("transfer-under-way", PENDING)

    async def _dial(self, asked: Asked) -> None:
        """Call whom it names; that one is in the room from its first ring on."""
        settings = asked.home.meeting.settings
        if not settings.enable_dialout:
            raise Refused("dialout-off", FORBIDDEN)
        request = self._request(asked.refer)
        asker = Asker(settings.room.domain, "phone", asked.phone.id)
        async with self._dialling.place_paid_leg(asker, settings.room.name, request, "refer") as route:
            await asked.home.ask(lambda now: self._place(asked, request, route, now))

    def _request(self, refer: Refer) -> DialOutRequest:
        """The call it asks for. A number at our own host, and a ``tel:`` URI, is a telephone number."""
        target = refer.target
        number = target[4:].partition(";")[0] if target[:4].lower() == "tel:" else ""
        user, at, host = target.removeprefix("sip:").rpartition("@")
        if at and self._transfers.is_own_host(host):
            number = user.partition(";")[0]
        if PHONE_NUMBER.fullmatch(number):
            return validate({"phoneNumber": number})
        return replace(validate({"sipUri": target}), sip_headers=tuple(refer.headers))

    def _place(
        self, asked: Asked, request: DialOutRequest, route: OutgoingRoute, now: Instant
    ) -> tuple[list[Effect], None]:
        self._check(asked)
        home, meeting = asked.home, asked.home.meeting
        # A room of telephones alone may be referred in, too: one leaves as the other comes.
        idle = replace(meeting.settings.dialout, allow_room_start=True)
        if not meeting.takes_calls(idle):
            raise Refused("no-such-call", GONE)
        if not meeting.may_take_call() or meeting.is_full():
            raise Refused("limit-reached", BUSY)
        leg = self._dialling.dial(home, request, route, now)
        leg.replaces, leg.referred_by = asked.refer.replaces, asked.refer.referred_by
        leg.listener = lambda news: self._news(asked, leg, news)
        asked.phone.moving = True
        log.info("call.referred", call=asked.phone.id, to=leg.id)
        begun = meeting.call_begins(leg.id, idle, now)
        assert leg.address is not None, "a call that is dialled has a port"
        return [AcceptRefer(asked.line, asked.refer.id), *begun, *leg.begin(leg.address, now)], None

    def _news(self, asked: Asked, leg: DialOut, news: News) -> None:
        """How the call goes that the telephone asked for: it is told, and hung up on once somebody answered."""
        if news.what == "rings":
            asked.home.post(lambda now: [asked.notify(news.status, news.reason)])
        elif news.what == "answered":
            leg.listener = None
            self._worked(asked)
        elif news.what == "ended":
            self._failed(asked, news.status or (487 if news.end and news.end.ending is Ending.CANCELLED_LOCAL else 503))

    def _worked(self, asked: Asked) -> None:
        def done(where: Actor, phone: Call, now: Instant) -> list[Effect]:
            return [asked.notify(200, "OK"), *phone.part(now)]

        self._registry.post(asked.phone.id, done)

    def _failed(self, asked: Asked, status: int) -> None:
        def done(where: Actor, phone: Call, now: Instant) -> list[Effect]:
            phone.moving = False
            return [asked.notify(status)]

        self._registry.post(asked.phone.id, done)

    async def _move_other(self, asked: Asked, room: Any, user: Any) -> None:
        """It names a room of ours: the one other telephone it talks with goes there."""
        others = [call for call in asked.home.calls.values() if call is not asked.phone]
        other = others[0] if len(others) == 1 else None
        if not isinstance(other, Call) or asked.home.meeting.has_clients:
            raise Refused("nobody-to-move", DECLINE)
        instead_of = asked.refer.replaces.call if asked.refer.replaces else None
        asked.phone.moving = True
        asked.home.post(lambda now: [AcceptRefer(asked.line, asked.refer.id)])
        try:
            await self._transfers.move(asked.home, other, asked.refer.target, room, user, instead_of)
        except (RingbackError, MeetingOver) as error:
            log.info("call.refer-failed", call=asked.phone.id, rule=getattr(error, "info", "no-such-call"))
            self._failed(asked, BUSY if isinstance(error, InvalidRequest) else FORBIDDEN)
            return
        if instead_of is not None:
            self._registry.post(instead_of, lambda where, phone, now: phone.hang_up(TRANSFERRED, now))
        self._worked(asked)

    # ── Replaces ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def replacing(self, invite: IncomingInvite) -> None:
        """A new call takes the place of one of ours (RFC 3891 §3); who it is of was matched by all three of its ids."""
        known = invite.replaces
        actor = self._meetings.by_call.get(known) if known is not None else None
        if known is None or actor is None:
            self._reject(invite, "no-such-call", GONE)
            return
        call = self._meetings.lines.get(known, known)

        def step(now: Instant) -> tuple[list[Effect], None]:
            return self._replace(actor, call, invite, now), None

        def done(taken: "asyncio.Future[None]") -> None:
            if not taken.cancelled() and isinstance(taken.exception(), (MeetingOver, NotFound)):
                self._reject(invite, "no-such-call", GONE)

        actor.ask(step).add_done_callback(done)

    def _replace(self, actor: Actor, call: CallId, invite: IncomingInvite, now: Instant) -> list[Effect]:
        settings, user = actor.meeting.settings, endpoint_user(invite.user)
        machine = actor.calls.get(call)
        if not isinstance(machine, Call):
            raise NotFound("it ended, or went elsewhere, meanwhile")
        if not settings.enable_phone_transfer or (user is not None and user not in settings.room.endpoints):
            rule = "transfers-off" if not settings.enable_phone_transfer else "another-room"
            return [self._refused(invite, rule, FORBIDDEN)]
        effects = machine.replaced(invite, now)
        if effects is None:
            return [self._refused(invite, "cannot-replace", UNUSABLE)]
        self._meetings.lines[invite.call] = call
        self._meetings.by_call[invite.call] = actor
        log.info("call.replaced", call=call, sip_call_id=invite.sip_call_id, remote=invite.from_uri)
        return effects

    def _refused(self, invite: IncomingInvite, rule: str, status: int) -> Reject:
        log.info("call.refused", rule=rule, status=status, source=invite.source, call=invite.call)
        return Reject(invite.call, status)

    def _reject(self, invite: IncomingInvite, rule: str, status: int) -> None:
        self._refused(invite, rule, status).apply(self._meetings.office.world)
