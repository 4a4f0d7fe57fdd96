"""Strangers who try addresses and passwords until something answers, told from people who have dialled wrongly.

What gives them away is what they call themselves, or how many *different* users they ask for without any success.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

MINUTE = 60.0
MUTED_FOR = 900.0
MOST_SOURCES = 5000

_AGENTS = re.compile(
    r"friendly-scanner|sipvicious|sv(?:map|war|crack)|sipcli|sip-?scan|sundayddr|iwar|vaxsip|siparmyknife|pplsip|sivus",
    re.IGNORECASE,
)
_CSEQ = re.compile(rb"\r\nCSeq: \d+ (INVITE|OPTIONS|REGISTER)\r\n")
_USER = re.compile(rb"\r\nTo: [^\r\n]*?sips?:([^@;>\r\n]*)@")

TRIES: Mapping[str, int] = MappingProxyType({"INVITE": 10, "OPTIONS": 20, "REGISTER": 30})
"""Different users asked for within a minute, without a success in between, that make a scanner. Of phones behind one
office's address many register at once, and each is challenged first."""


def is_scanner_agent(text: str) -> bool:
    """Whether a ``User-Agent`` is one that only scanners have."""
    return _AGENTS.search(text) is not None


@dataclass(slots=True)
class _Asked:
    """Users one source has asked for since ``began``, by method."""

    began: float
    users: dict[str, set[bytes]] = field(default_factory=dict)


class Scanners:
    """Who is muted, and why. ``now`` is seconds on a monotonic clock."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}
        self._muted: dict[str, float] = {}

    def is_muted(self, source: str, now: float) -> bool:
        until = self._muted.get(source)
        if until is None:
            return False
        if until <= now:
            del self._muted[source]
            return False
        return True

    def mute(self, source: str, now: float) -> None:
        self._asked.pop(source, None)
        self._muted.pop(source, None)
        self._muted[source] = now + MUTED_FOR
        if len(self._muted) > MOST_SOURCES:
            del self._muted[next(iter(self._muted))]

    def answered(self, source: str, response: bytes, now: float) -> str:
        """An answer of ours goes to a stranger; the rule it has broken with this one, empty for none."""
        status = response[8:9]
        method = _CSEQ.search(response) if response.startswith(b"SIP/2.0 ") and status in (b"2", b"4", b"6") else None
        if method is None:
            return ""
        name = method[1].decode()
        if status == b"2" and name != "OPTIONS":
            # Whoever gets in is no stranger, however clumsy.
            self._asked.pop(source, None)
            return ""
        user = _USER.search(response)
        if user is None:
            return ""
        asked = self._asked.pop(source, None)
        if asked is None or now - asked.began > MINUTE:
            asked = _Asked(now)
        self._asked[source] = asked
        if len(self._asked) > MOST_SOURCES:
            del self._asked[next(iter(self._asked))]
        users = asked.users.setdefault(name, set())
        users.add(user[1])
        return f"{name} for {len(users)} different users in vain" if len(users) >= TRIES[name] else ""
