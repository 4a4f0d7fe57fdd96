"""Tones that exchanges play, as values: what a caller hears while the other side rings (ITU-T E.180, E.182)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tone:
    """Sine waves sounded together in a rhythm that repeats.

    Attributes:
        frequencies: Hertz, one to four of them, each above 0 and below 4000.
        rhythm_ms: Milliseconds on, off, on, off …; empty: without a pause. An even count, each 10 to 60,000.
        level_dbm0: Power of each frequency; a sine of 0 dBm0 is 3.17 dB below what G.711 can carry.
    """

    frequencies: tuple[float, ...]
    rhythm_ms: tuple[int, ...] = ()
    level_dbm0: float = -19.0


_TWICE = (400, 200, 400, 2000)

RINGING = Tone((425,), (1000, 4000))
"""What E.180 recommends to all."""

RINGING_BY_COUNTRY: dict[str, Tone] = {
    "1": Tone((440, 480), (2000, 4000)),
    "7": Tone((425,), (800, 3200)),
    "27": Tone((400,), _TWICE),
    "32": Tone((425,), (1000, 3000)),
    "33": Tone((440,), (1500, 3500)),
    "34": Tone((425,), (1500, 3000)),
    "43": Tone((420,), (1000, 5000)),
    "44": Tone((400, 450), _TWICE),
    "46": Tone((425,), (1000, 5000)),
    "61": Tone((400, 425), _TWICE),
    "64": Tone((400, 450), _TWICE),
    "65": Tone((425,), _TWICE),
    "81": Tone((384, 416), (1000, 2000)),
    "82": Tone((440, 480), (1000, 2000)),
    "86": Tone((450,), (1000, 4000)),
    "90": Tone((450,), (2000, 4000)),
    "91": Tone((375, 425), _TWICE),
    "351": Tone((425,), (1000, 5000)),
    "353": Tone((400, 450), _TWICE),
    "852": Tone((440, 480), (400, 200, 400, 3000)),
    "972": Tone((400,), (1000, 3000)),
}
"""Country calling code → its ringing tone, where it is not the recommended one."""


def ringing_for(number: str) -> Tone:
    """The ringing tone of the country of an E.164 number (``+`` and digits); the recommended one for anything else."""
    if number.startswith("+"):
        for length in (1, 2, 3):
            if tone := RINGING_BY_COUNTRY.get(number[1 : 1 + length]):
                return tone
    return RINGING
