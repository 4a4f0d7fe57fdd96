"""Trunks as the SIP side uses them: whose a request is, what each carries, who may be sent to, what proves us."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from ringback.calls.ports.clock import Clock
from ringback.model.ids import CallId
from ringback.numbers import health
from ringback.numbers.endpoints import endpoint_user
from ringback.numbers.health import Health
from ringback.numbers.inbound import Accepted, Refused, accept
from ringback.numbers.load import Load
from ringback.numbers.ports import TrunkState
from ringback.numbers.trunk import Host, Network, NetworkTable, Trunk, is_in, key_of
from ringback.sip.digest import Authenticator, Credential, digest
from ringback.sip.errors import SipParseError
from ringback.sip.flow import Flow, TlsPolicy
from ringback.sip.message import Request, Row
from ringback.sip.uri import dialled_user
from ringback.telephony.logins import Logins

UNASKED_DOWN = 60.0
"""Seconds for which a failed call makes a host count as down that is never asked."""

REALM = "ringback"


@dataclass(frozen=True, slots=True)
class Judged:
    """An INVITE from a trunk, and what became of it. ``listed``: its address is one of the trunk's own."""

    trunk: Trunk
    verdict: Accepted | Refused
    listed: bool = True


@dataclass(frozen=True, slots=True)
class Challenged:
    """An INVITE that has to prove first that it is a trunk's."""

    headers: list[Row] = field(default_factory=list)


class TrunkDesk:
    """What telephony knows of all trunks.

    Args:
        clock: For pace and health.
        exists: Whether a call is still there.
    """

    def __init__(self, clock: Clock, exists: Callable[[CallId], bool]) -> None:
        self._clock = clock
        self._exists = exists
        self.trunks: tuple[Trunk, ...] = ()
        self._by_name: dict[str, Trunk] = {}
        self._networks: list[Network] = []
        self._media: list[Network] = []
        self._table = NetworkTable(())
        self._loads: dict[str, Load] = {}
        self._health: dict[tuple[str, str], Health] = {}
        self._authenticator = Authenticator(secrets.token_bytes(32), REALM, "trunks", self._secret_of)
        self._logins = Logins()

    def set(self, trunks: Sequence[Trunk]) -> None:
        """These are all trunks from now on. Calls that run, and what is known of hosts that stay, go on."""
        self.trunks = tuple(trunks)
        self._by_name = {trunk.name: trunk for trunk in trunks}
        self._networks = [network for trunk in trunks if trunk.enabled for network in trunk.addresses()]
        self._media = [_network(text) for trunk in trunks if trunk.enabled for text in trunk.media_networks]
        self._table = NetworkTable(trunks)
        self._loads = {name: load for name, load in self._loads.items() if name in self._by_name}
        kept = {(trunk.name, key_of(host)) for trunk in trunks for host in trunk.hosts}
        self._health = {key: found for key, found in self._health.items() if key in kept}

    def named(self, name: str | None) -> Trunk | None:
        return self._by_name.get(name or "")

    # ── whom we hear and reach ──

    def lists(self, host: str) -> bool:
        """Whether an address is in a trunk's networks; asked for every packet."""
        return bool(self._networks) and self._of(host) is not None

    def are_siblings(self, one: str, other: str) -> bool:
        """Whether two addresses are one trunk's."""
        return self.lists(one) and self._of(one) is self._of(other)

    def may_reach(self, host: str, port: int) -> bool:
        """Whether a trunk's word makes an address one that we send to, whatever else is allowed."""
        return is_in(host, self._networks) or is_in(host, self._media)

    def has_host(self, host: str) -> bool:
        """Whether a trunk that is switched on has this host, as configured."""
        return any(host.lower() == each.host for trunk in self.trunks if trunk.enabled for each in trunk.hosts)

    def credentials(self, trunk: Trunk, targets: Sequence[Flow]) -> list[Credential]:
        """What proves us to a trunk at the addresses it was found at, and nowhere else."""
        mine = trunk.credentials
        if mine is None:
            return []
        return [Credential(flow.host, mine.username, mine.password, mine.realm or None) for flow in targets]

    def tls(self, trunk: Trunk, host: str) -> TlsPolicy:
        """How a trunk proves itself: as the name that is configured, never as what DNS led to."""
        policy = trunk.tls
        name = policy.name or host
        return TlsPolicy(name, policy.verify, policy.ca_file, policy.pin, policy.certificate, policy.key)

    def tls_of(self, peer: str, host: str) -> TlsPolicy | None:
        """How a host has to prove itself to which a trunk at the address ``peer`` sends us; ``None``: it is none."""
        trunk = self._of(peer) if self._networks else None
        return self.tls(trunk, host) if trunk is not None else None

    # ── calls in ──

    def judge(
        self, request: Request, flow: Flow, now: float, registered: Trunk | None = None
    ) -> Judged | Challenged | None:
        """Whose an INVITE is, and whether it is taken; ``None``: no trunk's.

        Args:
            registered: The trunk over whose registration of ours it comes.
        """
        trunk = registered or self._of(flow.host)
        if trunk is not None:
            return Judged(trunk, accept(trunk, request, self.load(trunk.name), now))
        user = dialled_user(request.sip_uri)
        if endpoint_user(user) is not None and not user.startswith("+"):
            return None  # a phone that calls a room: strangers may, and prove nothing
        proved = self._proved(request, flow, now)
        if isinstance(proved, Trunk):
            return Judged(proved, accept(proved, request, self.load(proved.name), now))
        if proved is not None:
            return proved
        anyone = self._table.open
        if anyone is None:
            return None
        return Judged(anyone, accept(anyone, request, self.load(anyone.name), now), listed=False)

    def beyond_pace(self, host: str) -> Trunk | None:
        """The trunk of an address, if one more call of it would be refused for its pace; asked before it is read."""
        trunk = self._of(host) if self._networks else None
        if trunk is None or trunk.calls_per_second is None:
            return None
        return None if self.load(trunk.name).would_take(trunk, self._clock.monotonic()) else trunk

    def _proved(self, request: Request, flow: Flow, now: float) -> Trunk | Challenged | None:
        guarded = [each for each in self.trunks if each.enabled and each.inbound_credentials is not None]
        if not guarded:
            return None
        try:
            user = self._authenticator.claimed(request) or ""
            verdict = self._logins.check(user, flow, now, lambda: self._authenticator.check(request, flow.host, now))
        except SipParseError:
            return Challenged(self._authenticator.challenge(flow.host, now))
        if not verdict.ok:
            return Challenged(self._authenticator.challenge(flow.host, now, stale=verdict.stale))
        return next(
            each
            for each in guarded
            if each.inbound_credentials and each.inbound_credentials.username == verdict.username
        )

    def _secret_of(self, realm: str, username: str, algorithm: str) -> str | None:
        for trunk in self.trunks:
            mine = trunk.inbound_credentials
            if trunk.enabled and mine is not None and mine.username == username:
                return digest(algorithm, username, realm, mine.password)
        return None

    # ── what they carry ──

    def load(self, name: str) -> Load:
        return self._loads.setdefault(name, Load())

    def carries(self, name: str, call: CallId) -> None:
        """A call runs over a trunk; it counts until it no longer exists."""
        for other, load in self._loads.items():
            if other != name:
                load.calls.discard(call)
        self.load(name).calls.add(call)

    def is_full(self, trunk: Trunk) -> bool:
        self._forget_ended(trunk.name)
        return self.load(trunk.name).is_full(trunk)

    def _forget_ended(self, name: str) -> None:
        load = self.load(name)
        load.calls = {call for call in load.calls if self._exists(call)}

    # ── how they are ──

    def note_answer(self, trunk: str, host: str, status: int, reason: str, took: float | None = None) -> None:
        self._note(trunk, host, lambda before, now: health.answered(before, status, reason, now, took))

    def note_failure(self, trunk: str, host: str, why: str) -> None:
        self._note(trunk, host, lambda before, now: health.failed(before, why, now))

    def _note(self, trunk: str, host: str, change: Callable[[Health, float], Health]) -> None:
        if trunk in self._by_name:
            self._health[trunk, host] = change(self.health(trunk, host), self._clock.wall())

    def health(self, trunk: str, host: str) -> Health:
        return self._health.get((trunk, host), Health())

    def is_down(self, trunk: str, host: str, port: int | None) -> bool:
        found = self.health(trunk, key_of(Host(host, port)))
        asked = (owner := self._by_name.get(trunk)) is not None and owner.options_interval > 0
        # Without health checks only a call can show that a host is back: it gets a chance every minute.
        return found.is_down and (asked or self._clock.wall() - (found.checked or 0.0) < UNASKED_DOWN)

    def state(self, trunk: Trunk) -> TrunkState:
        self._forget_ended(trunk.name)
        hosts = {key_of(host): self.health(trunk.name, key_of(host)) for host in trunk.hosts}
        return TrunkState(len(self.load(trunk.name).calls), hosts)

    def _of(self, host: str) -> Trunk | None:
        return self._table.find(host)


def _network(text: str) -> Network:
    return ip_network(text, strict=False)
