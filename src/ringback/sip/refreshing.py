"""A call proves that it still exists, by UPDATE or re-INVITE, and notices when its far end does not (RFC 4028)."""

from typing import TYPE_CHECKING

from ringback.sip.client_transaction import ClientTransaction
from ringback.sip.life import Alarm, Phase
from ringback.sip.message import Message, Request, Response, Row
from ringback.sip.offers import GLARE_RETRIES
from ringback.sip.session_timer import SessionTimer, option_tags

if TYPE_CHECKING:
    from ringback.sip.call import Call

REFRESH_AGAIN = 1 / 16
"""Share of the interval after which a refresh that was refused is tried again."""


class Refreshing:
    """The session timer of one call, and the refreshes that keep it from running out."""

    def __init__(self, call: "Call") -> None:
        self._call = call
        self._agent = call.agent
        settings = call.agent.settings
        self.timer = SessionTimer(settings.session_interval, settings.session_least)
        self._sent: ClientTransaction | None = None
        self._refusals = 0
        self._lengthened = False
        self._takes_update = False

    # ── what others write and read ──

    def rows(self) -> tuple[Row, ...]:
        """For a re-INVITE or UPDATE of ours."""
        return (("Contact", self._call.contact(self._call.hop())), *self._agent.abilities(), *self.timer.renewal())

    def too_short(self, request: Request) -> list[Row]:
        """The header of the 422 that an interval below ours gets; empty when there is nothing wrong with it."""
        return self.timer.refusal(request)

    def accept(self, request: Request, now: float) -> list[Row]:
        """For our 2xx to a request that refreshes."""
        rows = self.timer.accept(request, now)
        self._refreshed(request)
        return rows

    def agreed(self, response: Response, now: float) -> None:
        """A 2xx to a request of ours that refreshes."""
        self.timer.agree(response, now)
        self._refreshed(response)

    def asks_for_longer(self, response: Response) -> bool:
        """§7.3: a 422 whose least we have not offered yet; heeded once between two refreshes that worked."""
        if self._lengthened or not self.timer.raised(response):
            return False
        self._lengthened = True
        return True

    def takes(self, transaction: ClientTransaction) -> bool:
        """Whether a re-INVITE that ended was a refresh."""
        if transaction is not self._sent:
            return False
        self._sent = None
        return True

    # ── our refreshes ──

    def refresh(self, now: float, credentials: tuple[Row, ...] = ()) -> None:
        """§7.4: UPDATE where the far end takes it, else a re-INVITE with the description as it stands."""
        if self._call.phase is not Phase.UP or self._sent is not None:
            return
        if self._takes_update:
            self._sent = self._call.send("UPDATE", (*self.rows(), *credentials), b"", now, owner=self)
            return
        self._sent = self._call.offers.renew(now, credentials)
        if self._sent is None:
            self._call.set_alarm(Alarm.REFRESH, now + self._call.glare_wait())

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Of an UPDATE; a re-INVITE's come through ``Offers``."""
        if response.status < 200 or not self.takes(transaction):
            return
        dialog = self._call.dialog
        assert dialog is not None, "an answer to UPDATE without a dialog"
        if response.status < 300:
            self.agreed(response, now)
            if dialog.refresh(response):
                self._call.changed()
                self._call.look_up()
        else:
            self.on_refused(transaction, response, now)

    def on_lost(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        if self.takes(transaction):
            self._call.end("gone", now)

    def on_refused(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """§10, §7.3: a far end that no longer knows the call has ended it; others are asked again."""
        self._refusals += 1
        credentials = self._agent.authorize(transaction.request, response, transaction.flow, self._call.credentials)
        if response.status in (408, 481):
            self._call.end("gone", now)
        elif credentials is not None:
            self.refresh(now, (credentials,))
        elif response.status == 422 and self.asks_for_longer(response):
            self.refresh(now)
        elif response.status in (405, 501) and transaction.request.method == "UPDATE":
            self._takes_update = False
            self.refresh(now)
        elif self.timer.interval is not None:
            # Whoever answers is there: a refusal is no reason for us to end the call.
            glare = response.status == 491 and self._refusals <= GLARE_RETRIES
            wait = self._call.glare_wait() if glare else self.timer.interval * REFRESH_AGAIN
            self._call.set_alarm(Alarm.REFRESH, now + wait)

    # ── inside ──

    def _refreshed(self, message: Message) -> None:
        """A request or 2xx that refreshes: what the far end can do, and when the next one is due (§10)."""
        if "allow" in message.headers:
            self._takes_update = "update" in option_tags(message, "allow")
        self._refusals = 0
        self._lengthened = False
        self._call.set_alarms((Alarm.REFRESH, self.timer.refresh_at()), (Alarm.EXPIRED, self.timer.expires_at()))
