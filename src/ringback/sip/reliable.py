"""Provisional answers that a caller has to acknowledge (RFC 3262 §3)."""

from typing import TYPE_CHECKING

from ringback.sip.errors import SipParseError
from ringback.sip.grammar import number
from ringback.sip.headers import parse_cseq
from ringback.sip.life import Alarm
from ringback.sip.message import Request, Row, reply
from ringback.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from ringback.sip.inbound import InboundCall


class ReliableProvisionals:
    """18x of one INVITE, one at a time: repeated until the caller's PRACK, for 64·T1.

    Attributes:
        blocks: Whether a 2xx must wait: a description has gone out that is not acknowledged yet.
    """

    def __init__(self, call: "InboundCall", invite: ServerTransaction) -> None:
        self._call = call
        self._agent = call.agent
        self._invite = invite
        self._rseq = 1 + int(call.agent.chance.fraction() * (2**31 - 2))
        self._data: bytes | None = None
        self._is_open = False
        self._interval = 0.0
        self._next: tuple[int, tuple[Row, ...], bytes] | None = None
        self.blocks = False

    def send(self, status: int, rows: tuple[Row, ...], body: bytes, now: float) -> None:
        """While one is unacknowledged the next waits; of several that wait the last counts."""
        if self._data is not None:
            self._next = status, rows, body
            return
        assert self._call.dialog is not None, "an inbound call has its dialog from the start"
        self.blocks = bool(body)
        head = (("Require", "100rel"), ("RSeq", str(self._rseq)), *rows)
        made = reply(self._invite.request, status, to_tag=self._call.dialog.local_tag, rows=head, body=body)
        self._agent.transactions.respond(self._invite, made, now)
        self._data = self._invite.last
        self._is_open = True
        timing = self._agent.settings.timing
        self._interval = timing.t1
        self._call.set_alarm(Alarm.RESEND_1XX, now + timing.t1)
        self._call.set_alarm(Alarm.PRACK_MISSING, now + timing.give_up)

    def takes(self, prack: Request) -> bool:
        """Whether a PRACK acknowledges what is open, also after a final answer (§3); then that is over."""
        if not self._is_open or _rack(prack) != (self._rseq, self._invite.request.cseq.number, "INVITE"):
            return False
        self._rseq += 1
        self._is_open = False
        self.stop()
        return True

    def go_on(self, now: float) -> None:
        """Send what has waited for the PRACK."""
        waiting, self._next = self._next, None
        if waiting is not None:
            self.send(*waiting, now)

    def resend(self, now: float) -> None:
        if self._data is not None:
            self._agent.transmit(self._invite.flow, self._data)
            self._interval *= 2
            self._call.set_alarm(Alarm.RESEND_1XX, now + self._interval)

    def stop(self) -> None:
        """Repeat nothing any more: it was acknowledged, or a final answer has gone out."""
        self._data = None
        self.blocks = False
        self._call.set_alarm(Alarm.RESEND_1XX, None)
        self._call.set_alarm(Alarm.PRACK_MISSING, None)


def _rack(prack: Request) -> tuple[int, int, str] | None:
    """RAck (§7.2): the RSeq, and the CSeq of what was answered."""
    first, _, rest = (prack.headers.get("rack") or "").strip(" \t").partition(" ")
    try:
        cseq = parse_cseq(rest.strip(" \t"))
        return number(first, 2**32 - 1), cseq.number, cseq.method
    except SipParseError:
        return None
