"""Numbers that regulators keep free for fiction, and who answers them at a pretend carrier.

Sources: +1 NPA 555-0100 to 555-0199 (ATIS-0300115, the 555 guidelines of the North American Numbering Plan);
the area code 555, which the plan gives to nobody;
+44 20 7946 0000 to 0999 and +44 7700 900000 to 900999 (Ofcom, numbers for use in drama); +61 491 570 … (ACMA, numbers
for use in creative works, which lists single ones).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ringback.testing.carrier.personas import PERSONAS, Persona

AREA_CODES = {
    "212": ("NY", "New York"),
    "202": ("DC", "Washington"),
    "305": ("FL", "Miami"),
    "312": ("IL", "Chicago"),
    "415": ("CA", "San Francisco"),
    "416": ("ON", "Toronto"),
    "604": ("BC", "Vancouver"),
}
"""Those of +1 whose pretend numbers are listed; every other area code has the same ones."""

AUSTRALIAN = ("006", "110", "156", "157", "158", "159", "313", "737")
"""Endings of +61 491 570 that are kept free."""

AUSTRALIAN_PERSONAS = ("talks", "echoes", "rings-for-ever", "busy", "voicemail", "menu", "hangs-up", "test-tone")
PERSONAS_HAVE = 50
"""Of a hundred numbers of an area the first fifty are people's."""

SOLD_EACH = 10
"""Of the others, how many of an area are for sale."""


@dataclass(frozen=True, slots=True)
class ForSale:
    """A number that nobody answers: it can be had.

    Attributes:
        number: E.164.
        region: Subdivision of the country (ISO 3166-2), empty where there is none.
        city: In words; empty for a mobile number.
    """

    number: str
    region: str = ""
    city: str = ""


def people() -> Mapping[str, Persona]:
    """Number → persona, of all numbers that are listed."""
    found: dict[str, Persona] = {}
    for at, persona in enumerate(PERSONAS.values()):
        for area in AREA_CODES:
            found[f"+1{area}55501{at:02}"] = persona
        found[f"+4420794600{at:02}"] = persona
        found[f"+4477009000{at:02}"] = persona
    for ending, name in zip(AUSTRALIAN, AUSTRALIAN_PERSONAS, strict=True):
        found[f"+61491570{ending}"] = PERSONAS[name]
    return found


def for_sale() -> tuple[ForSale, ...]:
    """The pretend carrier's stock of numbers."""
    endings = range(PERSONAS_HAVE, PERSONAS_HAVE + SOLD_EACH)
    found = [
        ForSale(f"+1{area}55501{at:02}", region, city) for area, (region, city) in AREA_CODES.items() for at in endings
    ]
    found += [ForSale(f"+4420794600{at:02}", "LND", "London") for at in endings]
    found += [ForSale(f"+4477009000{at:02}") for at in endings]
    return tuple(found)


def standing_for(number: str) -> str:
    """The listed number that has the same person: for +1 NXX 555-01xx the one of that ending, and so for numbers of
    the area code 555, which nobody has; there whoever has no ending talks."""
    if len(number) != 12 or not number.startswith("+1"):
        return number
    listed = f"+1{next(iter(AREA_CODES))}55501"
    if number[5:10] == "55501":
        return listed + number[10:]
    if number[2:5] == "555":
        return listed + (number[10:] if int(number[10:]) < len(PERSONAS) else "00")
    return number


PATTERNS = ("+1[2-9]xx55501xx", "+1555xxxxxxx", "+442079460xxx", "+447700900xxx", "+61491570xxx")
"""As in the rules of trunks: every number of fiction."""
