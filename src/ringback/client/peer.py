"""The one peer connection with the server: only we make offers, one at a time; what changes meanwhile goes into the
next.

We send on one m-line for good; every stream that is heard has an m-line of its own, stopped when it is not wanted any
more (a participant's new generation is another stream).
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from ringback.client.errors import CallError, Refused, Unreachable
from ringback.client.media import Line

CONNECT_WITHIN_S = 10.0
PATIENCE_S = 3.0
"""A path that is gone may come back by itself; then another one is looked for."""

RESTART_EVERY_S = 15.0
RETRY_PAUSES_S = (0.5, 2.0)
"""Before a refused offer is made again; after the last refusal the call is given up."""

CANDIDATE = re.compile(r"^a=candidate:\S+ \S+ udp \S+ (\S+) (\d+) ", re.IGNORECASE | re.MULTILINE)


class Stream(NamedTuple):
    """One microphone of somebody's."""

    session_id: str
    generation: int


class Peer:
    """Keeps the server's tables and the line's m-lines in step with what is wanted.

    Args:
        request: Sends a request and waits for the reply: ``Connection.request``.
        changed: Told after every negotiation: m-lines may be others.
        path: Told ``interrupted`` and ``resumed``.
        failed: Told when nothing can be sent or heard any more.
    """

    def __init__(
        self,
        line: Line,
        request: Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]],
        changed: Callable[[], None],
        path: Callable[[str], None],
        failed: Callable[[CallError], None],
    ) -> None:
        self._line = line
        self._request = request
        self._changed = changed
        self._path = path
        self._failed = failed
        self._sending: str | None = None
        self._wanted: set[Stream] = set()
        self._mids: dict[Stream, str] = {}
        self._refused: set[Stream] = set()
        self._servers: list[str] = []
        self._connected = asyncio.Event()
        self._was_connected = False
        self._stale = asyncio.Event()
        self._restart = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        """Make the first offer and wait for the path.

        Raises:
            Refused: The server does not take it.
            Unreachable: No packet comes back.
        """
        await self._exchange()
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await self._connected.wait()
        except TimeoutError:
            servers = " or ".join(self._servers) or "an address it did not name"
            raise Unreachable(f"the room lets us in, but no sound passes: nothing comes back from {servers}") from None
        self._start(self._negotiate())

    def want(self, streams: set[Stream]) -> None:
        """The whole list of streams to hear."""
        self._refused &= streams
        if streams != self._wanted:
            self._wanted = streams
            self._stale.set()

    def mid_of(self, session_id: str) -> str | None:
        """The m-line on which somebody is heard."""
        return next((mid for stream, mid in self._mids.items() if stream.session_id == session_id), None)

    def look_again(self) -> None:
        """The signalling is back: an interrupted path is tried again at once."""
        if self._was_connected and not self._connected.is_set():
            self._restart = True
            self._stale.set()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ── offers ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _negotiate(self) -> None:
        refusals = 0
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                await self._exchange()
                refusals = 0
            except CallError as error:
                # A lost connection is mended elsewhere, and told of there when it cannot be.
                if isinstance(error, Refused) and refusals == len(RETRY_PAUSES_S):
                    self._failed(CallError(error.kind, f"the server refuses our sound: {error}"))
                    return
                if isinstance(error, Refused):
                    await asyncio.sleep(RETRY_PAUSES_S[refusals])
                    refusals += 1
                else:
                    await asyncio.sleep(RETRY_PAUSES_S[-1])
                self._stale.set()

    async def _exchange(self) -> None:
        wanted = self._wanted - self._refused
        new = sorted(wanted - self._mids.keys())
        gone = [stream for stream in self._mids if stream not in wanted]
        restart, self._restart = self._restart, False
        offer = await self._line.offer(
            send=self._sending is None, receive=len(new), stop=[self._mids[stream] for stream in gone], restart=restart
        )
        for stream in gone:
            del self._mids[stream]
        if not offer.sdp:
            return
        mids = {**self._mids, **dict(zip(new, offer.receiving, strict=True))}
        sending = offer.sending or self._sending
        reply = await self._request(
            "offer",
            {
                "sdp": offer.sdp,
                "send": [{"mid": sending, "track": "audio"}],
                "receive": [
                    {"mid": mid, "session_id": stream.session_id, "track": "audio"} for stream, mid in mids.items()
                ],
            },
        )
        sdp = str(reply["sdp"])
        self._servers = [f"UDP port {port} of {host}" for host, port in dict.fromkeys(CANDIDATE.findall(sdp))]
        await self._line.answer(sdp)
        self._sending = sending
        refused = {str(one["mid"]): str(one["reason"]) for one in reply.get("refused", [])}
        for stream in [stream for stream, mid in mids.items() if mid in refused]:
            self._refused.add(stream)
            self._stale.set()
        self._mids = mids
        self._changed()
        if sending in refused:
            raise Refused("forbidden-error", f"we may not speak here: {refused[sending]}")

    # ── the path ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def handle_state(self, state: str) -> None:
        """What the line says of its path."""
        if state == "connected":
            back = self._was_connected and not self._connected.is_set()
            self._was_connected = True
            self._connected.set()
            if back:
                self._path("resumed")
        elif state == "disconnected":
            if self._connected.is_set():
                self._connected.clear()
                self._path("interrupted")
                self._start(self._mend())
        else:
            self._start(self._over())

    async def _mend(self) -> None:
        """Look for another path until there is one."""
        pause = PATIENCE_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._connected.wait()
                return
            self._restart = True
            self._stale.set()
            pause = RESTART_EVERY_S

    async def _over(self) -> None:
        # The signalling may be about to say why.
        await asyncio.sleep(PATIENCE_S)
        self._failed(CallError("connection-error", "the server closed the connection of our sound"))

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
