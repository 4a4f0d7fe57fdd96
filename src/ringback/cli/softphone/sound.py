"""Sound in files and as bytes: int16 mono little-endian PCM, WAV in and out, speech by a synthesiser of the machine."""

import shutil
import subprocess
import sys
import tempfile
import wave
from array import array
from pathlib import Path
from types import TracebackType
from typing import Self

INSTALL_A_VOICE = "No voice is installed for --say: sudo apt-get install flite (or espeak-ng)."


class SoundError(Exception):
    """A file or a voice cannot be used; the text is one sentence."""


def read_wav(path: Path, rate: int) -> bytes:
    """A WAV file (8 or 16 bit, any rate, channels mixed) as PCM at ``rate``.

    Raises:
        SoundError: It cannot be read.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, found = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except OSError as error:
        raise SoundError(f"{path} cannot be played: {error.strerror or error}") from None
    except (EOFError, wave.Error) as error:
        raise SoundError(f"{path} cannot be played: {error or 'it is empty'}") from None
    if width == 1:
        samples = array("h", ((byte - 128) << 8 for byte in data))
    elif width == 2:
        samples = _array(data)
    else:
        raise SoundError(f"{path} has {8 * width} bits a sample; 16 can be played (sox in.wav -b 16 out.wav)")
    return _bytes(resample(_mono(samples, channels), found, rate))


def _mono(samples: "array[int]", channels: int) -> "array[int]":
    if channels == 1:
        return samples
    whole = len(samples) - len(samples) % channels
    return array("h", (sum(samples[at : at + channels]) // channels for at in range(0, whole, channels)))


def resample(samples: "array[int]", source: int, target: int) -> "array[int]":
    """Linear interpolation; going down, each sample is the mean of those it stands for, which tames aliases."""
    if source == target or not samples:
        return samples
    length = len(samples) * target // source
    if source > target:
        span = max(1, round(source / target))
        starts = (at * source // target for at in range(length))
        return array("h", (sum(part) // len(part) for at in starts if (part := samples[at : at + span])))
    last = len(samples) - 1
    out = array("h")
    for at in range(length):
        whole, rest = divmod(at * source, target)
        here, there = samples[min(whole, last)], samples[min(whole + 1, last)]
        out.append(here + (there - here) * rest // target)
    return out


def say(text: str, rate: int) -> bytes:
    """Speech as PCM at ``rate``, by flite or espeak-ng.

    Raises:
        SoundError: Neither is installed, or it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        if flite := shutil.which("flite"):
            # -t takes the text as it is, also when it begins with a dash.
            command = [flite, "-voice", "slt", "-t", text, "-o", str(path)]
        elif espeak := shutil.which("espeak-ng"):
            command = [espeak, "-w", str(path), "--", text]
        else:
            raise SoundError(INSTALL_A_VOICE)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not path.exists():
            raise SoundError(f"{Path(command[0]).name} could not say that: {done.stderr.strip()[:200]}")
        return read_wav(path, rate)


def loudness(data: bytes) -> float:
    """Root mean square of PCM, 0 to 32768."""
    samples = _array(data)
    return float((sum(sample * sample for sample in samples) / len(samples)) ** 0.5) if samples else 0.0


class Recorder:
    """Writes a mono WAV that is whole after every ``write``.

    Args:
        path: File to make or replace.
        rate: Samples per second of what is written.

    Raises:
        SoundError: The file cannot be written.
    """

    def __init__(self, path: Path, rate: int) -> None:
        try:
            self._raw = path.open("wb", buffering=0)
        except OSError as error:
            raise SoundError(f"{path} cannot be written: {error.strerror}") from None
        self._file = wave.Wave_write(self._raw)
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(rate)
        self._file.writeframes(b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._raw.close()

    def write(self, data: bytes) -> None:
        """Append PCM."""
        self._file.writeframes(data)


def _array(data: bytes) -> "array[int]":
    samples = array("h")
    samples.frombytes(data[: len(data) - len(data) % 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _bytes(samples: "array[int]") -> bytes:
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
