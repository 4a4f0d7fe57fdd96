"""Trunks and telephone numbers of one server: kept, changed while it runs, and asked for ways out and for rooms."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from ringback.calls.ports.reception import OwnedNumber
from ringback.calls.ports.routes import Attempt, OutgoingRoute
from ringback.model.errors import InvalidRequest, NotFound, RingbackError, Unavailable
from ringback.model.ids import DomainId, RoomName
from ringback.model.values import replace
from ringback.numbers import guard
from ringback.numbers.diagnosis import Facts, Finding, diagnose
from ringback.numbers.e164 import country_of, is_e164
from ringback.numbers.health import Health
from ringback.numbers.identity import called_number, request_uri
from ringback.numbers.inventory import INVENTORY
from ringback.numbers.plan import Wanted, dialled_in, outbound, to_address, to_number, trunks_of
from ringback.numbers.ports import KeptNumber, KeptTrunk, NumberStore, TrunkState, TrunkStore, TrunkWatch
from ringback.numbers.profiles import PROFILES, defaults_of
from ringback.numbers.rules import Outcome, apply
from ringback.numbers.trunk import Host, Trunk, key_of
from ringback.numbers.trunk_body import read_trunk, secrets_of, show_trunk, with_secrets
from ringback.rooms.domains import Domains, new_uuid
from ringback.rooms.ports import Chance, WallClock

MOST_TRUNKS = 1000
NOT_BOUGHT = "this number can be bought: POST /v1/buy-phone-number, or 'ringback numbers buy'"

Examiner = Callable[[Trunk, tuple[Attempt, ...], str, str, str], Awaitable[Facts]]
"""Of a trunk, the ways to a number, how registering goes, the number, and why it is refused."""


class Numbers:
    """All trunks and numbers. Call ``start`` first. Implements ``calls.ports.routes.Routes`` and ``NumberedRooms``.

    Args:
        trunks, numbers: Where they rest.
        domains: Who may use what.
        clock: For times that are shown.
        chance: For sharing by weight.
        our_domain: Host part of our SIP addresses, asked when a call is made.

    Attributes:
        watch: Telephony, once there is one.
        examiner: Looks a trunk over, once there is somebody who can.
    """

    def __init__(
        self,
        trunks: TrunkStore,
        numbers: NumberStore,
        domains: Domains,
        clock: WallClock,
        chance: Chance,
        our_domain: Callable[[], str] = lambda: "",
    ) -> None:
        self._trunk_store = trunks
        self._number_store = numbers
        self._domains = domains
        self._clock = clock
        self._chance = chance
        self._our_domain = our_domain
        self._trunks: dict[str, KeptTrunk] = {}
        self._numbers: dict[str, KeptNumber] = {}
        self._listeners: list[Callable[[Sequence[Trunk]], None]] = []
        self.watch: TrunkWatch | None = None
        self.examiner: Examiner | None = None

    async def start(self, configured: Sequence[Mapping[str, Any]] = ()) -> None:
        """Load what is kept; trunks of the settings' file stand before those of the same name.

        Raises ``InvalidRequest`` for a trunk of the file that cannot be read.
        """
        self._trunks = {kept.trunk.name: kept for kept in await self._trunk_store.all()}
        self._numbers = {kept.number: kept for kept in await self._number_store.all()}
        now = self._clock.wall()
        for body in configured:
            name = str(body.get("name", ""))
            try:
                trunk = _read(name, {key: value for key, value in body.items() if key != "name"})
            except InvalidRequest as error:
                raise InvalidRequest(f"{_shown(name) or 'a trunk without a name'}: {error.info}") from None
            self._trunks[trunk.name] = KeptTrunk(trunk, now, now, configured=True)
        self._tell()

    def listen(self, listener: Callable[[Sequence[Trunk]], None]) -> None:
        """Tell ``listener`` all trunks, now and after each change."""
        self._listeners.append(listener)
        listener(self.trunks)

    # ── trunks ───────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def trunks(self) -> tuple[Trunk, ...]:
        return tuple(kept.trunk for kept in self._trunks.values())

    def all_trunks(self) -> list[KeptTrunk]:
        """By name."""
        return [self._trunks[name] for name in sorted(self._trunks)]

    def trunk(self, name: str) -> KeptTrunk:
        """Raises ``NotFound``."""
        kept = self._trunks.get(name)
        if kept is None:
            raise NotFound(f"there is no trunk {_shown(name)}")
        return kept

    async def add_trunk(self, body: Mapping[str, Any]) -> KeptTrunk:
        """Make a trunk from ``name`` and its fields. Raises ``InvalidRequest`` with the field's name."""
        rest = dict(body)
        name = rest.pop("name", None)
        if not isinstance(name, str):
            raise InvalidRequest("name is required and must be a string")
        trunk = _read(name, rest)
        if name in self._trunks:
            raise InvalidRequest(f"a trunk named {name} exists already: change it instead")
        if len(self._trunks) >= MOST_TRUNKS:
            raise InvalidRequest(f"there are {MOST_TRUNKS} trunks already")
        now = self._clock.wall()
        return await self._keep(KeptTrunk(trunk, now, now))

    async def change_trunk(self, name: str, body: Mapping[str, Any]) -> KeptTrunk:
        """Change the fields that are named; ``null`` resets one. Secrets that come back hidden stay."""
        before = self._changeable(name)
        shown = show_trunk(before.trunk)
        if body.get("name", name) != name:
            raise InvalidRequest("name cannot be changed: add another trunk")
        merged = {**shown, **body}
        merged.pop("name", None)
        trunk = _read(name, with_secrets(merged, secrets_of(before.trunk)))
        return await self._keep(KeptTrunk(trunk, before.created_at, self._clock.wall()))

    async def delete_trunk(self, name: str) -> None:
        """Calls it carries go on."""
        self._changeable(name)
        await self._trunk_store.delete(name)
        del self._trunks[name]
        self._tell()

    def state(self, trunk: Trunk) -> TrunkState:
        if self.watch is not None:
            return self.watch.state(trunk)
        return TrunkState(hosts={key_of(host): Health() for host in trunk.hosts})

    def figures(self) -> Iterator[tuple[str, str, bool, int]]:
        """Every host of every trunk: trunk, host, whether it is down, calls of the trunk. For metrics."""
        for kept in self.all_trunks():
            state = self.state(kept.trunk)
            for host, health in state.hosts.items() or [("", Health())]:
                yield kept.trunk.name, host, health.is_down, state.calls

    async def check(self, name: str) -> TrunkState:
        """Ask a trunk's hosts whether they are there."""
        trunk = self.trunk(name).trunk
        if self.watch is not None:
            await self.watch.check(trunk)
        return self.state(trunk)

    async def examine(self, name: str, domain: DomainId, number: str | None) -> list[Finding]:
        """Look a trunk over; with ``number`` by a call to it. Raises ``NotFound``, ``InvalidRequest``."""
        trunk = replace(self.trunk(name).trunk, domains=())
        if number is not None and not is_e164(number):
            raise InvalidRequest("number must be E.164, as in +4930123456")
        if self.examiner is None:
            raise Unavailable("this server has no telephony")
        attempts: tuple[Attempt, ...] = ()
        refused = ""
        if number is not None:
            own = tuple(kept.number for kept in self.numbers_of(domain))
            wanted = Wanted(number, None, "", own, self._our_domain())
            try:
                attempts = to_number([trunk], wanted, self._fraction, lambda trunk, host: False)
            except RingbackError as error:
                refused = error.info
        registration = self.state(trunk).registration
        return diagnose(trunk, await self.examiner(trunk, attempts, registration, number or "", refused))

    def dry_run(self, name: str, number: str, direction: str) -> dict[str, object]:
        """What a trunk's rules make of a number, step by step; nothing is called."""
        trunk = self.trunk(name).trunk
        if not number or len(number) > 64 or not number.isprintable():
            raise InvalidRequest("number must be a string of 1 to 64 printable characters")
        if direction == "outbound":
            passed = outbound(trunk, number)
            host = trunk.hosts[0] if trunk.hosts else Host("no-host.invalid")
            uri = None if passed.refused else request_uri(trunk, passed.number, host.host, host.port)
            return {**_steps(trunk, passed.outcome, direction), "refused": passed.refused, "request_uri": uri}
        if direction == "inbound":
            outcome = apply(trunk.inbound_rules, number)
            found = "" if outcome.denied else called_number(trunk, outcome.number)
            kept = self._numbers.get(found)
            refused = f"inbound rule {outcome.denied_by + 1} denies it" if outcome.denied_by is not None else None
            return {
                **_steps(trunk, outcome, direction),
                "refused": refused,
                "called_number": found or None,
                "room": kept.room if kept is not None else None,
            }
        raise InvalidRequest("direction must be outbound or inbound")

    # ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def numbers_of(self, domain: DomainId) -> list[KeptNumber]:
        """A domain's numbers, oldest first."""
        return [kept for kept in self._numbers.values() if kept.domain == domain]

    async def put_number(
        self, domain: DomainId, number: str, room: RoomName, *, from_stock: bool = False
    ) -> KeptNumber:
        """Let a number ring a room.

        Args:
            from_stock: The operator gives it, so that it need not be bought where it could be.

        Raises ``InvalidRequest`` when it is none, another domain's, or has to be bought.
        """
        if not is_e164(number):
            raise InvalidRequest("number must be E.164, as in +4930123456")
        if why := guard.refusal(number, country_of(number), allow_premium=True):
            raise InvalidRequest(f"number {number} cannot be used: {why}")
        before = self._numbers.get(number)
        if before is not None and before.domain and before.domain != domain:
            raise InvalidRequest(f"number {number} belongs to another domain")
        if before is not None and not before.domain:
            if not from_stock:
                raise InvalidRequest(NOT_BOUGHT)
            before = replace(before, domain=domain, vendor=INVENTORY, created_at=self._clock.wall())
        before = before or KeptNumber(number, domain, room, self._clock.wall(), new_uuid(self._chance))
        return await self.keep(replace(before, room=room))

    def number(self, number: str) -> KeptNumber | None:
        """Whosoever's it is, or nobody's."""
        return self._numbers.get(number)

    def takes_premium(self, trunk: str) -> bool:
        """Whether a trunk, by name, may carry calls to premium and satellite numbers."""
        kept = self._trunks.get(trunk)
        return kept is not None and kept.trunk.allow_premium

    def serves(self, trunk: str, domain: str) -> bool:
        """Whether a trunk is there for a domain, both by name."""
        kept = self._trunks.get(trunk)
        return kept is not None and (not kept.trunk.domains or domain in kept.trunk.domains)

    def stock(self) -> list[KeptNumber]:
        """Numbers that nobody has bought, in the order they came."""
        return [kept for kept in self._numbers.values() if not kept.domain]

    async def keep(self, kept: KeptNumber) -> KeptNumber:
        """Store a number as it is now. It is taken at once: nobody else gets it while it is being stored."""
        before = self._numbers.get(kept.number)
        self._numbers[kept.number] = kept
        try:
            await self._number_store.put(kept)
        except BaseException:
            self._forget(kept.number, before)
            raise
        if before is None or before.domain != kept.domain:
            # The youngest comes last, so that the first is the oldest.
            self._numbers[kept.number] = self._numbers.pop(kept.number)
        return kept

    async def forget(self, number: str) -> None:
        """Remove a number. Raises ``NotFound``."""
        before = self._numbers.get(number)
        if before is None:
            raise NotFound(f"there is no number {_shown(number)}")
        await self._number_store.delete(number)
        self._forget(number, None)

    def _forget(self, number: str, instead: KeptNumber | None) -> None:
        self._numbers.pop(number, None)
        if instead is not None:
            self._numbers[number] = instead

    # ── as calls see them (``calls.ports.reception``) ────────────────────────────────────────────────────────────────

    def oldest(self, domain: DomainId) -> OwnedNumber | None:
        return next((_owned(kept) for kept in self._numbers.values() if kept.domain == domain), None)

    def by_id(self, domain: DomainId, id: str) -> OwnedNumber | None:
        found = (kept for kept in self._numbers.values() if kept.domain == domain and kept.id == id)
        return next(map(_owned, found), None)

    def by_number(self, domain: DomainId, number: str) -> OwnedNumber | None:
        kept = self._numbers.get(number)
        return _owned(kept) if kept is not None and kept.domain == domain else None

    # ── for calls ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def room_of(self, number: str, trunk: str) -> tuple[DomainId, RoomName] | None:
        kept = self._numbers.get(number)
        if kept is None or not kept.domain or not kept.room:
            return None
        owner = self._trunks.get(trunk)
        if owner is not None and owner.trunk.domains:
            domain = await self._domains.get(kept.domain)
            if domain.name not in owner.trunk.domains:
                return None
        return kept.domain, kept.room

    async def owner_of(self, number: str, trunk: str) -> tuple[DomainId, RoomName] | None:
        """Whose a number is, and the room it rings (empty for none). ``None``: nobody's, or not over this trunk."""
        kept = self._numbers.get(number)
        if kept is None or not kept.domain:
            return None
        if not self.serves(trunk, (await self._domains.get(kept.domain)).name):
            return None
        return kept.domain, kept.room

    async def route(
        self, domain: DomainId, room: RoomName, destination: str, caller_id: str | None = None
    ) -> OutgoingRoute:
        owner = await self._domains.get(domain)
        own = tuple(kept.number for kept in self.numbers_of(domain))
        named = self.by_id(domain, caller_id.lower()) if caller_id is not None else None
        caller_id = named.number if named is not None else caller_id
        wanted = Wanted(destination, caller_id, owner.name, own, self._our_domain())
        if not destination.startswith("+"):
            attempt, number = to_address(self.trunks, destination, wanted)
            return OutgoingRoute((attempt,), number)
        attempts = to_number(self.trunks, wanted, self._fraction, self._is_down)
        shown = attempts[0].caller_id
        mine = self.by_number(domain, shown)
        name = (mine.id if mine is not None else "") or shown
        first = self._trunks[attempts[0].trunk].trunk
        return OutgoingRoute(attempts, destination, name, emergency=outbound(first, destination).emergency)

    async def dialled(self, domain: DomainId, text: str) -> str:
        owner = await self._domains.get(domain)
        return dialled_in(trunks_of(self.trunks, owner.name), text)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_down(self, trunk: Trunk, host: Host) -> bool:
        return self.watch is not None and self.watch.is_down(trunk.name, host.host, host.port)

    def _fraction(self) -> float:
        return self._chance.getrandbits(32) / 2**32

    def _changeable(self, name: str) -> KeptTrunk:
        kept = self.trunk(name)
        if kept.configured:
            raise InvalidRequest(f"trunk {name} stands in ringback.toml: change it there and restart")
        return kept

    async def _keep(self, kept: KeptTrunk) -> KeptTrunk:
        for name in kept.trunk.domains:
            if await self._domains.by_name(name) is None:
                raise InvalidRequest(f"domains: there is no domain {_shown(name)}")
        await self._trunk_store.put(kept)
        self._trunks[kept.trunk.name] = kept
        self._tell()
        return kept

    def _tell(self) -> None:
        for listener in self._listeners:
            listener(self.trunks)


def _read(name: str, body: Mapping[str, Any]) -> Trunk:
    profile = body.get("profile")
    defaults = None
    if profile is not None:
        defaults = defaults_of(profile) if isinstance(profile, str) else None
        if defaults is None:
            raise InvalidRequest(f"profile must be one of {', '.join(sorted(PROFILES))}")
    return read_trunk(name, body, defaults)


def _steps(trunk: Trunk, outcome: Outcome, direction: str) -> dict[str, object]:
    rules = trunk.outbound_rules if direction == "outbound" else trunk.inbound_rules
    return {
        "direction": direction,
        "number": outcome.number,
        "steps": [
            {"rule": step.rule + 1, "match": rules[step.rule].match, "number": step.number} for step in outcome.steps
        ],
    }


def _owned(kept: KeptNumber) -> OwnedNumber:
    return OwnedNumber(kept.id, kept.number, kept.trunk, kept.room)


def _shown(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text[:100])
