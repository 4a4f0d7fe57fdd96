"""A registrar: who is registered where (RFC 3261 §10.3, RFC 3327, RFC 5626), and who makes a call (§22).

Pure: a request and the time go in, an answer and what is to be stored first come out.
"""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Protocol

from ringback.model.ids import NO_DOMAIN, DomainId
from ringback.model.instant import Instant
from ringback.model.sip_client import Binding, SipClient
from ringback.model.values import replace
from ringback.sip.digest import OFFERED, Authenticator
from ringback.sip.errors import SipParseError
from ringback.sip.flow import Flow
from ringback.sip.grammar import clean, number, quote, split_commas, unquote
from ringback.sip.headers import Address, parse_routes
from ringback.sip.login_guard import LoginGuard
from ringback.sip.message import Request, Row
from ringback.sip.session_timer import option_tags
from ringback.sip.uri import SipUri, parse_sip_uri, unescape

EXTENSIONS = ("path", "outbound")
"""Option tags a REGISTER may require (RFC 3327, RFC 5626)."""

KNOWS_ONLY_MD5 = re.compile(r"baresip v(?:0|1|2\.[0-9])\.")
"""Phones (by User-Agent) that give up as soon as any challenge names another algorithm, rather than take the MD5 one:
baresip's library did before 2.10. Whatever they are sent, both algorithms are accepted."""

MOST_BINDINGS = 10
SHORTEST = 60
LONGEST = 7200
DEFAULT = 3600
MOST_PATHS = 8
LONGEST_AGENT = 128
FLOW_TIMER = 120
"""Seconds within which a client on a connection should say something (RFC 5626 §5.4)."""


class Accounts(Protocol):
    """Who may register: ``access.sip_clients.SipClients``."""

    def realm(self, host: str, /) -> str: ...
    def is_ours(self, host: str, port: int | None, /) -> bool: ...
    def has_accounts(self, realm: str, /) -> bool: ...
    def find(self, realm: str, username: str, /) -> SipClient | None: ...
    def proof(self, realm: str, username: str, algorithm: str, /) -> str | None: ...


class NoAccounts:
    """Nobody has an account; whoever asks is challenged all the same."""

    def realm(self, host: str) -> str:
        return "ringback"

    def is_ours(self, host: str, port: int | None) -> bool:
        return False

    def has_accounts(self, realm: str) -> bool:
        return False

    def find(self, realm: str, username: str) -> SipClient | None:
        return None

    def proof(self, realm: str, username: str, algorithm: str) -> str | None:
        return None


@dataclass(frozen=True, slots=True)
class Change:
    """What has to be stored before an answer may go out: all bindings of a client from now on."""

    client: SipClient
    before: "dict[str, Place]"
    after: "dict[str, Place]"

    @property
    def bindings(self) -> list[Binding]:
        return [place.binding for place in self.after.values()]


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer.

    Attributes:
        change: To be stored first; when that fails, 500 and ``Registrar.undo``.
        rule: For the operator's log, when somebody was turned away who should not have come.
    """

    status: int
    rows: list[Row] = field(default_factory=list)
    change: Change | None = None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose call an INVITE is.

    Attributes:
        refusal: Answer this instead of letting it in.
        client, domain: The account that proved itself; empty for a stranger.
    """

    refusal: Answer | None = None
    client: str = ""
    domain: DomainId = NO_DOMAIN


@dataclass(frozen=True, slots=True)
class Place:
    """A binding and the monotonic time at which it ends."""

    binding: Binding
    ends: float

    @property
    def flow(self) -> Flow:
        return Flow(self.binding.transport, self.binding.host, self.binding.port)


class Registrar:
    """Bindings of all accounts.

    Args:
        accounts: Who may register.
        authenticator: Makes and checks challenges.
        guard: Holds back who guesses.
        is_proxy: Whether many phones speak from an address, by the operator's word: it is not held back as one.
    """

    def __init__(
        self,
        accounts: Accounts,
        authenticator: Authenticator,
        guard: LoginGuard | None = None,
        is_proxy: Callable[[Flow], bool] = lambda flow: False,
    ) -> None:
        self._accounts = accounts
        self._authenticator = authenticator
        self._guard = guard or LoginGuard()
        self._is_proxy = is_proxy
        self._places: dict[str, dict[str, Place]] = {}
        self._flows: Counter[Flow] = Counter()

    # ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def register(self, request: Request, flow: Flow, now: Instant) -> Answer:
        """A REGISTER. Raises ``SipParseError`` for parts that cannot be read."""
        to = request.to.uri
        if not isinstance(to, SipUri):
            return Answer(400)
        realm = self._accounts.realm(to.host)
        client = self._login(request, flow, realm, now)
        if isinstance(client, Answer):
            return client
        if not (self._is_of(client, to) and self._is_of(client, request.from_.uri)):
            return Answer(403, rule="REGISTER for somebody else's address")
        return self._bind(client, request, flow, now)

    def caller(self, request: Request, flow: Flow, here: tuple[str, int], now: Instant, listed: bool = False) -> Caller:
        """Who makes a call (A5). Whoever claims an address of ours has to prove it. Raises ``SipParseError``.

        Args:
            here: What we are called by from there.
            listed: It comes from a trunk's address. Trunks write our host into From as they like, so only a phone that
                is registered from that very port is asked there.
        """
        claimed = request.from_.uri
        if not isinstance(claimed, SipUri) or not self._claims_ours(claimed, here):
            return Caller()
        realm = self._accounts.realm(claimed.host)
        if not self._accounts.has_accounts(realm) or (listed and not self._is_registered(realm, claimed, flow, now)):
            return Caller()
        client = self._login(request, flow, realm, now)
        if isinstance(client, Answer):
            return Caller(client)
        if not self._is_of(client, claimed):
            return Caller(Answer(403, rule="INVITE from somebody else's address"))
        return Caller(None, client.username, client.domain)

    # ── places ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def places(self, client: str, now: float) -> list[Place]:
        """Where a client (by id) is now, preferred ones first."""
        alive = self._alive(client, now)
        return sorted(alive.values(), key=lambda place: (-place.binding.q, -place.ends))

    def restore(self, client: str, binding: Binding, now: Instant) -> None:
        """A binding that an earlier process stored."""
        place = Place(binding, now.until(binding.expires_at))
        self._put(client, {**self._places.get(client, {}), binding.key: place})

    def undo(self, change: Change) -> None:
        """What could not be stored did not happen, unless more has happened since."""
        if self._places.get(change.client.id) is change.after:
            self._put(change.client.id, change.before)

    def forget(self, client: str) -> None:
        """An account is gone or has another password."""
        self._put(client, {})

    def behind_nat(self, now: float) -> list[Flow]:
        """Where a little has to be sent now and then, so that a NAT on the way keeps its hole open (RFC 5626 §3.5)."""
        flows = []
        for client in list(self._places):
            alive = self._alive(client, now)
            flows += [place.flow for place in alive.values() if place.binding.transport == "udp" and _is_natted(place)]
        return flows

    def everyone(self, now: float) -> list[tuple[tuple[str, str], Place]]:
        """Every place there is now, with its client's id and its key."""
        return [
            ((client, key), place) for client in list(self._places) for key, place in self._alive(client, now).items()
        ]

    def is_home(self, flow: Flow) -> bool:
        """Whether somebody registered over this very connection, or from this very address."""
        return flow in self._flows

    @property
    def count(self) -> int:
        """Bindings there are, expired ones included until they are looked at."""
        return sum(len(places) for places in self._places.values())

    # ── login ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _login(self, request: Request, flow: Flow, realm: str, now: Instant) -> SipClient | Answer:
        """Known and unknown users, right and wrong passwords in a pause: one and the same answer (A6, A7)."""
        username = self._authenticator.claimed(request, realm=realm)
        if username is None:
            return Answer(401, self._challenge(request, flow, realm, now))
        keys: list[Hashable] = [(realm, username)]
        if not self._is_proxy(flow):
            keys.append(flow.source)
        known = self._accounts.find(realm, username)
        at_home = known is not None and any(
            place.binding.host == flow.host for place in self._alive(known.id, now.mono).values()
        )
        if not at_home and self._guard.is_closed(keys, now.mono):
            fresh = self._challenge(request, flow, realm, now)
            return Answer(401, fresh, rule="login held back after failures")
        verdict = self._authenticator.check(request, flow.host, now.mono, realm=realm)
        if verdict.ok and known is not None:
            self._guard.succeeded(keys)
            return known
        if not verdict.stale:
            self._guard.failed(keys, now.mono)
        again = self._challenge(request, flow, realm, now, stale=verdict.stale)
        return Answer(401, again, rule="" if verdict.stale else "login failed")

    def _challenge(self, request: Request, flow: Flow, realm: str, now: Instant, stale: bool = False) -> list[Row]:
        algorithms = ("md5",) if KNOWS_ONLY_MD5.match(request.headers.get("user-agent") or "") else OFFERED
        return self._authenticator.challenge(flow.host, now.mono, stale=stale, realm=realm, algorithms=algorithms)

    def _is_of(self, client: SipClient, uri: object) -> bool:
        if not isinstance(uri, SipUri) or uri.user is None:
            return False
        return unescape(uri.user) == client.username and self._accounts.realm(uri.host) == client.realm

    def _is_registered(self, realm: str, uri: SipUri, flow: Flow, now: Instant) -> bool:
        client = self._accounts.find(realm, unescape(uri.user or ""))
        return client is not None and any(place.flow == flow for place in self.places(client.id, now.mono))

    def _claims_ours(self, uri: SipUri, here: tuple[str, int]) -> bool:
        alias = uri.host.lower() == here[0].lower() and uri.port in (None, here[1])
        return uri.user is not None and (alias or self._accounts.is_ours(uri.host, uri.port))

    # ── bindings ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _bind(self, client: SipClient, request: Request, flow: Flow, now: Instant) -> Answer:
        before = self._alive(client.id, now.mono)
        if not request.headers.all("contact"):
            return self._ok(request, before, now)
        general = _expires(request.headers.get("expires"))
        if request.headers.all("contact") == ["*"]:
            if general != 0:
                return Answer(400)
            if any(_is_out_of_order(place.binding, request) for place in before.values()):
                return Answer(500)
            return self._changed(client, request, before, {}, now)
        paths = _paths(request)
        outbound = _outbound(request, paths)
        if outbound is None:
            return Answer(439)
        after = dict(before)
        for contact in request.contacts:
            refusal = self._one(client, contact, general, request, flow, paths, outbound, after, now)
            if refusal is not None:
                return refusal
        if len(after) > MOST_BINDINGS:
            return Answer(403, rule=f"more than {MOST_BINDINGS} registrations of one address")
        return self._changed(client, request, before, after, now, flow if outbound else None)

    def _one(
        self,
        client: SipClient,
        contact: Address,
        general: int | None,
        request: Request,
        flow: Flow,
        paths: tuple[str, ...],
        outbound: bool,
        after: dict[str, Place],
        now: Instant,
    ) -> Answer | None:
        """Put one Contact into ``after``, or say why not."""
        if not isinstance(contact.uri, SipUri):
            return Answer(400)
        own = _expires(contact.parameters.get("expires")) if "expires" in contact.parameters else None
        seconds = next(value for value in (own, general, DEFAULT) if value is not None)
        if 0 < seconds < SHORTEST:
            return Answer(423, [("Min-Expires", str(SHORTEST))])
        instance, reg_id = _instance(contact) if outbound else ("", 0)
        key = f"{instance};{reg_id}" if reg_id else _key(contact.uri)
        if key in after and _is_out_of_order(after[key].binding, request):
            return Answer(500)
        after.pop(key, None)
        if seconds == 0:
            return None
        seconds = min(seconds, LONGEST)
        if client.expires_at is not None:
            seconds = max(1, min(seconds, int(client.expires_at - now.wall)))
        binding = Binding(
            key=key,
            contact=str(contact.uri.bare()),
            transport=flow.transport,
            host=flow.host,
            port=flow.port,
            expires_at=now.wall + seconds,
            call_id=request.call_id,
            cseq=request.cseq.number,
            path=paths,
            instance=instance,
            reg_id=reg_id,
            q=_q(contact),
            user_agent=clean(request.headers.get("user-agent") or "")[:LONGEST_AGENT],
        )
        after[key] = Place(binding, now.mono + seconds)
        return None

    def _changed(
        self,
        client: SipClient,
        request: Request,
        before: dict[str, Place],
        after: dict[str, Place],
        now: Instant,
        outbound: Flow | None = None,
    ) -> Answer:
        self._put(client.id, after)
        return replace(self._ok(request, after, now, outbound), change=Change(client, before, after))

    def _ok(self, request: Request, places: dict[str, Place], now: Instant, outbound: Flow | None = None) -> Answer:
        rows: list[Row] = [("Contact", _shown(place, now.mono)) for place in places.values()]
        rows.append(("Date", formatdate(now.wall, usegmt=True)))
        rows.append(("Supported", ", ".join(EXTENSIONS)))
        if "path" in option_tags(request, "supported"):
            rows += [("Path", value) for value in request.headers.all("path")]
        if outbound is not None:
            rows.append(("Require", "outbound"))
            # §4.4.2: on UDP a client asks every 24 to 29 s unless it is told; a connection may rest longer.
            rows += [("Flow-Timer", str(FLOW_TIMER))] if outbound.reliable else []
        return Answer(200, rows)

    def _put(self, client: str, places: dict[str, Place]) -> None:
        for place in self._places.get(client, {}).values():
            self._flows[place.flow] -= 1
            if not self._flows[place.flow]:
                del self._flows[place.flow]
        self._flows.update(place.flow for place in places.values())
        if places:
            self._places[client] = places
        else:
            self._places.pop(client, None)

    def _alive(self, client: str, now: float) -> dict[str, Place]:
        places = self._places.get(client, {})
        if any(place.ends <= now for place in places.values()):
            places = {key: place for key, place in places.items() if place.ends > now}
            self._put(client, places)
        return places


def _expires(text: str | None) -> int | None:
    """§10.3 step 7: what cannot be read counts as not given; beyond 2**32-1 it is still a long time."""
    if text is None:
        return None
    try:
        return number(text.strip(), 2**32 - 1)
    except SipParseError:
        return LONGEST if text.strip().isdecimal() else None


def _q(contact: Address) -> float:
    text = contact.parameters.get("q")
    try:
        value = float(text) if text is not None and len(text) <= 5 else 1.0
    except ValueError:
        return 1.0
    return value if 0.0 <= value <= 1.0 else 1.0


def _instance(contact: Address) -> tuple[str, int]:
    """``+sip.instance`` and ``reg-id``; empty and 0 unless both are there and make sense."""
    instance, text = contact.parameters.get("+sip.instance"), contact.parameters.get("reg-id")
    if not instance or not text or not re.fullmatch("[0-9]{1,10}", text) or not 0 < int(text) < 2**31:
        return "", 0
    return clean(unquote(instance)), int(text)


def _outbound(request: Request, paths: tuple[str, ...]) -> bool | None:
    """Whether RFC 5626 applies (§6); ``None``: a proxy on the way does not know it, which is answered 439.

    Flows are kept alive by their clients: by a ping on connections, by STUN on UDP.
    """
    wanted = "outbound" in {*option_tags(request, "supported"), *option_tags(request, "require")}
    if not wanted or not any(_instance(contact)[1] for contact in request.contacts):
        return False
    if sum(len(split_commas(value)) for value in request.headers.all("via")) > 1:
        first_hop = parse_routes([paths[-1]])[0].uri if paths else None
        return True if isinstance(first_hop, SipUri) and first_hop.parameter("ob") is not None else None
    return True


def _paths(request: Request) -> tuple[str, ...]:
    routes = parse_routes(request.headers.all("path"))
    if len(routes) > MOST_PATHS:
        raise SipParseError("too many proxies in Path")
    return tuple(f"<{route.uri}>" for route in routes)


def _key(uri: SipUri) -> str:
    """What two spellings of one Contact have in common (§19.1.4, as far as phones vary them)."""
    user = unescape(uri.user or "")
    transport = (uri.parameter("transport") or "").lower()
    return f"{uri.scheme}:{user}@{uri.host.lower()}:{uri.port or 0};{transport}"


def _is_out_of_order(binding: Binding, request: Request) -> bool:
    """§10.3 step 7: an older REGISTER of the same client must not undo a newer one."""
    return binding.call_id == request.call_id and request.cseq.number <= binding.cseq


def _is_natted(place: Place) -> bool:
    uri = parse_sip_uri(place.binding.contact)
    return (uri.host, uri.port or 5060) != (place.binding.host, place.binding.port)


def _shown(place: Place, now: float) -> str:
    binding = place.binding
    text = f"<{binding.contact}>;expires={max(1, round(place.ends - now))}"
    if binding.q != 1.0:
        text += f";q={binding.q:g}"
    if binding.reg_id:
        text += f";+sip.instance={quote(binding.instance)};reg-id={binding.reg_id}"
    return text


def next_hop(binding: Binding) -> tuple[str, Sequence[str]]:
    """Request-URI and Route of a request for a binding (RFC 3327 §5.4)."""
    return binding.contact, binding.path
