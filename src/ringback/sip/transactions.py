"""All transactions of a stack: matching, timers, and who is told (RFC 3261 §17.1.3, §17.2.3, §18)."""

from collections.abc import Callable
from typing import Protocol

from ringback.sip.client_transaction import (
    ClientTransaction,
    InviteClientTransaction,
    OtherClientTransaction,
    Owner,
    PassUp,
    Send,
    TimedOut,
)
from ringback.sip.client_transaction import Effect as ClientEffect
from ringback.sip.client_transaction import State as ClientState
from ringback.sip.flow import Flow
from ringback.sip.headers import BRANCH_COOKIE, Via
from ringback.sip.message import Request, Response
from ringback.sip.server_transaction import (
    MOST_FOR_STRANGERS,
    InviteServerTransaction,
    OtherServerTransaction,
    ServerTransaction,
)
from ringback.sip.server_transaction import State as ServerState
from ringback.sip.timers import Timing, Wheel


class User(Protocol):
    """Who the transactions work for (RFC 3261's *transaction user*)."""

    def transmit(self, flow: Flow, data: bytes) -> None: ...
    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        """A new request other than ACK."""

    def is_unproved(self, flow: Flow) -> bool:
        """Whether anybody may have written that address into a datagram."""

    def is_kept(self, request: Request, flow: Flow) -> bool:
        """Whether a new request is served even where there are too many: it belongs to something that is up."""

    def on_overflow(self, request: Request, flow: Flow) -> None:
        """A new request finds no place."""

    def on_ack(self, request: Request, flow: Flow, now: float) -> None:
        """An ACK that belongs to no failed INVITE, so to a 2xx."""

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None: ...
    def on_stray_response(self, response: Response, flow: Flow, now: float) -> None:
        """A response no transaction waits for: a 2xx repeated after its transaction ended, or nothing of ours."""

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None: ...
    def on_unreachable(self, transaction: ClientTransaction, now: float) -> None:
        """The network said that the far end cannot be reached; the transaction is over."""


def server_key(request: Request) -> tuple[object, ...]:
    """What makes two requests the same transaction (§17.2.3). ACK counts as INVITE.

    Without the magic cookie (RFC 2543), or with nothing behind it, the rules of old.
    """
    via = request.top_via
    method = "INVITE" if request.method == "ACK" else request.method
    branch = via.branch
    if branch.startswith(BRANCH_COOKIE) and len(branch) > len(BRANCH_COOKIE):
        return branch, via.sent_by, method
    return request.target, request.from_.tag, request.call_id, request.cseq.number, via.sent_by, branch, method


class Transactions:
    """The four state machines, found by their keys.

    Args:
        user: Told of what comes.
        wheel: Shared with the user; ``wake`` is to be called for every transaction it hands out.
        capacity: Most server transactions at once; as many again for what belongs to calls that are up.

    Attributes:
        siblings: Whether two addresses belong to one far end: then either may answer.
    """

    def __init__(self, user: User, wheel: "Wheel[object]", timing: Timing, capacity: int = 20_000) -> None:
        self._user = user
        self._wheel = wheel
        self._timing = timing
        self._capacity = capacity
        self.siblings: Callable[[str, str], bool] = lambda one, other: False
        self._clients: dict[tuple[str, str], ClientTransaction] = {}
        self._servers: dict[tuple[object, ...], ServerTransaction] = {}

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    def send(self, request: Request, flow: Flow, owner: Owner | None, now: float) -> ClientTransaction:
        """Start a client transaction. Its first octets go out before this returns."""
        kind = InviteClientTransaction if request.method == "INVITE" else OtherClientTransaction
        transaction = kind(request, flow, now, self._timing, owner)
        self._clients[transaction.branch, request.method] = transaction
        self._carry_out(transaction, transaction.wake(now), now)
        return transaction

    def restore(self, invite: Request, flow: Flow, owner: Owner | None, now: float) -> InviteClientTransaction:
        """Wait for answers to an INVITE that an earlier process sent."""
        transaction = InviteClientTransaction(invite, flow, now, self._timing, owner)
        transaction.restored(now)
        self._clients[transaction.branch, "INVITE"] = transaction
        self._settle(transaction)
        return transaction

    def respond(self, transaction: ServerTransaction, response: Response, now: float) -> None:
        data = transaction.respond(response, now)
        if data is not None:
            self._user.transmit(transaction.flow, data)
        self._settle(transaction)

    def receive_response(self, response: Response, flow: Flow, now: float) -> None:
        """A response counts only if it comes from where the request went (security: forged answers)."""
        transaction = self._clients.get((response.top_via.branch, response.cseq.method))
        if transaction is None:
            self._user.on_stray_response(response, flow, now)
        elif transaction.flow == flow or self.siblings(transaction.flow.host, flow.host):
            self._carry_out(transaction, transaction.receive(response, now), now)

    def receive_request(self, request: Request, flow: Flow, now: float, size: int = 0) -> None:
        """``size``: Octets it had as a datagram; 0 where that matters to nobody."""
        key = server_key(request)
        transaction = self._servers.get(key)
        if transaction is not None:
            if transaction.flow.host != flow.host:
                return
            if request.method == "ACK" and transaction.state is ServerState.ACCEPTED:
                self._user.on_ack(request, flow, now)
                return
            data = transaction.receive(request, now, size)
            if data is not None:
                self._user.transmit(transaction.flow, data)
            self._settle(transaction, key)
        elif request.method == "ACK":
            self._user.on_ack(request, flow, now)
        elif self._has_place(request, flow):
            kind = InviteServerTransaction if request.method == "INVITE" else OtherServerTransaction
            transaction = kind(request, flow, self._timing)
            if size and self._user.is_unproved(flow):
                transaction.allowance = MOST_FOR_STRANGERS * size
            self._servers[key] = transaction
            self._user.on_request(transaction, now)
        else:
            self._user.on_overflow(request, flow)

    def serves(self, via: Via) -> bool:
        """Whether an INVITE of this first hop was taken and is not forgotten."""
        return (via.branch, via.sent_by, "INVITE") in self._servers

    def find_invite(self, cancel: Request) -> ServerTransaction | None:
        """The INVITE a CANCEL is for (§9.2)."""
        branch = cancel.top_via.branch
        if branch.startswith(BRANCH_COOKIE) and len(branch) > len(BRANCH_COOKIE):
            return self._servers.get((branch, cancel.top_via.sent_by, "INVITE"))
        key = server_key(cancel)
        return self._servers.get((*key[:-1], "INVITE"))

    def wake(self, transaction: ClientTransaction | ServerTransaction, now: float) -> None:
        if isinstance(transaction, ClientTransaction):
            self._carry_out(transaction, transaction.wake(now), now)
            return
        data = transaction.wake(now)
        if data is not None:
            self._user.transmit(transaction.flow, data)
        self._settle(transaction)

    def unreachable(self, flow: Flow, now: float, why: str = "") -> None:
        """The network refused what we sent there (ICMP, a connection that could not be made or broke)."""
        hit = [
            transaction
            for transaction in self._clients.values()
            if transaction.flow == flow and transaction.state in (ClientState.CALLING, ClientState.TRYING)
        ]
        for transaction in hit:
            transaction.why = why
            transaction.end()
            self._settle(transaction)
            self._user.on_unreachable(transaction, now)

    def forget(self, transaction: ClientTransaction) -> None:
        transaction.end()
        self._settle(transaction)

    def settle(self, transaction: ClientTransaction) -> None:
        """To be called after a transaction's own methods moved its timers."""
        self._settle(transaction)

    def _has_place(self, request: Request, flow: Flow) -> bool:
        """Strangers share ``capacity``: however many requests they send, a call that is up can be hung up on."""
        there = len(self._servers)
        return there < self._capacity or (there < 2 * self._capacity and self._user.is_kept(request, flow))

    def _carry_out(self, transaction: ClientTransaction, effects: list[ClientEffect], now: float) -> None:
        self._settle(transaction)
        for effect in effects:
            if isinstance(effect, Send):
                self._user.transmit(transaction.flow, effect.data)
            elif isinstance(effect, PassUp):
                self._user.on_response(transaction, effect.response, now)
            elif isinstance(effect, TimedOut):
                self._user.on_timeout(transaction, now)

    def _settle(
        self, transaction: ClientTransaction | ServerTransaction, key: tuple[object, ...] | None = None
    ) -> None:
        """Put it on the wheel, or drop it when it is over."""
        over = transaction.state in (ClientState.TERMINATED, ServerState.TERMINATED)
        self._wheel.set(transaction, None if over else transaction.next_wake())
        if not over:
            return
        if isinstance(transaction, ClientTransaction):
            self._clients.pop((transaction.branch, transaction.request.method), None)
        else:
            self._servers.pop(key or server_key(transaction.request), None)
