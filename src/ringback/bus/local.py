"""The bus inside one process: messages by key, in order, over a fixed number of partitions.

Partitions, not one subject per room: a subscriber takes partitions, and the same layout serves a bus between nodes.
"""

import zlib
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger()

M = TypeVar("M")

PARTITIONS = 64


def partition(key: str) -> int:
    """The partition of a key; the same on every node and in every release."""
    return zlib.crc32(key.encode()) % PARTITIONS


class LocalBus(Generic[M]):
    """Delivers at once, in the order of publishing, to every subscriber of the key's partition."""

    def __init__(self) -> None:
        self._subscribers: list[list[Callable[[M], None]]] = [[] for _ in range(PARTITIONS)]

    def subscribe(self, handler: Callable[[M], None], partitions: Iterable[int] = range(PARTITIONS)) -> None:
        """Call ``handler`` with every message of these partitions. It must not wait, and a bug in it is its own."""
        for number in partitions:
            self._subscribers[number].append(handler)

    def unsubscribe(self, handler: Callable[[M], None]) -> None:
        for handlers in self._subscribers:
            if handler in handlers:
                handlers.remove(handler)

    def publish(self, key: str, message: M) -> None:
        for handler in tuple(self._subscribers[partition(key)]):
            try:
                handler(message)
            except Exception:
                log.exception("bus.subscriber-broken", key=key)
