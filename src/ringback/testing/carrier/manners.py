"""How a pretend carrier behaves on the wire: plainly, or as one of the known carriers and exchanges does."""

from collections import deque
from dataclasses import dataclass, field, replace

from ringback.numbers.e164 import write
from ringback.numbers.identity import Written, write_identity
from ringback.numbers.profiles import PROFILES
from ringback.numbers.trunk import IdentityHeader, Trunk
from ringback.numbers.trunk_body import read_trunk
from ringback.testing.carrier.voice import CODECS

HEADERS = {"freeswitch": IdentityHeader.REMOTE_PARTY, "bandwidth": IdentityHeader.ASSERTED}
"""What carries the caller's number beside ``From`` in calls that come from there."""

SESSIONS = {"asterisk": 1800, "freeswitch": 1800}
"""Seconds between refreshes, as they propose by themselves; the others: not known."""


@dataclass(slots=True)
class Manners:
    """One carrier's habits. ``ValueError`` for a profile nobody has.

    Attributes:
        profile: Name in ``numbers.profiles``, or empty.
        trunk: What the profile says of a trunk.
    """

    profile: str = ""
    trunk: Trunk = field(init=False)
    _begun: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        known = PROFILES.get(self.profile)
        if self.profile and known is None:
            raise ValueError(f"profile must be one of {', '.join(sorted(PROFILES))}")
        self.trunk = (
            read_trunk("pretend", {"hosts": ["127.0.0.1"]}, known.fields) if known is not None else Trunk("pretend")
        )
        if header := HEADERS.get(self.profile):
            self.trunk = replace(self.trunk, identity=replace(self.trunk.identity, header=header))

    @property
    def codecs(self) -> tuple[str, ...]:
        """What it speaks of what our voices speak, in its order."""
        return tuple(name for name in self.trunk.codecs if name in CODECS) or CODECS

    @property
    def session_interval(self) -> int | None:
        return SESSIONS.get(self.profile)

    def shown(self, number: str) -> str:
        """A number as it writes it."""
        return write(number, self.trunk.number_format, self.trunk.country)

    def caller(self, number: str, domain: str) -> Written:
        """Who calls, as it tells us; the number is not told where it is empty."""
        style = replace(self.trunk.identity, from_domain=domain, from_user="", withhold=not number)
        return write_identity(replace(self.trunk, identity=style, credentials=None), number, domain)

    def is_too_fast(self, now: float) -> bool:
        """Whether another call is one too many in this second, by the pace that is told of this carrier."""
        if self.trunk.calls_per_second is None:
            return False
        while self._begun and self._begun[0] <= now - 1.0:
            self._begun.popleft()
        self._begun.append(now)
        return len(self._begun) > max(1.0, self.trunk.calls_per_second)
