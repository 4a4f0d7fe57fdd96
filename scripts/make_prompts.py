"""Makes the packaged prompts and hold music of ``src/ringback/media/prompts``. Run it by hand when a text changes.

The voice is ``slt`` of flite (CMU, a BSD-like licence; the recordings behind it are CMU ARCTIC, free for any use). The
music is composed here by a seeded random walk, so it is nobody else's. Both are written as G.711 µ-law at 8 kHz.
"""

import array
import math
import random
import struct
import subprocess
import tempfile
import wave
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "src/ringback/media/prompts"
RATE = 8000

ENGLISH = {
    "enter-code": "Please enter the code of your meeting, followed by the pound key.",
    "wrong-code": "This code is not known.",
    "no-input": "No complete code was entered.",
    "please-wait": "Nobody is here yet. Please wait until the meeting starts.",
    "nobody-here": "Nobody is in this meeting yet. Please call again later.",
    "full": "You cannot join this meeting now.",
    "goodbye": "Goodbye.",
    "no-answer": "Nobody could take your call. Please try again later. Goodbye.",
}

SEED = 1876
BEAT = 0.5
CHORDS = ((220.0, 261.63, 329.63), (174.61, 220.0, 261.63), (261.63, 329.63, 392.0), (196.0, 246.94, 293.66))
"""Four bars of four beats each: A minor, F, C, G. The loop has three rounds of them: 24 s."""

ROUNDS = 3
PEAK = 9000.0


def music() -> list[int]:
    """The hold music, int16: a soft chord under a melody that walks over its notes. The end runs into the beginning."""
    chance = random.Random(SEED)
    length = int(ROUNDS * len(CHORDS) * 4 * BEAT * RATE)
    sound = [0.0] * length
    for bar in range(ROUNDS * len(CHORDS)):
        chord = CHORDS[bar % len(CHORDS)]
        for note in chord:
            _add(sound, bar * 4 * BEAT, 4 * BEAT, note, 0.16, attack=0.25)
        for beat in range(4):
            if chance.random() < 0.85:
                note = chance.choice(chord) * chance.choice((2, 2, 4))
                _add(sound, (bar * 4 + beat) * BEAT, chance.choice((1, 1, 2)) * BEAT, note, 0.3, attack=0.02)
    loudest = max(abs(sample) for sample in sound)
    return [round(sample / loudest * PEAK) for sample in sound]


def _add(sound: list[float], at: float, seconds: float, hz: float, level: float, attack: float) -> None:
    """One note with two overtones that swells and dies away, round the end of the loop where it has to."""
    first, count = int(at * RATE), int(seconds * 1.3 * RATE)
    for n in range(count):
        t = n / RATE
        shape = min(1.0, t / attack) * math.exp(-2.2 * t / seconds) * min(1.0, (count - n) / 400)
        wave = sum(math.sin(math.tau * hz * k * t) / k**2 for k in (1, 2, 3) if hz * k < 3400)
        sound[(first + n) % len(sound)] += level * shape * wave


def speak(text: str) -> list[int]:
    """A sentence in int16 at ``RATE``, with a little silence behind it."""
    with tempfile.TemporaryDirectory() as folder:
        spoken, narrow = Path(folder, "spoken.wav"), Path(folder, "narrow.wav")
        subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", spoken], check=True)
        subprocess.run(["sox", "-D", spoken, "-r", str(RATE), "-b", "16", narrow, "gain", "-n", "-6"], check=True)
        with wave.open(str(narrow), "rb") as file:
            samples = array.array("h", file.readframes(file.getnframes()))
    return [*samples, *[0] * (RATE // 4)]


def mu_law(sample: int) -> int:
    """One int16 sample as G.711 µ-law (ITU-T G.711, table 2)."""
    value = min(abs(sample) + 132, 32767)
    exponent = max(value.bit_length() - 8, 0)
    return ~((0x80 if sample < 0 else 0) | exponent << 4 | (value >> (exponent + 3)) & 0x0F) & 0xFF


def write(path: Path, samples: list[int]) -> None:
    body = bytes(mu_law(sample) for sample in samples)
    form = struct.pack("<HHIIHHH", 7, 1, RATE, RATE, 1, 8, 0)
    fact = struct.pack("<I", len(body))
    chunks = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in ((b"fmt ", form), (b"fact", fact), (b"data", body))
    )
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)


def main() -> None:
    folder = FOLDER / "en"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ENGLISH.items():
        write(folder / f"{name}.wav", speak(text))
    write(folder / "music.wav", music())


if __name__ == "__main__":
    main()
