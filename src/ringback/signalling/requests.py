"""Frames from clients, read into values. Every fault is an ``InvalidRequest`` that names the field."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from ringback.model.errors import InvalidRequest
from ringback.model.ids import ParticipantId, RoomName

MAX_NAME = 200
MAX_USER_DATA = 4096
MAX_DEPTH = 32
MAX_LINES = 500
"""m-lines one client may name."""
HIGHEST_LAYER = 15
"""Simulcast layers are counted from 0; what a client names beyond those there are means the highest."""

COUNTERS = ("underruns_bot", "underruns_path", "ticks_late")
"""What only a client can count, by the names of ``core.Callers.stats``."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A client's request."""

    id: int
    type: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Join:
    room: RoomName
    host: str
    token: str | None
    user_name: str
    user_data: object


@dataclass(frozen=True, slots=True)
class Resume:
    session_id: str
    secret: str
    seq: int


@dataclass(frozen=True, slots=True)
class Offer:
    sdp: str
    send: Mapping[str, str]
    receive: Mapping[str, tuple[ParticipantId, str]] = field(default_factory=dict)


def read_frame(text: str) -> Frame:
    """One frame of text. The server limits its length before."""
    try:
        value = json.loads(text, parse_constant=_no_constants)
    except (ValueError, RecursionError):
        raise InvalidRequest("the frame is not JSON") from None
    if not isinstance(value, dict):
        raise InvalidRequest("the frame must be a JSON object")
    if _depth(value) > MAX_DEPTH:
        raise InvalidRequest(f"the frame is nested deeper than {MAX_DEPTH} levels")
    number, kind = value.get("id"), value.get("type")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**53:
        raise InvalidRequest('"id" must be a number')
    if not isinstance(kind, str):
        raise InvalidRequest('"type" must be a string')
    return Frame(number, kind, value)


def read_join(fields: Mapping[str, object], host: str) -> Join | Resume:
    """``join``: into a room (``host`` is the connection's, used when ``room`` is a bare name), or back into one."""
    resume = fields.get("resume")
    if resume is not None:
        if not isinstance(resume, dict):
            raise InvalidRequest('"resume" must be an object')
        seq = resume.get("seq", 0)
        if not isinstance(seq, int) or isinstance(seq, bool):
            raise InvalidRequest('"resume.seq" must be a number')
        return Resume(text(resume, "session_id", 64), text(resume, "secret", 128), seq)
    where = text(fields, "room", 2048)
    token = text(fields, "token", 8192, optional=True) or None
    if "/" in where:
        parts = urlsplit(where)
        host = parts.netloc or host
        token = token or next(iter(parse_qs(parts.query).get("t", [])), None)
        where = unquote(parts.path).strip("/")
    name = text(fields, "userName", MAX_NAME, optional=True)
    data = fields.get("userData")
    check_user_data(data)
    return Join(RoomName(where), host, token, clean(name), data)


def read_offer(fields: Mapping[str, object]) -> Offer:
    send: dict[str, str] = {}
    for line in _lines(fields, "send"):
        send[text(line, "mid", 32)] = text(line, "track", 64)
    receive: dict[str, tuple[ParticipantId, str]] = {}
    for line in _lines(fields, "receive"):
        receive[text(line, "mid", 32)] = (ParticipantId(text(line, "session_id", 64)), text(line, "track", 64))
    return Offer(text(fields, "sdp", 256 * 1024), send, receive)


def read_layers(fields: Mapping[str, object]) -> dict[tuple[str, str], int]:
    """``layers`` of ``receive-layers``: (session id or ``*``, track) → the highest layer wanted, 0 the lowest."""
    layers: dict[tuple[str, str], int] = {}
    for line in _lines(fields, "layers"):
        layer = line.get("layer")
        if not isinstance(layer, int) or isinstance(layer, bool) or not 0 <= layer <= HIGHEST_LAYER:
            raise InvalidRequest(f'"layer" must be a number from 0 to {HIGHEST_LAYER}')
        layers[text(line, "session_id", 64), text(line, "track", 64)] = layer
    return layers


def read_recipients(fields: Mapping[str, object]) -> tuple[ParticipantId, ...] | None:
    """``to`` of an app message; ``None`` for everybody."""
    to = fields.get("to", "*")
    if to == "*":
        return None
    many = to if isinstance(to, list) else [to]
    named = tuple(ParticipantId(one) for one in many if isinstance(one, str))
    if len(named) != len(many) or len(many) > 1000:
        raise InvalidRequest('"to" must be "*", a session id or a list of session ids')
    return named


def read_counters(fields: Mapping[str, object]) -> dict[str, int]:
    """What a client counts of its own sound; names that are not ours are left out."""
    said = mapping(fields, "counters")
    found: dict[str, int] = {}
    for name in COUNTERS:
        value = said.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
            raise InvalidRequest(f'"counters.{name}" must be a number, 0 or more')
        found[name] = value
    return found


def check_user_data(data: object) -> None:
    if data is not None and json_length(data) > MAX_USER_DATA:
        raise InvalidRequest(f'"userData" must be at most {MAX_USER_DATA} characters as JSON')


def json_length(data: object) -> int:
    """``JSON.stringify(data).length`` as a browser counts it: no spaces, UTF-16 code units."""
    return len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-16-le", "surrogatepass")) // 2


def text(fields: Mapping[str, object], name: str, most: int, *, optional: bool = False) -> str:
    value = fields.get(name)
    if value is None and optional:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f'"{name}" must be a string')
    if len(value) > most:
        raise InvalidRequest(f'"{name}" must be at most {most} characters')
    return value


def mapping(fields: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = fields.get(name, {})
    if not isinstance(value, dict):
        raise InvalidRequest(f'"{name}" must be an object')
    return value


def clean(name: str) -> str:
    """A name without control and bidirectional formatting characters, which could forge what stands around it."""
    return "".join(char for char in name if char.isprintable()).strip()


def _lines(fields: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    value = fields.get(name, [])
    if not isinstance(value, list) or len(value) > MAX_LINES or not all(isinstance(line, dict) for line in value):
        raise InvalidRequest(f'"{name}" must be a list of at most {MAX_LINES} objects')
    return value


def _depth(value: object, level: int = 1) -> int:
    if level > MAX_DEPTH:
        return level
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((_depth(one, level + 1) for one in inner), default=level)


def _no_constants(name: str) -> float:
    raise ValueError(name)
