"""Where SIP clients are registered: the pure registrar with a clock, a store, and keep-alives for phones behind NAT."""

import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from ringback.calls.ports.clock import Clock, Timer
from ringback.model.errors import NotStored
from ringback.model.ids import DomainId
from ringback.model.instant import Instant
from ringback.model.sip_client import Binding, SipClient
from ringback.sip.digest import Authenticator
from ringback.sip.flow import Flow
from ringback.sip.message import Request
from ringback.sip.registrar import Accounts, Answer, Caller, Change, NoAccounts, Place, Registrar

log = structlog.get_logger(__name__)

KEEP_ALIVE = 25.0
"""Seconds between the little packets that keep a NAT's hole open; the shortest UDP timeout met in the wild is 30."""


class BindingStore(Protocol):
    """Bindings at rest, by the id of their client (``store.sip_clients.BindingTable``)."""

    async def all(self, after: float, /) -> Sequence[tuple[str, Binding]]: ...
    async def save(self, client: str, bindings: Sequence[Binding], /) -> bool: ...


class NoStore:
    """Keeps nothing: for a stack without accounts, and for tests."""

    async def all(self, after: float) -> Sequence[tuple[str, Binding]]:
        return []

    async def save(self, client: str, bindings: Sequence[Binding]) -> bool:
        return True


class Registry:
    """Implements ``sip.agent.Registrations``.

    Args:
        clock: Time.
        accounts: Who may register; nobody when left out.
        store: Where bindings rest.
        node: This node's name, in every nonce.

    Attributes (the stack's to set):
        ping: Sends a little nothing over a flow.
        is_known: Whether an address is on the operator's list.
    """

    def __init__(
        self,
        clock: Clock,
        accounts: Accounts | None = None,
        store: BindingStore | None = None,
        node: str = "local",
        key: bytes = b"",
    ) -> None:
        self._clock = clock
        self._accounts = accounts or NoAccounts()
        self._store = store or NoStore()
        authenticator = Authenticator(key or secrets.token_bytes(32), "ringback", node, self._accounts.proof)
        self._registrar = Registrar(self._accounts, authenticator, is_proxy=lambda flow: self.is_known(flow))
        self._timer: Timer | None = None
        self._silent: set[tuple[str, str]] = set()
        self.ping: Callable[[Flow], None] = lambda flow: None
        self.is_known: Callable[[Flow], bool] = lambda flow: False

    async def start(self) -> None:
        """Bring back what an earlier process had acknowledged. Raises ``StoreError``."""
        now = self._now()
        bindings = await self._store.all(now.wall)
        for client, binding in bindings:
            self._registrar.restore(client, binding, now)
        if bindings:
            log.info("sip.registrations-restored", count=len(bindings))
            self._arm()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ── for the stack ────────────────────────────────────────────────────────────────────────────────────────────────

    def register(self, request: Request, flow: Flow) -> Answer:
        """See ``sip.registrar.Registrar``."""
        return self._registrar.register(request, flow, self._now())

    def caller(self, request: Request, flow: Flow, here: tuple[str, int], listed: bool) -> Caller:
        """See ``sip.registrar.Registrar``."""
        return self._registrar.caller(request, flow, here, self._now(), listed)

    async def keep(self, change: Change) -> bool:
        """Store a change. False: it could not be, and did not happen."""
        try:
            stored = await self._store.save(change.client.id, change.bindings)
        except NotStored as error:
            log.error("store.failed", client=change.client.username, error=error.info)
            stored = False
        except Exception:
            log.exception("sip.registration-not-stored")
            stored = False
        if not stored:
            self._registrar.undo(change)
            return False
        for key, place in change.after.items():
            if change.before.get(key) != place:
                self._silent.discard((change.client.id, key))
        # Phones refresh every few minutes for ever: only what changes who can be reached is a step worth a line.
        tell = log.debug if change.before.keys() == change.after.keys() else log.info
        tell("sip.registered", client=change.client.username, bindings=len(change.after))
        self._arm()
        return True

    # ── for calls ────────────────────────────────────────────────────────────────────────────────────────────────────

    def client_at(self, user: str, host: str, port: int | None, here: tuple[str, int]) -> SipClient | None:
        """The account that an address of ours names; ``None``: no account, or no address of ours."""
        alias = host.lower() == here[0].lower() and port in (None, here[1])
        if not alias and not self._accounts.is_ours(host, port):
            return None
        return self._accounts.find(self._accounts.realm(host), user)

    def places(self, client: SipClient) -> list[Place]:
        """Where a client can be reached now, preferred places first; not where nobody has answered lately."""
        found = self._registrar.places(client.id, self._clock.monotonic())
        return (
            [place for place in found if (client.id, place.binding.key) not in self._silent] if self._silent else found
        )

    def everyone(self) -> list[tuple[tuple[str, str], Place]]:
        """Every place there is, reached or not, with its client's id and its key."""
        return self._registrar.everyone(self._clock.monotonic())

    def silence(self, key: tuple[str, str], silent: bool) -> None:
        """Whether a place is silent: it is not rung then, until it answers or registers again."""
        (self._silent.add if silent else self._silent.discard)(key)

    def bindings_of(self, client: SipClient) -> list[Binding]:
        """As ``places``, without what only the stack needs."""
        return [place.binding for place in self.places(client)]

    def bindings(self, user: str, domain: DomainId, realm: str) -> list[Binding]:
        """As ``places``, for somebody who has names only."""
        client = self._accounts.find(realm, user)
        return [] if client is None or client.domain != domain else [place.binding for place in self.places(client)]

    def gone(self, client: SipClient) -> None:
        """An account was deleted, expired or has another password: its phones are reached no more."""
        self._registrar.forget(client.id)

    def is_home(self, flow: Flow) -> bool:
        """Whether somebody is reached over this connection."""
        return self._registrar.is_home(flow)

    @property
    def count(self) -> int:
        """Bindings there are, for a metric."""
        return self._registrar.count

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _now(self) -> Instant:
        return Instant.of(self._clock)

    def _arm(self) -> None:
        if self._timer is None and self._registrar.count:
            self._timer = self._clock.call_at(self._clock.monotonic() + KEEP_ALIVE, self._keep_alive)

    def _keep_alive(self) -> None:
        self._timer = None
        for flow in self._registrar.behind_nat(self._clock.monotonic()):
            self.ping(flow)
        self._arm()
