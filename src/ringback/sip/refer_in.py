"""REFERs of a far end: it asks us to call somebody else, and is told how that goes (RFC 3515, RFC 3892, RFC 4488)."""

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ringback.sip.client_transaction import ClientTransaction
from ringback.sip.errors import SipParseError
from ringback.sip.events import Referred
from ringback.sip.grammar import clean
from ringback.sip.headers import Address, parse_address, parse_addresses
from ringback.sip.life import Alarm, Phase
from ringback.sip.message import Message, Response, Row
from ringback.sip.replaces import Replaces, parse_replaces
from ringback.sip.server_transaction import ServerTransaction
from ringback.sip.sipfrag import SIPFRAG, write_sipfrag
from ringback.sip.uri import OtherUri, SipUri, Uri, unescape

if TYPE_CHECKING:
    from ringback.sip.call import Call

MOST_OPEN = 4
"""REFERs of one call that are not over yet; more get 491."""

PATIENCE = 16.0
"""Seconds the user above has for a decision: half of what the far end waits (§2.4.2 forbids to keep it waiting)."""

EXPIRES = 180
"""Seconds a subscription lasts that we announce with each NOTIFY."""

MOST_UNTOLD = 8


@dataclass(slots=True)
class _Referral:
    """One REFER. ``transaction`` until it is answered; ``told`` waits for the NOTIFY before to be answered."""

    number: int
    quiet: bool
    transaction: ServerTransaction | None
    told: deque[tuple[int, str]] = field(default_factory=deque)
    sent: ClientTransaction | None = None
    over: bool = False


class Referrals:
    """What the far end of one call has asked for. The owner of our NOTIFYs."""

    def __init__(self, call: "Call") -> None:
        self._call = call
        self._open: dict[str, _Referral] = {}

    def on_refer(self, transaction: ServerTransaction, now: float) -> None:
        """§2.4.2: exactly one Refer-To, and only INVITEs are made for anybody."""
        request = transaction.request
        try:
            refer_to = _only_address(request, "refer-to")
            target, replaces, headers = _read_target(refer_to.uri)
            by = request.headers.get("referred-by")
            referred_by = clean(str(parse_address(by).uri)) if by else ""
        except SipParseError as error:
            self._call.respond(transaction, error.status, now)
            return
        if len(self._open) >= MOST_OPEN:
            self._call.respond(transaction, 491, now)
            return
        quiet = (request.headers.get("refer-sub") or "").strip(" \t").lower().startswith("false")
        id = self._call.agent.chance.token()
        self._open[id] = _Referral(request.cseq.number, quiet, transaction)
        transaction.owner = self._call
        if not self._call.waits_for(Alarm.REFER_UNANSWERED):
            self._call.set_alarm(Alarm.REFER_UNANSWERED, now + PATIENCE)
        ours = self._call.agent.replaced(replaces) if replaces is not None else None
        replaced = ours.id if ours is not None else None
        event = Referred(self._call.id, id, target, referred_by, replaces, tuple(headers), quiet, replaced)
        self._call.agent.emit(event)

    def accept(self, id: str, now: float) -> None:
        """202, and the NOTIFY that must follow at once (§2.4.4)."""
        referral = self._open.get(id)
        if referral is None or referral.transaction is None:
            return
        transaction, referral.transaction = referral.transaction, None
        rows: list[Row] = [("Contact", self._call.contact(transaction.flow))]
        if referral.quiet:
            rows.append(("Refer-Sub", "false"))
        self._call.respond(transaction, 202, now, rows)
        self._rearm(now)
        if referral.quiet:
            del self._open[id]
        else:
            self.notify(id, 100, "", now)

    def refuse(self, id: str, status: int, now: float) -> None:
        referral = self._open.get(id)
        if referral is not None and referral.transaction is not None:
            del self._open[id]
            self._call.respond(referral.transaction, status, now)
            self._rearm(now)

    def notify(self, id: str, status: int, reason: str, now: float) -> None:
        """NOTIFYs arrive in order because each waits for the answer to the one before."""
        referral = self._open.get(id)
        if referral is None or referral.transaction is not None or referral.over:
            return
        referral.over = status >= 200
        if len(referral.told) < MOST_UNTOLD or referral.over:
            referral.told.append((status, reason))
        self._next(id, referral, now)

    def give_up(self, now: float) -> None:
        """The user above has not decided in time."""
        for id, referral in list(self._open.items()):
            if referral.transaction is not None:
                self.refuse(id, 603, now)

    def drop(self, now: float) -> None:
        """The call is over."""
        dropped, self._open = self._open, {}
        for referral in dropped.values():
            if referral.transaction is not None and not referral.transaction.answered:
                self._call.respond(referral.transaction, 481, now)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status < 200:
            return
        found = self._of(transaction)
        if found is None:
            return
        id, referral = found
        credentials = self._call.agent.authorize(
            transaction.request, response, transaction.flow, self._call.credentials
        )
        if credentials is not None:
            rows = [
                row
                for row in transaction.request.headers.rows
                if row[0] in ("Contact", "Event", "Subscription-State", "Content-Type")
            ]
            body = transaction.request.body
            referral.sent = self._call.send("NOTIFY", (*rows, credentials), body, now, owner=self)
        elif response.status >= 300:
            # RFC 6665 §4.2.2: whoever refuses a NOTIFY wants no more of them.
            del self._open[id]
        else:
            referral.sent = None
            self._next(id, referral, now)

    def on_lost(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        found = self._of(transaction)
        if found is not None:
            del self._open[found[0]]

    # ── inside ──

    def _next(self, id: str, referral: _Referral, now: float) -> None:
        if referral.sent is not None or self._call.phase is not Phase.UP:
            return
        if not referral.told:
            if referral.over:
                del self._open[id]
            return
        status, reason = referral.told.popleft()
        final = status >= 200
        state = "terminated;reason=noresource" if final else f"active;expires={EXPIRES}"
        rows: tuple[Row, ...] = (
            ("Contact", self._call.contact(self._call.hop())),
            ("Event", f"refer;id={referral.number}"),
            ("Subscription-State", state),
            ("Content-Type", f"{SIPFRAG};version=2.0"),
        )
        referral.sent = self._call.send("NOTIFY", rows, write_sipfrag(status, reason), now, owner=self)

    def _of(self, transaction: ClientTransaction) -> tuple[str, _Referral] | None:
        for id, referral in self._open.items():
            if referral.sent is transaction:
                return id, referral
        return None

    def _rearm(self, now: float) -> None:
        waiting = any(referral.transaction is not None for referral in self._open.values())
        self._call.set_alarm(Alarm.REFER_UNANSWERED, now + PATIENCE if waiting else None)


def _only_address(message: Message, key: str) -> Address:
    values = message.headers.all(key)
    addresses = parse_addresses(values) if values else []
    if len(addresses) != 1:
        raise SipParseError(f"not exactly one {key}")
    return addresses[0]


def _read_target(uri: Uri) -> tuple[str, Replaces | None, list[Row]]:
    """Whom to call, in whose place, with which X- headers. Other headers in the URI are a stranger's wishes: left out.

    Raises ``SipParseError``: 416 for a scheme nobody can call, 501 for another method than INVITE.
    """
    if isinstance(uri, OtherUri):
        if uri.scheme != "tel":
            raise SipParseError("Refer-To cannot be called", 416)
        return clean(str(uri)), None, []
    if (uri.parameter("method") or "INVITE").upper() != "INVITE":
        raise SipParseError("Refer-To asks for another method than INVITE", 501)
    replaces, headers = None, []
    for name, value in uri.headers:
        key = clean(unescape(name)).lower()
        if key == "replaces":
            if replaces is not None:
                raise SipParseError("Refer-To has Replaces twice")
            replaces = parse_replaces(unescape(value))
        elif key.startswith("x-"):
            headers.append((clean(unescape(name)), clean(unescape(value))))
    parameters = tuple(pair for pair in uri.parameters if pair[0] != "method")
    bare = SipUri(uri.scheme, uri.user, uri.password, uri.host, uri.port, parameters)
    return clean(str(bare)), replaces, headers
