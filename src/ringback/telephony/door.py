"""The door of the SIP side: who is heard before anything is parsed, and what the operator's log is told of the rest."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from ringback.calls.ports.clock import Clock
from ringback.logs import OncePerMinute
from ringback.sip.flow import Flow
from ringback.sip.message import Message, Request
from ringback.sip.q850 import CONGESTION
from ringback.telephony.admission import Buckets, RateLimits
from ringback.telephony.policy import NetworkPolicy
from ringback.telephony.scanners import MUTED_FOR, Scanners, is_scanner_agent

log = structlog.get_logger(__name__)

HANDSHAKES = RateLimits(rate=5.0, burst=20.0)
"""TLS handshakes of one source: each costs us a signature."""

IN_CALL = RateLimits(rate=2000.0, burst=4000.0)
"""What one address we speak with may say within its calls, where it is no trunk of ours: more than any PBX does, and
less than would keep us from everybody else."""

STRANGERS = RateLimits(rate=100.0, burst=200.0)
"""New calls of strangers to one domain, however many addresses they come from."""

LAG_PROBE = 0.1
"""Seconds between looks at how late the loop runs, while something comes in."""

LAG_COUNTS = 1.0
"""Seconds for which a look counts: what was late before a quiet hour says nothing about now."""

_DOMAIN = re.compile(rb"INVITE sips?:(?:[^@\s]*@)?([^;:?>\s]{1,255})", re.IGNORECASE)
_IN_CALL = (b"ACK ", b"BYE ", b"CANCEL ", b"SIP/2.0 ")
_TO_TAG = re.compile(rb"^(?:to|t)[ \t]*:(?:[^\r\n]|\r?\n[ \t])*;[ \t]*tag[ \t]*=", re.IGNORECASE | re.MULTILINE)


def opens_call(data: bytes) -> bool:
    """Whether a datagram is an INVITE outside any dialog, told without parsing it: its ``To`` has no tag."""
    return data.startswith(b"INVITE ") and _TO_TAG.search(data.partition(b"\r\n\r\n")[0]) is None


def called_domain(data: bytes) -> str:
    """Host of an INVITE's Request-URI, told without parsing it; empty when there is no telling."""
    found = _DOMAIN.match(data)
    return found[1].decode("ascii", "replace").lower() if found else ""


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """A new call that is refused before it is read, and the rule behind it for the operator."""

    status: int
    reason: str
    rule: str
    q850: int | None = None


class Door:
    """Decides per source, by token bucket, and for all, by how late the loop runs.

    Args:
        rate_limits: Per source; ``None`` for none.
        lag_limit: Seconds the loop may be late before new calls are turned away; ``None`` for never.
        known: Networks (CIDR) that are never limited.
        engaged: Whether we have a call with an address.
        listed: Whether an address is a trunk's: those are never limited either.
        beyond_pace: Name of the trunk of an address, if it may not begin another call now; ``None``: it may.
        served: Whether a datagram repeats an INVITE that was taken before, so that it must not be refused now.
        behind: Whether messages come in faster than they are taken.
        mute_scanners: Whether who tries addresses and passwords is no longer heard for a while.
    """

    def __init__(
        self,
        clock: Clock,
        rate_limits: RateLimits | None,
        lag_limit: float | None,
        known: Sequence[str],
        engaged: Callable[[str], bool],
        listed: Callable[[str], bool] = lambda host: False,
        mute_scanners: bool = True,
        behind: Callable[[], bool] = lambda: False,
        beyond_pace: Callable[[str], str | None] = lambda host: None,
        served: Callable[[bytes], bool] = lambda data: False,
    ) -> None:
        self._clock = clock
        self._buckets = Buckets(rate_limits) if rate_limits is not None else None
        self._handshakes = Buckets(HANDSHAKES) if rate_limits is not None else None
        self._lag_limit = lag_limit
        self._known = NetworkPolicy(allow=known) if known else None
        self._networks = [NetworkPolicy(allow=[network]) for network in known]
        self._engaged = engaged
        self._listed = listed
        self._in_call = Buckets(IN_CALL)
        self._domains = Buckets(STRANGERS) if rate_limits is not None else None
        self._scanners = Scanners() if mute_scanners and rate_limits is not None else None
        self._may_log = OncePerMinute(clock.monotonic)
        self._behind = behind
        self._beyond_pace = beyond_pace
        self._served = served
        self._behind_since: float | None = None
        self._lag = 0.0
        self._measured = 0.0
        self._probing = False

    def admits(self, flow: Flow, data: bytes = b"") -> bool:
        """Whether a source may be heard now; ``data`` is what it says, where that is known."""
        if self._buckets is None or self.is_known(flow):
            return True
        engaged, now = self._engaged(flow.host), self._clock.monotonic()
        if engaged and data.startswith(_IN_CALL):
            if self._in_call.admits(flow.host, False, now):
                return True
            self.note("sip.too_many", flow, rule="rate limit in calls")
            return False
        if self._scanners is not None and not engaged and self._scanners.is_muted(flow.source, now):
            return False
        if self._buckets.admits(flow.host if engaged else flow.source, engaged, now):
            return True
        self.note("sip.too_many", flow, rule="rate limit")
        return False

    def turns_away(self, flow: Flow, data: bytes) -> TurnedAway | None:
        """Whether a new call is refused before it is read: by how late we are, or by how many of its like there are."""
        late, listed = self.is_late(), self._listed(flow.host)
        domains = None if listed or self.is_known(flow) else self._domains
        if not (late or listed or domains) or not opens_call(data):
            return None
        away: TurnedAway | None
        if late:
            away = TurnedAway(503, "Service Unavailable", "loop lag")
        elif listed:
            trunk = self._beyond_pace(flow.host)
            away = (
                None if trunk is None else TurnedAway(480, "Rate Limited", f"trunk-rate-limited: {trunk}", CONGESTION)
            )
        else:
            away = self._too_many_strangers(domains, called_domain(data))
        return None if away is None or self._served(data) else away

    def _too_many_strangers(self, domains: Buckets | None, domain: str) -> TurnedAway | None:
        if domains is None or domains.admits(domain, False, self._clock.monotonic()):
            return None
        return TurnedAway(480, "Temporarily Unavailable", f"rate of strangers to {domain}", CONGESTION)

    def looks_at(self, message: Message, flow: Flow) -> bool:
        """Whether what a stranger said may be served; not what scanners say."""
        if self._scanners is None or not isinstance(message, Request) or self.is_known(flow):
            return True
        agent = message.headers.get("user-agent") or ""
        if not agent or not is_scanner_agent(agent) or self._engaged(flow.host):
            return True
        self._mute(flow, "user agent of a scanner")
        return False

    def answered(self, flow: Flow, response: bytes) -> None:
        """An answer of ours goes out."""
        if self._scanners is None or not response.startswith(b"SIP/2.0 ") or self.is_known(flow):
            return
        now = self._clock.monotonic()
        rule = self._scanners.answered(flow.source, response, now)
        if rule and not self._scanners.is_muted(flow.source, now):
            self._mute(flow, rule)

    def admits_handshake(self, flow: Flow) -> bool:
        """Whether a source may have a TLS handshake now (C10)."""
        if self._handshakes is None or self.is_known(flow):
            return True
        if self._handshakes.admits(flow.source, self._engaged(flow.host), self._clock.monotonic()):
            return True
        self.note("sip.too_many", flow, rule="handshake rate")
        return False

    def is_known(self, flow: Flow) -> bool:
        return self._listed(flow.host) or (self._known is not None and self._known.lists(flow.host))

    def are_siblings(self, one: str, other: str) -> bool:
        """Whether two addresses are of one known network, as the nodes of a carrier are."""
        return any(network.lists(one) and network.lists(other) for network in self._networks)

    def is_late(self) -> bool:
        """Whether new calls are turned away; also looks again at how late the loop is.

        What waits in a socket makes the loop no later, but callers: so it also counts how long the socket was not
        empty. Turning calls away is so cheap that it soon is.
        """
        if self._lag_limit is None:
            return False
        now = self._clock.monotonic()
        if not self._probing:
            self._probing = True
            due = now + LAG_PROBE
            self._clock.call_at(due, lambda: self._measure(due))
        if not self._behind():
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = now
        elif now - self._behind_since > self._lag_limit:
            return True
        return self._lag > self._lag_limit and now - self._measured < LAG_COUNTS

    def note(self, event: str, flow: Flow, **facts: object) -> None:
        """One log line per source, kind and minute."""
        swallowed = self._may_log(f"{flow.source} {event} {facts.get('rule', '')}")
        if swallowed is not None:
            log.warning(event, source=flow.host, swallowed=swallowed, **facts)

    def _mute(self, flow: Flow, rule: str) -> None:
        assert self._scanners is not None, "there are rules"
        self._scanners.mute(flow.source, self._clock.monotonic())
        log.warning("sip.scanner-muted", source=flow.source, rule=rule, seconds=round(MUTED_FOR))

    def _measure(self, due: float) -> None:
        self._probing = False
        self._measured = self._clock.monotonic()
        self._lag = self._measured - due
