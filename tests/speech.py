"""Speech of several voices through our own receiving end over a bad network, and how well it is still heard (PESQ)."""

import json
import os
import subprocess
import tempfile
import wave
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pesq import pesq
from pystoi import stoi
from scipy.signal import resample_poly

ROOT = Path(__file__).resolve().parent.parent
#: Voices of flite that differ most: a woman's and two men's.
VOICES = ("slt", "rms", "awb")
#: From the Harvard lists of phonetically balanced sentences (IEEE 297-1969), which are free to use.
SENTENCES = (
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well. These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls. The juice of lemons makes fine punch.",
)

Pcm = npt.NDArray[np.int16]


@cache
def spoken(voice: str, sentence: int, rate: int) -> Pcm:
    """A sentence as mono samples at ``rate``, half as loud as could be."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        subprocess.run(["flite", "-voice", voice, "-t", SENTENCES[sentence], "-o", str(path)], check=True)
        with wave.open(str(path)) as file:
            said = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
            heard = resample_poly(said, rate, file.getframerate())
    return np.asarray(heard / np.abs(heard).max() * 16000, "<i2")


@cache
def program() -> Path:
    """The example that is the network and the receiving end, built if need be (the Rust tests build it, too)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringback"
    tools = [str(folder) for folder in sorted(cache.glob("tools-*/bin"))]
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": os.environ.get("CARGO_TARGET_DIR", str(cache / "target")),
        "PATH": os.pathsep.join([os.environ.get("PATH", ""), *tools]),
    }
    whole = ["--workspace", "--exclude", "ringback-python"]
    build = ["cargo", "build", "--locked", "--release", *whole, "--example", "through_loss", "--message-format=json"]
    done = subprocess.run(build, cwd=ROOT, env=environment, check=True, capture_output=True)
    artifacts = (json.loads(line) for line in done.stdout.splitlines())
    return next(Path(artifact["executable"]) for artifact in artifacts if artifact.get("executable"))


def through(pcm: Pcm, **network: object) -> tuple[Pcm, Mapping[str, Any]]:
    """What is heard of ``pcm``, and counters. ``network``: options of the example ``through_loss``, in its units."""
    options = [word for name, value in network.items() for word in (f"--{name}", str(value))]
    done = subprocess.run([program(), *options], input=pcm.tobytes(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, "<i2"), json.loads(done.stderr or "{}")


def mos(reference: Pcm, heard: Pcm, rate: int) -> float:
    """PESQ (ITU-T P.862, at 16 kHz P.862.2): 1 bad to 4.6 as good as the reference."""
    length = min(len(reference), len(heard))
    return float(pesq(rate, reference[:length], heard[:length], "nb" if rate == 8000 else "wb"))


def intelligibility(reference: Pcm, heard: Pcm, rate: int) -> float:
    """STOI, 0 to 1."""
    length = min(len(reference), len(heard))
    return float(stoi(reference[:length], heard[:length], rate))
