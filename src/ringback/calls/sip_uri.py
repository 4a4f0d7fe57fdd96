"""Addresses a customer asks us to dial: ``sip:user@host;parameters?X-header=value`` (RFC 3261 §19.1), taken apart.

Everything here is hostile. Escapes in headers are decoded once and never again; what decodes to a control character is
refused, so nothing can add a line to our INVITE. Which host may be called is decided where it is resolved.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import unquote_to_bytes

from ringback.model.errors import InvalidRequest
from ringback.sip.errors import SipParseError
from ringback.sip.uri import parse_sip_uri, undoubled

MAX_LENGTH = 2048 + 512
MAX_ADDRESS = 512
MAX_HEADERS = 16
MAX_HEADER_BYTES = 2048

_HEADER_NAME = re.compile(r"[Xx]-[A-Za-z0-9!%*_+`'~.-]{1,64}")
_CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]")
_BARE = re.compile(r"[^\s:@/?<>\"]+@[^\s@/<>\"]+")
_ADDRESS = re.compile(r"sips?:(?:[^\s@<>\"]+@)?[^\s@<>\"]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """An address to dial.

    Attributes:
        address: ``sip:`` or ``sips:`` URI without headers.
        user: Its user part, or its host when it has none; for people.
        headers: ``X-`` headers for the INVITE.
    """

    address: str
    user: str
    headers: tuple[tuple[str, str], ...] = ()


def parse_target(text: str) -> Target:
    """Take an address apart. ``sip:sip:…`` and a bare ``user@host`` mean ``sip:…``.

    Raises:
        InvalidRequest: It cannot be dialled; the text says why.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidRequest("sipUri is too long")
    address, _, query = text.strip().partition("?")
    if _BARE.fullmatch(address):
        address = "sip:" + address
    address = undoubled(address)
    scheme, _, rest = address.partition(":")
    if scheme.lower() not in ("sip", "sips"):
        raise InvalidRequest("Invalid SIP URI, must start with 'sip:'")
    address = f"{scheme.lower()}:{rest}"
    if len(address) > MAX_ADDRESS or _CONTROL.search(address) or not address.isascii():
        raise InvalidRequest("Invalid SIP URI: it is too long or has characters that must be escaped")
    if not _ADDRESS.fullmatch(address):
        raise InvalidRequest("Invalid SIP URI")
    user, at, host = rest.rpartition("@")
    shown = user.partition(":")[0].partition(";")[0] if at else host.partition(";")[0].partition(":")[0]
    return Target(address, _decoded(shown, "sipUri"), _headers(query))


def literal_host(address: str) -> str:
    """The IP address a URI names; empty when it names none."""
    try:
        return str(ip_address(parse_sip_uri(address).host))
    except (SipParseError, ValueError):
        return ""


def _headers(query: str) -> tuple[tuple[str, str], ...]:
    if not query:
        return ()
    pairs = query.split("&")
    if len(pairs) > MAX_HEADERS or len(query) > MAX_HEADER_BYTES:
        raise InvalidRequest(f"sipUri: at most {MAX_HEADERS} headers of together {MAX_HEADER_BYTES} bytes")
    headers: list[tuple[str, str]] = []
    for pair in pairs:
        raw_name, _, raw_value = pair.partition("=")
        name, value = _decoded(raw_name, "a header name of sipUri"), _decoded(raw_value, "a header value of sipUri")
        if not _HEADER_NAME.fullmatch(name):
            raise InvalidRequest("sipUri: names of headers must start with X- and be made of letters, digits and -")
        if name.lower() in (known.lower() for known, _ in headers):
            raise InvalidRequest(f"sipUri: header {name} is given twice")
        headers.append((name, value.strip()))
    return tuple(headers)


def _decoded(text: str, what: str) -> str:
    """Percent-decode once; a plus is a plus."""
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"{what} is not UTF-8 when decoded") from None
    if _CONTROL.search(decoded):
        raise InvalidRequest(f"{what} has a control character")
    return decoded
