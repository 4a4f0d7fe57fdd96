"""What the greeter does with what it hears."""

from array import array
from random import Random

from ringback.cli.greeter import BYTES_PER_SECOND, RATE, Greeter
from ringback.cli.softphone import tone

GREETING, REPLY = b"\x01\x00" * 16000, b"\x02\x00" * 1600
STEP = 0.02
SILENCE = bytes(int(STEP * BYTES_PER_SECOND))


def speech(seed: int) -> bytes:
    chance = Random(seed)
    return array("h", (chance.randint(-6000, 6000) for _ in range(int(STEP * RATE)))).tobytes()


def hear_all(greeter: Greeter, chunks: list[bytes], now: float = 0.0) -> list[tuple[float, bytes]]:
    """Feed chunk by chunk; what it said, and when."""
    said = []
    for number, chunk in enumerate(chunks):
        at = now + number * STEP
        if answer := greeter.hear(chunk, at):
            said.append((round(at, 2), answer))
    return said


def test_somebody_who_comes_is_greeted_once_after_a_moment():
    greeter = Greeter(GREETING, REPLY)
    greeter.arrived(0.0)
    greeter.arrived(0.1)

    said = hear_all(greeter, [SILENCE] * 200)

    assert said == [(0.8, GREETING)]


def test_speech_is_said_back_after_a_pause():
    greeter = Greeter(GREETING, REPLY)
    spoken = [speech(seed) for seed in range(50)]

    said = hear_all(greeter, spoken + [SILENCE] * 100)

    [(at, answer)] = said
    assert 1.6 < at < 1.8
    assert answer.startswith(REPLY + b"".join(spoken))


def test_a_click_is_not_speech():
    greeter = Greeter(GREETING, REPLY)

    said = hear_all(greeter, [speech(1)] * 5 + [SILENCE] * 100)

    assert said == []


def test_what_it_hears_while_it_speaks_is_not_said_back():
    greeter = Greeter(GREETING, REPLY)
    greeter.arrived(-1.0)

    said = hear_all(greeter, [speech(seed) for seed in range(40)] + [SILENCE] * 100)

    assert said == [(0.0, GREETING)]


def test_the_test_tone_comes_back_at_once():
    greeter = Greeter(GREETING, REPLY)
    burst = tone.make(STEP, RATE)

    assert greeter.hear(burst, 0.0) == burst


def test_endless_speech_is_kept_within_bounds():
    greeter = Greeter(GREETING, REPLY)

    said = hear_all(greeter, [speech(seed) for seed in range(3000)] + [SILENCE] * 60)

    [(_, answer)] = said
    assert len(answer) <= len(REPLY) + 8.1 * BYTES_PER_SECOND
