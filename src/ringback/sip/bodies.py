"""The session description in a message, also where carriers wrap it into a multipart body (RFC 3261 §7.4, RFC 2046)."""

import re

from ringback.sip.grammar import unquote
from ringback.sip.headers import media_type
from ringback.sip.message import Message

SDP = "application/sdp"
MOST_PARTS = 8
DEEPEST = 2
_BOUNDARY = re.compile(r'boundary[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^";,\s]+)', re.IGNORECASE)
_TYPE = re.compile(rb"^content-type[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_ENCODING = re.compile(rb"^content-(?:transfer-)?encoding[ \t]*:[ \t]*(?!7bit|8bit|binary|identity)", re.I | re.M)


class UnsupportedBody(ValueError):
    """A body without a description we can read: 415 (§8.2.3)."""


def description(message: Message) -> bytes | None:
    """The message's SDP; ``None`` when it has no body. Raises ``UnsupportedBody`` for a body of another kind."""
    if not message.body:
        return None
    if (message.headers.get("content-encoding") or "identity").lower() != "identity":
        raise UnsupportedBody("an encoding we do not undo")
    found = _find(message.headers.get("content-type") or "", message.body, DEEPEST)
    if found is None:
        raise UnsupportedBody("no session description")
    return found


def _find(content_type: str, body: bytes, depth: int) -> bytes | None:
    kind = media_type(content_type)
    if kind == SDP:
        return body
    boundary = _BOUNDARY.search(content_type)
    if not kind.startswith("multipart/") or boundary is None or not depth:
        return None
    mark = b"\r\n--" + unquote(boundary[1]).encode("utf-8", "surrogateescape")
    for part in (b"\r\n" + body).split(mark)[1 : MOST_PARTS + 1]:
        if part.startswith(b"--"):
            return None
        head, blank, content = part.partition(b"\r\n\r\n")
        named = _TYPE.search(head)
        if not blank or named is None or _ENCODING.search(head):
            continue
        found = _find(named[1].decode("utf-8", "replace"), content, depth - 1)
        if found is not None:
            return found
    return None
