"""Offers and answers in a call: re-INVITE and UPDATE both ways, and the 2xx that waits for its ACK.

RFC 3261 §13.3.1.4, §14; RFC 3264 §4; RFC 3311 §5.
"""

from typing import TYPE_CHECKING

from ringback.sip.bodies import SDP, UnsupportedBody, description
from ringback.sip.client_transaction import ClientTransaction, InviteClientTransaction, cancel_of
from ringback.sip.dialog import Dialog
from ringback.sip.events import Acknowledged, Refused, ReofferAnswered, Reoffered, ReofferFailed
from ringback.sip.flow import Flow
from ringback.sip.life import Alarm, Phase
from ringback.sip.message import Message, Request, Response, Row, reply
from ringback.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from ringback.sip.call import Call

GLARE_RETRIES = 4
OFFER_PATIENCE = 60.0
"""Seconds a far end may think about an offer after its first provisional answer."""

MOST_ACKS = 32
"""How many ACKs are kept for repeats of their 2xx: a call may be refreshed for days."""


class Offers:
    """Who offered what in one call.

    Attributes:
        unacked: Their INVITE whose 2xx of ours has not been acknowledged yet.
        theirs: Their request with an offer that the user above has not answered yet.
        local, remote: The descriptions that hold.
        answered_early: What a PRACK brought, where otherwise the ACK would.
    """

    def __init__(self, call: "Call") -> None:
        self._call = call
        self._agent = call.agent
        self.unacked: ServerTransaction | None = None
        self.theirs: ServerTransaction | None = None
        self.answered_early: bytes | None = None
        self.local = b""
        self.remote = b""
        self._ours: ClientTransaction | None = None
        self._waiting: bytes | None = None
        self._asked = False
        self._resend_interval = 0.0
        self._glares = 0
        self._exchange: tuple[bytes, bytes] | None = None
        self._acks: dict[tuple[int, str], tuple[Flow, bytes]] = {}

    # ── our offers ──

    def offer(self, sdp: bytes, now: float) -> None:
        """re-INVITE. While another is under way, the latest waits for its end."""
        self._waiting = sdp
        self._glares = 0
        if not self.is_busy():
            self.send(sdp, now)

    def send(self, sdp: bytes, now: float, credentials: tuple[Row, ...] = ()) -> ClientTransaction:
        """Send a re-INVITE now."""
        self._waiting = None
        rows = (*self._call.refreshing.rows(), ("Content-Type", SDP), *credentials)
        self._ours = self._call.send("INVITE", rows, sdp, now, owner=self)
        return self._ours

    def renew(self, now: float, credentials: tuple[Row, ...]) -> ClientTransaction | None:
        """A re-INVITE that changes nothing (RFC 4028 §7.4); ``None`` while something else is being agreed on."""
        if self.is_busy() or not self.local:
            return None
        waiting = self._waiting
        sent = self.send(self.local, now, credentials)
        self._waiting = waiting
        return sent

    def retry(self, now: float) -> None:
        """§14.1: after glare."""
        if self._waiting is not None and not self.is_busy():
            self.send(self._waiting, now)

    def next(self, now: float) -> None:
        """Offer what has waited, if anything has."""
        if self._call.phase is Phase.UP and self._waiting is not None and not self._call.waits_for(Alarm.RETRY_OFFER):
            self.offer(self._waiting, now)

    def is_busy(self) -> bool:
        return self._ours is not None or self.theirs is not None or self.unacked is not None

    def is_open(self) -> bool:
        """Whether an offer of ours is open: in a re-INVITE, or in a 2xx whose ACK has to bring the answer."""
        return self._ours is not None or (self.unacked is not None and self._asked)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if transaction is not self._ours:
            if 200 <= response.status < 300:
                self._on_late_answer(transaction, response)
            return
        if response.status < 200:
            if not self._call.waits_for(Alarm.OFFER_UNANSWERED):
                self._call.set_alarm(Alarm.OFFER_UNANSWERED, now + OFFER_PATIENCE)
            return
        self._ours = None
        self._call.set_alarm(Alarm.OFFER_UNANSWERED, None)
        refreshing = self._call.refreshing
        is_refresh = refreshing.takes(transaction)
        if response.status < 300:
            self._on_answer(transaction, response, is_refresh, now)
        elif is_refresh:
            refreshing.on_refused(transaction, response, now)
        elif response.status == 422 and refreshing.asks_for_longer(response):
            self.send(transaction.request.body, now)
            return
        elif response.status == 491 and self._glares < GLARE_RETRIES and self._waiting is None:
            self._glares += 1
            self._waiting = transaction.request.body
            self._call.set_alarm(Alarm.RETRY_OFFER, now + self._call.glare_wait())
            return
        elif response.status in (408, 481):
            # §12.2.1.2: the far end no longer knows this dialog.
            self._call.end("gone", now)
            return
        elif credentials := self._agent.authorize(
            transaction.request, response, transaction.flow, self._call.credentials
        ):
            self.send(transaction.request.body, now, (credentials,))
            return
        else:
            self._agent.emit(ReofferFailed(self._call.id, response.status))
        self.next(now)

    def give_up(self, now: float) -> None:
        """§9.1: CANCEL of a re-INVITE that gets no final answer; the call ends if that gets none either."""
        if isinstance(self._ours, InviteClientTransaction):
            cancel = cancel_of(self._ours.request)
            self._agent.transactions.send(cancel, self._ours.flow, None, now)
            self._limit(self._ours, now)

    def on_lost(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        if transaction is self._ours:
            self._ours = None
            self._call.refreshing.takes(transaction)
            self._call.end("gone", now)

    def _on_answer(self, transaction: ClientTransaction, response: Response, is_refresh: bool, now: float) -> None:
        dialog = self._call.dialog
        assert dialog is not None, "an offer's answer without a dialog"
        before, answer = self.remote, read_description(response) or b""
        self.established(transaction.request.body, response, answer, now)
        moved = dialog.refresh(response)
        self.acknowledge(dialog, transaction.request.cseq.number)
        if moved:
            self._call.changed()
            self._call.look_up()
        if not is_refresh or (self._waiting is None and not _is_same(before, answer)):
            self._agent.emit(ReofferAnswered(self._call.id, answer))

    def established(self, offer: bytes, response: Response, answer: bytes, now: float) -> None:
        """The far end answered our offer; ``answer`` is its description, wherever that came."""
        self._call.refreshing.agreed(response, now)
        self.local, self.remote, self._exchange = offer, answer, None

    # ── our ACKs ──

    def acknowledge(self, dialog: Dialog, cseq: int, body: bytes = b"", flow: Flow | None = None) -> None:
        """ACK a 2xx; ``flow`` where it is not the call's own way."""
        flow = flow or self._call.hop(dialog)
        rows: tuple[Row, ...] = (("Content-Type", SDP),) if body else ()
        ack = dialog.ack(cseq, self._agent.via(flow), body, rows).to_bytes()
        self._acks[cseq, dialog.remote_tag] = (flow, ack)
        if len(self._acks) > MOST_ACKS:
            del self._acks[next(iter(self._acks))]
        self._agent.transmit(flow, ack)

    def has_acknowledged(self, cseq: int, tag: str) -> bool:
        return (cseq, tag) in self._acks

    def _on_late_answer(self, transaction: ClientTransaction, response: Response) -> None:
        """§13.2.2.4: whatever became of our offer, and of the call, a 2xx to it gets its ACK."""
        dialog, cseq = self._call.dialog, transaction.request.cseq.number
        if transaction.request.method != "INVITE" or dialog is None or self.has_acknowledged(cseq, response.to.tag):
            self.on_stray_2xx(response)
        else:
            self.acknowledge(dialog, cseq)

    def on_stray_2xx(self, response: Response) -> None:
        """§13.2.2.4: each repeated 2xx gets the ACK again."""
        ack = self._acks.get((response.cseq.number, response.to.tag))
        if ack is not None:
            self._agent.transmit(*ack)

    # ── their offers ──

    def on_reinvite(self, transaction: ServerTransaction, now: float) -> None:
        """§14.2: crossing offers are refused; otherwise the user above answers."""
        request = transaction.request
        if self.is_open():
            # Also while the ACK has to bring the answer to an offer of ours.
            self._call.respond(transaction, 491, now)
        elif self.theirs is not None:
            self._call.respond(transaction, 500, now, [("Retry-After", self._soon())])
        elif (offer := readable(request)) is None:
            self._call.respond(transaction, 415, now, [("Accept", SDP)])
        elif too_short := self._call.refreshing.too_short(request):
            self._call.respond(transaction, 422, now, too_short)
        else:
            if self.unacked is not None:
                # Whoever makes a new offer has our last answer: its ACK was lost.
                self.settle_ack()
                self._agent.emit(Acknowledged(self._call.id, None))
            self._call.heard_from(transaction)
            self._call.respond(transaction, 100, now)
            self.theirs = transaction
            transaction.owner = self._call
            if self._exchange is not None and offer == self._exchange[0]:
                # RFC 4028 §7.4: the same description again refreshes, and changes nothing anywhere.
                self.answer(self._exchange[1], 200, now)
            else:
                self._agent.emit(Reoffered(self._call.id, offer or None))

    def on_update(self, transaction: ServerTransaction, now: float) -> None:
        """RFC 3311 §5.2: an offer while another one is open is refused; without a body it only refreshes."""
        offer = readable(transaction.request)
        if offer is None:
            self._call.respond(transaction, 415, now, [("Accept", SDP)])
        elif too_short := self._call.refreshing.too_short(transaction.request):
            self._call.respond(transaction, 422, now, too_short)
        elif offer and self.is_open():
            self._call.respond(transaction, 491, now)
        elif offer and (self.theirs is not None or not self._call.may_be_offered()):
            self._call.respond(transaction, 500, now, [("Retry-After", self._soon())])
        else:
            self._call.heard_from(transaction)
            if not offer:
                self._accept_update(transaction, None, now)
            elif self._exchange is not None and offer == self._exchange[0]:
                self._accept_update(transaction, self._exchange[1], now)
            else:
                self.take(transaction, offer)

    def take(self, transaction: ServerTransaction, offer: bytes) -> None:
        """An offer in an UPDATE or PRACK, for the user above."""
        self.theirs = transaction
        transaction.owner = self._call
        self._agent.emit(Reoffered(self._call.id, offer))

    def answer(self, sdp: bytes | None, status: int, now: float) -> None:
        """The user above has decided on the far end's offer."""
        transaction, self.theirs = self.theirs, None
        if transaction is None or transaction.answered:
            return
        if status != 200:
            self._call.respond(transaction, status, now)
            self.next(now)
        elif transaction.request.method == "INVITE":
            self.accept(transaction, sdp, now)
        else:
            self._accept_update(transaction, sdp, now)
            self.next(now)

    def accept(self, transaction: ServerTransaction, sdp: bytes | None, now: float) -> None:
        """200 to an INVITE, repeated until its ACK (§13.3.1.4)."""
        call, dialog = self._call, self._call.dialog
        assert dialog is not None, "200 for a call without a dialog"
        request = transaction.request
        rows: list[Row] = [("Record-Route", value) for value in request.headers.all("record-route")]
        rows += [("Contact", call.contact(transaction.flow)), *self._agent.abilities()]
        rows += call.refreshing.accept(request, now)
        if sdp is not None:
            self._note(request, sdp)
            rows.append(("Content-Type", SDP))
        response = reply(request, 200, to_tag=dialog.local_tag, rows=rows, body=sdp or b"")
        self._agent.transactions.respond(transaction, response, now)
        timing = self._agent.settings.timing
        self.unacked = transaction
        self._asked = sdp is not None and not request.body
        self._resend_interval = timing.t1
        call.set_alarms((Alarm.RESEND_2XX, now + timing.t1), (Alarm.ACK_MISSING, now + timing.give_up))

    def on_ack(self, request: Request, flow: Flow, now: float) -> bool:
        """Whether it is the ACK that a 2xx of ours waits for."""
        if self.unacked is None or request.cseq.number != self.unacked.request.cseq.number:
            return False
        body = readable(request) or None
        if body is not None and not self._call.is_from_here(flow):
            self._agent.emit(Refused("ACK with a description from elsewhere", flow))
            return False
        self.remote = body or self.remote
        self.settle_ack()
        early, self.answered_early = self.answered_early, None
        self._agent.emit(Acknowledged(self._call.id, body or early))
        return True

    def on_cancel(self, invite: ServerTransaction, now: float) -> None:
        """CANCEL of a re-INVITE; 200 to the CANCEL has gone out."""
        if invite is self.theirs and not invite.answered:
            self.theirs = None
            self._call.respond(invite, 487, now)

    def resend_2xx(self, now: float) -> None:
        if self.unacked is None or self.unacked.last is None:
            return
        self._agent.transmit(self.unacked.flow, self.unacked.last)
        self._resend_interval = min(self._resend_interval * 2, self._agent.settings.timing.t2)
        self._call.set_alarm(Alarm.RESEND_2XX, now + self._resend_interval)

    def settle_ack(self) -> None:
        self.unacked = None
        self._call.proved()
        self._call.set_alarms((Alarm.RESEND_2XX, None), (Alarm.ACK_MISSING, None))

    def drop(self, now: float) -> None:
        """The call is over: nobody above answers their request any more, nor waits for an answer to ours."""
        ours, self._ours = self._ours, None
        if isinstance(ours, InviteClientTransaction):
            self._limit(ours, now)
        transaction, self.theirs = self.theirs, None
        if transaction is not None and not transaction.answered:
            self._call.respond(transaction, 487 if transaction.request.method == "INVITE" else 481, now)

    # ── inside ──

    def _limit(self, transaction: InviteClientTransaction, now: float) -> None:
        transaction.limit(now)
        self._agent.transactions.settle(transaction)

    def _accept_update(self, transaction: ServerTransaction, sdp: bytes | None, now: float) -> None:
        request = transaction.request
        rows: list[Row] = []
        if request.method == "UPDATE":
            rows += [("Contact", self._call.contact(transaction.flow)), *self._agent.abilities()]
            if self._call.phase is Phase.UP:
                rows += self._call.refreshing.accept(request, now)
        if sdp is not None:
            rows.append(("Content-Type", SDP))
            self._note(request, sdp)
        self._agent.transactions.respond(transaction, reply(request, 200, rows=rows, body=sdp or b""), now)

    def _note(self, request: Request, ours: bytes) -> None:
        """Remember the description as it stands after our 2xx."""
        offer = readable(request) or b""
        self.local, self.remote = ours, offer or self.remote
        self._exchange = (offer, ours) if offer and ours else None

    def _soon(self) -> str:
        """§14.2: a Retry-After between 0 and 10 s."""
        return str(int(self._agent.chance.fraction() * 10))


def readable(message: Message) -> bytes | None:
    """The message's description, empty when it has no body; ``None`` for a body of another kind."""
    try:
        return description(message) or b""
    except UnsupportedBody:
        return None


def read_description(message: Message) -> bytes | None:
    """The description in an answer; phones that leave out Content-Type are believed."""
    if "content-type" not in message.headers:
        return message.body or None
    return readable(message) or None


def _is_same(one: bytes, other: bytes) -> bool:
    """Whether two descriptions say the same; their versions may differ."""
    bare_one, bare_other = ([line for line in sdp.splitlines() if not line.startswith(b"o=")] for sdp in (one, other))
    return bare_one == bare_other
