"""A call somebody makes to us: from its INVITE to our answer (RFC 3261 §13.3, RFC 3262 §3)."""

from typing import TYPE_CHECKING

from ringback.model.ids import CallId
from ringback.model.records import DialogRecord
from ringback.sip.bodies import SDP
from ringback.sip.call import Call
from ringback.sip.dialog import Dialog
from ringback.sip.events import Cancelled, Ended
from ringback.sip.grammar import clean
from ringback.sip.headers import q850_cause
from ringback.sip.life import Alarm, Phase
from ringback.sip.message import Request, Response, Row, reply
from ringback.sip.offers import readable
from ringback.sip.q850 import BY_STATUS
from ringback.sip.reliable import ReliableProvisionals
from ringback.sip.server_transaction import ServerTransaction
from ringback.sip.session_timer import option_tags

if TYPE_CHECKING:
    from ringback.sip.agent import Agent

TRYING_AFTER = 0.15
"""Seconds without any answer after which a caller whose address is unproved hears 100 (§17.2.1 wants it within 0.2).

Who is refused at once, as most strangers are, then gets one answer and no more, and asks again if that is lost."""

SOON = "5"
"""Seconds after which a caller may try again whom a failure of ours turned away."""

TEMPORARY_FAILURE = 41
"""Q.850."""

UNANSWERED_LIMIT = 300.0
"""Seconds after which an INVITE nobody above answered is refused: the last guard against calls that never end."""


class InboundCall(Call):
    """One incoming INVITE and the dialog it may become."""

    def __init__(self, agent: "Agent", id: CallId, transaction: ServerTransaction, local_tag: str, now: float) -> None:
        request = transaction.request
        dialog = Dialog.of_server(request, local_tag)
        blank = DialogRecord("", "", "", "", "", 0, "")
        super().__init__(agent, id, transaction.flow, dialog.record(blank, transaction.flow))
        self.dialog = dialog
        self.merge_key = ("", "", 0)
        self._invite = transaction
        transaction.owner = self
        self._source = transaction.flow.source
        self._unproved = True
        required = "require" in request.headers and "100rel" in option_tags(request, "require")
        self._reliable = ReliableProvisionals(self, transaction) if required else None
        self._early = b""
        self._settled = False
        self._answer: bytes | None = None
        agent.prove(self._source, 1)
        trying = None if transaction.allowance is None else now + TRYING_AFTER
        self.set_alarms((Alarm.RINGING_TOO_LONG, now + UNANSWERED_LIMIT), (Alarm.TRYING, trying))

    def proved(self) -> None:
        if self._unproved:
            self._unproved = False
            if self.phase is not Phase.OVER:
                self._invite.allowance = None
            self.agent.prove(self._source, -1)

    def may_be_offered(self) -> bool:
        return self.phase is Phase.UP or self._settled

    # ── our verbs ──

    def ring(self, sdp: bytes | None, now: float) -> None:
        """180, or 183 with a description. Without an offer only a reliable one may hold ours (RFC 3262 §5)."""
        if self.phase is not Phase.SETTING_UP or self._answer is not None:
            return
        if self._reliable is None and not self._invite.request.body:
            sdp = None
        rows: list[Row] = [("Record-Route", value) for value in self._invite.request.headers.all("record-route")]
        rows += [("Contact", self.contact(self.flow)), *self.agent.allow()]
        if sdp is not None:
            self._early = sdp
            rows.append(("Content-Type", SDP))
        status, body = (180, b"") if sdp is None else (183, sdp)
        if self._reliable is not None:
            self._reliable.send(status, tuple(rows), body, now)
        else:
            self.agent.transactions.respond(self._invite, self._reply(status, "", rows, body), now)

    def answer(self, sdp: bytes, now: float) -> None:
        """200; not before the caller has acknowledged a description in a reliable 18x (RFC 3262 §3)."""
        if self.phase is not Phase.SETTING_UP:
            return
        if self._reliable is not None and self._reliable.blocks:
            self._answer = sdp
            return
        if self._reliable is not None:
            self._reliable.stop()
        self.phase = Phase.UP
        self.set_alarm(Alarm.RINGING_TOO_LONG, None)
        # What was acknowledged in an 18x holds, and is not said again (RFC 6337 §2).
        self.offers.accept(self._invite, None if self._settled else sdp, now)

    def reject(self, status: int, reason: str, rows: list[Row], now: float) -> None:
        if self.phase is not Phase.SETTING_UP:
            return
        if status in BY_STATUS and not any(name.lower() == "reason" for name, _ in rows):
            rows = [*rows, ("Reason", f"Q.850;cause={BY_STATUS[status]}")]
        self._refuse(status, now, clean(reason), rows)

    def bye(self, reason: str, now: float, q850: int | None = None) -> None:
        if self.phase is Phase.SETTING_UP:
            # Answered as the user above sees it; the caller was never told. Of "temporary failure" others are to know
            # that this server alone is meant (RFC 3398 §7.2.4.1).
            rows: list[Row] = [("Retry-After", SOON)] if q850 == TEMPORARY_FAILURE else []
            self._refuse(503 if rows else 480, now, rows=rows)
        else:
            super().bye(reason, now, q850)

    # ── what came ──

    def on_cancel(self, invite: ServerTransaction, request: Request, now: float) -> None:
        if invite is self._invite and self.phase is Phase.SETTING_UP:
            cause, text = q850_cause(request.headers.all("reason"))
            self._gave_up(clean(text), cause)
            self._refuse(487, now)
        else:
            super().on_cancel(invite, request, now)

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        method = transaction.request.method
        if method == "BYE" and self.phase is Phase.SETTING_UP:
            # §15.1.2: a BYE on an early dialog ends the INVITE as well.
            self.respond(transaction, 200, now)
            self.on_cancel(self._invite, transaction.request, now)
        elif method == "PRACK" and self._reliable is not None:
            self._on_prack(self._reliable, transaction, now)
        else:
            super().on_request(transaction, now)

    def on_alarm(self, alarm: Alarm, now: float) -> None:
        if alarm is Alarm.RINGING_TOO_LONG:
            self._gave_up("", None)
            self._refuse(480, now)
        elif alarm is Alarm.TRYING:
            if self._invite.last is None:
                self.agent.transactions.respond(self._invite, reply(self._invite.request, 100), now)
        elif alarm is Alarm.RESEND_1XX and self._reliable is not None:
            self._reliable.resend(now)
        elif alarm is Alarm.PRACK_MISSING:
            # RFC 3262 §3: a caller that acknowledges nothing is told that it is over.
            self._gave_up("no PRACK came", None)
            self._refuse(504, now)
        else:
            super().on_alarm(alarm, now)

    # ── inside ──

    def _on_prack(self, reliable: ReliableProvisionals, transaction: ServerTransaction, now: float) -> None:
        """RFC 3262 §3: it acknowledges, may bring the answer to an offer of ours, or another offer (§5)."""
        request = transaction.request
        assert self.dialog is not None, "an inbound call has its dialog from the start"
        body = readable(request)
        if not self.dialog.accepts(request):
            self.respond(transaction, 500, now)
            return
        told = reliable.blocks
        if not reliable.takes(request):
            self.respond(transaction, 481, now)
            return
        # It repeats what we sent: whoever sends it is where it says.
        self.proved()
        if told:
            self._settled = True
            self.offers.local = self._early
            self.offers.remote = readable(self._invite.request) or body or b""
        if body is None:
            self.respond(transaction, 415, now, [("Accept", SDP)])
        elif body and self._settled and self._invite.request.body and self.offers.theirs is None:
            self.offers.take(transaction, body)
        else:
            self.offers.answered_early = body or self.offers.answered_early
            self.respond(transaction, 200, now)
        if self._answer is not None:
            sdp, self._answer = self._answer, None
            self.answer(sdp, now)
        elif self.phase is Phase.SETTING_UP:
            reliable.go_on(now)

    def _gave_up(self, reason: str, q850: int | None) -> None:
        if self._answer is None:
            self.agent.emit(Cancelled(self.id, reason, q850))
        else:
            # The user above has answered already.
            self.agent.emit(Ended(self.id, "ack-timeout", reason, q850))

    def _refuse(self, status: int, now: float, reason: str = "", rows: list[Row] | None = None) -> None:
        self.agent.transactions.respond(self._invite, self._reply(status, reason, rows or []), now)
        self.over(now)

    def _reply(self, status: int, reason: str, rows: list[Row], body: bytes = b"") -> Response:
        assert self.dialog is not None, "an inbound call has its dialog from the start"
        return reply(self._invite.request, status, reason, to_tag=self.dialog.local_tag, rows=rows, body=body)
