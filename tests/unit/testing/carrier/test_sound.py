"""G.711 and tones of the pretend carrier."""

import pytest

from ringback.testing.carrier import sound


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_sound_comes_back_nearly_as_it_went(codec: str) -> None:
    """ITU-T G.711: a sixteenth of a step of each sample's own size at most."""
    said = sound.tone(440, 0.5)

    heard = sound.decode(sound.encode(said, codec), codec)

    for one, other in zip(sound.samples_of(said), sound.samples_of(heard), strict=True):
        assert abs(one - other) <= max(16, abs(one) / 16)


@pytest.mark.parametrize(
    ("codec", "code", "sample"),
    [("PCMU", 0xFF, 0), ("PCMU", 0x80, 32124), ("PCMU", 0x00, -32124), ("PCMA", 0xD5, 8), ("PCMA", 0xAA, 32256)],
)
def test_codes_stand_for_the_samples_of_the_standard(codec: str, code: int, sample: int) -> None:
    assert sound.samples_of(sound.decode(bytes([code]), codec))[0] == sample


def test_every_code_is_its_own_best_code() -> None:
    for codec in ("PCMU", "PCMA"):
        levels = sound.decode(bytes(range(256)), codec)
        assert sound.decode(sound.encode(levels, codec), codec) == levels


def test_a_tone_is_known_from_others_and_from_silence() -> None:
    said = sound.tone(440, 0.2)

    assert sound.share(said, 440) > 0.99
    assert sound.share(said, 880) < 0.01
    assert sound.share(sound.silence(0.2), 440) == 0.0
    assert sound.loudness(said) > sound.SPEECH > sound.loudness(sound.silence(0.2))


def test_a_key_sounds_as_its_two_tones() -> None:
    """ITU-T Q.23."""
    said = sound.keys_as_tones("5")[: 2 * 960]

    assert sound.share(said, 770) == pytest.approx(0.5, abs=0.05)
    assert sound.share(said, 1336) == pytest.approx(0.5, abs=0.05)
