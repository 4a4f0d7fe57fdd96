"""A SIP client dials a telephone number: the call goes out over the domain's trunks, as every call that costs does.

```
phone ──INVITE +49…──▶ us ── is it help? ── which number? ── granted? ──INVITE──▶ trunk
      ◀─403, 404─────      otherwise: two calls in a meeting of their own (``between_clients``)
```

What the phone says of itself goes no further: the number shown is the domain's.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from ringback.calls.admit import NO_PORT, NO_SUCH_ENDPOINT, NO_SUCH_NUMBER, STORE_FAILED, Refusal
from ringback.calls.between_clients import CalleeLeg, CallerLeg, private_room
from ringback.calls.dialling import Dialling
from ringback.calls.display_name import clean
from ringback.calls.paid import PaidLegs, rule_of
from ringback.calls.ports.carrier import IncomingInvite
from ringback.calls.ports.paid import Asker
from ringback.calls.ports.reception import SipClients
from ringback.calls.ports.routes import OutgoingRoute, Routes
from ringback.calls.registry import Registry
from ringback.calls.requests import DialOutRequest, validate
from ringback.meetings.actor import Actor
from ringback.meetings.effects import Effect
from ringback.meetings.service import Meetings
from ringback.model.errors import Forbidden, InvalidRequest, NotStored, RingbackError, Unavailable
from ringback.model.events import CallFacts
from ringback.model.ids import CallId, DomainId, ParticipantId
from ringback.model.instant import Instant
from ringback.model.records import Direction
from ringback.numbers.guard import NO_HELP

log = structlog.get_logger()

BY = "client"
NUMBER = re.compile(r"\+?[0-9 ().\-/]*[0-9][0-9 ().\-/]*")
CONTEXT = re.compile(r"(?:^|;)phone-context=(\+[0-9]{1,14})(?:;|$)", re.IGNORECASE)
EMERGENCY = "emergency-number"
SWITCHED_OFF = "client-dials-no-numbers"
TURN_ON = "this account may dial no telephone numbers: ringback clients numbers NAME --allow"
NO_WAY_OUT = Refusal("no-way-out", 404, "No Trunk Takes This Number")
HELP = re.compile(r"sos|urn:service:.*", re.IGNORECASE)


def dials_number(invite: IncomingInvite) -> bool:
    """Whether a client can only mean a telephone number: twelve digits behind a plus are no room's address to it."""
    return bool(invite.client) and invite.user.startswith("+")


class ClientNumbers:
    """Numbers that SIP clients dial.

    Args:
        meetings: Where the two calls meet.
        registry: Where they are entered.
        dialling: Makes calls.
        paid: What every call out passes through.
        routes: Which number digits stand for, in a domain.
        clients: Accounts of SIP phones.
    """

    def __init__(
        self,
        meetings: Meetings,
        registry: Registry,
        dialling: Dialling,
        paid: PaidLegs,
        routes: Routes,
        clients: SipClients,
    ) -> None:
        self._meetings = meetings
        self._registry = registry
        self._dialling = dialling
        self._paid = paid
        self._routes = routes
        self._clients = clients

    async def call(self, invite: IncomingInvite, is_expected: Callable[[CallId], bool]) -> Refusal | None:
        """Call the number that a client dialled; ``None``: it is being called.

        What is no number at all is ``NO_SUCH_ENDPOINT``: nobody is there. ``is_expected`` says whether the caller still
        waits, and ends the wait.
        """
        text, _, parameters = invite.user.partition(";")
        if not NUMBER.fullmatch(text) and not HELP.fullmatch(text):
            return NO_SUCH_ENDPOINT
        asker = Asker(invite.client_domain, BY, invite.client)
        settings = private_room(asker.domain, self._meetings.new_id(), self._meetings.office.clock.wall())
        try:
            request = await self._request(asker.domain, text, parameters)
        except Forbidden as refused:
            rule = EMERGENCY if refused.info.endswith(NO_HELP) else rule_of(refused)
            self._paid.refused(asker, settings.room.name, BY, text, refused, rule)
            return _forbidden(rule)
        if request is None:
            return NO_SUCH_NUMBER
        if not self._clients.may_dial_numbers(asker.domain, invite.client):
            off = Forbidden(TURN_ON)
            self._paid.refused(asker, settings.room.name, BY, request.number, off, SWITCHED_OFF)
            return _forbidden(SWITCHED_OFF)
        try:
            async with self._paid.place(asker, settings.room.name, request, BY) as route:
                actor = self._meetings.actor(settings)
                await actor.ask(partial(self._connect, actor, invite, request, route, is_expected))
        except Forbidden as refused:
            return _forbidden(rule_of(refused))
        except InvalidRequest as error:
            log.warning("call.no-way-out", call=invite.call, domain=asker.domain, because=error.info)
            return NO_WAY_OUT
        except NotStored:
            return STORE_FAILED
        except Unavailable:
            return NO_PORT
        return None

    async def _request(self, domain: DomainId, text: str, parameters: str) -> DialOutRequest | None:
        """The call to make; ``None`` when the digits mean no number here. Raises ``Forbidden`` for help."""
        number = await self._routes.dialled(domain, text)
        if not text.startswith("+") and (context := CONTEXT.search(parameters)):
            # RFC 3966 §5.1.5: what has a global context is meant there, not where the trunk is.
            number = await self._routes.dialled(domain, context[1] + text)
        return validate({"phoneNumber": number}) if number else None

    def _connect(
        self,
        actor: Actor,
        invite: IncomingInvite,
        request: DialOutRequest,
        route: OutgoingRoute,
        is_expected: Callable[[CallId], bool],
        now: Instant,
    ) -> tuple[list[Effect], None]:
        """Begin both calls. Raises as ``Dialling.dial`` does; then nothing has changed."""
        if not is_expected(invite.call):
            return [], None  # the caller gave up meanwhile
        media, meeting = self._meetings.office.world.media, actor.meeting
        here = media.open_phone(meeting.id, ParticipantId(invite.call))
        caller = self._caller(actor, invite, request.number, now)
        try:
            # The number is shown no name: what a phone calls itself is nobody's word.
            callee = self._dialling.dial(actor, request, route, now, make=partial(CalleeLeg, caller))
        except RingbackError:
            media.close_leg(caller.leg)
            raise
        caller.other = callee.id
        self._registry.register(actor, caller)
        assert callee.address is not None, "a call that is dialled has a port"
        idle = meeting.settings.dialout
        begun = self._meetings.started(actor, meeting.call_begins(caller.id, idle, now))
        begun += meeting.call_begins(callee.id, idle, now)
        return [*begun, *caller.begin(here, now), *callee.begin(callee.address, now)], None

    def _caller(self, actor: Actor, invite: IncomingInvite, number: str, now: Instant) -> CallerLeg:
        own = self._clients.address(invite.client_domain, invite.client) or invite.from_uri
        common: dict[str, Any] = {
            "sip_call_id": invite.sip_call_id,
            "remote": own,
            "display_name": clean(invite.from_name) or invite.client,
        }
        record = self._registry.record(actor, invite.call, Direction.DIAL_IN, now, dialog=invite.dialog, **common)
        facts = CallFacts(invite.call, Direction.DIAL_IN, "daily", endpoint=number, **common)
        return CallerLeg(invite, record, facts, actor.meeting.settings, CallId(""))


def _forbidden(rule: str) -> Refusal:
    """A rule's refusal as the phone hears it: 403, and which rule, for people (RFC 3261 §20.43)."""
    return Refusal(rule, 403, headers=(("Warning", f'399 ringback "{rule}"'),))
