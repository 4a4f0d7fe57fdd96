"""Recorded sounds as values."""

import pytest

from ringback.model.sound import Sound


def test_equal_sounds_have_equal_ids_and_the_rate_counts() -> None:
    assert Sound(b"\x01\x02" * 8).id == Sound(b"\x01\x02" * 8).id
    assert Sound(b"\x01\x02" * 8).id != Sound(b"\x01\x02" * 8, 16000).id
    assert len(Sound(b"\x01\x02").id) == 32


def test_it_knows_how_long_it_lasts_and_shows_no_samples() -> None:
    sound = Sound(bytes(2 * 8000))

    assert sound.seconds == 1.0
    assert repr(sound).endswith("1.00 s at 8000)") and "x00" not in repr(sound)


@pytest.mark.parametrize(
    ("pcm", "rate", "why"),
    [
        (b"", 8000, "one at least"),
        (b"abc", 8000, "whole"),
        (b"ab", 44100, "8000 or 16000"),
        (bytes(2 * 8000 * 61), 8000, "60 s at most"),
    ],
)
def test_what_is_no_sound_for_a_telephone_is_refused(pcm: bytes, rate: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Sound(pcm, rate)
