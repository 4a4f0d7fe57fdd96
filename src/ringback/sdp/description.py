"""Session descriptions read into values and written back (RFC 8866); lines we do not know are kept in place.

Text from strangers: every size is bounded by ``Limits``, and whatever breaks a rule is a ``BadSdp``.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from ringback.sdp.errors import BadSdp


@dataclass(frozen=True, slots=True)
class Limits:
    """The most we read of one description."""

    octets: int = 32_768
    lines: int = 1024
    media: int = 32
    formats: int = 64
    line_octets: int = 4096


LIMITS = Limits()

Attribute = tuple[str, str | None]
"""``a=name:value`` or, with ``None``, the flag ``a=name``."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]")
_KINDS = frozenset(f"{letter}=" for letter in "abcdefghijklmnopqrstuvwxyz")
_ATTRIBUTE_NAME = re.compile(r"[!#-'*+\-.0-9A-Z^-~]+")
_FORMAT = re.compile(r"[!-~]{1,64}")
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")


@dataclass(slots=True)
class Media:
    """One m-line and what follows it.

    Attributes:
        kind: ``audio``, ``video``, ``image``, ``application`` …
        port: 0 means refused or switched off (RFC 3264 §5.1).
        formats: Payload types (RTP) or other tokens, as written.
        connection: Address of this stream's own ``c=`` line, if it has one.
        other: Lines other than ``c=`` and ``a=``, in order.
    """

    kind: str
    port: int
    protocol: str
    formats: list[str]
    port_count: int = 1
    connection: str | None = None
    attributes: list[Attribute] = field(default_factory=list)
    other: list[tuple[str, str]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """Values of every ``a=name:…``, in order."""
        return [value for key, value in self.attributes if key == name and value is not None]

    def value(self, name: str) -> str | None:
        """Value of the first ``a=name:…``."""
        return next(iter(self.values(name)), None)

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.attributes)


@dataclass(slots=True)
class Description:
    """A whole session description.

    Attributes:
        origin: The ``o=`` line's value, six fields.
        connection: Address of the session's ``c=`` line, which holds for streams without their own.
        other: Session lines other than ``v o s c t a``, in order.
    """

    origin: str
    name: str = "-"
    connection: str | None = None
    time: str = "0 0"
    attributes: list[Attribute] = field(default_factory=list)
    media: list[Media] = field(default_factory=list)
    other: list[tuple[str, str]] = field(default_factory=list)

    @property
    def session_id(self) -> str:
        """Second field of ``o=``: stays the same for a session's life (RFC 3264 §8)."""
        return self.origin.split(" ")[1]

    @property
    def version(self) -> int:
        return int(self.origin.split(" ")[2])

    def direction(self, media: Media) -> str:
        """Direction of a stream as its writer sees it; ``sendrecv`` when nothing says so (RFC 8866 §6.7)."""
        for attributes in (media.attributes, self.attributes):
            for name, _ in attributes:
                if name in DIRECTIONS:
                    return name
        return "sendrecv"

    def address(self, media: Media) -> str | None:
        return media.connection or self.connection


def parse(data: bytes, limits: Limits = LIMITS) -> Description:
    """Read a description. Lines may end with CRLF or LF (RFC 8866 §5). Raises ``BadSdp``."""
    lines = _lines(data, limits)
    if next(lines, None) != ("v", "0"):
        raise BadSdp("does not begin with v=0")
    kind, origin = next(lines, ("", ""))
    if kind != "o":
        raise BadSdp("second line is not o=")
    description = Description(origin=_origin(origin))
    media: Media | None = None
    for kind, value in lines:
        if kind == "m":
            if len(description.media) >= limits.media:
                raise BadSdp("too many m= lines")
            media = _media(value, limits)
            description.media.append(media)
        elif kind == "c":
            _set_connection(media or description, value)
        elif kind == "a":
            (media or description).attributes.append(_attribute(value))
        elif media is not None:
            media.other.append((kind, value))
        elif kind == "s":
            description.name = value
        elif kind == "t":
            description.time = value
        else:
            description.other.append((kind, value))
    return description


def write(description: Description) -> bytes:
    """The description's text, lines in the order of RFC 8866 §5."""
    lines = ["v=0", f"o={description.origin}", f"s={description.name}"]
    lines += [f"{kind}={value}" for kind, value in description.other if kind in "iuep"]
    if description.connection is not None:
        lines.append(_connection_line(description.connection))
    lines += [f"{kind}={value}" for kind, value in description.other if kind == "b"]
    lines.append(f"t={description.time}")
    lines += [f"{kind}={value}" for kind, value in description.other if kind not in "iuepb"]
    lines += _attribute_lines(description.attributes)
    for media in description.media:
        count = f"/{media.port_count}" if media.port_count > 1 else ""
        lines.append(f"m={media.kind} {media.port}{count} {media.protocol} {' '.join(media.formats)}")
        if media.connection is not None:
            lines.append(_connection_line(media.connection))
        lines += [f"{kind}={value}" for kind, value in media.other]
        lines += _attribute_lines(media.attributes)
    text = "\r\n".join(lines) + "\r\n"
    if text.count("\n") != len(lines) or text.count("\r") != len(lines):
        raise ValueError("a line end inside an SDP value")
    return text.encode()


def _lines(data: bytes, limits: Limits) -> Iterator[tuple[str, str]]:
    if len(data) > limits.octets:
        raise BadSdp("too long")
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    if _CONTROL.search(text):
        raise BadSdp("a control character in a line")
    rows = text.split("\n")
    while rows and not rows[-1].strip():
        rows.pop()
    if len(rows) > limits.lines:
        raise BadSdp("too many lines")
    if not _KINDS.issuperset([row[:2] for row in rows]) or max(map(len, rows), default=0) > limits.line_octets:
        raise BadSdp("a line is not of the form x=value")
    return iter([(row[0], row[2:]) for row in rows])


def _origin(value: str) -> str:
    fields = value.split(" ")
    if len(fields) != 6 or not (_number(fields[1]) and _number(fields[2])):
        raise BadSdp("o= needs user, two numbers, IN, address type and address")
    return value


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20


def _media(value: str, limits: Limits) -> Media:
    fields = value.split()
    if len(fields) < 4:
        raise BadSdp("m= needs kind, port, protocol and formats")
    kind, port, protocol, *formats = fields
    number, _, count = port.partition("/")
    if not _number(number) or int(number) > 65535 or (count and not _number(count)):
        raise BadSdp("m= has no usable port")
    if len(formats) > limits.formats or not all(_FORMAT.fullmatch(f) for f in formats):
        raise BadSdp("m= has too many or unreadable formats")
    if len(set(formats)) != len(formats):
        raise BadSdp("m= names a format twice")
    return Media(kind, int(number), protocol, formats, port_count=min(int(count or 1), 255))


def _set_connection(holder: "Media | Description", value: str) -> None:
    """``c=IN IP4 address[/ttl]``; several ``c=`` lines under one m-line are layers, of which the first counts."""
    fields = value.split()
    if len(fields) != 3 or fields[0] != "IN" or fields[1] not in ("IP4", "IP6"):
        raise BadSdp("c= is not IN IP4 or IN IP6")
    if holder.connection is None:
        holder.connection = fields[2].split("/")[0]


def _attribute(value: str) -> Attribute:
    name, colon, rest = value.partition(":")
    if not _is_attribute_name(name):
        raise BadSdp("an attribute has no name")
    return name, rest if colon else None


@lru_cache(maxsize=256)
def _is_attribute_name(name: str) -> bool:
    return _ATTRIBUTE_NAME.fullmatch(name) is not None


def _attribute_lines(attributes: list[Attribute]) -> list[str]:
    return [f"a={name}" if value is None else f"a={name}:{value}" for name, value in attributes]


def _connection_line(address: str) -> str:
    return f"c=IN {address_type(address)} {address}"


@lru_cache(maxsize=1024)
def address_type(address: str) -> str:
    """``IP6`` for an IPv6 address, else ``IP4`` (also for names)."""
    try:
        return f"IP{ipaddress.ip_address(address).version}"
    except ValueError:
        return "IP4"


_CONNECTION = re.compile(rb"^c=IN IP[46] ([0-9A-Fa-f:.]+)", re.MULTILINE)
_OURS = re.compile(rb"^(c=|o=\S+ \S+ \S+ )IN IP[46] \S+", re.MULTILINE)


def heard_at(text: bytes) -> str:
    """The address where a description wants its first stream; empty without one that can be sent to."""
    before, _, streams = text.partition(b"\nm=")
    found = _CONNECTION.search(streams.partition(b"\nm=")[0]) or _CONNECTION.search(before)
    address = found[1].decode("ascii") if found is not None else ""
    return "" if address in ("0.0.0.0", "::") else address


def readdressed(text: bytes, host: str) -> bytes:
    """A description of our own with another address, perhaps of the other IP version."""
    version = b"6" if ":" in host else b"4"
    return _OURS.sub(lambda found: found[1] + b"IN IP" + version + b" " + host.encode(), text)
