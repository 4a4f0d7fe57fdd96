"""Voices that count to eight again and again, each in tones of its own, so that what is heard of all of them at once
can be written down: a number that is lost or heard twice is seen.
"""

import wave
from pathlib import Path

import numpy as np

from interop.peers.tones import Samples

VOICES = 5
NUMBERS = 8
WORD_S, PAUSE_S = 0.3, 0.15
LOWEST_HZ, STEP_HZ = 400, 70
LOUD = 0.1

_WINDOW_S, _HOP_S = 0.04, 0.02
_AUDIBLE = 0.006
"""Amplitude of a tone that counts as heard."""
_CLEAR = 2.0
"""How much louder a number is than all others of its voice where it is taken for that number."""


def hertz(voice: int, number: int) -> int:
    """The tone with which a voice says a number."""
    return LOWEST_HZ + STEP_HZ * (VOICES * number + voice)


def write_counting(path: Path, voice: int, seconds: float = 180.0, rate: int = 16_000) -> Path:
    """A mono 16-bit WAV in which a voice counts, at the rate of our own phone: it need not resample."""
    one = WORD_S + PAUSE_S
    at = np.arange(int(seconds * rate)) / rate
    inside, number = at % one, (at / one).astype(int) % NUMBERS
    ramp = np.clip(np.minimum(inside, WORD_S - inside) / 0.01, 0, 1)
    said = LOUD * ramp * np.sin(2 * np.pi * (LOWEST_HZ + STEP_HZ * (VOICES * number + voice)) * at)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((said * 32767).astype("<i2").tobytes())
    return path


def numbers(sound: Samples, rate: int, voice: int) -> list[int]:
    """The numbers that a voice says in a recording, in their order; one that is said twice is there twice."""
    size, hop = int(_WINDOW_S * rate), int(_HOP_S * rate)
    if len(sound) < size:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop] * np.hanning(size)
    at = np.arange(size) / rate
    levels = np.stack(
        [np.abs(windows @ np.exp(-2j * np.pi * hertz(voice, number) * at)) * 4 / size for number in range(NUMBERS)], 1
    )
    best = np.argmax(levels, 1)
    ordered = np.sort(levels, 1)
    clear = (ordered[:, -1] > _AUDIBLE) & (ordered[:, -1] > _CLEAR * ordered[:, -2])
    heard = [int(number) if is_clear else None for number, is_clear in zip(best, clear, strict=True)]
    return _words(heard)


def _words(heard: list[int | None]) -> list[int]:
    """Numbers of at least 100 ms; one that is interrupted for less than half a pause is still the same one."""
    words: list[tuple[int, int]] = []
    since, of = 0, None
    for number in heard:
        if number is None:
            since += 1
            continue
        if number == of and since < PAUSE_S / _HOP_S / 2:
            words[-1] = (number, words[-1][1] + 1)
        else:
            words.append((number, 1))
        since, of = 0, number
    return [number for number, windows in words if windows * _HOP_S >= 0.1]


def longest_count(said: list[int]) -> int:
    """How many numbers in a row follow each other as they should, at best."""
    longest, run, before = 0, 0, None
    for number in said:
        run = run + 1 if before is not None and number == (before + 1) % NUMBERS else 1
        longest, before = max(longest, run), number
    return longest
