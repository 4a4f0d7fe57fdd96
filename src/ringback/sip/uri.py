"""SIP URIs (RFC 3261 §19.1), and what callers and users put into them."""

import ipaddress
import re
from functools import lru_cache

from ringback.model.values import dataclass, replace
from ringback.sip.errors import SipParseError
from ringback.sip.grammar import clean
from ringback.sip.limits import LIMITS

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_ESCAPED = "|%[0-9A-Fa-f]{2}"
_USER = re.compile(rf"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/#]{_ESCAPED})+")
_PASSWORD = re.compile(rf"(?:[A-Za-z0-9\-_.!~*'()&=+$,]{_ESCAPED})*")
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:;?\[\]]+)(?::([0-9]{1,5}))?(;[^?]*)?(\?.*)?", re.DOTALL)
_PARAMETER = re.compile(r"[A-Za-z0-9\-_.!~*'()\[\]/:&+$%]+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9\-_.!~*'()\[\]/?:+$%]+")
_HEADER_VALUE = re.compile(r"[!#-;=?-Z\\\]^_`a-~\[]*")
_HOST_NAME = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9_\-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_\-]*[A-Za-z0-9_])?)*\.?"
)
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_OPAQUE = re.compile(r"[!#-;=?-~]+")

KNOWN_PARAMETERS = frozenset(
    {"transport", "user", "method", "ttl", "maddr", "lr", "ob", "gr", "comp", "tgrp", "phone-context"}
)
"""URI parameters that mean something to SIP; others are a caller's own words."""


@dataclass(frozen=True, slots=True)
class SipUri:
    """A ``sip:`` or ``sips:`` URI. Parts are kept as written (escapes and all), so that it is re-sent unchanged.

    Attributes:
        scheme: ``sip`` or ``sips``.
        user: ``None`` when there is no ``@``.
        host: Without brackets for IPv6, else as written.
        parameters: Names in lower case.
        headers: What stands behind ``?``, as written.
    """

    scheme: str
    user: str | None
    password: str | None
    host: str
    port: int | None
    parameters: tuple[tuple[str, str | None], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    def parameter(self, name: str) -> str | None:
        """Value of a parameter; ``""`` for a flag, ``None`` when absent."""
        for key, value in self.parameters:
            if key == name:
                return value or ""
        return None

    def bare(self) -> "SipUri":
        """Without ``?headers``."""
        return replace(self, headers=())

    def host_port(self) -> str:
        return format_host_port(self.host, self.port)

    def __str__(self) -> str:
        user = "" if self.user is None else self.user
        if self.password is not None:
            user += f":{self.password}"
        if self.user is not None:
            user += "@"
        parameters = "".join(f";{k}" if v is None else f";{k}={v}" for k, v in self.parameters)
        headers = "?" + "&".join(f"{k}={v}" for k, v in self.headers) if self.headers else ""
        return f"{self.scheme}:{user}{self.host_port()}{parameters}{headers}"


@dataclass(frozen=True, slots=True)
class OtherUri:
    """A URI of another scheme (``tel:``, ``http:`` …): legal in From, To and Contact, nothing we can send to."""

    scheme: str
    rest: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"


Uri = SipUri | OtherUri


@lru_cache(maxsize=4096)
def parse_uri(text: str) -> Uri:
    """Read a URI. Raises ``SipParseError`` (414 when longer than ``LIMITS.uri``)."""
    if len(text) > LIMITS.uri:
        raise SipParseError("a URI is too long", 414)
    match = _SCHEME.match(text)
    if match is None:
        raise SipParseError("a URI has no scheme")
    scheme, rest = match[1].lower(), text[match.end() :]
    if scheme in ("sip", "sips"):
        return _parse_sip(scheme, rest)
    if not _OPAQUE.fullmatch(rest):
        raise SipParseError("a URI has characters it must not have")
    return OtherUri(scheme, rest)


def parse_sip_uri(text: str) -> SipUri:
    """As ``parse_uri``, for places where only SIP will do (status 416 otherwise)."""
    uri = parse_uri(text)
    if not isinstance(uri, SipUri):
        raise SipParseError("not a sip URI", 416)
    return uri


def _parse_sip(scheme: str, rest: str) -> SipUri:
    user: str | None
    user, at, authority = rest.partition("@")
    password: str | None = None
    if at:
        user, colon, secret = user.partition(":")
        password = secret if colon else None
        if not _USER.fullmatch(user) or not _PASSWORD.fullmatch(secret):
            raise SipParseError("the user part of a URI is unreadable")
    else:
        user, authority = None, rest
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise SipParseError("the host of a URI is unreadable")
    port = int(match[2]) if match[2] else None
    if port is not None and not 0 < port <= 65535:
        raise SipParseError("a port is out of range")
    return SipUri(scheme, user, password, parse_host(match[1]), port, _parameters(match[3]), _headers(match[4]))


@lru_cache(maxsize=4096)
def parse_host(text: str) -> str:
    """Check a host name, IPv4 address or bracketed IPv6 address; brackets are taken off."""
    if text.startswith("["):
        try:
            ipaddress.IPv6Address(text[1:-1])
        except ValueError as error:
            raise SipParseError("an IPv6 address is unreadable") from error
        if "%" in text or not text.endswith("]"):
            raise SipParseError("an IPv6 address is unreadable")
        return text[1:-1]
    if len(text) > 255 or not _HOST_NAME.fullmatch(text):
        raise SipParseError("a host is unreadable")
    return text


def format_host_port(host: str, port: int | None) -> str:
    """``host``, ``host:port`` or ``[v6]:port``."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def _parameters(text: str | None) -> tuple[tuple[str, str | None], ...]:
    if not text:
        return ()
    found: dict[str, str | None] = {}
    for part in text[1:].split(";"):
        name, equals, value = part.partition("=")
        key = name.lower()
        if not _PARAMETER.fullmatch(name) or (equals and not _PARAMETER.fullmatch(value)):
            raise SipParseError("a URI parameter is unreadable")
        if key in found or len(found) >= LIMITS.parameters:
            raise SipParseError("a URI parameter is given twice, or there are too many")
        found[key] = value if equals else None
    return tuple(found.items())


def _headers(text: str | None) -> tuple[tuple[str, str], ...]:
    if not text:
        return ()
    found = []
    for part in text[1:].split("&"):
        name, _, value = part.partition("=")
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise SipParseError("a header in a URI is unreadable")
        found.append((name, value))
    return tuple(found)


def unescape(text: str) -> str:
    """Percent-decode once. A broken escape stays as it is written; ``+`` is a plus sign."""
    if "%" not in text:
        return text
    raw = _PERCENT.sub(lambda m: bytes([int(m[1], 16)]), text.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def escape(text: str) -> str:
    """Percent-encode everything but RFC 3261's ``unreserved``."""
    return "".join(
        chr(octet) if chr(octet) in _UNRESERVED else f"%{octet:02X}"
        for octet in text.encode("utf-8", "surrogateescape")
    )


_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()")


def undoubled(text: str) -> str:
    """An address without a ``sip:`` that somebody put before one that had it: ``sip:sip:123@host``."""
    while text[:8].lower() in ("sip:sip:", "sip:sips"):
        text = text[4:]
    return text


def dialled_user(uri: SipUri) -> str:
    """The user part that was meant, unescaped and without control characters.

    Some programs put ``sip:`` before an address that already has it: ``sip:sip:123@host`` means ``123``.
    """
    user, password = uri.user, uri.password
    if user is not None and user.lower() in ("sip", "sips") and password:
        user = password
    return clean(unescape(user or ""))


def embedded_headers(uri: SipUri) -> dict[str, str]:
    """What a caller wrote into the address they dialled: ``?name=value`` and parameters SIP does not know.

    Decoded once, then stripped of control characters (so ``%0d%0a`` cannot become a line). Names in lower case.
    """
    found = {k: v or "" for k, v in uri.parameters if k not in KNOWN_PARAMETERS}
    found.update((name.lower(), value) for name, value in uri.headers)
    return {clean(unescape(name)): clean(unescape(value)) for name, value in found.items()}
