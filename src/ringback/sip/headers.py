"""Typed header values, read on demand (RFC 3261 §20)."""

import re
from dataclasses import field
from functools import lru_cache

from ringback.model.values import dataclass
from ringback.sip.errors import SipParseError
from ringback.sip.grammar import (
    QUOTED,
    TOKEN,
    TOKEN_CHARACTERS,
    Parameters,
    clean,
    number,
    parse_parameters,
    quote,
    split_commas,
    unquote,
    write_parameters,
)
from ringback.sip.uri import SipUri, Uri, format_host_port, parse_host, parse_uri

_VIA = re.compile(
    rf"SIP[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*([{TOKEN_CHARACTERS}]+)[ \t]+"
    r"(\[[^\]\s]*\]|[^:;,\[\]\s]+)(?:[ \t]*:[ \t]*([0-9]{1,5}))?[ \t]*(;.*)?",
    re.IGNORECASE | re.DOTALL,
)
_CSEQ = re.compile(rf"([0-9]+)[ \t]+([{TOKEN_CHARACTERS}]+)")
_BARE_DISPLAY = re.compile(rf"[{TOKEN_CHARACTERS} \t()/@&#\u0080-\U0010ffff]*")
_CREDENTIAL = re.compile(
    rf'[ \t]*([{TOKEN_CHARACTERS}]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^",\s]+)[ \t]*(,|$)', re.DOTALL
)
BRANCH_COOKIE = "z9hG4bK"


@dataclass(frozen=True, slots=True)
class Via:
    """One hop (§20.42). ``parameters`` keep values as written."""

    transport: str
    host: str
    port: int | None
    parameters: Parameters = field(default_factory=dict)

    @property
    def branch(self) -> str:
        return self.parameters.get("branch") or ""

    @property
    def sent_by(self) -> str:
        return format_host_port(self.host.lower(), self.port)

    def __str__(self) -> str:
        where = format_host_port(self.host, self.port)
        return f"SIP/2.0/{self.transport} {where}{write_parameters(self.parameters)}"


@dataclass(frozen=True, slots=True)
class Address:
    """``"Name" <uri>;parameters`` of From, To, Contact, Route, Record-Route, Refer-To.

    Attributes:
        name: Display name, unquoted; empty when there is none.
    """

    uri: Uri
    name: str = ""
    parameters: Parameters = field(default_factory=dict)

    @property
    def tag(self) -> str:
        return self.parameters.get("tag") or ""

    def __str__(self) -> str:
        shown = f"{quote(self.name)} " if self.name else ""
        return f"{shown}<{self.uri}>{write_parameters(self.parameters)}"


@dataclass(frozen=True, slots=True)
class CSeq:
    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def parse_vias(values: list[str]) -> list[Via]:
    return [parse_via(part) for value in values for part in split_commas(value)]


def parse_via(text: str) -> Via:
    match = _VIA.fullmatch(text)
    if match is None:
        raise SipParseError("Via is unreadable")
    port = number(match[3], 65535) if match[3] else None
    parameters = parse_parameters(match[4]) if match[4] else {}
    return Via(match[1].upper(), parse_host(match[2]), port, parameters)


def parse_address(text: str) -> Address:
    """Read a name-addr or addr-spec. Without brackets, parameters belong to the header (§20.10)."""
    text = text.strip(" \t")
    if text.startswith('"'):
        match = QUOTED.match(text)
        if match is None:
            raise SipParseError("a quote is not closed")
        name, rest = unquote(match[0]), text[match.end() :].lstrip(" \t")
        if not rest.startswith("<"):
            raise SipParseError("an address is unreadable")
    else:
        before, bracket, after = text.partition("<")
        if not bracket:
            return _parse_addr_spec(text)
        name, rest = before.strip(" \t"), f"<{after}"
        if not _BARE_DISPLAY.fullmatch(name):
            raise SipParseError("a display name needs quotes")
    uri, bracket, parameters = rest[1:].partition(">")
    if not bracket:
        raise SipParseError("a bracket is not closed")
    return Address(parse_uri(uri), name, parse_parameters(parameters) if parameters.strip(" \t") else {})


def _parse_addr_spec(text: str) -> Address:
    """§20: without brackets, a URI must have no comma, semicolon or question mark of its own."""
    spec, semicolon, parameters = text.partition(";")
    spec = spec.rstrip(" \t")
    if "," in spec or "?" in spec:
        raise SipParseError("an address with ? or , needs brackets")
    return Address(parse_uri(spec), "", parse_parameters(";" + parameters) if semicolon else {})


def parse_addresses(values: list[str]) -> list[Address]:
    """Every address of a list header, over all its lines, in order."""
    return [parse_address(part) for value in values for part in split_commas(value)]


def parse_routes(values: list[str]) -> list[Address]:
    """As ``parse_addresses``, for Route and Record-Route, where only SIP URIs make sense."""
    routes = parse_addresses(values)
    if not all(isinstance(route.uri, SipUri) for route in routes):
        raise SipParseError("a route is not a sip URI")
    return routes


@lru_cache(maxsize=1024)
def parse_cseq(text: str) -> CSeq:
    match = _CSEQ.fullmatch(text)
    if match is None:
        raise SipParseError("CSeq is unreadable")
    return CSeq(number(match[1], 2**31 - 1), match[2])


def media_type(text: str) -> str:
    """``type/subtype`` of Content-Type in lower case, without parameters."""
    return text.partition(";")[0].replace(" ", "").replace("\t", "").lower()


@dataclass(frozen=True, slots=True)
class Authorization:
    """A challenge or credentials (§20.7, §20.44): scheme in lower case, parameters unquoted, names in lower case."""

    scheme: str
    parameters: dict[str, str]


def parse_authorization(text: str) -> Authorization:
    scheme, _, rest = text.strip(" \t").partition(" ")
    if not TOKEN.fullmatch(scheme):
        raise SipParseError("an authentication scheme is unreadable")
    parameters: dict[str, str] = {}
    position = 0
    while position < len(rest):
        match = _CREDENTIAL.match(rest, position)
        if match is None:
            if scheme.lower() != "digest":
                return Authorization(scheme.lower(), {})
            raise SipParseError("authentication parameters are unreadable")
        name = match[1].lower()
        if name in parameters:
            raise SipParseError("an authentication parameter is given twice")
        parameters[name] = unquote(match[2])
        position = match.end()
    return Authorization(scheme.lower(), parameters)


def q850_cause(values: list[str]) -> tuple[int | None, str]:
    """Q.850 cause and text of Reason headers (RFC 3326); lenient, for this is only told, never acted on."""
    for value in values:
        try:
            parts = split_commas(value)
        except SipParseError:
            continue
        for part in parts:
            protocol, semicolon, rest = part.partition(";")
            if protocol.strip().upper() != "Q.850" or not semicolon:
                continue
            try:
                parameters = parse_parameters(";" + rest)
                cause = number(parameters.get("cause") or "", 255)
            except SipParseError:
                continue
            return cause, unquote(parameters.get("text") or "")
    return None, ""


def reasons(words: str, sip: int, q850: int) -> tuple[tuple[str, str], ...]:
    """Reason headers of ours (RFC 3326): as SIP and as the telephone network count causes, with words where there are.

    SIP's comes first and always has its cause: linphone takes one without for an unknown error.
    """
    text = f";text={quote(clean(words))}" if words else ""
    return ("Reason", f"SIP;cause={sip}{text}"), ("Reason", f"Q.850;cause={q850}{text}")
