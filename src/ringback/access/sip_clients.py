"""Accounts of plain SIP phones: made, listed, given new passwords and deleted by their domain; asked by the registrar.

A password is shown once and not kept. What is kept proves it (H(A1) of RFC 7616), made for a realm: the name of the
domain, so that the accounts outlive a change of the SIP host.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ringback.access.ports import SipClientStore
from ringback.model.domain import Domain
from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.ids import DomainId
from ringback.model.sip_client import SipClient
from ringback.numbers.endpoints import endpoint_user
from ringback.rooms.checks import not_allowed, refusal
from ringback.rooms.domains import Domains, new_uuid
from ringback.rooms.ports import Chance, WallClock
from ringback.sip.digest import HASHES, digest

MOST_PER_DOMAIN = 100
MOST_PER_PAGE = 100
DEFAULT_PAGE = 50
SHORTEST_LIFE, LONGEST_LIFE = 60, 2_592_000
SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 64
GENERATED_PASSWORD = 24
LONGEST_USERNAME = 64

_USERNAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[0-9]+)?")
_PASSWORD = re.compile(r"[!-~]+")
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class Fresh:
    """An account and its password, while somebody may see that."""

    client: SipClient
    password: str

    def __repr__(self) -> str:
        return f"Fresh({self.client.username})"


class SipClients:
    """All accounts of this installation, kept in memory: every REGISTER needs one. Call ``start`` first.

    Args:
        store: Where they rest.
        domains: Who owns them.
        sip_domain: Host part of SIP addresses, with the port unless it is the default one.
        clock, chance: Time, and where ids and passwords come from.
        most: Accounts one domain may have.

    Attributes:
        on_gone: Told of accounts whose registrations count no more: deleted, expired, or with a new password.
    """

    def __init__(
        self,
        store: SipClientStore,
        domains: Domains,
        sip_domain: Callable[[], str],
        clock: WallClock,
        chance: Chance,
        most: int = MOST_PER_DOMAIN,
    ) -> None:
        self._store = store
        self._domains = domains
        self._sip_domain = sip_domain
        self._clock = clock
        self._chance = chance
        self._most = most
        self._by_name: dict[tuple[str, str], SipClient] = {}
        self._first = ""
        self.on_gone: Callable[[SipClient], None] = lambda client: None

    async def start(self, first: Domain) -> None:
        """Load them. ``first`` is the domain that has the bare SIP host."""
        self._first = first.name
        for client in await self._store.all():
            self._remember(client)

    # ── what REST asks ───────────────────────────────────────────────────────────────────────────────────────────────

    async def create(self, domain: Domain, body: Mapping[str, object]) -> Fresh:
        """A new account from a request body: ``username``, ``password``, ``expires_in_seconds``, ``ringback``.

        Raises:
            InvalidRequest: The body is wrong, the name is taken, or the domain has as many as it may have.
        """
        _only(body, "username", "password", "expires_in_seconds", "ringback")
        username = _username(body)
        lasts = _life(body)
        dials_numbers = _own(body.get("ringback")) or False
        password = self._password(body)
        now = self._clock.wall()
        await self.sweep(domain.id)
        client = SipClient(
            id=new_uuid(self._chance),
            domain=domain.id,
            username=username,
            realm=domain.name,
            proofs=_proofs(username, domain.name, password),
            created_at=now,
            expires_at=None if lasts is None else now + lasts,
            dials_numbers=dials_numbers,
        )
        await self._store.insert(client, self._most)
        self._remember(client)
        return Fresh(client, password)

    async def rotate(self, domain: Domain, username: str, body: Mapping[str, object]) -> Fresh:
        """Another password, ``password`` of the body or a new one; the phones registered with the former are forgotten.

        Raises:
            InvalidRequest: The body is wrong.
            NotFound: There is no such account.
        """
        _only(body, "password")
        password = self._password(body)
        before = self.get(domain.id, username)
        after = replace(before, realm=domain.name, proofs=_proofs(username, domain.name, password))
        if not await self._store.replace(after):
            raise _unknown(username)
        self._remember(after)
        self.on_gone(before)
        return Fresh(after, password)

    async def change(self, domain: DomainId, username: str, body: Mapping[str, object]) -> SipClient:
        """Whether its phones may call telephone numbers: ``ringback`` of the body. They stay registered.

        Raises:
            InvalidRequest: The body is wrong.
            NotFound: There is no such account.
        """
        _only(body, "ringback")
        dials_numbers = _own(body.get("ringback"))
        before = self.get(domain, username)
        after = before if dials_numbers is None else replace(before, dials_numbers=dials_numbers)
        if not await self._store.replace(after, forget_phones=False):
            raise _unknown(username)
        self._remember(after)
        return after

    async def delete(self, domain: DomainId, username: str) -> None:
        """End an account; its phones are reached no more. Raises ``NotFound``."""
        client = self.get(domain, username)
        await self._store.delete([client.id])
        self._forget(client)

    def get(self, domain: DomainId, username: str) -> SipClient:
        """Raises ``NotFound``."""
        now = self._clock.wall()
        for client in self._by_name.values():
            if client.domain == domain and client.username == username and not client.is_over(now):
                return client
        raise _unknown(username)

    def page(self, domain: DomainId, limit: int, offset: int) -> list[SipClient]:
        """A domain's accounts, newest first."""
        now = self._clock.wall()
        newest_first = reversed(self._by_name.values())
        own = [client for client in newest_first if client.domain == domain and not client.is_over(now)]
        return own[offset : offset + limit]

    def host(self, client: SipClient) -> str:
        """Host part of a client's address: the first domain has the bare SIP host, others their name before it."""
        bare = self._sip_domain()
        return bare if client.realm == self._first else f"{client.realm}.{bare}"

    async def sweep(self, domain: DomainId | None = None) -> None:
        """Delete the expired ones, of one domain or of all."""
        now = self._clock.wall()
        over = [c for c in self._by_name.values() if c.is_over(now) and domain in (None, c.domain)]
        if over:
            await self._store.delete([client.id for client in over])
            for client in over:
                self._forget(client)

    # ── what SIP asks ────────────────────────────────────────────────────────────────────────────────────────────────

    def realm(self, host: str) -> str:
        """The realm of the accounts at a host; any host that is none of ours counts as the bare one.

        The answer is made from the name alone, so it tells nobody which domains there are.
        """
        bare = _host_of(self._sip_domain())
        head, dot, _ = host.lower().removesuffix(f".{bare}").partition(".")
        return head if host.lower().endswith(f".{bare}") and head and not dot else self._first

    def is_ours(self, host: str, port: int | None) -> bool:
        """Whether addresses at that host are accounts of ours: the SIP host, or a domain's name before it."""
        bare, own_port = _split(self._sip_domain())
        host = host.lower()
        named = host == bare or (host.endswith(f".{bare}") and "." not in host.removesuffix(f".{bare}"))
        return named and port in (None, own_port)

    def has_accounts(self, realm: str) -> bool:
        """Whether anybody could prove to be of that realm."""
        now = self._clock.wall()
        return any(of == realm and not client.is_over(now) for (of, _), client in self._by_name.items())

    def find(self, realm: str, username: str) -> SipClient | None:
        """An account that has not expired."""
        client = self._by_name.get((realm, username))
        return None if client is None or client.is_over(self._clock.wall()) else client

    def proof(self, realm: str, username: str, algorithm: str) -> str | None:
        """H(A1) of an account, for the digest; ``None`` for an unknown one."""
        client = self.find(realm, username)
        return None if client is None else client.proofs.get(algorithm)

    def address(self, domain: DomainId, user: str) -> str | None:
        """See ``calls.ports.reception.SipClients``."""
        try:
            client = self.get(domain, user)
        except NotFound:
            return None
        return f"sip:{client.username}@{self.host(client)}"

    def may_dial_numbers(self, domain: DomainId, user: str) -> bool:
        """See ``calls.ports.reception.SipClients``."""
        try:
            return self.get(domain, user).dials_numbers
        except NotFound:
            return False

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _remember(self, client: SipClient) -> None:
        self._by_name[client.realm, client.username] = client

    def _forget(self, client: SipClient) -> None:
        if self._by_name.get((client.realm, client.username)) is client:
            del self._by_name[client.realm, client.username]
        self.on_gone(client)

    def _password(self, body: Mapping[str, object]) -> str:
        sent = body.get("password")
        if sent is None:
            return self._generate()
        # Whatever is wrong with it, a password is not repeated in an answer.
        if (
            not isinstance(sent, str)
            or not SHORTEST_PASSWORD <= len(sent) <= LONGEST_PASSWORD
            or not _PASSWORD.fullmatch(sent)
            or not any(c.isalpha() for c in sent)
            or not any(c.isdigit() for c in sent)
        ):
            raise InvalidRequest(
                f'"password" must be {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} printable ASCII characters,'
                " at least one letter and one digit among them, and no space"
            )
        return sent

    def _generate(self) -> str:
        while True:
            bits = self._chance.getrandbits(8 * GENERATED_PASSWORD).to_bytes(GENERATED_PASSWORD, "big")
            password = "".join(_ALPHABET[octet % len(_ALPHABET)] for octet in bits)
            if any(c.isdigit() for c in password) and any(c.isalpha() for c in password):
                return password


def _only(body: Mapping[str, object], *names: str) -> None:
    for name, value in body.items():
        if name not in names:
            raise not_allowed(name, value)


def _username(body: Mapping[str, object]) -> str:
    username = body.get("username")
    if username is None:
        raise InvalidRequest('"username" is required')
    if not isinstance(username, str) or len(username) > LONGEST_USERNAME or not _USERNAME.fullmatch(username):
        must = (
            f"must be at most {LONGEST_USERNAME} of A-Z, a-z, 0-9, '-' and '_', with an optional .<number> at the end"
        )
        raise refusal("username", must, username)
    if endpoint_user(username) is not None:
        raise refusal("username", "must not be 12 digits: such an address rings a room", username)
    return username


def _life(body: Mapping[str, object]) -> float | None:
    seconds = body.get("expires_in_seconds")
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds != int(seconds):
        raise refusal("expires_in_seconds", "must be an integer", seconds)
    if not SHORTEST_LIFE <= seconds <= LONGEST_LIFE:
        raise refusal("expires_in_seconds", f"must be from {SHORTEST_LIFE} to {LONGEST_LIFE}", seconds)
    return float(seconds)


def _own(sent: object) -> bool | None:
    """``dial_numbers`` of what the published body does not have (see decision 0075); ``None``: not said."""
    if sent is None:
        return None
    if not isinstance(sent, Mapping):
        raise refusal("ringback", "must be an object", sent)
    for name, value in sent.items():
        if name != "dial_numbers":
            raise not_allowed(f"ringback.{name}", value)
    value = sent.get("dial_numbers")
    if value is not None and not isinstance(value, bool):
        raise refusal("ringback.dial_numbers", "must be a boolean", value)
    return value


def _proofs(username: str, realm: str, password: str) -> Mapping[str, str]:
    return {algorithm: digest(algorithm, username, realm, password) for algorithm in HASHES}


def _unknown(username: str) -> NotFound:
    shown = "".join(c if c.isprintable() else "?" for c in username[:LONGEST_USERNAME])
    return NotFound(f"sip client {shown} not found")


def _split(host_port: str) -> tuple[str, int | None]:
    host, colon, port = host_port.rpartition(":")
    if colon and port.isdigit() and not host.endswith(":"):
        return host.strip("[]").lower(), int(port)
    return host_port.strip("[]").lower(), None


def _host_of(host_port: str) -> str:
    return _split(host_port)[0]
