"""Registering somewhere as a client (RFC 3261 §10.2): kept alive for days, over several servers, pausing on failures.

```
start ─find─▶ TRYING ──200──▶ REGISTERED ──refresh, moved, broken──▶ TRYING
                │ 401/407, 423, 3xx: again, at most a few times
                │ 408, 5xx, silence, no way there: the next server
                └ all servers tried, or a refusal ──▶ FAILING ──pause──▶ find …
```

Pure: it lives in an ``Agent`` as the owner of its transactions; who drives it gives it addresses and the time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ringback.sip.client_transaction import ClientTransaction
from ringback.sip.digest import Credential, answer_challenge
from ringback.sip.errors import SipParseError
from ringback.sip.flow import Flow
from ringback.sip.grammar import clean, number
from ringback.sip.headers import parse_routes
from ringback.sip.message import Request, Response, Row
from ringback.sip.uri import SipUri

if TYPE_CHECKING:
    from ringback.sip.agent import Agent

MOST_LOGINS = 2
"""Challenges answered in a row (A8): the first, and one more for a nonce that had grown old."""

MOST_REDIRECTS = 2
LONGEST = 86_400
SHORTEST = 10
"""Seconds below which no server's word about expiry is believed: it would be a flood."""

BASE_PAUSE, LONGEST_PAUSE = 30.0, 1800.0
"""RFC 5626 §4.5: the pause doubles with every failure in a row; it is taken at random from its upper half."""

PATIENCE = 8.0
"""Seconds without an answer after which the next server is tried."""

NEXT_SERVER = frozenset({408, 430, 480, 500, 502, 503, 504})
"""Answers after which another server may know better."""


class State(StrEnum):
    """Where a registration stands. ``STOPPED`` is final."""

    TRYING = "registering"
    REGISTERED = "registered"
    FAILING = "failing"
    STOPPING = "unregistering"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Account:
    """What is registered.

    Attributes:
        name: What it is called in logs.
        address: The address of record, a ``sip:`` URI.
        registrar: Request-URI.
        contact_user: User part of our Contact, by which calls to us are known.
        username, password: For challenges.
        realm: The only one that is answered; empty for any that the servers name.
        expires: Seconds that are asked for.
    """

    name: str
    address: str
    registrar: str
    contact_user: str
    username: str
    password: str
    realm: str = ""
    expires: int = 3600

    def __repr__(self) -> str:
        return f"Account({self.name})"


class ClientRegistration:
    """One registration.

    Args:
        agent: The stack that sends and hears.
        account: What is registered.
        find: Asks for addresses: of the account's servers, or of where a 3xx led. ``found`` or ``not_found`` follows.
        tell: Told of every change of ``state`` or ``why``.

    Attributes:
        state: Where it stands.
        why: Why it is failing, for people; empty otherwise.
        flow: The server it is registered at, or is trying.
        service_route: Routes the server wants in our requests (RFC 3608).
    """

    def __init__(
        self,
        agent: "Agent",
        account: Account,
        find: Callable[[SipUri | None], None],
        tell: Callable[["ClientRegistration"], None] = lambda it: None,
    ) -> None:
        self.account = account
        self.state = State.TRYING
        self.why = ""
        self.flow: Flow | None = None
        self.service_route: tuple[str, ...] = ()
        self._agent = agent
        self._find = find
        self._tell = tell
        self._call_id = agent.chance.token()
        self._tag = agent.chance.token()
        self._cseq = 0
        self._expires = account.expires
        self._targets: list[Flow] = []
        self._own_hosts: set[str] = set()
        self._contact = ""
        self._transaction: ClientTransaction | None = None
        self._logins = self._redirects = self._brief = 0
        self._failures = 0
        self._wake_at: float | None = None
        self._silence_at: float | None = None
        self._finding = self._refreshing = False

    # ── inputs ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, now: float) -> None:
        """Begin, or begin again."""
        if self.state in (State.STOPPING, State.STOPPED) or self._finding:
            return
        self._drop()
        self._finding, self._refreshing = True, False
        self._wake_at = None
        self._find(None)

    def found(self, targets: Sequence[Flow], now: float, redirected: bool = False) -> None:
        """Addresses to try, best first."""
        self._finding = False
        if self.state in (State.STOPPING, State.STOPPED):
            return
        if not redirected:
            self._own_hosts = {flow.host for flow in targets}
            self._redirects = 0
        self._targets = list(targets)
        self._next_server("no server", now)

    def not_found(self, why: str, now: float) -> None:
        self._finding = False
        if self.state not in (State.STOPPING, State.STOPPED):
            self._fail(why, now)

    def moved(self, now: float) -> None:
        """Our own address is another one: the server is told, and what it had is taken back."""
        if self.state is State.REGISTERED and self.flow is not None:
            self._begin_at(self.flow, now)

    def is_elsewhere(self) -> bool:
        """Whether our own address is another one than the server was told (a new public address, another route)."""
        return self.flow is not None and self._contact != self._here(self.flow)

    def broken(self, flow: Flow, now: float) -> None:
        """The connection it was registered over is gone: come back soon, not all in the same instant."""
        if self.state is State.REGISTERED and flow == self.flow:
            self._wake_at = min(self._wake_at or now + 3.0, now + 3.0 * self._agent.chance.fraction())

    def stop(self, now: float) -> None:
        """Take the registration back; ``STOPPED`` follows."""
        if self.state is State.REGISTERED and self.flow is not None:
            self._drop()
            self._wake_at = None
            self._logins = 0
            self._turn(State.STOPPING)
            self._send(0, now)
        elif self.state is not State.STOPPING:
            self._drop()
            self._over()

    def wake(self, now: float) -> None:
        transaction = self._transaction
        if transaction is not None and self._silence_at is not None and now >= self._silence_at:
            self._drop()
            self._lost("no answer", now)
        if self._wake_at is None or now < self._wake_at:
            return
        self._wake_at = None
        if self.state is State.REGISTERED and self.flow is not None and self._agent.is_there(self.flow):
            self._targets, self._refreshing = [], True
            self._begin_at(self.flow, now)
        else:
            self.start(now)

    def next_wake(self) -> float | None:
        """When to refresh, to try again, or to wait no longer."""
        return min((at for at in (self._wake_at, self._silence_at) if at is not None), default=None)

    # ── what the stack tells ──

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if transaction is not self._transaction or response.status < 200:
            return
        self._transaction = self._silence_at = None
        try:
            self._on_final(transaction.request, response, now)
        except SipParseError as error:
            self._refused(f"an unreadable answer: {error.reason}", now)

    def on_lost(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        if transaction is not self._transaction:
            return
        self._transaction = self._silence_at = None
        self._lost("no answer" if cause == "timeout" else "no way to the server", now)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _lost(self, why: str, now: float) -> None:
        if self.state is State.STOPPING:
            self._over()
        else:
            self._next_server(why, now)

    def _on_final(self, request: Request, response: Response, now: float) -> None:
        status = response.status
        said = f"{status} {clean(response.reason)}".strip()
        if status in (401, 407) and (row := self._credentials(request, response)) is not None:
            self._logins += 1
            self._send(0 if self.state is State.STOPPING else self._expires, now, row)
        elif self.state is State.STOPPING:
            self._over()
        elif status < 300:
            self._registered(response, now)
        elif status == 423 and self._longer(response):
            self._send(self._expires, now)
        elif status < 400 and self._redirects < MOST_REDIRECTS and (target := _where(response)) is not None:
            self._redirects += 1
            self._finding = True
            self._find(target)
        elif status in NEXT_SERVER:
            self._next_server(said, now, _retry_after(response))
        else:
            self._refused(said, now)

    def _registered(self, response: Response, now: float) -> None:
        lasts = max(SHORTEST, min(_granted(response, self._contact, self._expires), LONGEST))
        # A tenth before the end at the latest, and not all registrations of a server in the same instant.
        self._wake_at = now + lasts * (0.5 + 0.4 * self._agent.chance.fraction())
        self._failures, self._refreshing = 0, False
        self.service_route = tuple(f"<{route.uri}>" for route in parse_routes(response.headers.all("service-route")))
        self._turn(State.REGISTERED)

    def _credentials(self, request: Request, response: Response) -> Row | None:
        """An answer to a challenge; ``None`` when that was tried, or is not for this server (A8, A9)."""
        flow = self.flow
        if flow is None or self._logins >= MOST_LOGINS or (self._logins and not _is_stale(response)):
            return None
        if flow.host not in self._own_hosts and not self.account.realm:
            return None
        mine = Credential(flow.host, self.account.username, self.account.password, self.account.realm or None)
        return answer_challenge([mine], request, response, flow.host, self._agent.chance.token())

    def _longer(self, response: Response) -> bool:
        """423: ask for as long as the server wants it, within reason, and once."""
        try:
            least = number(response.headers.get("min-expires") or "", LONGEST)
        except SipParseError:
            return False
        self._brief += 1
        if self._brief > 1 or least <= self._expires:
            return False
        self._expires = least
        return True

    def _next_server(self, why: str, now: float, pause: float = 0.0) -> None:
        if self._targets:
            self._begin_at(self._targets.pop(0), now)
        elif self._refreshing:
            self.start(now)
        else:
            self._fail(why, now, pause)

    def _refused(self, why: str, now: float) -> None:
        """No other server of theirs would say anything else."""
        if self.state is State.STOPPING:
            self._over()
            return
        self._targets, self._refreshing = [], False
        self._fail(why, now)

    def _fail(self, why: str, now: float, pause: float = 0.0) -> None:
        wait = min(BASE_PAUSE * 2.0 ** min(self._failures, 16), LONGEST_PAUSE)
        wait *= 0.5 + 0.5 * self._agent.chance.fraction()
        self._failures += 1
        self._wake_at = now + max(wait, min(pause, LONGEST_PAUSE))
        self._turn(State.FAILING, why)

    def _begin_at(self, flow: Flow, now: float) -> None:
        self._drop()
        self.flow = flow
        self._logins = self._brief = 0
        if self.state is not State.REGISTERED:
            # Failing stays what is shown until a server says otherwise.
            self._turn(self.state if self.state is State.FAILING else State.TRYING, self.why)
        self._send(self._expires, now)

    def _send(self, expires: int, now: float, credentials: Row | None = None) -> None:
        flow = self.flow
        assert flow is not None, "REGISTER without a server"
        self._cseq += 1
        before, self._contact = self._contact, self._here(flow)
        rows: list[Row] = [
            ("Via", self._agent.via(flow)),
            ("Max-Forwards", "70"),
            ("From", f"<{self.account.address}>;tag={self._tag}"),
            ("To", f"<{self.account.address}>"),
            ("Call-ID", self._call_id),
            ("CSeq", f"{self._cseq} REGISTER"),
            ("Contact", f"{self._contact};expires={expires}"),
            ("Expires", str(expires)),
            ("Supported", "path"),
            *self._agent.allow(),
        ]
        if before and before != self._contact:
            rows.insert(7, ("Contact", f"{before};expires=0"))
        if credentials is not None:
            rows.append(credentials)
        request = Request("REGISTER", self.account.registrar, rows)
        self._transaction = self._agent.transactions.send(request, flow, self, now)
        self._silence_at = now + PATIENCE

    def _here(self, flow: Flow) -> str:
        return self._agent.contact(flow, f"sip:{self.account.contact_user}@here")

    def _drop(self) -> None:
        """Whatever is still under way is not waited for."""
        transaction, self._transaction, self._silence_at = self._transaction, None, None
        if transaction is not None:
            self._agent.transactions.forget(transaction)

    def _turn(self, state: State, why: str = "") -> None:
        if (state, why) != (self.state, self.why):
            self.state, self.why = state, why
            self._tell(self)

    def _over(self) -> None:
        self._wake_at = None
        self._turn(State.STOPPED)


def _granted(response: Response, contact: str, asked: int) -> int:
    """§10.2.4: the server's word on our own Contact, or on all of them."""
    ours = contact.strip("<>").partition(";")[0].lower()
    for one in response.contacts:
        if str(one.uri).partition(";")[0].lower() == ours and "expires" in one.parameters:
            return _seconds(one.parameters["expires"], asked)
    return _seconds(response.headers.get("expires"), asked)


def _seconds(text: str | None, otherwise: int) -> int:
    try:
        return number((text or "").strip(), 2**32 - 1) or otherwise
    except SipParseError:
        return otherwise


def _retry_after(response: Response) -> float:
    text = (response.headers.get("retry-after") or "").partition("(")[0].partition(";")[0]
    return float(_seconds(text, 0))


def _is_stale(response: Response) -> bool:
    challenges = (*response.headers.all("www-authenticate"), *response.headers.all("proxy-authenticate"))
    return any("stale=true" in value.lower().replace(" ", "").replace('"', "") for value in challenges)


def _where(response: Response) -> SipUri | None:
    return next((one.uri for one in response.contacts if isinstance(one.uri, SipUri)), None)
