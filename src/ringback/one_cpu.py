"""Keeps the threads that run Python on one processor: one runs at a time, and every hand-over to another is dear.

Handing the interpreter from the loop to the store's writer and back across processors wakes a sleeping one each time,
and what the last thread touched has to be fetched from the other's cache. Threads of the media engine stay free.
"""

import asyncio
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

LOOK_EVERY = 2.0
"""Seconds between looks at whether somebody else wants the same processor."""

LEAST_WAIT_NS = 20_000_000
"""Of waiting between two looks that is worth moving for."""


class Spent(NamedTuple):
    """Nanoseconds that a thread has run, and has waited for a processor though it could have run."""

    ran: int
    waited: int


def crowded(before: Spent, now: Spent) -> bool:
    """Whether a thread waited longer than it ran: somebody else has its processor too."""
    waited = now.waited - before.waited
    return waited > LEAST_WAIT_NS and waited > now.ran - before.ran


def next_of(processors: Sequence[int], current: int) -> int:
    """Another processor, each in turn."""
    return next((one for one in processors if one > current), processors[0])


async def stay_together() -> None:
    """Keep all Python threads of the process where this one runs, and move them when it is crowded there.

    For the loop's own thread, until cancelled. Does nothing where the system has no such calls, or one processor only.
    """
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    before = _spent()
    if len(allowed) < 2 or before is None:
        return
    current = _processor(allowed)
    try:
        _move({current})
        while True:
            await asyncio.sleep(LOOK_EVERY)
            now = _spent() or before
            if crowded(before, now):
                current = next_of(allowed, current)
                _move({current})
            before = now
    finally:
        _move(set(allowed))


def _move(processors: set[int]) -> None:
    for thread in threading.enumerate():
        if thread.native_id is not None:
            with suppress(OSError):  # it has just ended
                os.sched_setaffinity(thread.native_id, processors)


def _spent() -> Spent | None:
    """Of the calling thread; ``None`` where the system does not tell."""
    try:
        ran, waited, _ = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()
    except (OSError, ValueError):
        return None
    return Spent(int(ran), int(waited))


def _processor(allowed: Sequence[int]) -> int:
    """The one that the calling thread is on."""
    fields = Path(f"/proc/self/task/{threading.get_native_id()}/stat").read_text().rpartition(")")[2].split()
    current = int(fields[36])
    return current if current in allowed else allowed[0]
