"""Files in, files out, and the test tone."""

import wave
from array import array
from pathlib import Path
from random import Random

import pytest

from ringback.cli.softphone import tone
from ringback.cli.softphone.sound import Recorder, SoundError, loudness, read_wav, resample


def write(path: Path, samples: array, rate: int, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def test_a_file_of_another_rate_keeps_its_length_and_its_tone(tmp_path: Path):
    original = array("h")
    original.frombytes(tone.make(1.0, 48000))

    data = read_wav(write(tmp_path / "a.wav", original, 48000), 16000)

    assert len(data) == 2 * 16000
    assert tone.is_tone(data, 16000)


def test_channels_are_mixed(tmp_path: Path):
    both = array("h", [100, 300] * 8000)

    data = read_wav(write(tmp_path / "a.wav", both, 8000, channels=2), 8000)

    assert array("h", data) == array("h", [200] * 8000)


def test_eight_bits_are_widened(tmp_path: Path):
    data = read_wav(write(tmp_path / "a.wav", array("B", [128, 255, 0]), 8000, width=1), 8000)

    assert array("h", data) == array("h", [0, 127 << 8, -128 << 8])


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no sound at all, only words" * 10])
def test_a_file_that_is_no_wav_is_one_sentence(tmp_path: Path, content: bytes):
    path = tmp_path / "a.wav"
    path.write_bytes(content)

    with pytest.raises(SoundError, match="cannot be played"):
        read_wav(path, 8000)


def test_a_missing_file_is_one_sentence(tmp_path: Path):
    with pytest.raises(SoundError, match=r"none\.wav cannot be played: No such file or directory$"):
        read_wav(tmp_path / "none.wav", 8000)


def test_a_recording_is_whole_after_every_write(tmp_path: Path):
    path = tmp_path / "a.wav"

    with Recorder(path, 16000) as recorder:
        recorder.write(tone.make(0.1, 16000))
        recorder.write(tone.make(0.1, 16000))
        meanwhile = read_wav(path, 16000)

    assert len(meanwhile) == 2 * 3200
    assert read_wav(path, 16000) == meanwhile


def test_going_up_in_rate_interpolates():
    assert resample(array("h", [0, 100, 200]), 8000, 16000) == array("h", [0, 50, 100, 150, 200, 200])


def test_noise_and_silence_and_other_tones_are_not_the_test_tone():
    chance = Random(1)
    noise = array("h", (chance.randint(-9000, 9000) for _ in range(320))).tobytes()
    other = array("h", tone.make(0.02, 8000)).tobytes()  # played at twice its rate it is 2008 Hz

    assert not tone.is_tone(noise, 16000)
    assert not tone.is_tone(bytes(640), 16000)
    assert not tone.is_tone(other, 16000)
    assert loudness(noise) > 4000
