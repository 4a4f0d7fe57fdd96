"""What waits for one client: numbered events, kept for a while so that one that comes back misses nothing. Pure."""

from collections import deque
from collections.abc import Mapping
from itertools import islice

from ringback.model.payload import json_text, write_json

MAX_KEPT = 1000
"""Events kept per client; a client that is further behind gets everything anew instead."""

MAX_KEPT_BYTES = 4 * 1024 * 1024
"""Text kept per client, in characters."""


def body(name: str, payload: Mapping[str, object]) -> str:
    """The part of an event's frame that is the same for everybody."""
    return f'"event":{write_json(name)},"payload":{json_text(payload)}'


class Mailbox:
    """Numbered frames for one client, oldest first."""

    def __init__(self) -> None:
        self.seq = 0
        self._kept: deque[tuple[int, str]] = deque()
        self._size = 0
        self._next = 1

    def put(self, body: str) -> None:
        """Number an event (as ``body`` makes it, once for all who are told) and keep it."""
        self.seq += 1
        frame = f'{{"type":"event","seq":{self.seq},{body}}}'
        self._kept.append((self.seq, frame))
        self._size += len(frame)
        while len(self._kept) > MAX_KEPT or self._size > MAX_KEPT_BYTES:
            self._size -= len(self._kept.popleft()[1])

    def take(self) -> list[str]:
        """Frames not handed out yet. They stay kept for a resume.

        Raises:
            Overrun: Some were dropped before they could be handed out.
        """
        waiting = self.seq - self._next + 1
        if waiting > len(self._kept):
            raise Overrun
        frames = [frame for _, frame in islice(reversed(self._kept), waiting)]
        frames.reverse()
        self._next = self.seq + 1
        return frames

    def rewind(self, seq: int) -> bool:
        """Hand out again what came after ``seq``. False, and nothing is, when that is no longer kept."""
        oldest = self._kept[0][0] if self._kept else self.seq + 1
        if not oldest - 1 <= seq <= self.seq:
            self._next = self.seq + 1
            return False
        self._next = seq + 1
        return True


class Overrun(Exception):
    """A client is too slow for what happens in its meeting."""
