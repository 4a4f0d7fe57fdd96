"""A message of a call's trace, read as far as a ladder needs it. Nothing a stranger wrote can make this fail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ringback.cli.plain import plain

_SHORT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "c": "content-type",
    "m": "contact",
    "l": "content-length",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """One message.

    Attributes:
        at: Unix seconds.
        out: Whether the server sent it.
        peer: The far end, ``host:port``.
        start: First line.
        headers: First one of each name, in lower case.
        rule: Which rule of the server refused something with it.
    """

    at: float
    out: bool
    peer: str
    transport: str
    start: str
    headers: Mapping[str, str]
    rule: str = ""

    @property
    def status(self) -> int | None:
        """``None`` for a request."""
        code = self.start[8:11]
        return int(code) if self.start.startswith("SIP/2.0 ") and code.isascii() and code.isdecimal() else None

    @property
    def answer(self) -> str:
        """Status and phrase of a response: ``486 Busy Here``."""
        return self.start[8:].strip()

    @property
    def method(self) -> str:
        """Of a request, or of the request that a response answers."""
        if self.status is None:
            return self.start.partition(" ")[0]
        return self.headers.get("cseq", "").partition(" ")[2].strip()

    @property
    def number(self) -> str:
        """``CSeq`` number."""
        return self.headers.get("cseq", "").partition(" ")[0]

    @property
    def branch(self) -> str:
        """Of the topmost ``Via``."""
        return self.headers.get("via", "").partition("branch=")[2].partition(";")[0].partition(",")[0].strip()

    @property
    def in_dialog(self) -> bool:
        """For a request: whether it belongs to a call that was already answered or rung."""
        return "tag=" in self.headers.get("to", "").rpartition(">")[2]

    @property
    def has_sdp(self) -> bool:
        return self.headers.get("content-type", "").lower().startswith("application/sdp")

    @property
    def wants_picture(self) -> bool:
        """Whether it is an INFO about pictures (RFC 5168)."""
        kind = self.headers.get("content-type", "").lower()
        return self.start.startswith("INFO ") and kind.startswith("application/media_control")

    def answers(self, request: "Heard") -> bool:
        """Whether this is a response to a request."""
        return (
            self.status is not None
            and request.out is not self.out
            and self.method == request.method
            and self.number == request.number
            and self.branch == request.branch
        )

    def repeats(self, other: "Heard") -> bool:
        """Whether it was sent again because nothing came back."""
        return (self.out, self.start, self.number, self.branch, self.peer) == (
            other.out,
            other.start,
            other.number,
            other.branch,
            other.peer,
        )


def read(messages: Sequence[Mapping[str, Any]]) -> list[Heard]:
    """The server's rows, oldest first."""
    return [_read(row) for row in messages]


def _read(row: Mapping[str, Any]) -> Heard:
    start, *lines = [plain(line) for line in str(row["text"]).partition("\n\n")[0].split("\n")]
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers.setdefault(_SHORT.get(name, name), value.strip())
    at = datetime.fromisoformat(row["at"]).timestamp()
    peer, transport, rule = (plain(row.get(key, "")) for key in ("peer", "transport", "rule"))
    return Heard(at, row["direction"] == "out", peer, transport, start, headers, rule)
