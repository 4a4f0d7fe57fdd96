"""Speech over bad networks is still heard well: what a listener gets of it, by PESQ, and the delay that it costs."""

from statistics import mean

import numpy as np
import pytest

import speech

pytestmark = [pytest.mark.needs("flite", "cargo"), pytest.mark.timeout(900)]
SEEDS = range(1, 4)
MANY_SEEDS = range(1, 11)


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
@pytest.mark.parametrize("voice", ["slt", "rms"])
def test_concealment_closes_two_fifths_of_what_silence_costs(codec: str, voice: str) -> None:
    assert_concealed(codec, voice, SEEDS)


def assert_concealed(codec: str, voice: str, seeds: range) -> None:
    """One packet in twenty is lost on networks of these seeds."""
    said = speech.spoken(voice, 0, 8000)
    base: dict[str, object] = {"codec": codec, "rate": 8000}
    clean = speech.mos(said, speech.through(said, **base)[0], 8000)
    lossy: list[dict[str, object]] = [{**base, "loss": 5, "seed": seed} for seed in seeds]

    silence = mean(speech.mos(said, speech.through(said, **network, fill="silence")[0], 8000) for network in lossy)
    heard = mean(speech.mos(said, speech.through(said, **network)[0], 8000) for network in lossy)

    assert heard - silence >= 0.4 * (clean - silence), (silence, heard, clean)


@pytest.mark.parametrize("voice", ["slt", "awb"])
def test_opus_with_copies_stays_good_with_one_in_twenty_lost(voice: str) -> None:
    assert_good(voice, SEEDS)


def assert_good(voice: str, seeds: range) -> None:
    """Opus with copies in each next packet, over networks of these seeds."""
    said = speech.spoken(voice, 0, 16000)
    network: dict[str, object] = {"codec": "OPUS", "rate": 16000, "bitrate": 32000, "fec": "on", "loss": 5}

    heard = mean(speech.mos(said, speech.through(said, **network, seed=seed)[0], 16000) for seed in seeds)

    assert heard > 3.0


@pytest.mark.soak
def test_ten_networks_that_lose_one_in_twenty_leave_speech_as_good_as_promised() -> None:
    for voice in ("slt", "rms"):
        assert_concealed("PCMU", voice, MANY_SEEDS)
        assert_concealed("PCMA", voice, MANY_SEEDS)
        assert_good(voice, MANY_SEEDS)


@pytest.mark.parametrize("jitter", [0, 30, 60, 100])
def test_the_buffer_is_hardly_longer_than_the_best_one_and_hardly_conceals(jitter: int) -> None:
    said = np.tile(speech.spoken("slt", 0, 8000), 12)

    _, told = speech.through(said, codec="PCMU", rate=8000, jitter=jitter)

    # The first and last 60 ms are the stream's own; a tick of 20 ms is what a packet waits for at most besides.
    assert told["delay_ms"] <= max(told["ideal_ms"], 20) + 15
    assert told["concealed"] - 3 <= 0.01 * told["frames"]


@pytest.mark.parametrize("percent, burst", [(1, 1), (3, 1), (10, 1), (10, 3)])
@pytest.mark.parametrize("codec, rate", [("PCMU", 8000), ("G722", 16000), ("OPUS", 16000)])
def test_every_word_is_still_understood(codec: str, rate: int, percent: int, burst: int) -> None:
    said = speech.spoken("rms", 1, rate)

    heard, told = speech.through(said, codec=codec, rate=rate, loss=percent, burst=burst, fec="on", bitrate=32000)

    assert told["lost"] > 0
    assert speech.intelligibility(said, heard, rate) > 0.75


def test_an_hour_of_a_clock_that_runs_fast_or_slow_neither_fills_nor_empties_the_buffer() -> None:
    said = np.tile(speech.spoken("slt", 0, 8000), 60 * 60 * 8000 // len(speech.spoken("slt", 0, 8000)))
    for skew in (-200, 200):
        _, told = speech.through(said, codec="PCMU", rate=8000, skew=skew, jitter=10)

        assert told["delay_ms"] < 45
        # 200 in a million of an hour are 720 ms, which are 36 frames to leave out or to put in.
        assert 25 <= told["shrunk"] + told["stretched"] + told["concealed"] <= 60, told
