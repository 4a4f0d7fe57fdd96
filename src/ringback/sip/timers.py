"""RFC 3261's timer values, and one wheel for everything in a stack that waits."""

import heapq
import math
from collections.abc import Hashable
from typing import Generic, TypeVar

from ringback.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """The base values of RFC 3261 §17 and its table 4, in seconds.

    Attributes:
        t1: Round-trip estimate.
        t2: Longest interval between repeats of a non-INVITE request or of a final response.
        t4: Longest a message stays in the network.
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def give_up(self) -> float:
        """64·T1: timers B, D (at least 32 s), F, H, J, L and M."""
        return 64 * self.t1


Item = TypeVar("Item", bound=Hashable)


class Wheel(Generic[Item]):
    """When to wake each of many items, rounded up to a slot; setting, moving and dropping cost the same for any number.

    Args:
        slot: Length of a slot in seconds: how late a wake-up may be. A power of two keeps slots exact.
    """

    def __init__(self, slot: float = 1 / 32) -> None:
        self._slot = slot
        self._slots: dict[int, dict[Item, None]] = {}
        self._where: dict[Item, int] = {}
        self._order: list[int] = []

    def __len__(self) -> int:
        return len(self._where)

    def set(self, item: Item, when: float | None) -> None:
        """Wake ``item`` at ``when``; ``None`` forgets it. Replaces what was set before."""
        before = self._where.get(item)
        index = None if when is None else self._index(when)
        if before == index:
            return
        if before is not None:
            self._slots[before].pop(item, None)
            del self._where[item]
        if index is not None:
            if index not in self._slots:
                self._slots[index] = {}
                heapq.heappush(self._order, index)
            self._slots[index][item] = None
            self._where[item] = index

    def _index(self, when: float) -> int:
        """The first slot that ends no earlier than ``when``: woken too early, an item would be set again for ever."""
        index = math.ceil(when / self._slot)
        return index if index * self._slot >= when else index + 1

    def due(self, now: float) -> list[Item]:
        """Take out every item whose slot has come, earliest first."""
        items: list[Item] = []
        while self._order and self._order[0] * self._slot <= now:
            for item in self._slots.pop(heapq.heappop(self._order)):
                del self._where[item]
                items.append(item)
        return items

    def next_wake(self) -> float | None:
        while self._order and not self._slots[self._order[0]]:
            del self._slots[heapq.heappop(self._order)]
        return self._order[0] * self._slot if self._order else None
