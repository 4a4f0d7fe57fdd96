"""The counting voices of the interop tests are heard as they speak: a lost or repeated number is seen."""

from pathlib import Path

import numpy as np
import pytest

from interop.peers import tones
from interop.peers.counting import NUMBERS, PAUSE_S, VOICES, WORD_S, longest_count, numbers, write_counting

RATE = 16_000
ONE = int((WORD_S + PAUSE_S) * RATE)


def voice(folder: Path, number: int) -> tones.Samples:
    return tones.read_wav(write_counting(folder / f"{number}.wav", number, seconds=9))[0]


def test_each_of_five_voices_is_heard_counting_while_all_speak_at_once(tmp_path: Path) -> None:
    together = np.sum([np.roll(voice(tmp_path, number), 1400 * number) for number in range(VOICES)], 0)

    for number in range(VOICES):
        assert longest_count(numbers(together, RATE, number)) >= 17, number


@pytest.mark.parametrize("what", ["lost", "twice"])
def test_a_number_that_is_lost_or_heard_twice_breaks_the_count(tmp_path: Path, what: str) -> None:
    said = voice(tmp_path, 2)
    changed = (
        np.concatenate([said[: 5 * ONE], said[6 * ONE :]])
        if what == "lost"
        else np.concatenate([said[: 6 * ONE], said[5 * ONE :]])
    )

    heard = numbers(changed, RATE, 2)

    assert heard[:5] == [0, 1, 2, 3, 4]
    assert heard[5:7] == ([6, 7] if what == "lost" else [5, 5])
    assert longest_count(heard) <= 15


def test_a_glitch_within_a_number_is_not_two_numbers(tmp_path: Path) -> None:
    said = voice(tmp_path, 0).copy()
    said[ONE + 1600 : ONE + 2560] = 0

    assert numbers(said, RATE, 0)[:NUMBERS] == list(range(NUMBERS))


def test_silence_and_another_voice_are_not_this_one(tmp_path: Path) -> None:
    assert numbers(np.zeros(RATE), RATE, 0) == []
    assert longest_count(numbers(voice(tmp_path, 1), RATE, 2)) < 4
