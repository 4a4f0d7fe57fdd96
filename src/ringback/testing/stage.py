"""A whole Ringback in memory: meetings and calls with a pretend carrier, pretend media and a clock that jumps.

```python
async with Stage() as stage:
    room = stage.rooms.put("hello", endpoints=1)
    ann = await stage.join("hello", "Ann")
    phone = stage.carrier.call_in(room.room.endpoints[0])
    await stage.settle()
    assert phone.state == "answered"
```

Leaving the block ends what still runs and checks that nothing is left behind.
"""

import itertools
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from ringback.bus.local import LocalBus
from ringback.calls.media_events import MediaReports
from ringback.calls.ports.carrier import Carrier
from ringback.calls.ports.clock import Clock
from ringback.calls.ports.reception import SipClients
from ringback.calls.recovery import finish_earlier_life
from ringback.calls.service import Calls
from ringback.dialin.configs import DialinConfigs
from ringback.dialin.desk import DialinDesk
from ringback.meetings.admission import Joiner
from ringback.meetings.ports import Message, Office, Seated, Spell, Told, Unseated, World
from ringback.meetings.seat import Seat, Welcome
from ringback.meetings.service import Meetings
from ringback.model.ids import CallId, MeetingId, ParticipantId, RoomName
from ringback.model.room import TokenGrants
from ringback.model.sound import Sound
from ringback.signalling.wire import spell
from ringback.testing.carrier import FakeCarrier
from ringback.testing.clock import VirtualClock, settle
from ringback.testing.dialin import FakeSounds, MemoryConfigs
from ringback.testing.media import FakeMedia
from ringback.testing.poster import FakePoster
from ringback.testing.quota import FakeQuota
from ringback.testing.records import MemoryRecords
from ringback.testing.rooms import DOMAIN, MemoryRooms
from ringback.testing.routes import MemoryRoutes

MUSIC = Sound(bytes(320))
"""What callers hear that wait."""


class Guest:
    """A browser or bot in a meeting, and what it was told."""

    def __init__(self, seat: Seat, welcome: Welcome) -> None:
        self.seat = seat
        self.welcome = welcome
        self.heard: list[tuple[str, Mapping[str, Any]]] = []
        self.sent_away: tuple[str, str] | None = None
        self.seated = True

    @property
    def id(self) -> ParticipantId:
        return self.seat.id

    def names(self) -> list[str]:
        """Names of the events it was told, in order."""
        return [name for name, _ in self.heard]

    def payloads(self, name: str) -> list[Mapping[str, Any]]:
        """Payloads of all events of one name."""
        return [payload for told, payload in self.heard if told == name]

    def last(self, name: str) -> Mapping[str, Any]:
        """Payload of the last event of one name."""
        return self.payloads(name)[-1]


class Stage:
    """Everything, connected. Use as an asynchronous context manager.

    Args:
        records: Records of an earlier life, to play a restart.
        ports: Phone ports the media side has.
        check: Whether to check on leaving that nothing is left behind.
        clients: Accounts of SIP phones.
        configs: Dial-in configurations that are there already.

    Attributes:
        server: The customer's server, which is told of held calls.
    """

    def __init__(
        self,
        records: MemoryRecords | None = None,
        *,
        ports: int = 1000,
        check: bool = True,
        clients: SipClients | None = None,
        configs: MemoryConfigs | None = None,
    ) -> None:
        self.clock = VirtualClock()
        self.carrier = FakeCarrier()
        self.media = FakeMedia(ports)
        self.records = records or MemoryRecords()
        self.rooms = MemoryRooms()
        self.bus: LocalBus[Message] = LocalBus()
        self.routes = MemoryRoutes()
        self.quota = FakeQuota()
        self.configs = configs or MemoryConfigs()
        self.jukebox = FakeSounds()
        self.server = FakePoster()
        self.guests: dict[ParticipantId, Guest] = {}
        self._early: dict[ParticipantId, list[tuple[str, Mapping[str, Any]]]] = {}
        self._seated: dict[MeetingId, list[ParticipantId]] = {}
        self._ids = itertools.count(1)
        self._stack = AsyncExitStack()
        self._check = check
        self._clients = clients
        self.meetings: Meetings
        self.calls: Calls
        self.media_events: MediaReports

    async def __aenter__(self) -> Self:
        epoch = await self.records.next_epoch("node-1")
        world = World(await self._open_carrier(epoch), self.media, self.bus)
        clock = self._server_clock()
        office = Office(world, self.records, clock, self._spell, "node-1", epoch)
        self.meetings = await self._stack.enter_async_context(
            Meetings(office, self.rooms, lambda user: f"sip:{user}@ringback.example", self._new_id)
        )
        self.calls = await self._stack.enter_async_context(
            Calls(
                self.meetings,
                clients=self._clients,
                routes=self.routes,
                numbers=self.routes,
                quota=self.quota,
                audit=self.quota,
                music=lambda: MUSIC,
            )
        )
        self.dialin_configs = DialinConfigs(
            self.configs, self.routes, self.server, self.jukebox, clock, random.Random(1), clear_text=True
        )
        self.dialin_configs.begin = self.calls.run
        await self.dialin_configs.start()
        self.calls.desk = self.dialin = DialinDesk(
            self.calls, self.meetings, self.dialin_configs, self.rooms, self.routes, self.jukebox, self.server
        )
        self.media.events = self.media_events = MediaReports(self.meetings, self.calls)
        self._connect_carrier(self.calls)
        self.bus.subscribe(self._deliver)
        await finish_earlier_life(self.records, world.carrier, self.clock, spell, office.node, epoch)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        if kind is None and self._check:
            self.assert_idle()

    def _server_clock(self) -> Clock:
        return self.clock

    async def _open_carrier(self, epoch: int) -> Carrier:
        return self.carrier

    def _connect_carrier(self, calls: Calls) -> None:
        self.carrier.events = calls
        self.carrier.press_by_rtp = lambda call, digit: self.media_events.digit(ParticipantId(call), digit, 100, 10)

    _spell: Spell = staticmethod(spell)

    def _new_id(self) -> str:
        return f"id-{next(self._ids)}"

    # ── acting ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def join(self, room: str, name: str = "", *, grants: TokenGrants | None = None, owner: bool = False) -> Guest:
        """A browser joins. ``owner`` gives it an owner's token."""
        if owner:
            grants = TokenGrants(DOMAIN, RoomName(room), is_owner=True)
        joiner = Joiner(ParticipantId(self._new_id()), grants, name)
        seat, welcome = await self.meetings.join(DOMAIN, RoomName(room), joiner)
        guest = Guest(seat, welcome)
        guest.heard = self._early.pop(joiner.id, [])
        self.guests[joiner.id] = guest
        return guest

    async def dial_out(self, room: str, uri: str = "sip:bob@phones.example", **body: Any) -> CallId:
        """Start a dial-out, as REST would; its phone is at the carrier when this returns."""
        key = body.pop("idempotency_key", None)
        call = await self.calls.start_dial_out(DOMAIN, RoomName(room), {"sipUri": uri, **body}, idempotency_key=key)
        await self.settle()
        return call

    def sounds(self, call: str) -> None:
        """The first sound of a phone arrives; it ends a ringing tone of ours."""
        leg = ParticipantId(call)
        self.media.stop_tone(leg)
        assert self.media.events is not None
        self.media.events.media_started(leg, "audio")

    async def settle(self) -> None:
        """Let everything that is ready run; no time passes."""
        await settle()

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.run_for(seconds)

    def assert_idle(self) -> None:
        """Nothing is left: no meeting, call, port, timer, or row that tells of something unfinished."""
        assert not self.meetings.actors, f"meetings left: {list(self.meetings.actors)}"
        assert not self.meetings.by_id, "meetings left by id"
        assert not self.meetings.endpoints, f"endpoints left: {self.meetings.endpoints}"
        assert not self.dialin.waiting, "callers wait in lobbies"
        assert not self.meetings.by_call, f"calls left: {self.meetings.by_call}"
        assert self.clock.next_timer() is None, "a timer is left"
        self.media.assert_idle()
        self.carrier.assert_idle()
        self.records.assert_idle()
        self.quota.assert_idle()

    # ── hearing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _deliver(self, message: Message) -> None:
        match message:
            case Seated(meeting, who):
                self._seated.setdefault(meeting, []).append(who)
                self._early[who] = []
            case Unseated(meeting, who, error):
                self._seated[meeting].remove(who)
                if guest := self.guests.get(who):
                    guest.sent_away, guest.seated = error, False
            case Told(meeting, name, payload, to, but):
                for who in self._seated.get(meeting, []):
                    if (to is None or who in to) and who != but:
                        heard = self.guests[who].heard if who in self.guests else self._early[who]
                        heard.append((name, payload))
