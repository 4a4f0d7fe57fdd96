"""What was said in a call, kept for a while for people who ask why: a bounded number of messages per Call-ID.

Messages are kept as they were on the wire, in memory only, and blotted out when somebody asks to see them.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field

from ringback.model.traces import Remembered, Said
from ringback.model.values import dataclass
from ringback.sip.flow import Flow
from ringback.telephony.redaction import redact

_CALL_ID = re.compile(rb"\r\n(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_BRANCH = re.compile(rb"\r\n(?:via|v)[ \t]*:[^\r\n]*?;[ \t]*branch[ \t]*=[ \t]*([^\s;,]+)", re.IGNORECASE)
_TAGS = re.compile(rb"\r\n(?:from|f|to|t)[ \t]*:[^\r\n]*;[ \t]*tag[ \t]*=[ \t]*([^\s;,]+)", re.IGNORECASE)
_GRANTED = re.compile(rb"SIP/2\.0 (?:1(?!00)|2)")
HEAD = 8192
"""Octets of a message that are looked at and kept."""

TIDY_EVERY = 1.0
"""Seconds between looks for what is too old while messages come and go; whoever asks for a call looks again."""

MOST_OCTETS = 65_536
"""Of one call."""


@dataclass(frozen=True, slots=True)
class _Kept:
    at: float
    out: bool
    flow: Flow
    data: bytes
    rule: str = ""


@dataclass(slots=True)
class _Memory:
    """One Call-ID's first messages and its last ones, at most so many of each."""

    most_first: int
    most_last: int
    first: list[_Kept] = field(default_factory=list)
    last: deque[_Kept] = field(default_factory=deque)
    octets: int = 0
    heard: float = 0.0
    dropped: int = 0

    def add(self, kept: _Kept) -> None:
        self.heard = kept.at
        self.octets += len(kept.data)
        if not self.last and len(self.first) < self.most_first and self.octets <= MOST_OCTETS // 2:
            self.first.append(kept)
            return
        self.last.append(kept)
        while len(self.last) > self.most_last or self.octets > MOST_OCTETS:
            self.octets -= len(self.last.popleft().data)
            self.dropped += 1

    def __iter__(self) -> Iterator[_Kept]:
        yield from self.first
        yield from self.last


@dataclass(slots=True)
class _Shelf:
    """Memories by Call-ID; the one heard of least recently goes first, and all of them after a time."""

    most: int
    keep: float
    memories: dict[bytes, _Memory] = field(default_factory=dict)

    def put(self, key: bytes, memory: _Memory) -> None:
        self.memories[key] = memory
        if len(self.memories) > self.most:
            del self.memories[next(iter(self.memories))]

    def forget(self, now: float) -> None:
        """Let go of what is too old; the oldest come first."""
        while self.memories:
            key = next(iter(self.memories))
            if self.memories[key].heard + self.keep > now:
                return
            del self.memories[key]


class Trace:
    """Remembers the messages of the last calls. An INVITE begins a call; what belongs to none is not kept.

    Calls that only knocked (from outside, never rung nor answered) have a shelf of their own, so that no flood of them
    pushes out calls that happened.

    Args:
        wall: Unix seconds now.
        calls: Most Call-IDs remembered on either shelf; the one heard of least recently goes first.
        messages: Most messages of one call: the first third of them, which show how it was set up, and the last.
        keep: Seconds after its last message that a call is forgotten.
    """

    def __init__(
        self, wall: Callable[[], float], calls: int = 500, messages: int = 60, keep: float = 24 * 3600.0
    ) -> None:
        self._wall = wall
        self._messages = messages
        self._tidy_at = float("-inf")
        self._knocked = _Shelf(calls, keep)
        self._happened = _Shelf(calls, keep)

    def note(self, flow: Flow, data: bytes, out: bool, rule: str = "") -> None:
        """A message came in or goes out; ``rule`` is why it refuses something."""
        match = _CALL_ID.search(data, 0, HEAD)
        if match is None:
            return
        now = self._wall()
        if now >= self._tidy_at:
            self._tidy(now)
        key = match[1].strip()
        shelf = self._happened
        memory = shelf.memories.pop(key, None)
        if memory is None:
            invites = data.startswith(b"INVITE ")
            memory = self._knocked.memories.pop(key, None) or (self._fresh() if invites else None)
            if memory is None:
                return
            if not (out and (invites or _GRANTED.match(data))):
                shelf = self._knocked
        memory.add(_Kept(now, out, flow, data[:HEAD], rule))
        shelf.put(key, memory)

    def of(self, sip_call_id: str, our_tag: str = "") -> Remembered:
        """What was said under a Call-ID; empty when it is not remembered.

        Args:
            our_tag: Our tag in the dialog that is asked for: one INVITE that was forked to several of our addresses
                makes as many calls under one Call-ID (RFC 3261 §16.7). Empty for all of them.
        """
        self._tidy(self._wall())
        key = sip_call_id.encode("utf-8", "surrogateescape")
        memory = self._happened.memories.get(key) or self._knocked.memories.get(key)
        if memory is None:
            return Remembered()
        kept = _of_dialog(memory, our_tag.encode()) if our_tag else list(memory)
        return Remembered(tuple(_said(one) for one in kept), memory.dropped)

    def _tidy(self, now: float) -> None:
        self._tidy_at = now + TIDY_EVERY
        self._knocked.forget(now)
        self._happened.forget(now)

    def _fresh(self) -> _Memory:
        first = self._messages // 3
        return _Memory(first, self._messages - first)


def _of_dialog(messages: Iterable[_Kept], our_tag: bytes) -> list[_Kept]:
    """Those that name our tag, and those of the same transactions, which do not yet: a caller's INVITE, our 100."""
    kept = list(messages)
    branches = {_branch(one) for one in kept if our_tag in _TAGS.findall(one.data)}
    return [one for one in kept if _branch(one) in branches]


def _branch(kept: _Kept) -> bytes:
    found = _BRANCH.search(kept.data)
    return found[1] if found else b""


def _said(kept: _Kept) -> Said:
    transport, _, peer = str(kept.flow).partition(":")
    return Said(kept.at, kept.out, transport, peer, redact(kept.data), kept.rule)
