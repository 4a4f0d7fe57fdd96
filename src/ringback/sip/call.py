"""A call's life inside its dialog, whoever began it: who answers which request, BYE, keys by INFO.

RFC 3261 §12.2, §15; RFC 6086. Offers, refreshes and transfers are in files of their own.
"""

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ringback.model.ids import CallId
from ringback.model.records import DialogRecord
from ringback.sip.client_transaction import ClientTransaction, Owner
from ringback.sip.dialog import Dialog
from ringback.sip.digest import Credential
from ringback.sip.events import DialogChanged, Digit, Ended, PictureWanted
from ringback.sip.flow import Flow
from ringback.sip.grammar import clean
from ringback.sip.headers import media_type, q850_cause
from ringback.sip.info import DTMF_RELAY, MEDIA_CONTROL, PICTURE_WANTED, read_digit, wants_picture, write_digit
from ringback.sip.life import Alarm, Phase
from ringback.sip.message import Request, Response, Row, reply
from ringback.sip.offers import Offers
from ringback.sip.q850 import TEMPORARY_FAILURE, TIMED_OUT, hung_up
from ringback.sip.refer_in import Referrals
from ringback.sip.refer_out import Transfer
from ringback.sip.refreshing import Refreshing
from ringback.sip.replaces import Replaces
from ringback.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from ringback.sip.agent import Agent

MOST_KEYS = 64
"""Keys that wait for the far end to answer an INFO; more are dropped."""


class Call:
    """Base of ``InboundCall`` and ``OutboundCall``.

    Args:
        agent: The stack it lives in.
        id: Its id above.
        flow: The far end as last heard.
        record: What is stored of its dialog.

    Attributes:
        credentials: What this far end's challenges are answered with, before the stack's own.
    """

    chose_call_id = False

    def __init__(self, agent: "Agent", id: CallId, flow: Flow, record: DialogRecord) -> None:
        self.agent = agent
        self.id = id
        self.flow = flow
        self.record = record
        self.counted_as = ""
        self.credentials: Sequence[Credential] = ()
        self.pinned = False
        self.phase = Phase.SETTING_UP
        self.dialog: Dialog | None = None
        self.offers = Offers(self)
        self.refreshing = Refreshing(self)
        self._alarms: dict[Alarm, float] = {}
        self._transfer: Transfer | None = None
        self._referrals: Referrals | None = None
        self._keys: deque[tuple[str, int]] = deque()
        self._key: ClientTransaction | None = None
        self._goodbye: tuple[Row, ...] | None = None

    # ── time ──

    def set_alarm(self, alarm: Alarm, when: float | None) -> None:
        if when is not None:
            self._alarms[alarm] = when
        elif self._alarms.pop(alarm, None) is None:
            return
        self.agent.wheel.set(self, self.next_wake())

    def set_alarms(self, *alarms: tuple[Alarm, float | None]) -> None:
        """As ``set_alarm`` for several, with one look at the wheel."""
        for alarm, when in alarms:
            if when is None:
                self._alarms.pop(alarm, None)
            else:
                self._alarms[alarm] = when
        self.agent.wheel.set(self, self.next_wake())

    def waits_for(self, alarm: Alarm) -> bool:
        return alarm in self._alarms

    def next_wake(self) -> float | None:
        return min(self._alarms.values(), default=None)

    def wake(self, now: float) -> None:
        for alarm in [alarm for alarm, when in self._alarms.items() if when <= now]:
            if self._alarms.pop(alarm, None) is not None:
                self.on_alarm(alarm, now)
        self.agent.wheel.set(self, self.next_wake())

    def on_alarm(self, alarm: Alarm, now: float) -> None:
        if alarm is Alarm.RESEND_2XX:
            self.offers.resend_2xx(now)
        elif alarm is Alarm.ACK_MISSING:
            self.offers.unacked = None
            self.end("ack-timeout", now)
        elif alarm is Alarm.RETRY_OFFER:
            self.offers.retry(now)
        elif alarm is Alarm.OFFER_UNANSWERED:
            self.offers.give_up(now)
        elif alarm is Alarm.REFRESH:
            self.refreshing.refresh(now)
        elif alarm is Alarm.EXPIRED:
            # RFC 4028 §10: the far end promised to refresh, and did not.
            self.end("refresh-missed", now)
        elif alarm is Alarm.REFER_UNANSWERED and self._referrals is not None:
            self._referrals.give_up(now)
        elif alarm is Alarm.REFER_UNTOLD and self._transfer is not None:
            self._transfer.give_up()

    # ── our verbs ──

    def bye(self, reason: str, now: float, q850: int | None = None) -> None:
        """Hang up. §15: whoever was called waits for the ACK first."""
        if self.phase is not Phase.UP or self._goodbye is not None:
            return
        if self.offers.unacked is not None:
            self._goodbye = hung_up(reason, q850)
        else:
            self._send_bye(hung_up(reason, q850), now)

    def offer(self, sdp: bytes, now: float) -> None:
        """re-INVITE. While another is under way, the latest waits for its end."""
        if self.phase is Phase.UP:
            self.offers.offer(sdp, now)

    def answer_offer(self, sdp: bytes | None, status: int, now: float) -> None:
        self.offers.answer(sdp, status, now)

    def send_digit(self, digit: str, duration_ms: int, now: float) -> None:
        """Press a key by INFO, one after the other; what the far end says to it changes nothing."""
        if self.phase is Phase.UP and len(self._keys) < MOST_KEYS:
            self._keys.append((digit, duration_ms))
            self._next_key(now)

    def ask_picture(self, now: float) -> None:
        """Ask for a whole picture by INFO (RFC 5168); what the far end says to it changes nothing."""
        if self.phase is Phase.UP:
            self.send("INFO", (("Content-Type", MEDIA_CONTROL),), PICTURE_WANTED, now)

    def refer(self, target: str, referred_by: str, replaces: Replaces | None, now: float) -> None:
        """Ask the far end to call ``target``; ``Transferred`` tells how it goes."""
        if self.phase is Phase.UP:
            self._transfer = self._transfer or Transfer(self)
            self._transfer.start(target, referred_by, replaces, now)

    @property
    def referrals(self) -> Referrals:
        """The REFERs of the far end."""
        if self._referrals is None:
            self._referrals = Referrals(self)
        return self._referrals

    # ── what came ──

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        """A request in this dialog other than ACK and CANCEL; its source is already checked."""
        request = transaction.request
        assert self.dialog is not None, "in-dialog request for a call without a dialog"
        if not self.dialog.accepts(request):
            self.respond(transaction, 500, now)
        elif request.method == "BYE":
            self._on_bye(transaction, now)
        elif self._goodbye is not None:
            self._refuse_leaving(transaction, now)
        elif request.method == "UPDATE" and self.phase in (Phase.SETTING_UP, Phase.UP):
            self.offers.on_update(transaction, now)
        elif self.phase is not Phase.UP:
            self.respond(transaction, 481, now)
        elif request.method == "INVITE":
            self.offers.on_reinvite(transaction, now)
        elif request.method == "REFER":
            self.referrals.on_refer(transaction, now)
        elif request.method == "NOTIFY":
            self._on_notify(transaction, now)
        elif request.method == "PRACK":
            # RFC 3262 §3: it matches no provisional answer of ours.
            self.respond(transaction, 481, now)
        else:
            self.on_aside(transaction, now)

    def _refuse_leaving(self, transaction: ServerTransaction, now: float) -> None:
        """Nobody above answers any more. Who makes a new offer has our 2xx, so the BYE need not wait for its ACK."""
        assert self._goodbye is not None, "a call that does not leave"
        is_invite = transaction.request.method == "INVITE"
        self.respond(transaction, 487 if is_invite else 481, now)
        if is_invite:
            self.offers.settle_ack()
            self._send_bye(self._goodbye, now)

    def on_aside(self, transaction: ServerTransaction, now: float) -> None:
        """A request that changes nothing in the dialog."""
        if transaction.request.method == "INFO":
            self._on_info(transaction, now)
        elif transaction.request.method == "OPTIONS":
            self.respond(transaction, 200, now, self.agent.abilities())
        else:
            self.respond(transaction, 405, now, self.agent.allow())

    def on_ack(self, request: Request, flow: Flow, now: float) -> None:
        if not self.offers.on_ack(request, flow, now):
            return
        if self._goodbye is not None:
            self._send_bye(self._goodbye, now)
        else:
            self.look_up()
            self.offers.next(now)

    def on_cancel(self, invite: ServerTransaction, request: Request, now: float) -> None:
        """CANCEL of a re-INVITE; 200 to the CANCEL has gone out."""
        self.offers.on_cancel(invite, now)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Of a BYE or an INFO; other requests are owned by the part that sent them."""
        if response.status < 200 or self._authorize_again(transaction, response, now):
            return
        if transaction.request.method == "BYE":
            self.over(now)
        elif transaction is self._key:
            self._key = None
            if response.status == 481:
                # §12.2.1.2: the far end no longer knows this dialog.
                self.end("gone", now)
            else:
                self._next_key(now)

    def on_lost(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        """A transaction of ours ended without an answer: ``timeout``, or ``transport`` (cannot be reached)."""
        if transaction.request.method == "BYE":
            self.over(now)
        elif transaction is self._key:
            # There are phones that never answer an INFO: no reason to lose a call in which people talk.
            self._key = None
            self._keys.clear()

    def is_from_here(self, flow: Flow) -> bool:
        """Whether a request plausibly comes from our far end: its address or a sibling's, or one that it named."""
        if flow.host == self.flow.host:
            return True
        if self.dialog is None:
            return False
        return flow.host in self.dialog.hosts() or self.agent.siblings(self.flow.host, flow.host)

    # ── for its parts, and the two kinds of calls ──

    def may_be_offered(self) -> bool:
        """Whether the first offer has its answer, so that an UPDATE may bring another (RFC 3311 §5.1)."""
        return self.phase is Phase.UP

    def heard_from(self, transaction: ServerTransaction) -> None:
        """A request that may move the far end's target (§12.2.2) was let in."""
        assert self.dialog is not None, "a target without a dialog"
        moved = self.dialog.refresh(transaction.request)
        if self.phase is Phase.UP:
            self.flow = transaction.flow
            self.agent.moved(self)
        if moved:
            self.changed()
            self.look_up()

    def look_up(self) -> None:
        """Have the name found out that the next request goes to, if it is a name."""
        if self.dialog is not None:
            self.agent.look_up(self.id, self.dialog, self.flow)

    def contact(self, flow: Flow) -> str:
        return self.agent.contact(flow, self.record.local_uri)

    def hop(self, dialog: Dialog | None = None) -> Flow:
        """Where the next request goes, in the call's dialog or an early one of it."""
        dialog = dialog or self.dialog
        assert dialog is not None, "a hop without a dialog"
        if self.pinned and not dialog.route_set and self.agent.is_there(self.flow):
            return self.flow
        return self.agent.hop(dialog, self.flow, accepted=not self.chose_call_id)

    def changed(self) -> None:
        """Tell what has to be stored of the dialog now."""
        assert self.dialog is not None, "a change without a dialog"
        self.record = self.dialog.record(self.record, self.flow)
        self.agent.emit(DialogChanged(self.id, self.record))

    def respond(self, transaction: ServerTransaction, status: int, now: float, rows: list[Row] | None = None) -> None:
        response = reply(transaction.request, status, rows=rows or ())
        self.agent.transactions.respond(transaction, response, now)

    def send(
        self,
        method: str,
        rows: tuple[Row, ...],
        body: bytes,
        now: float,
        owner: Owner | None = None,
    ) -> ClientTransaction:
        """A request in the dialog; ``owner`` gets its answers, the call itself when none is given."""
        assert self.dialog is not None, f"{method} without a dialog"
        flow = self.hop()
        request = self.dialog.request(method, self.agent.via(flow), rows, body)
        if method != "BYE":
            self.changed()
        return self.agent.transactions.send(request, flow, owner or self, now)

    def glare_wait(self) -> float:
        """§14.1: 2.1–4 s for who chose the Call-ID, 0–2 s for the other, in steps of 10 ms."""
        chance = self.agent.chance.fraction()
        seconds = 2.1 + chance * 1.9 if self.chose_call_id else chance * 2.0
        return round(seconds, 2)

    def proved(self) -> None:
        """The far end got what we sent it, so it is where it says; or it is over, and no longer matters."""

    def end(self, cause: str, now: float) -> None:
        """We give the call up: the far end is told, and so is the user above."""
        if self.phase is Phase.UP:
            self._send_bye(
                hung_up(cause, TIMED_OUT if cause in ("ack-timeout", "refresh-missed") else TEMPORARY_FAILURE), now
            )
            self.agent.emit(Ended(self.id, cause))

    def over(self, now: float) -> None:
        """Nothing more is said in this call."""
        self.phase = Phase.OVER
        self.proved()
        self._alarms.clear()
        self.agent.wheel.set(self, None)
        self._drop_open(now)
        self.agent.drop(self)

    # ── inside ──

    def _drop_open(self, now: float) -> None:
        """What still waits for somebody above gets its answer: nobody is there any more."""
        self.offers.drop(now)
        if self._referrals is not None:
            self._referrals.drop(now)
        if self._transfer is not None:
            self._transfer.drop()

    def _on_bye(self, transaction: ServerTransaction, now: float) -> None:
        self.respond(transaction, 200, now)
        if self.phase is Phase.UP:
            cause, text = q850_cause(transaction.request.headers.all("reason"))
            self.agent.emit(Ended(self.id, "bye", clean(text), cause))
            self.over(now)

    def _on_info(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        kind = media_type(request.headers.get("content-type") or "")
        digit = read_digit(kind, request.body)
        if digit is None and request.body and kind != MEDIA_CONTROL:
            self.respond(
                transaction, 415, now, [("Accept", f"application/dtmf-relay, application/dtmf, {MEDIA_CONTROL}")]
            )
            return
        self.respond(transaction, 200, now)
        if digit is not None:
            self.agent.emit(Digit(self.id, *digit))
        elif kind == MEDIA_CONTROL and wants_picture(request.body):
            self.agent.emit(PictureWanted(self.id))

    def _on_notify(self, transaction: ServerTransaction, now: float) -> None:
        """RFC 6665 §4.1.3: only REFERs of ours are told about here."""
        event = (transaction.request.headers.get("event") or "refer").partition(";")[0].strip(" \t").lower()
        if event != "refer":
            self.respond(transaction, 489, now, [("Allow-Events", "refer")])
        elif self._transfer is None or not self._transfer.on_notify(transaction, now):
            self.respond(transaction, 481, now)

    def _next_key(self, now: float) -> None:
        """RFC 6086 leaves the order of INFOs to who sends them: the next goes out once the last is answered."""
        if self._key is None and self._keys and self.phase is Phase.UP:
            self._key = self.send("INFO", (("Content-Type", DTMF_RELAY),), write_digit(*self._keys.popleft()), now)

    def _send_bye(self, rows: tuple[Row, ...], now: float) -> None:
        self._goodbye = None
        self._alarms.clear()
        self.phase = Phase.LEAVING
        self._drop_open(now)
        self.send("BYE", rows, b"", now)

    def _authorize_again(self, transaction: ClientTransaction, response: Response, now: float) -> bool:
        """Answer a challenge once, with credentials kept for that far end; whether another request went out."""
        request = transaction.request
        credentials = self.agent.authorize(request, response, transaction.flow, self.credentials)
        if credentials is None:
            return False
        content = tuple(row for row in request.headers.rows if row[0] == "Content-Type")
        again = self.send(request.method, (*content, credentials), request.body, now)
        if transaction is self._key:
            self._key = again
        return True
