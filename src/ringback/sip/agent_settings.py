"""How a stack behaves, what it needs of the outside, and what it wants sent."""

from collections.abc import Sequence
from dataclasses import field
from typing import Protocol

from ringback.model.ids import CallId
from ringback.model.values import dataclass
from ringback.sip.digest import Credential
from ringback.sip.flow import Flow
from ringback.sip.message import Request
from ringback.sip.registrar import Answer, Caller
from ringback.sip.session_timer import LEAST, PROPOSED
from ringback.sip.timers import Timing


class Chance(Protocol):
    """Where the stack's randomness comes from, so that a failing call replays exactly."""

    def token(self) -> str:
        """At least 64 random bits, as characters fit for a tag, a branch or a Call-ID."""

    def fraction(self) -> float:
        """0 ≤ x < 1."""

    def call(self) -> CallId: ...


class Registrations(Protocol):
    """Who is registered and who calls, at the time of asking (``telephony.registrar.Registry``)."""

    def register(self, request: Request, flow: Flow, /) -> Answer: ...
    def caller(self, request: Request, flow: Flow, here: tuple[str, int], listed: bool, /) -> Caller: ...
    def is_home(self, flow: Flow, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """How the stack behaves.

    Attributes:
        timing: RFC 3261's base timers.
        patience: Seconds without any answer after which the next target is tried, or the call fails. RFC 3261 would
            wait for timer B (32 s); a telephone network that is there says 100 at once.
        datagram: Most octets of a request by UDP while TCP has not been tried (§18.1.1).
        calls: Most calls at once; beyond them 503.
        unconfirmed_per_source: Most INVITEs of one address that no ACK has proved yet; ``None`` for any number.
        credentials: What challenges are answered with, and for whom.
        hold_ack: The ACK of an answered INVITE waits for ``OutboundCall.confirm``.
        session_interval: Seconds between the refreshes of a session that we propose, and the most we agree to.
        session_least: Seconds below which we take no interval (RFC 4028 §5: 90 or more).
    """

    timing: Timing = field(default_factory=Timing)
    patience: float = 4.0
    datagram: int = 1300
    calls: int = 5000
    transactions: int = 20_000
    unconfirmed_per_source: int | None = 10
    credentials: Sequence[Credential] = ()
    slot: float = 1 / 32
    hold_ack: bool = False
    session_interval: int = PROPOSED
    session_least: int = LEAST


@dataclass(frozen=True, slots=True)
class Transmit:
    """Octets for a far end."""

    flow: Flow
    data: bytes
