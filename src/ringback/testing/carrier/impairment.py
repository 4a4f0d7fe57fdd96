"""Bad weather on a line: what is lost, late, twice or out of order, decided by a seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from ringback.calls.ports.clock import Clock


@dataclass(frozen=True, slots=True)
class Impairment:
    """How bad a line is; the default is a perfect one.

    Attributes:
        loss: Share of packets that never arrive.
        duplicate: Share that arrives twice.
        reorder: Share that is overtaken by those behind it.
        jitter_ms: Most milliseconds by which each packet is late.
        delay_ms: Milliseconds by which all are late.
    """

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    jitter_ms: float = 0.0
    delay_ms: float = 0.0

    def __post_init__(self) -> None:
        for name in ("loss", "duplicate", "reorder"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share from 0 to 1")
        if self.jitter_ms < 0 or self.delay_ms < 0:
            raise ValueError("jitter_ms and delay_ms are milliseconds, 0 or more")


CLEAR = Impairment()
OVERTAKEN_S = 0.03
"""How late a packet is that those behind it overtake: more than one packet of sound."""


class Weather:
    """Lets chance decide about each packet of one direction.

    Args:
        clock: Time.
        impairment: How bad it is.
        seed: Decides every chance.
    """

    def __init__(self, clock: Clock, impairment: Impairment, seed: str) -> None:
        self._clock = clock
        self._how = impairment
        self._random = random.Random(seed)

    def passes(self, deliver: Callable[[], None]) -> None:
        """Deliver a packet now, later, twice or never."""
        how, chance = self._how, self._random.random
        if how == CLEAR:
            deliver()
            return
        if chance() < how.loss:
            return
        for _ in range(2 if chance() < how.duplicate else 1):
            late = how.delay_ms / 1000 + (chance() * how.jitter_ms / 1000 if how.jitter_ms else 0.0)
            if chance() < how.reorder:
                late += OVERTAKEN_S
            if late:
                self._clock.call_at(self._clock.monotonic() + late, deliver)
            else:
                deliver()
