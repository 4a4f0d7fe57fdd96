"""What is dialled before a number to tell the network something, and is no part of it.

``*67`` and ``#31#`` withhold the caller's number, and so do ``141`` in Britain and ``1831`` in Australia, of digits
alone. What stands behind them is what is called, and what the guards have to see. Sources: national numbering plans.
"""

import re

_STARRED = re.compile(r"[*#]{1,2}[0-9]{2}#?")

DIGITS: dict[str, tuple[str, ...]] = {
    "1": ("1167", "1182"),
    "33": ("3651",),
    "34": ("067",),
    "44": ("141", "1470"),
    "61": ("1831", "1832"),
    "64": ("0197", "0196"),
    "81": ("184", "186"),
    "852": ("133",),
    "353": ("141", "142"),
}
"""Country code → codes of digits alone, as they are dialled there."""

_ALL = tuple(code for codes in DIGITS.values() for code in codes)


def behind_code(user: str, country: str = "") -> str:
    """What a user part calls behind a service code; empty where it begins with none.

    Args:
        user: Closed up: digits, with ``*`` and ``#``.
        country: Country code where it is dialled; empty when unknown: then the codes of all countries count.
    """
    if starred := _STARRED.match(user):
        return user[starred.end() :]
    codes = DIGITS.get(country, ()) if country else _ALL
    return next((user[len(code) :] for code in codes if user.startswith(code)), "")
