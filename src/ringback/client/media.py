"""The sound of calls as asyncio sees it: one thread of the core serves every call of a loop."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from ringback.client.errors import CallError, Unreachable
from ringback.core import Callers, new_callers

BYTES = 2
"""Of a sample: int16 mono, little-endian."""


@dataclass(frozen=True, slots=True)
class Said:
    """What became of a piece of speech. Not ``whole``: it was flushed, or the call ended, after ``heard_s`` seconds."""

    heard_s: float
    whole: bool


@dataclass(frozen=True, slots=True)
class Flushed:
    """What a flush did: seconds of the present talk that have gone out, and seconds that never will."""

    heard_s: float
    dropped_s: float


@dataclass(frozen=True, slots=True)
class Offer:
    """``sdp`` is empty when there is nothing to offer; mids of the m-lines that were added."""

    sdp: str
    sending: str | None
    receiving: tuple[str, ...]


@dataclass(slots=True)
class _Piece:
    seconds: float
    done: Callable[[Said], None]


class Line:
    """The media of one call.

    Args:
        rate: Samples per second of everything that is said and heard here.
        state: Told ``connected``, ``disconnected``, ``closed`` and ``failed``.
    """

    def __init__(self, studio: "Studio", rate: int, state: Callable[[str], None]) -> None:
        self.rate = rate
        self._studio = studio
        self._core = studio.core
        self._call = studio.core.open(rate)
        self._state = state
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pieces: dict[int, _Piece] = {}
        self._ears: dict[int, asyncio.Event] = {}
        self._over = False
        studio.lines[self._call] = self

    # ── offers ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def offer(self, *, send: bool, receive: int, stop: list[str], restart: bool = False) -> Offer:
        """Make an offer; one that was made before and not answered is void."""
        fields = await self._ask(self._core.offer(self._call, send, receive, stop, restart))
        return Offer(fields["sdp"], fields["sending"], tuple(fields["receiving"]))

    async def answer(self, sdp: str) -> None:
        """Take the server's answer.

        Raises:
            Unreachable: It is of no use: it names no address that we could reach.
        """
        fields = await self._ask(self._core.answer(self._call, sdp))
        if fields["error"] is not None:
            raise Unreachable(fields["error"])

    async def _ask(self, request: int) -> dict[str, Any]:
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        if self._over:
            raise CallError("connection-error", "the call is over")
        self._asked[request] = answer
        try:
            return await answer
        finally:
            self._asked.pop(request, None)

    # ── speech ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def speak(self, follows: list[str], otherwise: str) -> None:
        """Which codec to speak: see ``core.Callers.speak``."""
        self._core.speak(self._call, follows, otherwise)

    def push(self, pcm: bytes, done: Callable[[Said], None] | None = None) -> bool:
        """Queue speech; ``done`` is told when it has gone out, or was cut off. ``False``: too much waits already."""
        if done is None:
            return self._core.push(self._call, pcm)
        mark = next(self._numbers)
        if not self._core.push(self._call, pcm, mark):
            return False
        self._pieces[mark] = _Piece(len(pcm) / BYTES / self.rate, done)
        return True

    def flush(self) -> Flushed:
        """Drop what waits to be said."""
        said, dropped, cut = self._core.flush(self._call)
        for mark, samples in cut:
            piece = self._pieces.pop(mark, None)
            if piece is not None:
                piece.done(Said(samples / self.rate, whole=False))
        return Flushed(said / self.rate, dropped / self.rate)

    @property
    def waiting_s(self) -> float:
        """Seconds of speech that wait."""
        return self._core.waiting(self._call) / self.rate

    # ── hearing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def new_ear(self) -> int:
        ear = next(self._numbers)
        self._ears[ear] = asyncio.Event()
        return ear

    def listen(self, ear: int, mid: str | None, samples: int) -> None:
        """An ear hears this m-line from now on (``None``: everybody together), in pieces of so many samples."""
        self._core.listen(self._call, ear, mid, samples)

    def rest(self, ear: int) -> None:
        self._core.rest(self._call, ear)
        self._ears.pop(ear, None)

    async def heard(self, ear: int, samples: int) -> AsyncGenerator[bytes, None]:
        """Pieces of so many samples until the call is over."""
        news = self._ears[ear]
        size = samples * BYTES
        while not self._over:
            data = self._core.read(self._call, ear)
            for at in range(0, len(data), size):
                yield data[at : at + size]
            if not data:
                await news.wait()
                news.clear()

    # ── the end, and what the core tells ─────────────────────────────────────────────────────────────────────────────

    def stats(self) -> dict[str, int]:
        return self._core.stats(self._call)

    def close(self) -> None:
        """Hang up. Idempotent."""
        if self._over:
            return
        self.flush()
        self._over = True
        self._core.hang_up(self._call)
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(CallError("connection-error", "the call is over"))
        for ear in self._ears.values():
            ear.set()
        self._studio.left(self._call)

    def handle(self, kind: str, fields: dict[str, Any]) -> None:
        if kind in ("offer", "answered"):
            answer = self._asked.get(fields["request"])
            if answer is not None and not answer.done():
                answer.set_result(fields)
        elif kind == "mark":
            piece = self._pieces.pop(fields["mark"], None)
            if piece is not None:
                piece.done(Said(piece.seconds, whole=True))
        elif kind == "heard":
            ear = self._ears.get(fields["ear"])
            if ear is not None:
                ear.set()
        elif kind == "state":
            self._state(fields["state"])


class Studio:
    """The core's thread, for all calls of one loop; it runs while there are any."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.core: Callers = new_callers()
        self.lines: dict[int, Line] = {}
        self._loop = loop
        loop.add_reader(self.core.event_fd(), self._drain)

    def _drain(self) -> None:
        for kind, fields in self.core.drain():
            line = self.lines.get(fields["call"])
            if line is not None:
                line.handle(kind, fields)

    def left(self, call: int) -> None:
        self.lines.pop(call, None)
        if not self.lines:
            STUDIOS.pop(self._loop, None)
            self._loop.remove_reader(self.core.event_fd())
            self.core.close()


STUDIOS: WeakKeyDictionary[asyncio.AbstractEventLoop, Studio] = WeakKeyDictionary()


def open_line(rate: int, state: Callable[[str], None]) -> Line:
    """The media of a new call on the running loop. ``ValueError`` for a rate that we do not speak."""
    loop = asyncio.get_running_loop()
    studio = STUDIOS.get(loop)
    if studio is None:
        studio = STUDIOS[loop] = Studio(loop)
    try:
        return Line(studio, rate, state)
    except ValueError:
        studio.left(0)
        raise
