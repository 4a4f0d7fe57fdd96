"""Which country rings how."""

import pytest

from ringback.model.tones import RINGING, RINGING_BY_COUNTRY, Tone, ringing_for


@pytest.mark.parametrize(
    ("number", "tone"),
    [
        ("+12125550123", Tone((440, 480), (2000, 4000))),
        ("+442079460000", Tone((400, 450), (400, 200, 400, 2000))),
        ("+353201234567", Tone((400, 450), (400, 200, 400, 2000))),
        ("+493012345678", RINGING),
        ("alice", RINGING),
        ("", RINGING),
        ("+", RINGING),
    ],
)
def test_a_callee_rings_as_in_its_country(number: str, tone: Tone):
    assert ringing_for(number) == tone


def test_every_tone_of_the_table_keeps_the_limits_of_tones():
    for tone in (RINGING, *RINGING_BY_COUNTRY.values()):
        assert 1 <= len(tone.frequencies) <= 4 and all(0 < hz < 4000 for hz in tone.frequencies)
        assert len(tone.rhythm_ms) % 2 == 0 and all(10 <= ms <= 60_000 for ms in tone.rhythm_ms)
