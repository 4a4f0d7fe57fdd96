"""Telephone numbers (E.164): read from what trunks send, written as trunks want them (pure)."""

import re

from ringback.numbers.trunk import NumberFormat

E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_SEPARATORS = str.maketrans("", "", " -.()/")
_TWO_DIGITS = (
    "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86"
    " 90 91 92 93 94 95 98"
)
_NO_TRUNK_PREFIX = frozenset({"1", "34", "351", "39", "420", "45", "47", "30", "352", "371", "372", "48", "65", "852"})
"""Countries that dial national numbers without a prefix; the others put ``0`` in front (7: ``8``)."""

_ISLANDS = frozenset(
    {"242", "246", "264", "268", "284", "345", "441", "473", "649", "658", "664"}
    | {"721", "758", "767", "784", "809", "829", "849", "868", "869", "876"}
)
"""Area codes of the North American plan outside the United States, Canada and their territories."""


def is_e164(text: str) -> bool:
    return E164.fullmatch(text) is not None


def closed_up(text: str) -> str:
    """Any text without what people write between digits (RFC 3966, section 5.1.1)."""
    return text.translate(_SEPARATORS)


def without_separators(user: str) -> str:
    """A user part closed up where it is a number; a name as it is."""
    bare = closed_up(user)
    digits = bare.removeprefix("+")
    return bare if digits.isascii() and digits.isdigit() else user


def country_of(number: str) -> str:
    """Country code of an E.164 number, digits."""
    digits = number.removeprefix("+")
    if digits[:1] in ("1", "7"):
        return digits[:1]
    return digits[:2] if len(digits) > 1 and digits[:2] in _TWO_DIGITS else digits[:3]


def dialling_area(number: str) -> str:
    """What a price goes by: the country code; for other countries of the North American plan with theirs (``1876``)."""
    country = country_of(number)
    return number[1:5] if country == "1" and number[2:5] in _ISLANDS else country


def normalise(text: str, form: NumberFormat, country: str = "") -> str:
    """The E.164 number that a trunk's text stands for; empty when it stands for none.

    Args:
        text: User part of a URI, parameters already off; separators (RFC 3966) are ignored.
        form: How the trunk writes numbers without a plus.
        country: Country code for national numbers; empty when unknown.
    """
    digits = closed_up(text.partition(";")[0])
    if digits.startswith("+"):
        return digits if is_e164(digits) else ""
    if not digits.isascii() or not digits.isdigit():
        return ""
    international = "011" if country == "1" else "00"
    if country and digits.startswith(international):
        found = "+" + digits[len(international) :]
    elif form is NumberFormat.PLAIN:
        found = "+" + digits
    elif form is NumberFormat.NATIONAL and country:
        found = f"+{country}{digits.removeprefix(national_prefix(country))}"
    else:
        return ""
    return found if is_e164(found) else ""


def dialled(text: str, form: NumberFormat, country: str = "") -> str:
    """The E.164 number that digits stand for as a telephone in a country dials them; empty when they stand for none.

    Args:
        form: How the trunk writes numbers, for digits that the country's own dialling says nothing of.
        country: Country code where the telephone is dialled as if it stood; empty when unknown.
    """
    digits = without_separators(text.partition(";")[0])
    if digits.startswith("+") or not country or not digits.isascii() or not digits.isdigit():
        return normalise(digits, form)
    prefix, international = national_prefix(country), "011" if country == "1" else "00"
    if digits.startswith(international):
        found = "+" + digits.removeprefix(international)
    elif country == "1":
        found = {10: f"+1{digits}", 11: f"+{digits}" if digits[0] == "1" else ""}.get(len(digits), "")
    elif digits.startswith(prefix):
        found = f"+{country}{digits.removeprefix(prefix)}"
    else:
        return normalise(digits, form) if form is NumberFormat.PLAIN else ""
    return found if is_e164(found) else ""


def write(number: str, form: NumberFormat, country: str = "") -> str:
    """An E.164 number as a trunk wants it. Numbers of other countries are international in every form."""
    if not number.startswith("+") or form is NumberFormat.E164:
        return number
    digits = number[1:]
    if form is NumberFormat.PLAIN or not country:
        return digits
    if country_of(number) == country:
        return national_prefix(country) + digits[len(country) :]
    return ("011" if country == "1" else "00") + digits


def national_prefix(country: str) -> str:
    """What is dialled before a national number inside a country."""
    if country in _NO_TRUNK_PREFIX:
        return ""
    return "8" if country == "7" else "0"
