"""The parser with a compiled reader before it, for the plain messages that carriers and telephones send every day.

The reader takes a message whole or not at all, and reads what it takes exactly as ``parser.parse`` does. All else,
right or wrong, is left to that one: it alone says what is refused and why.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from ringback.sip.errors import SipParseError
from ringback.sip.grammar import Parameters
from ringback.sip.headers import Address, Via
from ringback.sip.limits import LIMITS
from ringback.sip.message import COMPACT, Headers, Message, Request, Response
from ringback.sip.parser import SINGLE, parse
from ringback.sip.uri import parse_uri

AddressParts = tuple[str, str, Parameters]
"""URI, display name, parameters."""

Found = tuple[
    Any, str, list[tuple[str, str]], dict[str, list[str]], bytes, Any, AddressParts, AddressParts, AddressParts | None
]
"""Method and Request-URI, or status and reason; rows; values by key; body; top Via; From; To; a request's Contact."""


def rules() -> tuple[Mapping[str, int], list[str], Mapping[str, str]]:
    """What a reader is made with: limits, keys of headers that may stand only once, long forms of one-letter names."""
    return asdict(LIMITS), sorted(SINGLE), COMPACT


class CompiledParser:
    """As ``parser.parse``, faster.

    Args:
        read: Reads a plain message; ``None`` for any other.
    """

    def __init__(self, read: Callable[[bytes], Found | None]) -> None:
        self._read = read

    def __call__(self, data: bytes) -> Message:
        """Read one datagram. Raises ``SipParseError``, as ``parser.parse`` does."""
        found = self._read(data)
        if found is None:
            return parse(data)
        try:
            return message(found)
        except SipParseError:  # a URI that is none: the reference tells what is wrong first
            return parse(data)


def message(found: Found) -> Message:
    """The value of what a reader found. Raises ``SipParseError`` for a URI that is unreadable."""
    first, second, rows, index, body, via, from_, to, contact = found
    made: Message
    if type(first) is str:
        made = Request(first, second, (), body)
        made.__dict__["uri"] = parse_uri(second)
        made.__dict__["contacts"] = [] if contact is None else [_address(contact)]
    else:
        made = Response(first, second, (), body)
    made.headers = Headers.read(rows, index)
    made.__dict__["top_via"] = Via(*via)
    made.__dict__["from_"] = _address(from_)
    made.__dict__["to"] = _address(to)
    return made


def _address(parts: AddressParts) -> Address:
    uri, name, parameters = parts
    return Address(parse_uri(uri), name, parameters)
