"""Sounds to be played to telephones: read from WAV and MP3 files, spoken by ``flite``, or taken from the package.

A prompt is looked for in the operator's folder (``<folder>/<language>/<name>.wav``), then among the packaged ones.
"""

import array
import asyncio
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import structlog

from ringback import core
from ringback.model.sound import LONGEST, RATES, Sound

log = structlog.get_logger()

PACKAGED = Path(__file__).parent / "prompts"
LARGEST_FILE = 10 * 1024 * 1024
RATE = 16000
"""What MP3 files become."""

MOST_SPOKEN = 2000
"""Characters."""

SPEAKS_WITHIN = 10.0
"""Seconds."""


class BadSound(ValueError):
    """One sentence: why a file is no sound that can be played."""


def read_wav(data: bytes) -> Sound:
    """A WAV file (RIFF) of 16-bit PCM or G.711 µ-law, 8000 or 16000 Hz, one channel or two.

    Raises:
        BadSound: It is none, or longer than a minute.
    """
    if len(data) > LARGEST_FILE:
        raise BadSound("the file is larger than 10 MB")
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise BadSound("it is no WAV file")
    form, body, at = b"", b"", 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        chunk = data[at + 8 : at + 8 + size]
        if data[at : at + 4] == b"fmt ":
            form = chunk
        elif data[at : at + 4] == b"data":
            body = chunk
        at += 8 + size + size % 2
    if len(form) < 16:
        raise BadSound("it is no WAV file")
    coding, channels, rate, bits = (int.from_bytes(form[a:b], "little") for a, b in ((0, 2), (2, 4), (4, 8), (14, 16)))
    if (coding, bits) not in ((1, 16), (7, 8)) or channels not in (1, 2) or rate not in RATES:
        raise BadSound("a WAV file must be 16-bit PCM or 8-bit mu-law, mono or stereo, at 8000 or 16000 Hz")
    samples = _mu_law(body) if coding == 7 else _pcm(body)
    if channels == 2:
        samples = array.array(
            "h", ((left + right) // 2 for left, right in zip(samples[::2], samples[1::2], strict=False))
        )
    return _sound(_bytes(samples), rate)


def read_mp3(data: bytes) -> Sound:
    """An MP3 file of at most 10 MB and a minute, in mono at 16 kHz. Takes a while: call it on a thread.

    Raises:
        BadSound: It is none.
    """
    if len(data) > LARGEST_FILE:
        raise BadSound("the file is larger than 10 MB")
    try:
        return _sound(core.decode_mp3(data, RATE, int(LONGEST)), RATE)
    except ValueError as error:
        raise BadSound(str(error)) from None


def joined(sounds: Sequence[Sound]) -> Sound:
    """One after the other, at the highest rate among them; cut off after a minute."""
    rate = max(sound.rate for sound in sounds)
    pcm = b"".join(sound.pcm if sound.rate == rate else _doubled(sound.pcm) for sound in sounds)
    return Sound(pcm[: int(LONGEST) * rate * 2], rate)


async def speak(text: str) -> Sound | None:
    """Text in words by ``flite``; ``None`` where that is not installed, or fails."""
    program = _flite()
    words = " ".join(text.split())[:MOST_SPOKEN]
    if program is None or not re.search(r"\w", words):
        return None
    # Into a file, for flite opens its output by name, and some event loops' pipes are sockets, which have none.
    with tempfile.TemporaryFile() as file:
        try:
            # The text comes from a customer: it is a value of its own behind -t, never an option or a file's name.
            running = await asyncio.create_subprocess_exec(
                program, "-voice", "slt", "-t", words, "-o", "/dev/stdout",
                stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            log.warning("sounds.no-voice", error=str(error))
            return None
        try:
            async with asyncio.timeout(SPEAKS_WITHIN):
                await running.wait()
            file.seek(0)
            return read_wav(_finished(file.read()))
        except (TimeoutError, BadSound) as error:
            log.warning("sounds.not-spoken", error=str(error) or "too slow")
            return None
        finally:
            if running.returncode is None:
                running.kill()
                await running.wait()


class Prompts:
    """Prompts of one language by name.

    Args:
        folder: The operator's own, or ``None``; its files win over the packaged ones.
        language: Name of the folder inside.
    """

    def __init__(self, folder: Path | None = None, language: str = "en") -> None:
        self._folders = [*([folder / language] if folder else []), PACKAGED / language]
        self._known: dict[str, Sound] = {}

    def check(self) -> None:
        """Read every prompt once. Raises ``BadSound`` naming the file that cannot be used."""
        for name in NAMES:
            self.sound(name)

    def sound(self, name: str) -> Sound:
        """The prompt of that name, one of ``NAMES``."""
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def _read(self, name: str) -> Sound:
        for folder in self._folders:
            path = folder / f"{name}.wav"
            try:
                return read_wav(path.read_bytes())
            except FileNotFoundError:
                continue
            except (OSError, BadSound) as error:
                raise BadSound(f"{path}: {error}") from None
        raise BadSound(f"there is no prompt {name}.wav in {self._folders[-1]}")


NAMES = ("enter-code", "wrong-code", "no-input", "please-wait", "nobody-here", "full", "goodbye", "no-answer", "music")
"""What is packaged, in each language; ``music`` is played to who waits."""


@cache
def _flite() -> str | None:
    return shutil.which("flite")


def _finished(wav: bytes) -> bytes:
    """A WAV written to a pipe: its sizes are what came."""
    if wav[:4] != b"RIFF" or (at := wav.find(b"data")) < 0:
        return wav
    return wav[: at + 4] + (len(wav) - at - 8).to_bytes(4, "little") + wav[at + 8 :]


def _pcm(body: bytes) -> "array.array[int]":
    samples = array.array("h", body[: len(body) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _bytes(samples: "array.array[int]") -> bytes:
    if sys.byteorder == "big":
        samples = array.array("h", samples)
        samples.byteswap()
    return samples.tobytes()


def _mu_law(body: bytes) -> "array.array[int]":
    wide = bytearray(2 * len(body))
    wide[::2], wide[1::2] = (body.translate(octets) for octets in _mu_law_tables())
    return _pcm(bytes(wide))


@cache
def _mu_law_tables() -> tuple[bytes, bytes]:
    """ITU-T G.711, table 2: of the sample for each code the lower octet, and the higher."""

    def sample(code: int) -> int:
        code = ~code & 0xFF
        value = (((code & 0x0F) << 3) + 132 << (code >> 4 & 7)) - 132
        return -value if code & 0x80 else value

    samples = [sample(code) & 0xFFFF for code in range(256)]
    return bytes(value & 0xFF for value in samples), bytes(value >> 8 for value in samples)


def _doubled(pcm: bytes) -> bytes:
    """8 kHz as 16 kHz, between neighbours in a straight line."""
    samples = _pcm(pcm)
    wide = array.array("h", bytes(2 * len(pcm)))
    wide[::2] = samples
    following = samples[1:] + samples[-1:]
    wide[1::2] = array.array("h", ((one + other) // 2 for one, other in zip(samples, following, strict=True)))
    return _bytes(wide)


def _sound(pcm: bytes, rate: int) -> Sound:
    try:
        return Sound(pcm, rate)
    except ValueError as error:
        raise BadSound(str(error)) from None
