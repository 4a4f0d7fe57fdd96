"""The greeter at work in a room of this process: a participant whose sound is PCM."""

import asyncio
import contextlib
from pathlib import Path

from ringback.app import Application
from ringback.cli.greeter import RATE, Greeter
from ringback.cli.softphone.sound import read_wav
from ringback.meetings.admission import Joiner, JoinRefused
from ringback.meetings.seat import Seat
from ringback.model.errors import RingbackError
from ringback.model.ids import ParticipantId, RoomName

STEP_S = 0.02
LOOK_EVERY = 25
"""Steps between looks at who is there: twice a second."""

AGAIN_AFTER_S = 2.0
SOUNDS = Path(__file__).parent / "sounds"
NAME = "Greeter"


class Host:
    """Keeps a greeter in a room.

    Args:
        app: The running server.
        room: Where it sits.

    Attributes:
        seated: Set while it is in the room.
        greets: Whether it greets who comes; off during the self-test.
    """

    def __init__(self, app: Application, room: RoomName) -> None:
        self._app = app
        self._room = room
        self._greeting = read_wav(SOUNDS / "greeting.wav", RATE)
        self._reply = read_wav(SOUNDS / "reply.wav", RATE)
        self.seated = asyncio.Event()
        self.greets = False

    async def run(self) -> None:
        """Join, and join again whenever it was thrown out, until cancelled."""
        while True:
            with contextlib.suppress(JoinRefused, RingbackError):
                await self._sit()
            self.seated.clear()
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _sit(self) -> None:
        who = ParticipantId(self._app.meetings.new_id())
        seat, _ = await self._app.meetings.join(self._app.domain.id, self._room, Joiner(who, user_name=NAME))
        self._app.media.open_pcm(seat.meeting, who, RATE)
        try:
            await seat.set_track("audio", "playable", {})
            self.seated.set()
            await self._listen(seat)
        finally:
            self._app.media.close_leg(who)
            with contextlib.suppress(RingbackError):
                await seat.leave()

    async def _listen(self, seat: Seat) -> None:
        greeter = Greeter(self._greeting, self._reply)
        media, loop = self._app.media, asyncio.get_running_loop()
        known = self._others(seat)
        due = loop.time()
        step = 0
        while known is not None:
            if said := greeter.hear(media.read_pcm(seat.id), loop.time()):
                media.push_pcm(seat.id, said)
            step += 1
            if step % LOOK_EVERY == 0:
                now = self._others(seat)
                if now is not None and self.greets and now - known:
                    greeter.arrived(loop.time())
                known = now
            due = max(due + STEP_S, loop.time() - 1.0)
            await asyncio.sleep(due - loop.time())

    def _others(self, seat: Seat) -> set[ParticipantId] | None:
        """Everybody else in the room; ``None`` when we are no longer in it ourselves."""
        there = {one.id for one in self._app.meetings.presence(self._app.domain.id, self._room)}
        return there - {seat.id} if seat.id in there else None
