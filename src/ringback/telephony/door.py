"""The door of the SIP side: who is heard before anything is parsed, and what the operator's log is told of the rest."""

import re
from collections.abc import Callable, Sequence

import structlog

from ringback.calls.ports import Clock
from ringback.sip.flow import Flow
from ringback.telephony.admission import Buckets, Quieter, RateLimits
from ringback.telephony.policy import NetworkPolicy

log = structlog.get_logger(__name__)

HANDSHAKES = RateLimits(rate=5.0, burst=20.0)
"""TLS handshakes of one source: each costs us a signature."""

LAG_PROBE = 0.1
"""Seconds between looks at how late the loop runs, while something comes in."""

LAG_COUNTS = 1.0
"""Seconds for which a look counts: what was late before a quiet hour says nothing about now."""


_TO_TAG = re.compile(rb"^(?:to|t)[ \t]*:(?:[^\r\n]|\r?\n[ \t])*;[ \t]*tag[ \t]*=", re.IGNORECASE | re.MULTILINE)


def opens_call(data: bytes) -> bool:
    """Whether a datagram is an INVITE outside any dialog, told without parsing it: its ``To`` has no tag."""
    return data.startswith(b"INVITE ") and _TO_TAG.search(data.partition(b"\r\n\r\n")[0]) is None


class Door:
    """Decides per source, by token bucket, and for all, by how late the loop runs.

    Args:
        rate_limits: Per source; ``None`` for none.
        lag_limit: Seconds the loop may be late before new calls are turned away; ``None`` for never.
        known: Networks (CIDR) that are never limited.
        engaged: Whether we have a call with an address.
        listed: Whether an address is a trunk's: those are never limited either.
    """

    def __init__(
        self,
        clock: Clock,
        rate_limits: RateLimits | None,
        lag_limit: float | None,
        known: Sequence[str],
        engaged: Callable[[str], bool],
        listed: Callable[[str], bool] = lambda host: False,
    ) -> None:
        self._clock = clock
        self._buckets = Buckets(rate_limits) if rate_limits is not None else None
        self._handshakes = Buckets(HANDSHAKES) if rate_limits is not None else None
        self._lag_limit = lag_limit
        self._known = NetworkPolicy(allow=known) if known else None
        self._networks = [NetworkPolicy(allow=[network]) for network in known]
        self._engaged = engaged
        self._listed = listed
        self._quieter = Quieter()
        self._lag = 0.0
        self._measured = 0.0
        self._probing = False

    def admits(self, flow: Flow) -> bool:
        """Whether a source may be heard now."""
        if self._buckets is None or self.is_known(flow):
            return True
        if self._buckets.admits(flow.host, self._engaged(flow.host), self._clock.monotonic()):
            return True
        self.note("sip.too_many", flow, rule="rate limit")
        return False

    def admits_handshake(self, flow: Flow) -> bool:
        """Whether a source may have a TLS handshake now (C10)."""
        if self._handshakes is None or self.is_known(flow):
            return True
        if self._handshakes.admits(flow.host, self._engaged(flow.host), self._clock.monotonic()):
            return True
        self.note("sip.too_many", flow, rule="handshake rate")
        return False

    def is_known(self, flow: Flow) -> bool:
        return self._listed(flow.host) or (self._known is not None and self._known.lists(flow.host))

    def are_siblings(self, one: str, other: str) -> bool:
        """Whether two addresses are of one known network, as the nodes of a carrier are."""
        return any(network.lists(one) and network.lists(other) for network in self._networks)

    def is_late(self) -> bool:
        """Whether new calls are turned away; also looks again at how late the loop is."""
        if self._lag_limit is None:
            return False
        now = self._clock.monotonic()
        if not self._probing:
            self._probing = True
            due = now + LAG_PROBE
            self._clock.call_at(due, lambda: self._measure(due))
        return self._lag > self._lag_limit and now - self._measured < LAG_COUNTS

    def note(self, event: str, flow: Flow, **facts: object) -> None:
        """One log line per source and minute."""
        swallowed = self._quieter.admits(flow.host, self._clock.monotonic())
        if swallowed is not None:
            log.warning(event, source=flow.host, swallowed=swallowed, **facts)

    def _measure(self, due: float) -> None:
        self._probing = False
        self._measured = self._clock.monotonic()
        self._lag = self._measured - due
