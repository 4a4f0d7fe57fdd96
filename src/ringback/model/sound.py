"""A recorded sound as a value: what a prompt, an announcement or hold music is until it is played."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

RATES = (8000, 16000)
"""Samples per second a sound may have: what telephones carry."""

LONGEST = 60.0
"""Seconds."""


@dataclass(frozen=True)
class Sound:
    """PCM: int16 mono little-endian.

    Attributes:
        pcm: The samples, at most ``LONGEST`` seconds of them and at least one.
        rate: Samples per second, one of ``RATES``.

    Raises:
        ValueError: It is none of these.
    """

    pcm: bytes
    rate: int = 8000

    def __post_init__(self) -> None:
        if self.rate not in RATES:
            raise ValueError(f"a sound has 8000 or 16000 samples per second, not {self.rate}")
        if not self.pcm or len(self.pcm) % 2:
            raise ValueError("a sound is made of whole int16 samples, one at least")
        if self.seconds > LONGEST:
            raise ValueError(f"a sound lasts {LONGEST:.0f} s at most, not {self.seconds:.1f} s")

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.pcm) / 2 / self.rate

    @cached_property
    def id(self) -> str:
        """Names the sound by what it is: equal sounds have equal ids."""
        return hashlib.sha256(b"%d:" % self.rate + self.pcm).hexdigest()[:32]

    def __repr__(self) -> str:
        return f"Sound({self.id[:8]}, {self.seconds:.2f} s at {self.rate})"
