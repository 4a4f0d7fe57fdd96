"""A REFER of ours: we ask the far end of a call to call somebody else (RFC 3515 §2.4, RFC 3892, RFC 4488)."""

import re
from typing import TYPE_CHECKING

from ringback.sip.client_transaction import ClientTransaction
from ringback.sip.errors import SipParseError
from ringback.sip.events import Transferred
from ringback.sip.grammar import clean, number
from ringback.sip.life import Alarm
from ringback.sip.message import Request, Response, Row
from ringback.sip.replaces import Replaces
from ringback.sip.server_transaction import ServerTransaction
from ringback.sip.sipfrag import read_sipfrag

if TYPE_CHECKING:
    from ringback.sip.call import Call

UNTOLD = 32.0
"""Seconds a far end that took our REFER has for its first NOTIFY."""

LONGEST_SILENCE = 300.0
"""The most seconds between two NOTIFYs, whatever the far end says of its subscription."""

ENDS = {"rejected": 603, "giveup": 408, "timeout": 408, "noresource": 480}
"""What the end of a subscription without a final status means (RFC 6665 §4.1.3)."""

_EVENT_ID = re.compile(r";[ \t]*id[ \t]*=[ \t]*([0-9]+)", re.IGNORECASE)


class Transfer:
    """Our REFERs in one call, one at a time. The owner of their transactions."""

    def __init__(self, call: "Call") -> None:
        self._call = call
        self._sent: ClientTransaction | None = None
        self._number: int | None = None

    def start(self, target: str, referred_by: str, replaces: Replaces | None, now: float) -> None:
        if self._sent is not None or self._number is not None:
            self._tell(491, "another transfer is under way", True)
            return
        refer_to = replaces.in_uri(target) if replaces is not None else target
        rows: list[Row] = [("Contact", self._call.contact(self._call.hop())), ("Refer-To", f"<{refer_to}>")]
        if referred_by:
            rows.append(("Referred-By", f"<{clean(referred_by)}>"))
        self._sent = self._call.send("REFER", tuple(rows), b"", now, owner=self)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if transaction is not self._sent or response.status < 200:
            return
        self._sent = None
        if response.status < 300:
            quiet = (response.headers.get("refer-sub") or "").strip(" \t").lower().startswith("false")
            self._tell(202, clean(response.reason), final=quiet)
            if not quiet:
                self._number = transaction.request.cseq.number
                self._call.set_alarm(Alarm.REFER_UNTOLD, now + UNTOLD)
            return
        credentials = self._call.agent.authorize(
            transaction.request, response, transaction.flow, self._call.credentials
        )
        if credentials is not None:
            rows = [row for row in transaction.request.headers.rows if row[0] in ("Contact", "Refer-To", "Referred-By")]
            self._sent = self._call.send("REFER", (*rows, credentials), b"", now, owner=self)
            return
        self._tell(response.status, clean(response.reason), True)
        if response.status == 481:
            # §12.2.1.2: the far end no longer knows this dialog.
            self._call.end("gone", now)

    def on_lost(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        if transaction is self._sent:
            self._sent = None
            self._tell(408, "no answer to REFER", True)

    def on_notify(self, transaction: ServerTransaction, now: float) -> bool:
        """What the far end tells of its call; whether the NOTIFY belongs to a REFER of ours."""
        request = transaction.request
        if not self._is_ours(request):
            return False
        if self._sent is not None:
            # A NOTIFY may overtake the 202 (RFC 6665 §4.4.1).
            self._number, self._sent = self._sent.request.cseq.number, None
            self._tell(202, "Accepted", False)
        self._call.respond(transaction, 200, now)
        state, reason, patience = _subscription(request)
        told = read_sipfrag(request.body)
        if told is not None and (told[0] >= 200 or state != "terminated"):
            status, words = told
        elif state == "terminated":
            status, words = ENDS.get(reason, 480), "the far end stopped telling"
        else:
            status, words = 100, ""
        final = status >= 200
        if final:
            self._end()
        else:
            self._call.set_alarm(Alarm.REFER_UNTOLD, now + patience)
        self._tell(status, words, final, notified=True)
        return True

    def give_up(self) -> None:
        """Nothing was told for too long."""
        if self._number is not None:
            self._end()
            self._tell(408, "the far end does not tell how its call goes", True)

    def drop(self) -> None:
        """The call is over, and nothing more is told in it."""
        self._sent = self._number = None

    def _is_ours(self, request: Request) -> bool:
        """Phones leave out the id, or write it anew for each REFER: without one it is the REFER that is open."""
        open_number = self._number if self._sent is None else self._sent.request.cseq.number
        if open_number is None:
            return False
        id = _EVENT_ID.search(request.headers.get("event") or "")
        return id is None or (id[1].lstrip("0") or "0") == str(open_number)

    def _end(self) -> None:
        self._number = None
        self._call.set_alarm(Alarm.REFER_UNTOLD, None)

    def _tell(self, status: int, reason: str, final: bool, notified: bool = False) -> None:
        self._call.agent.emit(Transferred(self._call.id, status, reason, final, notified))


def _subscription(request: Request) -> tuple[str, str, float]:
    """State, reason and seconds until the next NOTIFY of Subscription-State; phones write it in odd ways."""
    text, _, rest = (request.headers.get("subscription-state") or "active").partition(";")
    reason, patience = "", 180.0
    for part in rest.split(";"):
        name, _, value = part.strip(" \t").partition("=")
        if name.lower() == "reason":
            # linphone: ``terminated;reason=reason=noresource``
            reason = value.lower().rpartition("=")[2]
        elif name.lower() == "expires":
            try:
                patience = float(number(value.strip(" \t"), 2**31))
            except SipParseError:
                continue
    return text.strip(" \t").lower(), reason, max(UNTOLD, min(patience, LONGEST_SILENCE))
