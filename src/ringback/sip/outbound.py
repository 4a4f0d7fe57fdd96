"""A call we make: from our INVITE to its answer or failure (RFC 3261 §13.2, §9.1; RFC 3263 §4.3)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ringback.model.ids import CallId
from ringback.model.records import DialogRecord
from ringback.sip.bodies import SDP, UnsupportedBody, description
from ringback.sip.call import Alarm, Call, Phase
from ringback.sip.client_transaction import ClientTransaction, InviteClientTransaction, cancel_of
from ringback.sip.dialog import Dialog
from ringback.sip.events import Answered, DialogChanged, Failed, Progress
from ringback.sip.flow import Flow
from ringback.sip.grammar import clean, quote
from ringback.sip.headers import q850_cause
from ringback.sip.message import Message, Request, Response, Row
from ringback.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from ringback.sip.agent import Agent


LATE_CANCEL_PATIENCE = 1.0
"""Seconds between a far end's 200 to our CANCEL and its 487, after a restart."""


class OutboundCall(Call):
    """One INVITE of ours, over as many targets as it takes, and the dialog it may become.

    Args:
        targets: Where to try, best first.
        rows: Further headers of the INVITE.
        ring_timeout: Seconds from the INVITE to our CANCEL.
        routes: Route set of the INVITE, as ``<sip:…;lr>``.
        pinned: The target is where the far end registered from: everything in this call goes there.
    """

    chose_call_id = True

    def __init__(
        self,
        agent: "Agent",
        id: CallId,
        record: DialogRecord,
        targets: Sequence[Flow],
        *,
        name: str = "",
        rows: Sequence[Row] = (),
        body: bytes = b"",
        ring_timeout: float = 60.0,
        routes: Sequence[str] = (),
        pinned: bool = False,
    ) -> None:
        super().__init__(agent, id, targets[0], record)
        self.pinned = pinned
        self._routes = list(routes)
        self._targets = list(targets)
        self._name = clean(name)
        self._rows = list(rows)
        self._body = body
        self._ring_timeout = ring_timeout
        self._invite: ClientTransaction | None = None
        self._invites: list[ClientTransaction] = []
        self._stream_tried = pinned
        self._restored = False
        self._challenged = False
        self._heard = False
        self._cancelling = False
        self._cancel_sent = False
        self._cancel_reason = ""
        self._reported = False
        self._unacknowledged: int | None = None
        self._early_sdp: bytes | None = None

    def start(self, now: float) -> None:
        self.set_alarm(Alarm.RINGING_TOO_LONG, now + self._ring_timeout)
        self._try_next(now)

    def restore(self, now: float) -> None:
        """An earlier process sent the INVITE: take it back, and see to the answers."""
        self._reported = self._restored = True
        invite = self._build(self.flow, self.record.branch)
        self._invite = self.agent.transactions.restore(invite, self.flow, self, now)
        self._invites.append(self._invite)
        self._heard = True
        self.cancel("", now)

    def cancel(self, reason: str, now: float) -> None:
        """§9.1: CANCEL waits for the first provisional answer."""
        if self.phase is not Phase.SETTING_UP or self._cancelling or self._invite is None:
            return
        self._cancelling = True
        self._cancel_reason = reason
        self.set_alarm(Alarm.RINGING_TOO_LONG, None)
        if self._heard:
            self._send_cancel(self._invite, now)

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        if transaction.request.method == "BYE" and self.phase is Phase.SETTING_UP:
            # §15: not on an early dialog; whoever is called says no to the INVITE.
            self._respond(transaction, 481, now)
        else:
            super().on_request(transaction, now)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if transaction.request.method == "CANCEL":
            if self._restored and self.phase is Phase.SETTING_UP:
                self._on_late_cancel(response, now)
            return
        if transaction not in self._invites:
            super().on_response(transaction, response, now)
        elif response.status < 200:
            self._on_provisional(transaction, response, now)
        elif response.status < 300:
            self._on_success(transaction, response, now)
        elif transaction is self._invite and self.phase is Phase.SETTING_UP:
            self._on_failure(transaction, response, now)

    def on_lost(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        if transaction.request.method == "CANCEL":
            return
        if transaction not in self._invites:
            super().on_lost(transaction, cause, now)
        elif transaction is self._invite and self.phase is Phase.SETTING_UP:
            if self._targets and not self._cancelling and not self._heard:
                self._try_next(now)
            else:
                words = "no response" if cause == "timeout" else transaction.why or "the far end cannot be reached"
                self._fail(0, words, "tls" if transaction.why.startswith("tls:") else cause)

    def on_alarm(self, alarm: Alarm, now: float) -> None:
        if alarm is Alarm.SILENCE:
            self._give_up(now)
        elif alarm is Alarm.RINGING_TOO_LONG:
            self.cancel("", now)
            self._report(Failed(self.id, 408, "no answer", "timeout"))
        elif alarm is Alarm.CANCEL_IGNORED:
            self._hang_up_blindly(now)
        elif alarm is Alarm.CANCEL_UNANSWERED:
            self._fail(0, "no answer to CANCEL", "timeout")
        else:
            super().on_alarm(alarm, now)

    # ── inside ──

    def _try_next(self, now: float, credentials: tuple[Row, ...] = (), again: bool = False) -> None:
        flow = self.flow if again else self._targets.pop(0)
        if self._invites:
            self.agent.release(self)
            self.dialog = None
            self.record = replace(
                self.record,
                branch=self.agent.branch(),
                remote_tag="",
                remote_target=self.record.invite_uri,
                route_set=(),
            )
        if again:
            self.record = replace(self.record, local_cseq=self.record.local_cseq + 1)
        invite = self._build(flow, self.record.branch, credentials)
        if not self._stream_tried and self.agent.is_too_long(invite, flow):
            # §18.1.1: what may not fit a datagram goes by TCP, and by UDP if the far end has none.
            self._stream_tried = True
            self._targets.insert(0, flow)
            flow = Flow("tcp", flow.host, flow.port)
            invite = self._build(flow, self.record.branch, credentials)
        self.flow = flow
        self.agent.moved(self)
        peer = f"[{flow.host}]:{flow.port}" if ":" in flow.host else f"{flow.host}:{flow.port}"
        self.record = replace(self.record, transport=flow.transport, peer=peer)
        self.agent.emit(DialogChanged(self.id, self.record))
        self.set_alarm(Alarm.SILENCE, now + self.agent.settings.patience)
        self._invite = self.agent.transactions.send(invite, flow, self, now)
        self._invites.append(self._invite)

    def _build(self, flow: Flow, branch: str, credentials: tuple[Row, ...] = ()) -> Request:
        record = self.record
        name = f"{quote(self._name)} " if self._name else ""
        rows: list[Row] = [
            ("Via", self.agent.via(flow, branch)),
            ("Max-Forwards", "70"),
            *(("Route", route) for route in self._routes),
            ("From", f"{name}<{record.local_uri}>;tag={record.local_tag}"),
            ("To", f"<{record.remote_uri}>"),
            ("Call-ID", record.call_id),
            ("CSeq", f"{record.local_cseq} INVITE"),
            ("Contact", self.contact(flow)),
            *self.agent.abilities(),
            *self.timer.proposal(),
            *credentials,
            *self._rows,
            ("Content-Type", SDP),
        ]
        return Request("INVITE", record.invite_uri, rows, self._body)

    def _on_provisional(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if transaction is not self._invite or self.phase is not Phase.SETTING_UP:
            if transaction is not self._invite:
                self._send_cancel(transaction, now)
            return
        self._heard = True
        self.set_alarm(Alarm.SILENCE, None)
        if self._cancelling or self._reported:
            self._send_cancel(transaction, now)
        elif response.status > 100:
            if response.to.tag not in ("", self.record.remote_tag):
                # An early dialog (§12.1): should this process be killed while the far end answers, its tag is known.
                early = Dialog.of_client(transaction.request, response)
                self.record = early.record(self.record, self.flow)
                self._adopt(early)
                self.agent.emit(DialogChanged(self.id, self.record))
            body = _sdp(response)
            self._early_sdp = body or self._early_sdp
            self.agent.emit(Progress(self.id, response.status, clean(response.reason), body, response.to.tag))

    def _on_success(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if self.phase is not Phase.SETTING_UP or transaction is not self._invite:
            self._on_further_2xx(transaction, response, now)
            return
        if self._cancelling or self._reported:
            # §9.1: the answer crossed our CANCEL. It is taken, and given back.
            self.dismiss(transaction, response, now)
            self._fail(487, "Request Terminated", "answer")
            return
        self._alarms.clear()
        self.phase = Phase.UP
        self._reported = True
        self._adopt(Dialog.of_client(transaction.request, response))
        answer = _sdp(response) or self._early_sdp
        self.established(transaction.request, response, answer or b"", now)
        assert self.dialog is not None, "an answer makes a dialog"
        self._unacknowledged = transaction.request.cseq.number
        if not self.agent.settings.hold_ack:
            self.confirm()
        self.changed()
        self.agent.wheel.set(self, self.next_wake())
        self.agent.emit(Answered(self.id, answer))

    def bye(self, reason: str, now: float) -> None:
        self.confirm()
        super().bye(reason, now)

    def confirm(self) -> None:
        """ACK the answer, if that has not been done: whoever had to remember the call does."""
        if self._unacknowledged is not None and self.dialog is not None:
            cseq, self._unacknowledged = self._unacknowledged, None
            self.send_ack(self.dialog, cseq, self.hop())

    def _adopt(self, dialog: Dialog) -> None:
        """Be found by requests in this dialog, early or not; of several forks by the last one heard."""
        if self.dialog is not None and self.dialog.id == dialog.id:
            dialog.remote_cseq = self.dialog.remote_cseq
            dialog.local_cseq = max(dialog.local_cseq, self.dialog.local_cseq)
        self.agent.release(self)
        self.dialog = dialog
        self.agent.keep(self)

    def _awaits_answer(self) -> bool:
        return self.phase is Phase.SETTING_UP or super()._awaits_answer()

    def _on_further_2xx(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """§13.2.2.4: a repeat gets its ACK again; another fork's answer gets ACK and BYE."""
        if (transaction.request.cseq.number, response.to.tag) in self._acks:
            self.on_stray_2xx(response, now)
        elif self._unacknowledged is not None and self.dialog and response.to.tag == self.dialog.remote_tag:
            return  # it is repeated until our ACK, which is being held
        else:
            self.dismiss(transaction, response, now)

    def dismiss(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        dialog = Dialog.of_client(transaction.request, response)
        flow = self.agent.hop(dialog, transaction.flow)
        self.send_ack(dialog, transaction.request.cseq.number, flow)
        self.agent.transactions.send(dialog.request("BYE", self.agent.via(flow)), flow, None, now)

    def _on_failure(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if not self._cancelling and not self._reported:
            if response.status == 503 and self._targets:
                self._try_next(now)
                return
            credentials = None if self._challenged else self.agent.authorize(transaction.request, response, self.flow)
            if credentials is not None:
                self._challenged = True
                self._try_next(now, (credentials,), again=True)
                return
            if response.status == 422 and self.asks_for_longer(response):
                # RFC 4028 §7.3. What was proved to a proxy has to be proved anew.
                self._challenged = False
                self._try_next(now, again=True)
                return
        cause, _ = q850_cause(response.headers.all("reason"))
        self._fail(response.status, clean(response.reason), "answer", cause)

    def _give_up(self, now: float) -> None:
        """Nothing at all came. What may still come is answered: ringing with CANCEL, an answer with ACK and BYE."""
        if isinstance(self._invite, InviteClientTransaction):
            self._invite.stop_resending()
            self.agent.transactions.settle(self._invite)
        if self._targets and not self._cancelling:
            self._try_next(now)
        else:
            self._report(Failed(self.id, 0, "no response", "timeout"))

    def _send_cancel(self, transaction: ClientTransaction, now: float) -> None:
        if self._cancel_sent and transaction is self._invite:
            return
        self._cancel_sent = self._cancel_sent or transaction is self._invite
        cancel = cancel_of(transaction.request)
        if self._cancel_reason:
            cancel.headers.rows.append(("Reason", f"SIP;text={quote(clean(self._cancel_reason))}"))
        self.agent.transactions.send(cancel, transaction.flow, self, now)
        self.set_alarm(Alarm.CANCEL_UNANSWERED, now + self.agent.settings.timing.give_up)

    def _on_late_cancel(self, response: Response, now: float) -> None:
        """After a restart, a CANCEL that changes nothing means that the far end had answered, unknown to us."""
        if response.status >= 300:
            self._hang_up_blindly(now)
        elif response.status >= 200:
            self.set_alarm(Alarm.CANCEL_IGNORED, now + LATE_CANCEL_PATIENCE)

    def _hang_up_blindly(self, now: float) -> None:
        if self._invite is not None:
            self.agent.transactions.forget(self._invite)
        self.over()
        if self.record.remote_tag:
            self.agent.finish_up(self.id, self.record, self.flow, now)

    def _fail(self, status: int, reason: str, cause: str, q850: int | None = None) -> None:
        self._report(Failed(self.id, status, reason, cause, q850))
        if self._invite is not None and status == 0:
            self.agent.transactions.forget(self._invite)
        self.over()

    def _report(self, failure: Failed) -> None:
        """Exactly once, and then the user above no longer knows the call; the network may."""
        if not self._reported:
            self._reported = True
            self.agent.emit(failure)
        self.agent.forget(self)


def _sdp(message: Message) -> bytes | None:
    """The description in an answer; phones that leave out Content-Type are believed."""
    if "content-type" not in message.headers:
        return message.body or None
    try:
        return description(message)
    except UnsupportedBody:
        return None
