"""Sound files: what is read, what is refused, and where prompts come from."""

import asyncio
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import uvloop

from interop.peers.tones import level_db
from ringback.media.sounds import NAMES, PACKAGED, BadSound, Prompts, joined, read_mp3, read_wav, speak
from ringback.model.sound import Sound

MP3 = Path(__file__).parents[2] / "vectors/sounds/tone-700hz-stereo.mp3"


def wav(body: bytes, coding: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16) -> bytes:
    form = struct.pack("<HHIIHH", coding, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
    inside = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(inside)) + inside


def samples(sound: Sound) -> list[int]:
    return np.frombuffer(sound.pcm, "<i2").tolist()


def test_pcm_mu_law_and_stereo_files_are_read() -> None:
    assert samples(read_wav(wav(struct.pack("<3h", 1, -2, 300)))) == [1, -2, 300]
    assert samples(read_wav(wav(struct.pack("<4h", 10, 20, -10, -30), channels=2, rate=16000))) == [15, -20]
    # G.711, table 2: the loudest codes, and silence.
    assert samples(read_wav(wav(b"\x80\x00\xff", coding=7, bits=8))) == [32124, -32124, 0]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no WAV"),
        (b"ID3" + bytes(100), "no WAV"),
        (b"RIFF\x04\0\0\0WAVE", "no WAV"),
        (wav(bytes(8), rate=44100), "8000 or 16000"),
        (wav(bytes(8), bits=24), "16-bit PCM"),
        (wav(bytes(8), channels=6), "mono or stereo"),
        (wav(b""), "one at least"),
        (wav(bytes(61 * 16000)), "60 s at most"),
        (bytes(11 * 1024 * 1024), "10 MB"),
    ],
)
def test_what_cannot_be_played_is_refused_with_a_reason(data: bytes, why: str) -> None:
    with pytest.raises(BadSound, match=why):
        read_wav(data)


def test_an_mp3_file_becomes_mono_at_16_khz() -> None:
    sound = read_mp3(MP3.read_bytes())

    heard = np.frombuffer(sound.pcm, "<i2") / 32768
    assert sound.rate == 16000 and 1.4 < sound.seconds < 1.7
    assert level_db(heard[4000:20000], 16000, 700) > 40
    assert 0.2 < float(np.abs(heard[4000:20000]).max()) < 0.35


@pytest.mark.parametrize("data", [b"", b"<html>", bytes(5000), MP3.read_bytes()[:50]])
def test_what_is_no_mp3_is_refused(data: bytes) -> None:
    with pytest.raises(BadSound, match="no MP3"):
        read_mp3(data)


def test_a_long_mp3_is_refused_without_being_read_to_its_end() -> None:
    with pytest.raises(BadSound, match="too long"):
        read_mp3(MP3.read_bytes() * 60)


def test_sounds_are_joined_at_the_higher_rate_and_end_after_a_minute() -> None:
    narrow, wide = Sound(struct.pack("<2h", 100, 200)), Sound(struct.pack("<h", 7), 16000)

    assert samples(joined([narrow, wide])) == [100, 150, 200, 200, 7]
    assert joined([narrow, wide]).rate == 16000
    assert joined([Sound(bytes(2 * 8000 * 40))] * 2).seconds == 60.0


def test_every_prompt_is_packaged_and_is_heard() -> None:
    prompts = Prompts()
    prompts.check()

    assert {path.stem for path in (PACKAGED / "en").glob("*.wav")} == set(NAMES)
    for name in NAMES:
        heard = np.frombuffer(prompts.sound(name).pcm, "<i2")
        assert 4000 < int(np.abs(heard).max()) < 30000, name


def test_the_operators_own_prompts_win(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en/goodbye.wav").write_bytes(wav(struct.pack("<h", 5)))

    prompts = Prompts(tmp_path)

    assert samples(prompts.sound("goodbye")) == [5]
    assert prompts.sound("music") == Prompts().sound("music")


def test_a_prompt_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "de").mkdir()
    (tmp_path / "de/goodbye.wav").write_bytes(b"not a wav")

    with pytest.raises(BadSound, match=r"de/goodbye\.wav: it is no WAV file"):
        Prompts(tmp_path, "de").sound("goodbye")
    with pytest.raises(BadSound, match=r"no prompt full\.wav in .*de"):
        Prompts(tmp_path, "de").sound("full")


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed: make peers")
async def test_text_is_spoken_and_never_taken_for_an_option(tmp_path: Path) -> None:
    spoken = await speak(f"-o {tmp_path}/evil.wav -lv hello")

    assert spoken is not None and spoken.seconds > 0.5 and spoken.rate in (8000, 16000)
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed: make peers")
def test_text_is_spoken_on_the_servers_event_loop() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        spoken = runner.run(speak("Nobody could take your call."))

    assert spoken is not None and spoken.seconds > 1.0


async def test_what_has_no_words_is_not_spoken() -> None:
    assert await speak(" \n… ") is None
