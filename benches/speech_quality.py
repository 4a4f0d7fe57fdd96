"""How speech survives loss: PESQ of several voices, concealed by us, filled with silence, and undisturbed.

``PYTHONPATH=tests .venv/bin/python benches/speech_quality.py [--seeds 10]``. Needs flite (``make peers``). The floor of
each row is the same packets with silence where one was lost.
"""

import argparse
import json
from statistics import mean

import speech


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="networks per voice and codec")
    seeds = parser.parse_args().seeds
    for codec, rate, options in (
        ("PCMU", 8000, {}),
        ("PCMA", 8000, {}),
        ("G722", 16000, {}),
        ("OPUS", 16000, {"fec": "on", "bitrate": 32000}),
    ):
        for percent, burst in ((1, 1), (3, 1), (5, 1), (10, 1), (5, 3)):
            row(codec, rate, seeds, {"loss": percent, "burst": burst}, options)


def row(codec: str, rate: int, seeds: int, network: dict[str, object], options: dict[str, object]) -> None:
    """Mean over voices and seeds of one codec and network."""
    clean, silence, concealed = [], [], []
    for voice in speech.VOICES:
        said = speech.spoken(voice, 0, rate)
        base: dict[str, object] = {"codec": codec, "rate": rate, **options}
        clean.append(speech.mos(said, speech.through(said, **base)[0], rate))
        for seed in range(seeds):
            bad = {**base, **network, "seed": seed}
            concealed.append(speech.mos(said, speech.through(said, **bad)[0], rate))
            silence.append(speech.mos(said, speech.through(said, **bad, fill="silence")[0], rate))
    name = f"speech/{codec} {network['loss']} % lost, bursts of {network['burst']}"
    gap = (mean(concealed) - mean(silence)) / (mean(clean) - mean(silence))
    for what, value in (("", mean(concealed)), (" floor: silence", mean(silence)), (" undisturbed", mean(clean))):
        print(json.dumps({"name": name + what, "score": round(value, 3), "unit": "PESQ"}), flush=True)
    print(json.dumps({"name": name + ": of the gap closed", "score": round(100 * gap, 1), "unit": "%"}), flush=True)


if __name__ == "__main__":
    main()
