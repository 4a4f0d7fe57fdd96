"""A call's life inside its dialog, whoever began it: re-INVITE both ways, UPDATE, BYE, INFO, session timers.

RFC 3261 §12.2, §13.2–15; RFC 3311; RFC 4028.
"""

from enum import Enum, auto
from typing import TYPE_CHECKING

from ringback.model.ids import CallId
from ringback.model.records import DialogRecord
from ringback.sip.bodies import SDP, UnsupportedBody, description
from ringback.sip.client_transaction import ClientTransaction
from ringback.sip.dialog import Dialog
from ringback.sip.events import (
    Acknowledged,
    DialogChanged,
    Digit,
    Ended,
    Refused,
    ReofferAnswered,
    Reoffered,
    ReofferFailed,
)
from ringback.sip.flow import Flow
from ringback.sip.grammar import clean, quote
from ringback.sip.headers import media_type, q850_cause
from ringback.sip.info import DTMF_RELAY, read_digit, write_digit
from ringback.sip.message import Message, Request, Response, Row, reply
from ringback.sip.server_transaction import ServerTransaction
from ringback.sip.session_timer import LEAST, SessionTimer, is_too_short, option_tags

if TYPE_CHECKING:
    from ringback.sip.agent import Agent

GLARE_RETRIES = 4
MOST_ACKS = 32
"""How many ACKs are kept for repeats of their 2xx: a call may be refreshed for days."""

REFRESH_AGAIN = 1 / 16
"""Share of the interval after which a refresh that was refused is tried again."""


class Phase(Enum):
    """Where a call stands. ``LEAVING``: our BYE is on its way. ``OVER`` is final."""

    SETTING_UP = auto()
    UP = auto()
    LEAVING = auto()
    OVER = auto()


class Alarm(Enum):
    """What a call can wait for besides its transactions."""

    RESEND_2XX = auto()
    ACK_MISSING = auto()
    RETRY_OFFER = auto()
    REFRESH = auto()
    EXPIRED = auto()
    SILENCE = auto()
    RINGING_TOO_LONG = auto()
    CANCEL_UNANSWERED = auto()
    CANCEL_IGNORED = auto()


class Call:
    """Base of ``InboundCall`` and ``OutboundCall``.

    Args:
        agent: The stack it lives in.
        id: Its id above.
        flow: The far end as last heard.
        record: What is stored of its dialog.
    """

    def __init__(self, agent: "Agent", id: CallId, flow: Flow, record: DialogRecord) -> None:
        self.agent = agent
        self.id = id
        self.flow = flow
        self.record = record
        self.counted_as = ""
        self.pinned = False
        self.phase = Phase.SETTING_UP
        self.dialog: Dialog | None = None
        self._alarms: dict[Alarm, float] = {}
        self._unacked: ServerTransaction | None = None
        self._resend_interval = 0.0
        self._their_offer: ServerTransaction | None = None
        self._our_offer: ClientTransaction | None = None
        self._offer: bytes | None = None
        self._glares = 0
        self.timer = SessionTimer()
        self._refresh: ClientTransaction | None = None
        self._refusals = 0
        self._lengthened = False
        self._takes_update = False
        self._ours: bytes = b""
        self._theirs: bytes = b""
        self._their_exchange: tuple[bytes, bytes] | None = None
        self._acks: dict[tuple[int, str], tuple[Flow, bytes]] = {}
        self._goodbye: str | None = None

    # ── time ──

    def set_alarm(self, alarm: Alarm, when: float | None) -> None:
        if when is None:
            self._alarms.pop(alarm, None)
        else:
            self._alarms[alarm] = when
        self.agent.wheel.set(self, self.next_wake())

    def next_wake(self) -> float | None:
        return min(self._alarms.values(), default=None)

    def wake(self, now: float) -> None:
        for alarm in [alarm for alarm, when in self._alarms.items() if when <= now]:
            if self._alarms.pop(alarm, None) is not None:
                self.on_alarm(alarm, now)
        self.agent.wheel.set(self, self.next_wake())

    def on_alarm(self, alarm: Alarm, now: float) -> None:
        if alarm is Alarm.RESEND_2XX:
            self._resend_2xx(now)
        elif alarm is Alarm.ACK_MISSING:
            self._unacked = None
            self._end("ack-timeout", now)
        elif alarm is Alarm.RETRY_OFFER:
            if self._offer is not None and not self._is_negotiating():
                self._send_offer(self._offer, now)
        elif alarm is Alarm.REFRESH:
            self._send_refresh(now)
        elif alarm is Alarm.EXPIRED:
            # RFC 4028 §10: the far end promised to refresh, and did not.
            self._end("protocol-error", now)

    # ── our verbs ──

    def bye(self, reason: str, now: float) -> None:
        """Hang up. §15: whoever was called waits for the ACK first."""
        if self.phase is not Phase.UP or self._goodbye is not None:
            return
        if self._unacked is not None:
            self._goodbye = reason
        else:
            self._send_bye(reason, now)

    def offer(self, sdp: bytes, now: float) -> None:
        """re-INVITE. While another is under way, the latest waits for its end."""
        if self.phase is not Phase.UP:
            return
        self._offer = sdp
        self._glares = 0
        if not self._is_negotiating():
            self._send_offer(sdp, now)

    def answer_offer(self, sdp: bytes | None, status: int, now: float) -> None:
        transaction, self._their_offer = self._their_offer, None
        if transaction is None or transaction.answered:
            return
        if status == 200 and transaction.request.method == "UPDATE":
            self._accept_update(transaction, sdp, now)
            self._next_offer(now)
        elif status == 200:
            self.accept(transaction, sdp, now)
        else:
            self._respond(transaction, status, now)
            self._next_offer(now)

    def send_digit(self, digit: str, duration_ms: int, now: float) -> None:
        """Press a key by INFO; what the far end says to it changes nothing."""
        if self.phase is Phase.UP:
            self._send("INFO", (("Content-Type", DTMF_RELAY),), write_digit(digit, duration_ms), now)

    # ── what came ──

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        """A request in this dialog other than ACK and CANCEL; its source is already checked."""
        request = transaction.request
        assert self.dialog is not None, "in-dialog request for a call without a dialog"
        if not self.dialog.accepts(request):
            self._respond(transaction, 500, now)
        elif request.method == "BYE":
            self._on_bye(transaction, now)
        elif request.method == "UPDATE" and self.phase in (Phase.SETTING_UP, Phase.UP):
            self._on_update(transaction, now)
        elif self.phase is not Phase.UP:
            self._respond(transaction, 481, now)
        elif request.method == "INVITE":
            self._on_reinvite(transaction, now)
        elif request.method == "INFO":
            self._on_info(transaction, now)
        elif request.method == "OPTIONS":
            self._respond(transaction, 200, now, self.agent.abilities())
        elif request.method == "REFER":
            self._respond(transaction, 603, now)
        else:
            self._respond(transaction, 405, now, self.agent.allow())

    def on_ack(self, request: Request, flow: Flow, now: float) -> None:
        if self._unacked is None or request.cseq.number != self._unacked.request.cseq.number:
            return
        body = _readable(request) or None
        if body is not None and not self.is_from_here(flow):
            self.agent.emit(Refused("ACK with a description from elsewhere", flow))
            return
        self._theirs = body or self._theirs
        self._settle_ack()
        self.agent.emit(Acknowledged(self.id, body))
        if self._goodbye is not None:
            self._send_bye(self._goodbye, now)
        else:
            self._next_offer(now)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if transaction.request.method == "BYE":
            if response.status >= 200 and not self._authorize_again(transaction, response, now):
                self.over()
        elif transaction is self._our_offer:
            self._on_offer_response(transaction, response, now)
        elif transaction is self._refresh:
            self._on_update_response(transaction, response, now)
        elif 200 <= response.status < 300:
            self.on_stray_2xx(response, now)

    def on_stray_2xx(self, response: Response, now: float) -> None:
        """§13.2.2.4: each repeated 2xx gets the ACK again."""
        ack = self._acks.get((response.cseq.number, response.to.tag))
        if ack is not None:
            self.agent.transmit(*ack)

    def on_lost(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        """A transaction of ours ended without an answer: ``timeout``, or ``transport`` (cannot be reached)."""
        if transaction.request.method == "BYE":
            self.over()
        elif transaction in (self._our_offer, self._refresh):
            self._our_offer = self._refresh = None
            self._end("protocol-error", now)

    def is_from_here(self, flow: Flow) -> bool:
        """Whether a request plausibly comes from our far end: its address, its Contact's or one on the route."""
        if flow.host == self.flow.host:
            return True
        if self.dialog is None:
            return False
        return flow.host in self.dialog.hosts()

    # ── for the two kinds of calls ──

    def accept(self, transaction: ServerTransaction, sdp: bytes | None, now: float) -> None:
        """200 to an INVITE, repeated until its ACK (§13.3.1.4)."""
        assert self.dialog is not None, "200 for a call without a dialog"
        rows: list[Row] = [("Contact", self.contact(transaction.flow)), *self.agent.abilities()]
        rows += self.timer.accept(transaction.request, now)
        self.refreshed(transaction.request)
        self._note_exchange(transaction.request, sdp or b"")
        if sdp is not None:
            rows.append(("Content-Type", SDP))
        response = reply(transaction.request, 200, to_tag=self.dialog.local_tag, rows=rows, body=sdp or b"")
        copied = [("Record-Route", value) for value in transaction.request.headers.all("record-route")]
        response.headers.rows[1:1] = copied
        self.agent.transactions.respond(transaction, response, now)
        timing = self.agent.settings.timing
        self._unacked = transaction
        self._resend_interval = timing.t1
        self.set_alarm(Alarm.RESEND_2XX, now + timing.t1)
        self.set_alarm(Alarm.ACK_MISSING, now + timing.give_up)

    def established(self, invite: Request, response: Response, answer: bytes, now: float) -> None:
        """The far end answered our offer; ``answer`` is its description, wherever that came."""
        self.timer.agree(response, now)
        self.refreshed(response)
        self._ours, self._theirs, self._their_exchange = invite.body, answer, None

    def refreshed(self, message: Message) -> None:
        """A request or 2xx that refreshes: what the far end can do, and when the next one is due (RFC 4028 §10)."""
        if "allow" in message.headers:
            self._takes_update = "update" in option_tags(message, "allow")
        self._refusals = 0
        self._lengthened = False
        self.set_alarm(Alarm.REFRESH, self.timer.refresh_at())
        self.set_alarm(Alarm.EXPIRED, self.timer.expires_at())

    def contact(self, flow: Flow) -> str:
        return self.agent.contact(flow, str(self.record.local_uri))

    def hop(self) -> Flow:
        assert self.dialog is not None, "a hop without a dialog"
        if self.pinned and not self.dialog.route_set and self.agent.is_there(self.flow):
            return self.flow
        return self.agent.hop(self.dialog, self.flow)

    def changed(self) -> None:
        """Tell what has to be stored of the dialog now."""
        assert self.dialog is not None, "a change without a dialog"
        self.record = self.dialog.record(self.record, self.flow)
        self.agent.emit(DialogChanged(self.id, self.record))

    def send_ack(self, dialog: Dialog, cseq: int, flow: Flow) -> None:
        ack = dialog.ack(cseq, self.agent.via(flow)).to_bytes()
        self._acks[cseq, dialog.remote_tag] = (flow, ack)
        if len(self._acks) > MOST_ACKS:
            del self._acks[next(iter(self._acks))]
        self.agent.transmit(flow, ack)

    def proved(self) -> None:
        """The far end got what we sent it, so it is where it says."""

    def over(self) -> None:
        """Nothing more is said in this call."""
        self.proved()
        self.phase = Phase.OVER
        self._alarms.clear()
        self.agent.wheel.set(self, None)
        self.agent.drop(self)

    # ── inside ──

    def _respond(self, transaction: ServerTransaction, status: int, now: float, rows: list[Row] | None = None) -> None:
        response = reply(transaction.request, status, rows=rows or ())
        self.agent.transactions.respond(transaction, response, now)

    def _on_bye(self, transaction: ServerTransaction, now: float) -> None:
        self._respond(transaction, 200, now)
        if self._their_offer is not None and not self._their_offer.answered:
            self._respond(self._their_offer, 487, now)
        if self.phase is Phase.UP:
            cause, text = q850_cause(transaction.request.headers.all("reason"))
            self.agent.emit(Ended(self.id, "bye", clean(text), cause))
            self.over()

    def _on_reinvite(self, transaction: ServerTransaction, now: float) -> None:
        """§14.2: crossing offers are refused; otherwise the user above answers."""
        request = transaction.request
        assert self.dialog is not None, "re-INVITE without a dialog"
        if self._awaits_answer():
            # Also while the ACK has to bring the answer to an offer of ours.
            self._respond(transaction, 491, now)
        elif self._their_offer is not None:
            wait = str(int(self.agent.chance.fraction() * 10))
            self._respond(transaction, 500, now, [("Retry-After", wait)])
        elif (offer := _readable(request)) is None:
            self._respond(transaction, 415, now, [("Accept", SDP)])
        elif is_too_short(request):
            self._respond(transaction, 422, now, [("Min-SE", str(LEAST))])
        else:
            if self._unacked is not None:
                # Whoever makes a new offer has our last answer: its ACK was lost.
                self._settle_ack()
                self.agent.emit(Acknowledged(self.id, None))
            moved = self.dialog.refresh(request)
            self._respond(transaction, 100, now)
            self._their_offer = transaction
            transaction.owner = self
            self.flow = transaction.flow
            self.agent.moved(self)
            if moved:
                self.changed()
            if self._their_exchange is not None and offer == self._their_exchange[0]:
                # RFC 4028 §7.4: the same description again refreshes, and changes nothing anywhere.
                self.answer_offer(self._their_exchange[1], 200, now)
            else:
                self.agent.emit(Reoffered(self.id, offer or None))

    def _on_update(self, transaction: ServerTransaction, now: float) -> None:
        """RFC 3311 §5.2: a refresh at any time, or an offer where none is open."""
        request = transaction.request
        assert self.dialog is not None, "UPDATE without a dialog"
        offer = _readable(request)
        if offer is None:
            self._respond(transaction, 415, now, [("Accept", SDP)])
        elif is_too_short(request):
            self._respond(transaction, 422, now, [("Min-SE", str(LEAST))])
        elif offer and self._awaits_answer():
            self._respond(transaction, 491, now)
        elif offer and (self._their_offer is not None or self.phase is Phase.SETTING_UP):
            wait = str(int(self.agent.chance.fraction() * 10))
            self._respond(transaction, 500, now, [("Retry-After", wait)])
        else:
            changed = self.dialog.refresh(request)
            if self.phase is Phase.UP:
                self.flow = transaction.flow
                self.agent.moved(self)
            if changed:
                self.changed()
            if not offer:
                self._accept_update(transaction, None, now)
            elif self._their_exchange is not None and offer == self._their_exchange[0]:
                self._accept_update(transaction, self._their_exchange[1], now)
            else:
                self._their_offer = transaction
                transaction.owner = self
                self.agent.emit(Reoffered(self.id, offer))

    def _awaits_answer(self) -> bool:
        """Whether an offer of ours is open: in a re-INVITE, or in a 2xx whose ACK has to bring the answer."""
        return self._our_offer is not None or (self._unacked is not None and not self._unacked.request.body)

    def _accept_update(self, transaction: ServerTransaction, sdp: bytes | None, now: float) -> None:
        rows: list[Row] = [("Contact", self.contact(transaction.flow)), *self.agent.abilities()]
        if self.phase is Phase.UP:
            rows += self.timer.accept(transaction.request, now)
            self.refreshed(transaction.request)
        if sdp is not None:
            rows.append(("Content-Type", SDP))
            self._note_exchange(transaction.request, sdp)
        self.agent.transactions.respond(transaction, reply(transaction.request, 200, rows=rows, body=sdp or b""), now)

    def _note_exchange(self, request: Request, ours: bytes) -> None:
        """Remember the description as it stands after our 2xx."""
        offer = _readable(request) or b""
        self._ours, self._theirs = ours, offer or self._theirs
        self._their_exchange = (offer, ours) if offer and ours else None

    def on_cancel(self, invite: ServerTransaction, now: float) -> None:
        """CANCEL of a re-INVITE; 200 to the CANCEL has gone out."""
        if invite is self._their_offer and not invite.answered:
            self._their_offer = None
            self._respond(invite, 487, now)

    def _on_info(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        kind = media_type(request.headers.get("content-type") or "")
        digit = read_digit(kind, request.body)
        if digit is None and request.body:
            self._respond(transaction, 415, now, [("Accept", "application/dtmf-relay, application/dtmf")])
            return
        self._respond(transaction, 200, now)
        if digit is not None:
            self.agent.emit(Digit(self.id, *digit))

    def _send_bye(self, reason: str, now: float) -> None:
        rows: tuple[Row, ...] = (("Reason", f"SIP;text={quote(clean(reason))}"),) if reason else ()
        self._goodbye = None
        self._alarms.clear()
        self.phase = Phase.LEAVING
        self._send("BYE", rows, b"", now)

    def _send(self, method: str, rows: tuple[Row, ...], body: bytes, now: float) -> ClientTransaction:
        assert self.dialog is not None, f"{method} without a dialog"
        flow = self.hop()
        request = self.dialog.request(method, self.agent.via(flow), rows, body)
        if method != "BYE":
            self.changed()
        return self.agent.transactions.send(request, flow, self, now)

    def _send_offer(self, sdp: bytes, now: float, credentials: tuple[Row, ...] = ()) -> None:
        self._offer = None
        self._our_offer = self._send(
            "INVITE", (*self._refreshing_rows(), ("Content-Type", SDP), *credentials), sdp, now
        )

    def _refreshing_rows(self) -> tuple[Row, ...]:
        return (("Contact", self.contact(self.hop())), *self.agent.abilities(), *self.timer.renewal())

    def _on_offer_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status < 200:
            return
        assert self.dialog is not None, "an offer's answer without a dialog"
        self._our_offer = None
        is_refresh, self._refresh = transaction is self._refresh, None
        if response.status < 300:
            before = self._theirs
            self.established(transaction.request, response, response.body, now)
            refreshed = self.dialog.refresh(response)
            self.send_ack(self.dialog, transaction.request.cseq.number, self.hop())
            if refreshed:
                self.changed()
            if not is_refresh or (self._offer is None and not _is_same(before, response.body)):
                self.agent.emit(ReofferAnswered(self.id, response.body))
        elif is_refresh:
            self._on_refresh_refused(transaction, response, now)
        elif response.status == 422 and self.asks_for_longer(response):
            self._send_offer(transaction.request.body, now)
            return
        elif response.status == 491 and self._glares < GLARE_RETRIES and self._offer is None:
            self._glares += 1
            self._offer = transaction.request.body
            self.set_alarm(Alarm.RETRY_OFFER, now + self._glare_wait())
            return
        elif response.status in (408, 481):
            # §12.2.1.2: the far end no longer knows this dialog.
            self._end("protocol-error", now)
            return
        elif not self._authorize_again(transaction, response, now):
            self.agent.emit(ReofferFailed(self.id, response.status))
        self._next_offer(now)

    # ── session timers ──

    def _send_refresh(self, now: float, credentials: tuple[Row, ...] = ()) -> None:
        """RFC 4028 §7.4: UPDATE where the far end takes it, else a re-INVITE with the description as it stands."""
        if self.phase is not Phase.UP or self._refresh is not None:
            return
        if self._takes_update:
            self._refresh = self._send("UPDATE", (*self._refreshing_rows(), *credentials), b"", now)
        elif self._is_negotiating() or not self._ours:
            self.set_alarm(Alarm.REFRESH, now + self._glare_wait())
        else:
            waiting = self._offer
            self._send_offer(self._ours, now, credentials)
            self._offer, self._refresh = waiting, self._our_offer

    def _is_negotiating(self) -> bool:
        return self._our_offer is not None or self._their_offer is not None or self._unacked is not None

    def _on_update_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status < 200:
            return
        assert self.dialog is not None, "an answer to UPDATE without a dialog"
        self._refresh = None
        if response.status < 300:
            self.timer.agree(response, now)
            self.refreshed(response)
            if self.dialog.refresh(response):
                self.changed()
        else:
            self._on_refresh_refused(transaction, response, now)

    def _on_refresh_refused(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """RFC 4028 §10, §7.3: a far end that no longer knows the call has ended it; others are asked again."""
        self._refusals += 1
        credentials = self.agent.authorize(transaction.request, response, transaction.flow)
        if response.status in (408, 481):
            self._end("protocol-error", now)
        elif credentials is not None:
            self._send_refresh(now, (credentials,))
        elif response.status == 422 and self.asks_for_longer(response):
            self._send_refresh(now)
        elif response.status in (405, 501) and transaction.request.method == "UPDATE":
            self._takes_update = False
            self._send_refresh(now)
        elif self.timer.interval is not None:
            # Whoever answers is there: a refusal is no reason for us to end the call.
            glare = response.status == 491 and self._refusals <= GLARE_RETRIES
            wait = self._glare_wait() if glare else self.timer.interval * REFRESH_AGAIN
            self.set_alarm(Alarm.REFRESH, now + wait)

    def asks_for_longer(self, response: Response) -> bool:
        """RFC 4028 §7.3: a 422 whose least we have not offered yet; heeded once between two refreshes that worked."""
        if self._lengthened or not self.timer.raised(response):
            return False
        self._lengthened = True
        return True

    # ── small things ──

    def _glare_wait(self) -> float:
        """§14.1: 2.1–4 s for who chose the Call-ID, 0–2 s for the other, in steps of 10 ms."""
        chance = self.agent.chance.fraction()
        seconds = 2.1 + chance * 1.9 if self.chose_call_id else chance * 2.0
        return round(seconds, 2)

    chose_call_id: bool = False

    def _authorize_again(self, transaction: ClientTransaction, response: Response, now: float) -> bool:
        """Answer a challenge once, with credentials kept for that far end; whether another request went out."""
        request = transaction.request
        credentials = self.agent.authorize(request, response, transaction.flow)
        if credentials is None:
            return False
        if request.method == "INVITE":
            self._send_offer(request.body, now, (credentials,))
        else:
            self._send(request.method, (credentials,), request.body, now)
        return True

    def _next_offer(self, now: float) -> None:
        if self.phase is Phase.UP and self._offer is not None and Alarm.RETRY_OFFER not in self._alarms:
            self.offer(self._offer, now)

    def _resend_2xx(self, now: float) -> None:
        if self._unacked is None or self._unacked.last is None:
            return
        self.agent.transmit(self._unacked.flow, self._unacked.last)
        self._resend_interval = min(self._resend_interval * 2, self.agent.settings.timing.t2)
        self.set_alarm(Alarm.RESEND_2XX, now + self._resend_interval)

    def _settle_ack(self) -> None:
        self._unacked = None
        self.proved()
        self.set_alarm(Alarm.RESEND_2XX, None)
        self.set_alarm(Alarm.ACK_MISSING, None)

    def _end(self, cause: str, now: float) -> None:
        """We give the call up: the far end is told, and so is the user above."""
        if self.phase is Phase.UP:
            self._send_bye("", now)
            self.agent.emit(Ended(self.id, cause))


def _is_same(one: bytes, other: bytes) -> bool:
    """Whether two descriptions say the same; their versions may differ."""
    bare_one, bare_other = ([line for line in sdp.splitlines() if not line.startswith(b"o=")] for sdp in (one, other))
    return bare_one == bare_other


def _readable(request: Request) -> bytes | None:
    """The request's description, empty when it has no body; ``None`` for a body of another kind."""
    try:
        return description(request) or b""
    except UnsupportedBody:
        return None
