"""A call somebody makes to us: from its INVITE to our answer (RFC 3261 §13.3)."""

from typing import TYPE_CHECKING

from ringback.model.ids import CallId
from ringback.model.records import DialogRecord
from ringback.sip.call import Alarm, Call, Phase
from ringback.sip.dialog import Dialog
from ringback.sip.events import Cancelled
from ringback.sip.grammar import clean
from ringback.sip.message import Response, Row, reply
from ringback.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from ringback.sip.agent import Agent

UNANSWERED_LIMIT = 300.0
"""Seconds after which an INVITE nobody above answered is refused: the last guard against calls that never end."""


class InboundCall(Call):
    """One incoming INVITE and the dialog it may become."""

    def __init__(self, agent: "Agent", id: CallId, transaction: ServerTransaction, local_tag: str, now: float) -> None:
        dialog = Dialog.of_server(transaction.request, local_tag)
        blank = DialogRecord("", "", "", "", "", 0, "")
        super().__init__(agent, id, transaction.flow, dialog.record(blank, transaction.flow))
        self.dialog = dialog
        self.merge_key = ("", "", 0)
        self._invite = transaction
        transaction.owner = self
        self._source = transaction.flow.host
        self._unproved = True
        agent.prove(self._source, 1)
        self.set_alarm(Alarm.RINGING_TOO_LONG, now + UNANSWERED_LIMIT)

    def proved(self) -> None:
        if self._unproved:
            self._unproved = False
            self.agent.prove(self._source, -1)

    def ring(self, now: float) -> None:
        if self.phase is Phase.SETTING_UP:
            rows: list[Row] = [("Contact", self.contact(self.flow))]
            rows += [("Record-Route", value) for value in self._invite.request.headers.all("record-route")]
            self.agent.transactions.respond(self._invite, self._reply(180, "", rows), now)

    def answer(self, sdp: bytes, now: float) -> None:
        if self.phase is not Phase.SETTING_UP:
            return
        self.phase = Phase.UP
        self.set_alarm(Alarm.RINGING_TOO_LONG, None)
        self.accept(self._invite, sdp, now)

    def reject(self, status: int, reason: str, rows: list[Row], now: float) -> None:
        if self.phase is Phase.SETTING_UP:
            self._refuse(status, now, clean(reason), rows)

    def on_cancel(self, invite: ServerTransaction, now: float) -> None:
        if invite is self._invite and self.phase is Phase.SETTING_UP:
            self.agent.emit(Cancelled(self.id))
            self._refuse(487, now)
        else:
            super().on_cancel(invite, now)

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        if transaction.request.method == "BYE" and self.phase is Phase.SETTING_UP:
            # §15.1.2: a BYE on an early dialog ends the INVITE as well.
            self._respond(transaction, 200, now)
            self.on_cancel(self._invite, now)
        else:
            super().on_request(transaction, now)

    def on_alarm(self, alarm: Alarm, now: float) -> None:
        if alarm is Alarm.RINGING_TOO_LONG:
            self.agent.emit(Cancelled(self.id))
            self._refuse(480, now)
        else:
            super().on_alarm(alarm, now)

    def _refuse(self, status: int, now: float, reason: str = "", rows: list[Row] | None = None) -> None:
        self.agent.transactions.respond(self._invite, self._reply(status, reason, rows or []), now)
        self.over()

    def _reply(self, status: int, reason: str, rows: list[Row]) -> Response:
        assert self.dialog is not None, "an inbound call has its dialog from the start"
        return reply(self._invite.request, status, reason, to_tag=self.dialog.local_tag, rows=rows)
