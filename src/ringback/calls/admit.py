"""Whether a caller is let into a room, and what it is told if not.

Known clients and trunks get an answer that says what is wrong. Strangers get one uniform 480 for unknown, switched off
and idle alike, so that nothing can be found out by trying; a live endpoint shows itself anyway by being answered.
"""

from dataclasses import dataclass

from ringback.calls.effects import Reject
from ringback.meetings.admission import JoinRefused, check_room_times
from ringback.meetings.effects import CallMachine
from ringback.meetings.meeting import Meeting
from ringback.model.errors import NotStored
from ringback.model.ids import CallId, EndpointUser
from ringback.model.instant import Instant
from ringback.model.room import SipSettings

RETRY_AFTER = ("Retry-After", "5")
"""A meeting may begin any moment; try again in 5 s."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A final answer to an INVITE that was not let in.

    Attributes:
        rule: Which rule refused, for the operator's log; a stranger is never told.
    """

    rule: str
    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def effect(self, call: CallId) -> Reject:
        return Reject(call, self.status, self.reason, self.headers)


NO_SUCH_ENDPOINT = Refusal("no-such-endpoint", 404)
NO_SUCH_NUMBER = Refusal("no-such-number", 404, "No Room Has This Number")
NO_TRUNK = Refusal("no-trunk-matched", 404)
SIP_OFF = Refusal("sip-off", 404)
NOBODY_JOINED = Refusal("nobody-joined", 480, headers=(RETRY_AFTER,))
ENDPOINT_IN_USE = Refusal("endpoint-in-use", 486)
LOOP = Refusal("loop", 482)
NOT_OPEN = Refusal("room-not-open", 403)
DRAINING = Refusal("draining", 480)
NO_PORT = Refusal("no-port", 480)
BROKEN = Refusal("internal-error", 500)
STORE_FAILED = Refusal("store-failed", 503, headers=(RETRY_AFTER,))
"""503, so that a carrier tries its next server: this one can take no call now, and the next may."""

HIDDEN_FROM_STRANGERS = frozenset(
    {"no-such-endpoint", "no-such-number", "no-trunk-matched", "sip-off", "nobody-joined", "room-not-open"}
)


def told(refusal: Refusal, known: bool, uniform: int = 480) -> Refusal:
    """The refusal as this caller hears it; ``uniform`` is what strangers are told of everything hidden from them."""
    if known or refusal.rule not in HIDDEN_FROM_STRANGERS:
        return refusal
    return Refusal(refusal.rule, uniform)


def because(error: BaseException, otherwise: Refusal = BROKEN) -> Refusal:
    """What is told a caller for whom something failed on our side; the log has said what."""
    return STORE_FAILED if isinstance(error, NotStored) else otherwise


def check_call(
    meeting: Meeting, sip: SipSettings, user: EndpointUser, calls: list[CallMachine], now: Instant
) -> Refusal | None:
    """Whether one more call may come into this meeting over this endpoint."""
    try:
        check_room_times(meeting.settings, now)
    except JoinRefused:
        return NOT_OPEN
    if not meeting.takes_calls(sip.dialin):
        return NOBODY_JOINED
    if any(call.endpoint == user for call in calls):
        return ENDPOINT_IN_USE
    if not meeting.may_take_call():
        limit = meeting.settings.max_sip_pstn_sessions
        return _limit("max_sip_pstn_sessions_per_room", limit)
    if meeting.is_full():
        return _limit("max_participants", meeting.settings.max_participants)
    return None


def _limit(name: str, limit: int) -> Refusal:
    """§20.43 of RFC 3261: code 399 is a warning in words, for people."""
    return Refusal(name, 486, headers=(("Warning", f'399 ringback "{name} limit ({limit}) reached"'),))
