"""What was said in a call, kept for a while for people who ask why: a bounded ring of messages per Call-ID."""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ringback.sip.flow import Flow
from ringback.sip.grammar import clean

_CALL_ID = re.compile(rb"\r\n(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_PROOF = re.compile(r"^((?:proxy-)?authorization[ \t]*:[ \t]*\w*).*$", re.IGNORECASE | re.MULTILINE)
_KEY = re.compile(r"^(a=crypto:[^\r\n]*?inline:)[^\r\n|]*", re.MULTILINE)
_ONE_DIGIT = re.compile(r"^(?:content-type|c)[ \t]*:[ \t]*application/dtmf[ \t]*$", re.IGNORECASE | re.MULTILINE)
_DIGIT = re.compile(r"^([ \t]*Signal[ \t]*=[ \t]*)[^\r\n]*", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Said:
    """One message.

    Attributes:
        at: Unix seconds.
        out: Whether we sent it.
        peer: The far end, ``transport:host:port``.
        text: The message; proofs of passwords, keys and digits are blotted out.
    """

    at: float
    out: bool
    peer: str
    text: str


class Trace:
    """Remembers the last messages of the last calls. An INVITE begins a call; what belongs to none is not kept.

    Args:
        wall: Unix seconds now.
        calls: Most Call-IDs remembered; the one heard of least recently goes first.
        messages: Most messages of one call; the oldest go first.
    """

    def __init__(self, wall: Callable[[], float], calls: int = 500, messages: int = 60) -> None:
        self._wall = wall
        self._calls = calls
        self._messages = messages
        self._rings: dict[bytes, deque[tuple[float, bool, Flow, bytes]]] = {}

    def note(self, flow: Flow, data: bytes, out: bool) -> None:
        match = _CALL_ID.search(data, 0, 8192)
        if match is None:
            return
        key = match[1].strip()
        ring = self._rings.pop(key, None)
        if ring is None:
            if not data.startswith(b"INVITE "):
                return
            ring = deque(maxlen=self._messages)
        self._rings[key] = ring
        ring.append((self._wall(), out, flow, data))
        if len(self._rings) > self._calls:
            del self._rings[next(iter(self._rings))]

    def of(self, sip_call_id: str) -> list[Said]:
        """What was said under a Call-ID, oldest first; empty when it is not remembered."""
        ring = self._rings.get(sip_call_id.encode("utf-8", "surrogateescape"), ())
        return [Said(at, out, str(flow), redact(data)) for at, out, flow, data in ring]


def redact(data: bytes) -> str:
    """A message as text, with what must not be kept blotted out and no control characters but line ends."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    head, blank, body = text.partition("\n\n")
    head = _PROOF.sub(r"\1 ***", head)
    body = _DIGIT.sub(r"\1*", _KEY.sub(r"\1***", body))
    if _ONE_DIGIT.search(head):
        body = "*"
    return "\n".join(clean(line) for line in f"{head}{blank}{body}".split("\n"))
