"""Bytes to messages, strictly (RFC 3261 §7, §25): one meaning per message, or a ``SipParseError``."""

import re
from functools import lru_cache

from ringback.sip.errors import SipParseError
from ringback.sip.grammar import TOKEN, number
from ringback.sip.headers import BRANCH_COOKIE, Via, parse_vias
from ringback.sip.limits import LIMITS, Limits
from ringback.sip.message import Headers, Message, Request, Response, Row, header_key
from ringback.sip.uri import SipUri

_REQUEST_LINE = re.compile(r"([^ ]+) ([^ ]+) ([A-Za-z]+/[0-9]+\.[0-9]+)")
_STATUS_LINE = re.compile(r"SIP/2\.0 ([0-9]{3})(?: (.*))?", re.IGNORECASE | re.DOTALL)
_FOLD = re.compile(r"\r\n[ \t]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_QUOTED_PART = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)

SINGLE = frozenset(
    {"from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type", "expires", "date", "refer-to"}
    | {"session-expires", "min-se", "subject", "event", "replaces"}
)
"""Headers that may stand only once: a second one is how two readers are made to disagree."""


def parse(data: bytes, limits: Limits = LIMITS) -> Message:
    """Read one datagram. Octets past Content-Length are dropped (§18.3).

    Raises:
        SipParseError: With the status to answer if it was a request.
    """
    start = len(data) - len(data.lstrip(b"\r\n"))
    end = data.find(b"\r\n\r\n", start)
    if end < 0:
        raise SipParseError("no end of headers")
    message = parse_head(data[start:end], limits)
    length = content_length(message.headers, limits)
    body = data[end + 4 :]
    if length is not None:
        if length > len(body):
            raise SipParseError("Content-Length is more than what came")
        body = body[:length]
    elif len(body) > limits.body:
        raise SipParseError("body too long", 513)
    message.body = body
    return message


def parse_head(head: bytes, limits: Limits = LIMITS) -> Message:
    """Read the start line and headers of a message, without the empty line behind them."""
    if len(head) > limits.head:
        raise SipParseError("headers too long", 513)
    text = head.decode("utf-8", "surrogateescape")
    first, _, rest = text.partition("\r\n")
    if "\r\n " in rest or "\r\n\t" in rest:
        if rest[0] in " \t":
            raise SipParseError("the start line is folded")
        rest = _FOLD.sub(" ", rest)
    rows = _rows(rest, limits)
    message = _start(first, rows, limits)
    _check(message, limits)
    return message


def content_length(headers: Headers, limits: Limits = LIMITS) -> int | None:
    """Value of Content-Length. Raises ``SipParseError`` for anything but one plain number within the limit."""
    values = headers.all("content-length")
    if not values:
        return None
    length = number(values[0], 2**31)
    if length > limits.body:
        raise SipParseError("body too long", 513)
    return length


def _rows(text: str, limits: Limits) -> list[Row]:
    lines = text.split("\r\n") if text else []
    if len(lines) > limits.header_lines:
        raise SipParseError("too many headers", 513)
    return [_row(line) for line in lines]


def _row(line: str) -> Row:
    name, colon, value = line.partition(":")
    if not colon:
        raise SipParseError("a header has no colon")
    name = name.rstrip(" \t")
    if not _is_header_name(name):
        raise SipParseError("a header name has characters it must not have")
    value = value.strip(" \t")
    if _CONTROL.search(value):
        _check_controls(value)
    return name, value


@lru_cache(maxsize=1024)
def _is_header_name(name: str) -> bool:
    return TOKEN.fullmatch(name) is not None


def _check_controls(value: str) -> None:
    """Control characters may stand only as quoted pairs inside quotes, CR and LF nowhere (§25.1)."""
    if "\n" in value or "\r" in value:
        raise SipParseError("a line end inside a header")
    outside = _QUOTED_PART.sub(lambda m: re.sub(r"\\.", "", m[0], flags=re.DOTALL), value)
    if _CONTROL.search(outside):
        raise SipParseError("a control character in a header")


def _start(line: str, rows: list[Row], limits: Limits) -> Message:
    if line[:4].upper() == "SIP/":
        match = _STATUS_LINE.fullmatch(line)
        if match is None or not 100 <= int(match[1]) <= 699:
            raise SipParseError("the status line is unreadable")
        reason = match[2] or ""
        if _CONTROL.search(reason):
            raise SipParseError("a control character in the reason phrase")
        return Response(int(match[1]), reason, rows)
    match = _REQUEST_LINE.fullmatch(line)
    if match is None or not TOKEN.fullmatch(match[1]):
        raise SipParseError("the request line is unreadable")
    if match[3].upper() != "SIP/2.0":
        raise SipParseError("not SIP/2.0", 505)
    if len(match[2]) > limits.uri:
        raise SipParseError("the Request-URI is too long", 414)
    request = Request(match[1], match[2], rows)
    if isinstance(request.uri, SipUri) and not all(name.lower().startswith("x-") for name, _ in request.uri.headers):
        # §19.1.5: a Request-URI has no headers. We bear X- ones, which dialled addresses carry, and no others.
        raise SipParseError("headers in the Request-URI")
    return request


def _check(message: Message, limits: Limits) -> None:
    """What every message must have (§8.1.1), read once."""
    headers = message.headers
    index = headers.index
    for key in SINGLE & index.keys():
        if len(index[key]) > 1:
            raise SipParseError(f"{key} is given twice")
    if "via" not in index:
        raise SipParseError("no Via")
    values = index["via"]
    if len(values) > limits.vias or sum(value.count(",") for value in values) > 4 * limits.vias:
        raise SipParseError("too many Vias")
    vias = parse_vias(values)
    if len(vias) > limits.vias:
        raise SipParseError("too many Vias")
    message.__dict__["top_via"] = vias[0]
    if not (message.from_.tag.isascii() and message.to.tag.isascii() and vias[0].branch.isascii()):
        raise SipParseError("a tag or branch is unreadable")
    if len(message.call_id) > limits.call_id or not _CALL_ID.fullmatch(message.call_id):
        raise SipParseError("Call-ID is unreadable")
    cseq = message.cseq
    if "max-forwards" in index:
        number(index["max-forwards"][0], 255)
    if isinstance(message, Request):
        if cseq.method != message.method:
            raise SipParseError("CSeq and request line name different methods")
        _check_contact(message, limits)


_CALL_ID = re.compile(r"[!-~]+")


def _check_contact(request: Request, limits: Limits) -> None:
    values = request.headers.all("contact")
    if len(values) > limits.contacts or sum(value.count(",") for value in values) > 4 * limits.contacts:
        raise SipParseError("too many Contacts")
    if "*" in values and (request.method != "REGISTER" or len(values) > 1):
        raise SipParseError("Contact * belongs to REGISTER alone")
    contacts = request.contacts
    if len(contacts) > limits.contacts:
        raise SipParseError("too many Contacts")
    modern = request.top_via.branch.startswith(BRANCH_COOKIE)
    if request.method == "INVITE" and len(contacts) != 1 and (contacts or modern):
        raise SipParseError("INVITE needs exactly one Contact")


def refusal(data: bytes, status: int, reason: str, to_tag: str, q850: int | None = None) -> bytes | None:
    """An answer to a request that could not be parsed, made of its Via, From, To, Call-ID and CSeq lines as they are.

    ``q850``: cause for a ``Reason`` header.

    ``None`` when there is no telling how to answer, or for an ACK or a response, which are never answered.
    """
    head = data.lstrip(b"\r\n").partition(b"\r\n\r\n")[0][: LIMITS.head]
    text = _FOLD.sub(" ", head.decode("utf-8", "surrogateescape"))
    first, _, rest = text.partition("\r\n")
    method = first.partition(" ")[0]
    if not TOKEN.fullmatch(method) or method == "ACK" or first[:4].upper() == "SIP/":
        return None
    vias: list[Row] = []
    rows: dict[str, Row] = {}
    for line in rest.split("\r\n")[: LIMITS.header_lines]:
        name, _, value = line.partition(":")
        key, value = header_key(name.rstrip(" \t")), value.strip(" \t")
        if _CONTROL.search(value):
            continue
        if key == "via" and len(vias) < LIMITS.vias:
            vias.append(("Via", value))
        elif key in _COPIED:
            rows.setdefault(key, (_COPIED[key], value))
    if not vias:
        return None
    if "to" in rows and "tag" not in rows["to"][1]:
        rows["to"] = ("To", f"{rows['to'][1]};tag={to_tag}")
    why = [] if q850 is None else [("Reason", f"Q.850;cause={q850}")]
    return Response(status, reason, [*vias, *rows.values(), *why]).to_bytes()


_TOP_VIA = re.compile(rb"\r\n(?:via|v)[ \t]*:[ \t]*([^\r\n]*(?:\r\n[ \t]+[^\r\n]*)*)", re.IGNORECASE)


def top_via(data: bytes) -> Via | None:
    """The first hop of a message, told without reading the rest; ``None`` when there is no telling."""
    found = _TOP_VIA.search(data, 0, LIMITS.head)
    if found is None:
        return None
    try:
        return parse_vias([_FOLD.sub(" ", found[1].decode("utf-8", "surrogateescape")).strip(" \t")])[0]
    except (SipParseError, IndexError):
        return None


_COPIED = {"from": "From", "to": "To", "call-id": "Call-ID", "cseq": "CSeq"}
