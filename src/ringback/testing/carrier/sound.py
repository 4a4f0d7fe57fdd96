"""What a telephone line carries: G.711 both ways, tones, and what can be told from a sound (ITU-T G.711, Q.23).

Sound is int16 mono little-endian PCM at ``RATE`` wherever it is not said otherwise.
"""

import math
import sys
from array import array
from collections.abc import Iterable
from functools import cache

RATE = 8000
FRAME = 160
"""Samples in a packet of 20 ms."""

FRAME_S = FRAME / RATE
KEYS = {
    key: (low, high)
    for low, row in ((697, "123A"), (770, "456B"), (852, "789C"), (941, "*0#D"))
    for high, key in zip((1209, 1336, 1477, 1633), row, strict=True)
}
SPEECH = 500.0
"""Root mean square above which somebody speaks; a quiet line is below 100."""


def tone(hz: float, seconds: float, amplitude: int = 8000) -> bytes:
    """A sine."""
    return chord((hz,), seconds, amplitude)


def chord(frequencies: tuple[float, ...], seconds: float, amplitude: int = 8000) -> bytes:
    """Several at once, each with that amplitude."""
    steps = [2 * math.pi * hz / RATE for hz in frequencies]
    return pcm(round(amplitude * sum(math.sin(step * at) for step in steps)) for at in range(round(seconds * RATE)))


def silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RATE))


def keys_as_tones(keys: str, on_s: float = 0.12, off_s: float = 0.08) -> bytes:
    """Keys as they sound on a line that sends no telephone-events."""
    return b"".join(chord(KEYS[key], on_s, 6000) + silence(off_s) for key in keys if key in KEYS)


def pcm(samples: Iterable[float]) -> bytes:
    """Samples from anything that gives numbers; too loud ones are clipped."""
    whole = array("h", (max(-32768, min(32767, int(sample))) for sample in samples))
    if sys.byteorder == "big":
        whole.byteswap()
    return whole.tobytes()


def samples_of(data: bytes) -> "array[int]":
    samples = array("h")
    samples.frombytes(data[: len(data) - len(data) % 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def loudness(data: bytes) -> float:
    """Root mean square, 0 to 32768."""
    samples = samples_of(data)
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples)) if samples else 0.0


def share(data: bytes, hz: float) -> float:
    """How much of a sound's energy is one tone: 0 to 1 (Goertzel)."""
    samples = samples_of(data)
    energy = float(sum(sample * sample for sample in samples))
    if not energy:
        return 0.0
    turn = 2 * math.cos(2 * math.pi * hz / RATE)
    last = before = 0.0
    for sample in samples:
        last, before = sample + turn * last - before, last
    return 2 * (last * last + before * before - turn * last * before) / (len(samples) * energy)


# ── G.711 ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def encode(data: bytes, codec: str) -> bytes:
    """PCM as ``PCMU`` or ``PCMA``, a byte a sample."""
    table = _encoder(codec)
    return bytes([table[sample & 0xFFFF] for sample in samples_of(data)])


def decode(data: bytes, codec: str) -> bytes:
    """``PCMU`` or ``PCMA`` as PCM."""
    table = _decoder(codec)
    return b"".join([table[byte] for byte in data])


def quiet(codec: str) -> bytes:
    """A packet of silence."""
    return (b"\xff" if codec == "PCMU" else b"\xd5") * FRAME


@cache
def _levels(codec: str) -> tuple[int, ...]:
    """The sample each of the 256 codes stands for."""
    return tuple((_from_mu_law if codec == "PCMU" else _from_a_law)(code) for code in range(256))


@cache
def _decoder(codec: str) -> tuple[bytes, ...]:
    return tuple(level.to_bytes(2, "little", signed=True) for level in _levels(codec))


@cache
def _encoder(codec: str) -> bytes:
    """Sample, as 16 bits without sign → the code whose level is nearest."""
    order = sorted(range(256), key=lambda code: _levels(codec)[code])
    levels = [_levels(codec)[code] for code in order]
    table = bytearray(65536)
    nearest = 0
    for sample in range(-32768, 32768):
        while nearest < 255 and abs(levels[nearest + 1] - sample) <= abs(levels[nearest] - sample):
            nearest += 1
        table[sample & 0xFFFF] = order[nearest]
    return bytes(table)


def _from_mu_law(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def _from_a_law(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = code >> 4 & 7, (code & 0x0F) << 4
    magnitude = mantissa + 8 if not exponent else mantissa + 0x108 << exponent - 1
    return magnitude if code & 0x80 else -magnitude
