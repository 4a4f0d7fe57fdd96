"""One telephone that rings: an early dialog of a call we make, reliable provisional answers and UPDATE in it.

RFC 3261 §12.1.2, RFC 3262 §4–5, RFC 3311 §5.
"""

from typing import TYPE_CHECKING

from ringback.sip.bodies import SDP
from ringback.sip.client_transaction import ClientTransaction
from ringback.sip.dialog import Dialog
from ringback.sip.errors import SipParseError
from ringback.sip.events import Reoffered
from ringback.sip.grammar import number
from ringback.sip.message import Request, Response, Row, reply
from ringback.sip.offers import read_description, readable
from ringback.sip.server_transaction import ServerTransaction
from ringback.sip.session_timer import option_tags

if TYPE_CHECKING:
    from ringback.sip.outbound import OutboundCall


class EarlyDialog:
    """A fork of our INVITE. The owner of the PRACKs in it.

    Attributes:
        remote: The far end's description as last told; ``local`` ours.
        wants_answer: Whether ``remote`` is an offer that our PRACK has to answer.
        settled: Whether offer and answer are exchanged for good, so that an UPDATE may bring another offer.
    """

    def __init__(self, call: "OutboundCall", invite: Request, response: Response) -> None:
        self._call = call
        self._agent = call.agent
        self._invite = invite
        self.dialog = Dialog.of_client(invite, response)
        self.local = invite.body
        self.remote: bytes | None = None
        self.wants_answer = False
        self.settled = False
        self.theirs: ServerTransaction | None = None
        self._rseq: int | None = None
        self._prack: ClientTransaction | None = None

    def hear(self, response: Response, now: float) -> bytes | None:
        """Take an 18x: its description, empty when it has none, or ``None`` when it does not count.

        A reliable one counts once and in its order, and is acknowledged (§4).
        """
        rseq = reliable_number(response)
        if rseq is not None:
            if self._rseq is not None and rseq != self._rseq + 1:
                return None
            self._rseq = rseq
        offered = bool(self._invite.body)
        body = (read_description(response) or b"") if offered or rseq is not None else b""
        if body and offered:
            # Also after an answer that was meant for good: there are carriers that move early media so.
            self.remote = body
            self.settled = self.settled or rseq is not None
        elif body and not self.settled:
            self.remote, self.wants_answer = body, True
        if rseq is not None and not self.wants_answer:
            self._acknowledge(b"", now)
        return body

    def answer(self, sdp: bytes | None, status: int, now: float) -> None:
        """The user above has decided on the far end's offer, in an 18x or an UPDATE."""
        transaction, self.theirs = self.theirs, None
        if self.wants_answer and sdp is not None:
            self.wants_answer, self.settled, self.local = False, True, sdp
            self._acknowledge(sdp, now)
        elif self.wants_answer:
            # RFC 3262 §5 knows no way to refuse an offer in a PRACK.
            self._call.cancel("", now)
        elif transaction is not None and not transaction.answered:
            rows: list[Row] = []
            if sdp is not None:
                self.local = sdp
                rows = [("Contact", self._call.contact(transaction.flow)), ("Content-Type", SDP)]
            response = reply(transaction.request, status, rows=rows, body=sdp or b"")
            self._agent.transactions.respond(transaction, response, now)

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        """§15: a BYE is not for whoever is called; an INVITE has to wait for the answer to ours."""
        method = transaction.request.method
        if not self.dialog.accepts(transaction.request):
            self._call.respond(transaction, 500, now)
        elif method == "UPDATE":
            self._on_update(transaction, now)
        elif method == "INVITE":
            self._call.respond(transaction, 491, now)
        elif method in ("BYE", "PRACK", "NOTIFY"):
            self._call.respond(transaction, 481, now)
        elif method == "REFER":
            self._call.respond(transaction, 603, now)
        else:
            self._call.on_aside(transaction, now)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status < 300 or transaction is not self._prack:
            return
        credentials = self._agent.authorize(transaction.request, response, transaction.flow, self._call.credentials)
        if credentials is not None:
            kept = [row for row in transaction.request.headers.rows if row[0] in ("RAck", "Content-Type")]
            self._send((*kept, credentials), transaction.request.body, now)

    def on_lost(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        """The INVITE decides: whoever heard no PRACK says so in its final answer (§3)."""

    def end(self, now: float) -> None:
        """It came to nothing, or to a call: nobody above answers here any more."""
        transaction, self.theirs = self.theirs, None
        if transaction is not None and not transaction.answered:
            self._call.respond(transaction, 481, now)

    # ── inside ──

    def _on_update(self, transaction: ServerTransaction, now: float) -> None:
        """RFC 3311 §5.2: no offer before the first one has its answer."""
        offer = readable(transaction.request)
        if offer is None:
            self._call.respond(transaction, 415, now, [("Accept", SDP)])
        elif offer and not self.settled:
            self._call.respond(transaction, 491, now)
        elif offer and self.theirs is not None:
            self._call.respond(transaction, 500, now, [("Retry-After", str(int(self._agent.chance.fraction() * 10)))])
        else:
            self.dialog.refresh(transaction.request)
            if not offer:
                rows: list[Row] = [("Contact", self._call.contact(transaction.flow)), *self._agent.abilities()]
                self._call.respond(transaction, 200, now, rows)
                return
            self.remote = offer
            self.theirs = transaction
            transaction.owner = self._call
            self._agent.emit(Reoffered(self._call.id, offer))

    def _acknowledge(self, body: bytes, now: float) -> None:
        rows: tuple[Row, ...] = (("RAck", f"{self._rseq} {self._invite.cseq.number} INVITE"),)
        self._send((*rows, ("Content-Type", SDP)) if body else rows, body, now)

    def _send(self, rows: tuple[Row, ...], body: bytes, now: float) -> None:
        flow = self._call.hop(self.dialog)
        request = self.dialog.request("PRACK", self._agent.via(flow), rows, body)
        self._prack = self._agent.transactions.send(request, flow, self, now)


def reliable_number(response: Response) -> int | None:
    """RSeq of a provisional answer that has to be acknowledged; ``None`` for any other."""
    if response.status <= 100 or "rseq" not in response.headers or "100rel" not in option_tags(response, "require"):
        return None
    try:
        return number((response.headers.get("rseq") or "").strip(" \t"), 2**32 - 1)
    except SipParseError:
        return None
