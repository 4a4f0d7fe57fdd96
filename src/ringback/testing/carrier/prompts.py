"""What pretend people say: sentences that were synthesised once, and the tones of telephone networks."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from ringback.testing.carrier import sound

SOUNDS = Path(__file__).parent / "sounds"

TONES: dict[str, Callable[[], bytes]] = {
    "beep": lambda: sound.tone(1000, 0.5, 10_000),
    "milliwatt": lambda: sound.tone(1004, 1.0),
    "unobtainable": lambda: b"".join(
        sound.tone(hz, seconds) for hz, seconds in ((914.8, 0.276), (1370.6, 0.276), (1776.7, 0.38))
    ),
    "busy": lambda: (sound.chord((480, 620), 0.5, 4000) + sound.silence(0.5)) * 3,
    "silence": lambda: sound.silence(1.0),
}
"""Name → how it is made. ``unobtainable`` is the special information tone (ITU-T E.180, SIT-IC)."""


def names() -> tuple[str, ...]:
    """Everything that ``prompt`` knows."""
    return (*TONES, *sorted(path.stem for path in SOUNDS.glob("*.ulaw")))


@cache
def prompt(name: str) -> bytes:
    """PCM (int16 mono, 8 kHz) of a name. ``KeyError`` names those there are."""
    if name in TONES:
        return TONES[name]()
    path = SOUNDS / f"{name}.ulaw"
    if not path.is_file():
        raise KeyError(f"there is no prompt {name!r}: choose among {', '.join(names())}")
    return sound.decode(path.read_bytes(), "PCMU")
