"""The small pieces of RFC 3261 §25.1 that every header shares. All of it runs in time linear in its input."""

import re
from functools import lru_cache

from ringback.sip.errors import SipParseError
from ringback.sip.limits import LIMITS

TOKEN_CHARACTERS = r"A-Za-z0-9\-.!%*_+`'~"
TOKEN = re.compile(rf"[{TOKEN_CHARACTERS}]+")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|<[^<>"]*>|[^",<>]+|(,)', re.DOTALL)
_PARAMETER = re.compile(
    rf'[ \t]*;[ \t]*([{TOKEN_CHARACTERS}]+)(?:[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^;,"\s<>]+))?[ \t]*', re.DOTALL
)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)

Parameters = dict[str, str | None]
"""Header parameters in order: name in lower case → value as written (quotes and all), ``None`` for a flag."""


def split_commas(value: str) -> list[str]:
    """Split a list header at its commas, not at those inside quotes or angle brackets (§7.3.1)."""
    if "," not in value:
        return [value.strip(" \t")]
    parts = []
    start = position = 0
    while position < len(value):
        match = _PIECE.match(value, position)
        if match is None:
            raise SipParseError("unbalanced quote or bracket")
        if match[1]:
            parts.append(value[start:position].strip(" \t"))
            start = match.end()
        position = match.end()
    parts.append(value[start:].strip(" \t"))
    if not all(parts):
        raise SipParseError("empty element in a list")
    return parts


def parse_parameters(text: str) -> Parameters:
    """Read ``;name=value;flag``. A repeated name, an empty element or anything left over is an error."""
    parameters: Parameters = {}
    position = 0
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            raise SipParseError("unreadable parameters")
        name = match[1].lower()
        if name in parameters:
            raise SipParseError("a parameter is given twice")
        if len(parameters) >= LIMITS.parameters:
            raise SipParseError("too many parameters")
        parameters[name] = match[2]
        position = match.end()
    return parameters


def write_parameters(parameters: Parameters) -> str:
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in parameters.items())


def unquote(text: str) -> str:
    """The meaning of a token or quoted-string."""
    if len(text) >= 2 and text[0] == '"':
        return _QUOTED_PAIR.sub(r"\1", text[1:-1])
    return text


def quote(text: str) -> str:
    """A quoted-string that means ``text`` (§25.1). Raises ``ValueError`` on control characters."""
    if any(c < " " or c == "\x7f" for c in text):
        raise ValueError("a control character in a quoted string")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@lru_cache(maxsize=1024)
def number(text: str, highest: int) -> int:
    """A non-negative decimal number; leading zeros are just zeros (RFC 4475 §3.1.1.1)."""
    if not (text.isascii() and text.isdigit()) or len(text) > 20 or int(text) > highest:
        raise SipParseError("a number is unreadable or out of range")
    return int(text)


def clean(text: str) -> str:
    """Text from a stranger, made fit for logs, rows and JSON: control characters out, broken UTF-8 replaced.

    Line and paragraph separators and bidirectional overrides count as control characters.
    """
    if text.isascii() and text.isprintable():
        return text
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c for c in whole if not (c < " " or "\x7f" <= c <= "\x9f" or c in _INVISIBLE))


_INVISIBLE = frozenset("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
