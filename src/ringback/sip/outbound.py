"""A call we make: from our INVITE to its answer or failure (RFC 3261 §13.2, §9.1; RFC 3263 §4.3)."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ringback.model.ids import CallId
from ringback.model.records import DialogRecord
from ringback.model.values import replace
from ringback.sip.bodies import SDP
from ringback.sip.call import Call
from ringback.sip.client_transaction import ClientTransaction, InviteClientTransaction, cancel_of
from ringback.sip.dialog import Dialog
from ringback.sip.early import EarlyDialog
from ringback.sip.errors import SipParseError
from ringback.sip.events import Answered, DialogChanged, Failed, Progress
from ringback.sip.flow import Flow
from ringback.sip.grammar import clean, quote
from ringback.sip.headers import q850_cause
from ringback.sip.life import Alarm, Phase
from ringback.sip.message import Request, Response, Row
from ringback.sip.offers import read_description
from ringback.sip.q850 import NO_ANSWER, given_up
from ringback.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from ringback.sip.agent import Agent


MOST_FORKS = 16
"""Telephones that may ring for one INVITE; what more of them say is not heard."""

MOST_CONTACTS = 8

_Q = re.compile(r"[01](?:\.[0-9]{0,3})?")

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
        self.patience: float | None = None
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
        self._cancel_reasons: tuple[Row, ...] = ()
        self._reported = False
        self._unacknowledged: int | None = None
        self._wants_answer = False
        self._forks: dict[str, EarlyDialog] = {}

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

    def cancel(self, reason: str, now: float, q850: int | None = None) -> None:
        """§9.1: CANCEL waits for the first provisional answer."""
        if self.phase is not Phase.SETTING_UP or self._cancelling or self._invite is None:
            return
        self._cancelling = True
        self._cancel_reasons = given_up(reason, q850)
        self.set_alarm(Alarm.RINGING_TOO_LONG, None)
        if self._heard:
            self._send_cancel(self._invite, now)

    def answer_offer(self, sdp: bytes | None, status: int, now: float) -> None:
        if self.phase is not Phase.SETTING_UP:
            super().answer_offer(sdp, status, now)
            return
        for early in self._forks.values():
            if early.wants_answer or early.theirs is not None:
                early.answer(sdp, status, now)
                return

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        if self.phase is not Phase.SETTING_UP:
            super().on_request(transaction, now)
            return
        early = self._forks.get(transaction.request.from_.tag)
        if early is None or self._reported:
            # The user above no longer knows the call.
            self.respond(transaction, 481, now)
        else:
            early.on_request(transaction, now)

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
                self._fail(0, words, "tls" if transaction.why.startswith("tls:") else cause, now)

    def on_alarm(self, alarm: Alarm, now: float) -> None:
        if alarm is Alarm.SILENCE:
            self._give_up(now)
        elif alarm is Alarm.RINGING_TOO_LONG:
            self.cancel("no answer", now, NO_ANSWER)
            self._report(Failed(self.id, 408, "no answer", "timeout"))
        elif alarm is Alarm.CANCEL_IGNORED:
            self._hang_up_blindly(now)
        elif alarm is Alarm.CANCEL_UNANSWERED:
            self._fail(0, "no answer to CANCEL", "timeout", now)
        else:
            super().on_alarm(alarm, now)

    # ── inside ──

    def _try_next(self, now: float, credentials: tuple[Row, ...] = (), again: bool = False) -> None:
        flow = self.flow if again else self._targets.pop(0)
        if self._invites:
            self._drop_forks(now)
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
        patience = self.agent.settings.patience if self.patience is None else self.patience
        self.set_alarm(Alarm.SILENCE, now + patience)
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
            *self.refreshing.timer.proposal(),
            *credentials,
            *self._rows,
        ]
        if self._body:
            rows.append(("Content-Type", SDP))
        return Request("INVITE", record.invite_uri, rows, self.agent.described(flow, self._body))

    def _on_provisional(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if transaction is not self._invite or self.phase is not Phase.SETTING_UP:
            if transaction is not self._invite:
                self._send_cancel(transaction, now)
            return
        self._heard = True
        self.set_alarm(Alarm.SILENCE, None)
        if self._cancelling or self._reported:
            self._send_cancel(transaction, now)
        elif response.status > 100 and response.to.tag:
            self._on_ringing(transaction.request, response, now)
        elif response.status > 100:
            # RFC 2543: without a tag there is no early dialog.
            self.agent.emit(Progress(self.id, response.status, clean(response.reason), read_description(response)))

    def _on_ringing(self, invite: Request, response: Response, now: float) -> None:
        """§12.1.2: each tag is a telephone of its own."""
        tag, status = response.to.tag, response.status
        early = self._forks.get(tag)
        if early is None:
            if len(self._forks) >= MOST_FORKS:
                return
            early = self._forks[tag] = EarlyDialog(self, invite, response)
            self.agent.keep(self, early.dialog)
        body = early.hear(response, now)
        if body is None:
            return
        if tag != self.record.remote_tag and status != 199:
            # Should this process be killed while the far end answers, its tag is known.
            self.dialog = early.dialog
            self.record = replace(early.dialog.record(self.record, self.flow), local_cseq=invite.cseq.number)
            self.agent.emit(DialogChanged(self.id, self.record))
        asks = early.wants_answer and bool(body)
        self.agent.emit(Progress(self.id, status, clean(response.reason), body or None, tag, asks))
        if status == 199:
            # RFC 6228: that telephone no longer rings.
            self._drop_fork(tag, now)

    def _drop_fork(self, tag: str, now: float) -> None:
        early = self._forks.pop(tag)
        early.end(now)
        self.agent.release(early.dialog)

    def _drop_forks(self, now: float) -> None:
        for tag in list(self._forks):
            self._drop_fork(tag, now)

    def _on_success(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if self.phase is not Phase.SETTING_UP or transaction is not self._invite:
            self._on_further_2xx(transaction, response, now)
            return
        if self._cancelling or self._reported:
            # §9.1: the answer crossed our CANCEL. It is taken, and given back.
            self.dismiss(transaction, response, now)
            self._fail(487, "Request Terminated", "answer", now)
            return
        self._alarms.clear()
        self.phase = Phase.UP
        self._reported = True
        early = self._forks.get(response.to.tag)
        self._adopt(Dialog.of_client(transaction.request, response), early, now)
        answer = read_description(response) or (early.remote if early is not None else None)
        local = early.local if early is not None else transaction.request.body
        self._wants_answer = answer is not None and not local
        self.offers.established(local, response, answer or b"", now)
        self._unacknowledged = transaction.request.cseq.number
        if not self.agent.settings.hold_ack and not self._wants_answer:
            self.confirm(None)
        self.changed()
        self.agent.wheel.set(self, self.next_wake())
        self.agent.emit(Answered(self.id, answer))

    def bye(self, reason: str, now: float, q850: int | None = None) -> None:
        self.confirm(None)
        super().bye(reason, now, q850)

    def confirm(self, sdp: bytes | None) -> None:
        """ACK the answer, if that has not been done: whoever had to remember the call does.

        ``sdp`` is our answer where the far end's 2xx brought the offer (§13.2.2.4).
        """
        if self._unacknowledged is None or self.dialog is None:
            return
        cseq, self._unacknowledged = self._unacknowledged, None
        body = sdp if self._wants_answer and sdp is not None else b""
        self.offers.local = body or self.offers.local
        self.offers.acknowledge(self.dialog, cseq, body)
        self.look_up()

    def _adopt(self, dialog: Dialog, early: EarlyDialog | None, now: float) -> None:
        """The one that answered is the call; the others came to nothing (§13.2.2.4)."""
        if early is not None:
            dialog.remote_cseq = early.dialog.remote_cseq
            dialog.local_cseq = max(dialog.local_cseq, early.dialog.local_cseq)
            self.offers.theirs, early.theirs = early.theirs, None
        self._drop_forks(now)
        self.dialog = dialog
        self.agent.keep(self, dialog)

    def _on_further_2xx(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """§13.2.2.4: a repeat gets its ACK again; another fork's answer gets ACK and BYE."""
        if self.offers.has_acknowledged(transaction.request.cseq.number, response.to.tag):
            self.offers.on_stray_2xx(response)
        elif self._unacknowledged is not None and self.dialog and response.to.tag == self.dialog.remote_tag:
            return  # it is repeated until our ACK, which is being held
        else:
            self.dismiss(transaction, response, now)

    def dismiss(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        dialog = Dialog.of_client(transaction.request, response)
        flow = self.agent.hop(dialog, transaction.flow)
        self.offers.acknowledge(dialog, transaction.request.cseq.number, flow=flow)
        self.agent.transactions.send(dialog.request("BYE", self.agent.via(flow)), flow, None, now)

    def _on_failure(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if not self._cancelling and not self._reported:
            if response.status == 503 and self._targets:
                self._try_next(now)
                return
            credentials = None
            if not self._challenged:
                credentials = self.agent.authorize(transaction.request, response, self.flow, self.credentials)
            if credentials is not None:
                self._challenged = True
                self._try_next(now, (credentials,), again=True)
                return
            if response.status == 422 and self.refreshing.asks_for_longer(response):
                # RFC 4028 §7.3. What was proved to a proxy has to be proved anew.
                self._challenged = False
                self._try_next(now, again=True)
                return
        cause, _ = q850_cause(response.headers.all("reason"))
        contacts = _contacts(response) if response.status < 400 else ()
        self._fail(response.status, clean(response.reason), "answer", now, cause, contacts)

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
        cancel.headers.rows.extend(self._cancel_reasons)
        self.agent.transactions.send(cancel, transaction.flow, self, now)
        if transaction is self._invite:
            self.set_alarm(Alarm.CANCEL_UNANSWERED, now + self.agent.settings.timing.give_up)
        elif isinstance(transaction, InviteClientTransaction):
            # A target that was given up on is not waited for, while another one may be ringing.
            transaction.limit(now)
            self.agent.transactions.settle(transaction)

    def _on_late_cancel(self, response: Response, now: float) -> None:
        """After a restart, a CANCEL that changes nothing means that the far end had answered, unknown to us."""
        if response.status >= 300:
            self._hang_up_blindly(now)
        elif response.status >= 200:
            self.set_alarm(Alarm.CANCEL_IGNORED, now + LATE_CANCEL_PATIENCE)

    def _hang_up_blindly(self, now: float) -> None:
        if self._invite is not None:
            self.agent.transactions.forget(self._invite)
        self.over(now)
        if self.record.remote_tag:
            self.agent.finish_up(self.id, self.record, self.flow, now)

    def over(self, now: float) -> None:
        self._drop_forks(now)
        super().over(now)

    def _fail(
        self,
        status: int,
        reason: str,
        cause: str,
        now: float,
        q850: int | None = None,
        contacts: tuple[str, ...] = (),
    ) -> None:
        self._report(Failed(self.id, status, reason, cause, q850, contacts))
        if self._invite is not None and status == 0:
            self.agent.transactions.forget(self._invite)
        self.over(now)

    def _report(self, failure: Failed) -> None:
        """Exactly once, and then the user above no longer knows the call; the network may."""
        if not self._reported:
            self._reported = True
            self.agent.emit(failure)
        self.agent.forget(self)


def _contacts(response: Response) -> tuple[str, ...]:
    """Where a 3xx points to, best first (§8.1.3.4, §20.10): what can be read of it, without doubles."""
    try:
        found = response.contacts
    except SipParseError:
        return ()
    best = sorted(found, key=lambda contact: -_weight(contact.parameters.get("q")))
    return tuple(dict.fromkeys(clean(str(contact.uri)) for contact in best[:MOST_CONTACTS]))


def _weight(q: str | None) -> float:
    return float(q) if q is not None and _Q.fullmatch(q) else 1.0
