"""Rooms: create, read, change, delete, list; which addresses ring them, what holds in them, when they expire."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ringback.model.errors import Forbidden, InvalidRequest, NotFound
from ringback.model.ids import DomainId, EndpointUser, RoomId, RoomName
from ringback.model.room import Privacy, Room, RoomSettings
from ringback.model.times import iso
from ringback.rooms.addresses import Addresses
from ringback.rooms.checks import Rules, not_allowed, refusal
from ringback.rooms.domains import Domains, new_uuid
from ringback.rooms.names import NAME, new_dialin_code, new_endpoint, new_room_name, room_name
from ringback.rooms.ports import Chance, EndpointTaken, RoomStore, WallClock
from ringback.rooms.properties import check_room_properties, check_together, merge, shown
from ringback.rooms.resolve import resolve

T = TypeVar("T")

CHOICES_OF_ENDPOINTS = 8
MOST_PER_BATCH = 1000
MOST_PER_SWEEP = 500


@dataclass(frozen=True, slots=True)
class Caps:
    """What the operator lets every domain have."""

    max_participants: int = 200
    max_sip_pstn_sessions: int = 5
    max_rooms: int = 100000


ChangeListener = Callable[[Room, Room], Awaitable[None]]
DeleteListener = Callable[[Room], Awaitable[None]]


class Rooms:
    """The rooms of all domains.

    Args:
        store: Where they rest.
        domains: Who owns them.
        addresses: What they are called from outside.
        clock: Wall time.
        chance: For ids, names and endpoints.
        caps: The operator's limits.
    """

    def __init__(
        self,
        store: RoomStore,
        domains: Domains,
        addresses: Addresses,
        clock: WallClock,
        chance: Chance,
        caps: Caps | None = None,
    ) -> None:
        self._store = store
        self._domains = domains
        self._addresses = addresses
        self._clock = clock
        self._chance = chance
        self._caps = caps or Caps()
        self._counts: dict[DomainId, int] = {}
        self._on_changed: list[ChangeListener] = []
        self._on_deleted: list[DeleteListener] = []

    def listen(self, on_changed: ChangeListener, on_deleted: DeleteListener) -> None:
        """Have these awaited after each committed change, before the request that made it is answered."""
        self._on_changed.append(on_changed)
        self._on_deleted.append(on_deleted)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def find(self, domain: DomainId, name: str) -> Room | None:
        """A room by its exact name, ``None`` when there is none."""
        if len(name) > 128 or not NAME.fullmatch(name):
            return None
        return await self._store.find(domain, RoomName(name))

    async def get(self, domain: DomainId, name: str) -> Room:
        """As ``find``, but raises ``NotFound``."""
        room = await self.find(domain, name)
        if room is None:
            raise _no_room(name)
        return room

    async def settings(self, room: Room) -> RoomSettings:
        """What is in force in a room."""
        return resolve(
            room,
            await self._domains.get(room.domain),
            max_participants=self._caps.max_participants,
            max_sip_pstn_sessions=self._caps.max_sip_pstn_sessions,
        )

    async def by_endpoint(self, user: str) -> tuple[Room, int] | None:
        """The room that a SIP user part rings, and which of its endpoints (0 is the first) it is."""
        if not 1 <= len(user) <= 64:
            return None
        return await self._store.by_endpoint(user)

    async def by_code(self, code: str) -> Room | None:
        """The room that callers with this code come into."""
        return await self._store.by_code(code)

    async def page(
        self, domain: DomainId, *, limit: int, after: str | None = None, before: str | None = None
    ) -> tuple[int, Sequence[Room]]:
        """How many rooms there are, and those after (older than) or before one of them, newest first."""
        if after is not None and before is not None:
            raise InvalidRequest("starting_after and ending_before cannot be combined")
        found = await self._store.page(
            domain, limit, None if after is None else RoomId(after), None if before is None else RoomId(before)
        )
        if found is None:
            name = "starting_after" if after is not None else "ending_before"
            raise refusal(name, "must be the id of a room", after or before)
        return found

    async def describe(self, room: Room) -> dict[str, object]:
        """The room as REST shows it."""
        domain = await self._domains.get(room.domain)
        config = shown(room.properties, domain.config)
        if (sip_uri := self._addresses.sip_uri(room)) is not None:
            config["sip_uri"] = sip_uri
        if room.dialin_code:
            config["dialin_code"] = room.dialin_code
        return {
            "id": room.id,
            "name": room.name,
            "api_created": True,
            "privacy": room.privacy,
            "url": self._addresses.room_url(room, domain, first=await self._domains.is_first(domain.id)),
            "created_at": iso(room.created_at),
            "config": config,
        }

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def create(self, domain: DomainId, body: Mapping[str, object]) -> Room:
        """A new room from a request body (``name``, ``privacy``, ``properties``). Raises ``InvalidRequest``."""
        return (await self.create_all(domain, [body]))[0]

    async def create_all(self, domain: DomainId, bodies: Sequence[object]) -> list[Room]:
        """All or none, in order."""
        if not 1 <= len(bodies) <= MOST_PER_BATCH:
            raise InvalidRequest(f"rooms must contain 1 to {MOST_PER_BATCH} items")
        drafts = [self._draft(domain, body) for body in bodies]
        names = [draft.name for draft in drafts]
        for name in names:
            if len(names) > 1 and names.count(name) > 1:
                raise InvalidRequest(f"a room named {name} already exists")
        await self._take_share(domain, len(drafts))
        try:
            return await self._with_free_endpoints(lambda: self._insert(drafts))
        except BaseException:
            self._counts[domain] -= len(drafts)
            raise

    async def update(self, domain: DomainId, name: str, body: Mapping[str, object]) -> Room:
        """Change what ``body`` names. Raises ``NotFound`` or ``InvalidRequest``; tells the listeners."""
        for key in body:
            if key not in ("privacy", "properties"):
                raise not_allowed(key, body[key])
        if not NAME.fullmatch(name):
            raise _no_room(name)
        rules = self._rules()
        changes = check_room_properties(body.get("properties"), rules)
        privacy = _privacy(body.get("privacy"), default=None)

        def change(room: Room) -> Room:
            properties = merge(room.properties, changes)
            if changes:
                check_together(properties, rules)
            return replace(
                room,
                privacy=privacy or room.privacy,
                properties=properties,
                endpoints=self._endpoints(properties, room.endpoints),
                dialin_code=self._code(properties, room.dialin_code),
            )

        outcome = await self._with_free_endpoints(lambda: self._store.update(domain, RoomName(name), change))
        if outcome is None:
            raise _no_room(name)
        before, after = outcome
        if before != after:
            for tell in self._on_changed:
                await tell(before, after)
        return after

    async def delete(self, domain: DomainId, name: str) -> None:
        """Raises ``NotFound``; tells the listeners, who end its meeting."""
        await self.delete_all(domain, [name])

    async def delete_all(self, domain: DomainId, names: Sequence[object]) -> int:
        """All or none: raises ``NotFound`` for the first unknown name. Returns how many went."""
        if not 1 <= len(names) <= MOST_PER_BATCH:
            raise InvalidRequest(f"room_names must contain 1 to {MOST_PER_BATCH} items")
        for name in names:
            if not isinstance(name, str) or not NAME.fullmatch(name):
                raise _no_room(str(name))
        gone = await self._store.delete(domain, [RoomName(str(name)) for name in dict.fromkeys(names)])
        await self._forget(gone)
        return len(gone)

    async def sweep(self, occupied: Callable[[Room], bool]) -> int:
        """Delete rooms that are past their ``exp`` and empty. Returns how many went."""
        expired = await self._store.expired(self._clock.wall(), MOST_PER_SWEEP)
        swept = 0
        for room in expired:
            if not occupied(room):
                try:
                    await self._forget(await self._store.delete(room.domain, [room.name]))
                    swept += 1
                except NotFound:
                    continue
        return swept

    async def _forget(self, gone: Sequence[Room]) -> None:
        for room in gone:
            if room.domain in self._counts:
                self._counts[room.domain] -= 1
            for tell in self._on_deleted:
                await tell(room)

    def _draft(self, domain: DomainId, body: object) -> Room:
        if not isinstance(body, Mapping):
            raise InvalidRequest("a room must be an object")
        for key in body:
            if key not in ("name", "privacy", "properties"):
                raise not_allowed(key, body[key])
        rules = self._rules()
        properties = merge({}, check_room_properties(body.get("properties"), rules))
        check_together(properties, rules)
        return Room(
            id=RoomId(new_uuid(self._chance)),
            domain=domain,
            name=new_room_name(self._chance) if body.get("name") is None else room_name(body["name"]),
            privacy=_privacy(body.get("privacy"), default="public") or "public",
            created_at=self._clock.wall(),
            properties=properties,
        )

    async def _insert(self, drafts: Sequence[Room]) -> list[Room]:
        rooms = [
            replace(
                draft,
                endpoints=self._endpoints(draft.properties, ()),
                dialin_code=self._code(draft.properties, ""),
            )
            for draft in drafts
        ]
        await self._store.insert(rooms)
        return rooms

    def _endpoints(self, properties: Mapping[str, object], held: tuple[EndpointUser, ...]) -> tuple[EndpointUser, ...]:
        """Those it had keep their addresses; more are appended, fewer lose the highest."""
        sip = properties.get("sip")
        wanted = int(sip.get("num_endpoints", 1)) if isinstance(sip, Mapping) else 0
        return (*held[:wanted], *(new_endpoint(self._chance) for _ in range(wanted - len(held))))

    def _code(self, properties: Mapping[str, object], held: str) -> str:
        """A room keeps the code it had for as long as it takes callers."""
        return (held or new_dialin_code(self._chance)) if "dialin" in properties else ""

    async def _with_free_endpoints(self, attempt: Callable[[], Awaitable[T]]) -> T:
        for _ in range(CHOICES_OF_ENDPOINTS - 1):
            try:
                return await attempt()
            except EndpointTaken:
                continue
        return await attempt()

    async def _take_share(self, domain: DomainId, rooms: int) -> None:
        if domain not in self._counts:
            self._counts[domain] = await self._store.count(domain)
        if self._counts[domain] + rooms > self._caps.max_rooms:
            raise Forbidden(f"this domain may have at most {self._caps.max_rooms} rooms; delete some first")
        self._counts[domain] += rooms

    def _rules(self) -> Rules:
        return Rules(self._clock.wall(), self._caps.max_participants, self._caps.max_sip_pstn_sessions)


def _privacy(value: object, default: Privacy | None) -> Privacy | None:
    if value is None:
        return default
    if value == "public":
        return "public"
    if value == "private":
        return "private"
    raise refusal("privacy", "must be one of [public, private]", value)


def _no_room(name: str) -> NotFound:
    shown_name = "".join(character if character.isprintable() else "?" for character in name[:128])
    return NotFound(f"room {shown_name} not found")
