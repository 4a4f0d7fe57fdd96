"""The 1004 Hz test tone that telephone companies measure lines with: made, and recognised in PCM."""

import math
from array import array

HZ = 1004
AMPLITUDE = 8000
LEAST_RMS = 300.0
PURE = 0.8


def make(seconds: float, rate: int) -> bytes:
    """The tone as int16 mono PCM."""
    step = 2 * math.pi * HZ / rate
    return array("h", (round(AMPLITUDE * math.sin(step * at)) for at in range(int(seconds * rate)))).tobytes()


def is_tone(data: bytes, rate: int) -> bool:
    """Whether PCM (20 ms or more) is this tone and little else: Goertzel's share of the whole energy."""
    samples = array("h")
    samples.frombytes(data[: len(data) - len(data) % 2])
    energy = float(sum(sample * sample for sample in samples))
    if len(samples) < rate // 100 or energy / len(samples) < LEAST_RMS**2:
        return False
    turn = 2 * math.cos(2 * math.pi * HZ / rate)
    last = before = 0.0
    for sample in samples:
        last, before = sample + turn * last - before, last
    power = last * last + before * before - turn * last * before
    return 2 * power / (len(samples) * energy) > PURE
