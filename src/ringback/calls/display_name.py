"""What a caller is called in the room: ``x-daily_display_name``, as a header or left in the dialled URI.

The value is percent-decoded once. A plus is a plus; a broken escape stays as it is; what is no UTF-8 is replaced.
Control and direction-changing characters are hostile and taken out; what is too long is cut.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

PARAMETER = "x-daily_display_name"
MAX_LENGTH = 199
"""Characters; Daily's limit is "less than 200"."""

_DIRECTION = re.compile("[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def clean(text: str) -> str:
    """Text of a stranger made fit to be shown: no control or direction characters, spaces folded, cut to length."""
    if not (text.isascii() and text.isprintable()):
        text = _without_control(text)
    text = " ".join(text.split())
    return text[:MAX_LENGTH].rstrip()


def _without_control(text: str) -> str:
    text = _DIRECTION.sub("", text)
    return "".join(" " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in text)


def display_name(
    uri_headers: Mapping[str, str], headers: Sequence[tuple[str, str]], room_default: str, from_user: str
) -> str:
    """The name a dial-in participant gets.

    Args:
        uri_headers: What the Request-URI carried, percent-decoded once already.
        headers: ``X-`` headers of the INVITE as they came; this one is decoded here.
        room_default: The room's ``sip.display_name``.
        from_user: Who called, for a room without a name for its callers.
    """
    for name, value in headers:
        if name.lower() == PARAMETER and (cleaned := clean(unquote(value, errors="replace"))):
            return cleaned
    for name, value in uri_headers.items():
        if name.lower() == PARAMETER and (cleaned := clean(value)):
            return cleaned
    return clean(room_default) or clean(from_user)
