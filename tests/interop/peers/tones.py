"""Tones into files, and finding them again by Fourier transform."""

import struct
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]


def write_tone(path: Path, hz: float, seconds: float = 30.0, rate: int = 8000) -> Path:
    """A mono 16-bit WAV with a sine at a quarter of full scale."""
    at = np.arange(int(seconds * rate)) / rate
    sound = (8192 * np.sin(2 * np.pi * hz * at)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(sound.tobytes())
    return path


def read_wav(path: Path, rate: int = 8000) -> tuple[Samples, int]:
    """Samples (mono, -1..1) and rate of a 16-bit WAV, also of one whose writer has not finished its header.

    A file without sound yet gives no samples. ``rate`` is for writers that leave the whole header zero until the end.
    """
    data = path.read_bytes()
    channels, at = 1, 12
    if not data.startswith(b"RIFF"):
        return np.frombuffer(data[44 : len(data) - len(data) % 2], "<i2").astype(np.float64) / 32768, rate
    while at + 8 <= len(data):
        name, size = data[at : at + 4], struct.unpack("<I", data[at + 4 : at + 8])[0]
        if name == b"fmt ":
            channels, rate = struct.unpack("<HI", data[at + 10 : at + 16])
        if name == b"data":
            # Sizes are written at the end; until then they are zero or the largest number there is.
            body = data[at + 8 :] if size in (0, 0xFFFFFFFF) or at + 8 + size > len(data) else data[at + 8 :][:size]
            usable = len(body) - len(body) % (2 * channels)
            sound = np.frombuffer(body[:usable], "<i2").astype(np.float64) / 32768
            return sound.reshape(-1, channels).mean(axis=1), rate
        at += 8 + size + size % 2
    return np.zeros(0), rate


def level_db(sound: Samples, rate: int, hz: float) -> float:
    """How far the loudest line within 15 Hz of ``hz`` stands above the median of the telephone band, in dB.

    Pure noise and silence give less than about 20 dB, a tone through any codec of ours more than 30.
    """
    if len(sound) < rate // 4 or float(np.max(np.abs(sound))) < 0.003:
        return 0.0
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    at = np.fft.rfftfreq(len(sound), 1 / rate)
    band = spectrum[(at > 200) & (at < 3400)]
    peak = float(np.max(spectrum[np.abs(at - hz) <= 15]))
    # Codec products stand on both sides of a tone; what counts is the tone against the loudest line elsewhere too.
    return 20 * float(np.log10(max(peak, 1e-9) / max(float(np.median(band)), 1e-9)))


def loudest_hz(sound: Samples, rate: int) -> float:
    """Frequency of the strongest line between 100 and 3800 Hz, or 0 for silence."""
    if len(sound) < rate // 4 or float(np.max(np.abs(sound))) < 0.003:
        return 0.0
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    at = np.fft.rfftfreq(len(sound), 1 / rate)
    spectrum[(at < 100) | (at > 3800)] = 0
    return float(at[int(np.argmax(spectrum))])


def hears(path: Path, hz: float, rate: int = 8000, last_s: float = 1.0) -> bool:
    """Whether the last second of a recording has a tone."""
    if not path.exists():
        return False
    sound, rate = read_wav(path, rate)
    return len(sound) >= rate * last_s and level_db(sound[-int(rate * last_s) :], rate, hz) > 30
