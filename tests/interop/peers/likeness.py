"""Finding a known sound in a recording: by correlation, so that a prompt is told from another and music from noise."""

import numpy as np

from interop.peers.tones import Samples
from ringback.model.sound import Sound


def samples_of(sound: Sound, seconds: float = 2.0) -> Samples:
    """The beginning of a sound at 8 kHz, -1..1."""
    found = np.frombuffer(sound.pcm, "<i2").astype(np.float64) / 32768
    return at_8_khz(found, sound.rate)[: int(seconds * 8000)]


def at_8_khz(sound: Samples, rate: int) -> Samples:
    """A sound of 8, 16 or 48 kHz at 8 kHz."""
    step = rate // 8000
    return sound[: len(sound) // step * step].reshape(-1, step).mean(axis=1)


def likeness(heard: Samples, known: Samples) -> float:
    """How alike the best match of ``known`` in ``heard`` is, both at 8 kHz: 1 is the same, below 0.3 is chance.

    Looked for whole, and in three pieces: a jitter buffer that leaves out or adds 10 ms leaves the words as they were.
    """
    pieces = [_best_match(heard, piece) for piece in np.array_split(known, 3)]
    return max(_best_match(heard, known), sum(pieces) / len(pieces))


def _best_match(heard: Samples, known: Samples) -> float:
    if len(heard) < len(known):
        return 0.0
    size = 1 << (len(heard) + len(known)).bit_length()
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(known, size)), size)
    cross = cross[: len(heard) - len(known) + 1]
    energy = np.concatenate([[0.0], np.cumsum(heard**2)])
    within = energy[len(known) :] - energy[: len(heard) - len(known) + 1]
    scale = np.sqrt(np.maximum(within, 1e-4) * float(np.sum(known**2)))
    return float(np.max(np.abs(cross) / scale))
