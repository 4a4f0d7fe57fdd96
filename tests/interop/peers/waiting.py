"""Waiting for facts instead of sleeping, and finding free ports."""

import asyncio
import contextlib
import itertools
import random
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

FIRST, LAST = 30_000, 32_700
"""Ports that servers of tests get: Linux gives connections 32768 and above, and no peer's RTP is here."""


async def until(
    fact: Callable[[], T | None] | Callable[[], Awaitable[T | None]], what: str, timeout_s: float = 30.0
) -> T:
    """Ask until the answer is truthy, and return it.

    Raises:
        AssertionError: ``what`` did not come true in time; the last answer is in the message.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        answer = fact()
        value = await answer if isinstance(answer, Awaitable) else answer
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what} (last: {value!r})"
        await asyncio.sleep(0.05)


def free_pair() -> int:
    """A port of 127.0.0.1 that is free right now, and whose next is free too: baresip takes that one for TLS."""
    port = free_port()
    for _ in range(100):
        following = free_port()
        if following == port + 1:
            return port
        port = following
    raise AssertionError("no two ports of 127.0.0.1 in a row are free")


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that is free for TCP and UDP right now, and that this process was not given lately.

    Below those that the system hands out by itself, so that no connection of a test takes it before its server does.
    """
    other = socket.SOCK_DGRAM if kind == socket.SOCK_STREAM else socket.SOCK_STREAM
    for port in itertools.islice(_PORTS, LAST - FIRST + 1):
        first, second = socket.socket(socket.AF_INET, kind), socket.socket(socket.AF_INET, other)
        with first, second, contextlib.suppress(OSError):
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port of 127.0.0.1 is free for both TCP and UDP")


def _in_turn() -> Iterator[int]:
    """Every port again and again, from somewhere in the middle: test processes on one network start apart."""
    start = random.randint(FIRST, LAST)
    return itertools.cycle((*range(start, LAST + 1), *range(FIRST, start)))


_PORTS = _in_turn()
