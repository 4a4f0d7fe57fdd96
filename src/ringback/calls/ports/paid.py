"""Calls that cost: on whose word they are made, who grants them, and who notes what was refused."""

from collections.abc import Callable, Sequence
from typing import Protocol

from ringback.model.ids import CallId, DomainId, RoomName
from ringback.model.instant import Instant
from ringback.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose word a call is made: caps count it, and the audit names it.

    Attributes:
        kind: ``key`` (an API key), ``token`` (somebody in a room), ``phone`` (a telephone's REFER), ``client`` (a SIP
            client that dials), ``server`` (nobody outside).
        id: Of the key (not its secret), the token (a digest), the call or the client.
    """

    domain: DomainId
    kind: str = "server"
    id: str = ""


@dataclass(frozen=True, slots=True)
class PaidLeg:
    """A call over a trunk, or to a telephone number, that is about to be made.

    Attributes:
        by: ``dial-out``, ``transfer``, ``refer``, ``client``.
        destination: As asked for: a number, or an address without headers.
        number: E.164 with ``+`` that is called; empty for an address whose user is none.
        trunk: The first that would carry it, empty for none.
        consent: The customer's reference to the callee's consent, empty for none.
    """

    asker: Asker
    room: RoomName
    by: str
    destination: str
    number: str = ""
    trunk: str = ""
    consent: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """A paid leg that may be made. It counts until it is settled.

    Attributes:
        id: Names it.
        longest: Seconds that it may last once answered.
    """

    id: str
    longest: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """A paid leg that is not made.

    Attributes:
        rule: ``destination-not-allowed``, ``call-rate-reached``, ``too-many-calls``, ``minutes-cap-reached``,
            ``spending-cap-reached``, ``outside-calling-hours``, ``do-not-call``, ``consent-missing``,
            ``quota-unavailable``: what a refusal's text begins with.
        info: Why, for the one who asked; the whole text without the rule.
    """

    rule: str
    info: str


class Quota(Protocol):
    """Who may spend how much on calls. It fails closed: what cannot be counted is not called."""

    async def reserve(self, leg: PaidLeg, now: Instant) -> Grant | Refusal:
        """Count one more leg, durably, before it is made; never raises."""

    async def check(self, leg: PaidLeg, now: Instant) -> Sequence[Refusal]:
        """Everything that ``reserve`` would say against it; counts nothing."""

    def carries(self, grant: Grant, call: CallId) -> None:
        """This call uses the grant. ``run_out`` names it when a cap is reached while it runs."""

    def answered(self, grant: Grant) -> None:
        """From here on it costs."""

    def settle(self, grant: Grant, seconds: float) -> None:
        """It is over after so many answered seconds (0: never answered, or never made). Settling twice does nothing."""

    run_out: Callable[[CallId], None]
    """Told when a running call has to end: what it may cost is spent."""


class Audit(Protocol):
    """What was refused, for the operator: bounded, and never in the way of a call."""

    def refused(self, leg: PaidLeg, rule: str, info: str) -> None: ...
