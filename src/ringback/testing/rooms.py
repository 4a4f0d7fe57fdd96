"""Rooms in memory, for tests of meetings and calls."""

from dataclasses import replace
from typing import Any

from ringback.model.ids import DomainId, EndpointUser, RoomId, RoomName
from ringback.model.room import DialinSettings, Room, RoomSettings, SipSettings

DOMAIN = DomainId("domain-1")


class MemoryRooms:
    """Implements ``meetings.ports.RoomBook`` over settings that a test puts in."""

    def __init__(self) -> None:
        self._settings: dict[tuple[DomainId, RoomName], RoomSettings] = {}

    def put(
        self, name: str, *, endpoints: int = 0, privacy: Any = "public", code: str = "", **settings: Any
    ) -> RoomSettings:
        """A room with settings as ``RoomSettings`` names them; with endpoints ``sip`` is filled in, with a code
        ``dialin``."""
        number = len(self._settings) + 1
        users = tuple(EndpointUser(f"{number:06}{index:06}") for index in range(endpoints))
        room = Room(RoomId(f"room-{number}"), DOMAIN, RoomName(name), privacy, 0.0, endpoints=users, dialin_code=code)
        if code and "dialin" not in settings:
            settings["dialin"] = DialinSettings()
        if endpoints and "sip" not in settings:
            settings["sip"] = SipSettings("Caller", endpoints)
        self._settings[DOMAIN, room.name] = RoomSettings(room, **settings)
        return self._settings[DOMAIN, room.name]

    def change(self, name: str, **settings: Any) -> tuple[Room, Room]:
        """Replace settings of a room; returns it before and after. ``endpoints`` replaces its addresses."""
        before = self._settings[DOMAIN, RoomName(name)]
        users = settings.pop("endpoints", before.room.endpoints)
        after = replace(before, room=replace(before.room, endpoints=tuple(users)), **settings)
        self._settings[DOMAIN, RoomName(name)] = after
        return before.room, after.room

    def remove(self, name: str) -> Room:
        return self._settings.pop((DOMAIN, RoomName(name))).room

    async def find(self, domain: DomainId, name: RoomName) -> Room | None:
        found = self._settings.get((domain, name))
        return found.room if found else None

    async def settings(self, room: Room) -> RoomSettings:
        return self._settings[room.domain, room.name]

    async def by_code(self, code: str) -> Room | None:
        rooms = (settings.room for settings in self._settings.values())
        return next((room for room in rooms if code and room.dialin_code == code), None)

    async def by_endpoint(self, user: str) -> tuple[Room, int] | None:
        for settings in self._settings.values():
            if user in settings.room.endpoints:
                return settings.room, settings.room.endpoints.index(EndpointUser(user))
        return None
