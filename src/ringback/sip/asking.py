"""One request outside any dialog that is not an INVITE: sent, and answered or not (RFC 3261 §8.1, §17.1.2)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ringback.sip.client_transaction import ClientTransaction
from ringback.sip.flow import Flow
from ringback.sip.message import Request, Response, Row
from ringback.sip.uri import SipUri

if TYPE_CHECKING:
    from ringback.sip.agent import Agent


class Asking:
    """Owns the transaction of one request.

    Args:
        done: Called once: with the final response and ``""``, or with ``None`` and why there is none.
    """

    def __init__(self, agent: "Agent", done: Callable[[Response | None, str], None]) -> None:
        self._agent = agent
        self._done: Callable[[Response | None, str], None] | None = done
        self._transaction: ClientTransaction | None = None

    def ask(self, method: str, uri: SipUri, local_uri: str, flow: Flow, now: float, rows: list[Row]) -> None:
        """Send it."""
        agent = self._agent
        head: list[Row] = [
            ("Via", agent.via(flow)),
            ("Max-Forwards", "70"),
            ("From", f"<{local_uri}>;tag={agent.chance.token()}"),
            ("To", f"<{uri}>"),
            ("Call-ID", agent.chance.token()),
            ("CSeq", f"1 {method}"),
            ("Contact", agent.contact(flow, local_uri)),
        ]
        self._transaction = agent.transactions.send(Request(method, str(uri), [*head, *rows], b""), flow, self, now)

    def give_up(self) -> None:
        """No answer is wanted any more; ``done`` is not called."""
        self._done = None
        if self._transaction is not None:
            self._agent.transactions.forget(self._transaction)

    # ── what the transaction tells ──

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status >= 200:
            self._finish(response, "")

    def on_lost(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        words = "no answer" if cause == "timeout" else "it cannot be reached"
        self._finish(None, getattr(transaction, "why", "") or words)

    def _finish(self, response: Response | None, why: str) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(response, why)
