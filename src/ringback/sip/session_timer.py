"""Session timers: both ends of a call prove to each other, and to proxies, that it still exists (RFC 4028)."""

from ringback.model.values import dataclass
from ringback.sip.errors import SipParseError
from ringback.sip.grammar import number, parse_parameters
from ringback.sip.message import Message, Request, Response, Row

PROPOSED = 1800
"""Seconds we propose between refreshes, and the most we agree to where the far end lets us choose."""

LEAST = 90
"""§5: no interval may be shorter."""

LONGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Expiry:
    """``Session-Expires`` (§4).

    Attributes:
        interval: Seconds.
        refresher: ``uac``, ``uas``, or empty where it is left open.
    """

    interval: int
    refresher: str = ""

    def __str__(self) -> str:
        return f"{self.interval};refresher={self.refresher}" if self.refresher else str(self.interval)


class SessionTimer:
    """What was agreed on in one dialog: how often, and who refreshes.

    Feed it requests and responses that can refresh (INVITE, UPDATE and their 2xx); it says what to write into ours, and
    when something is due. What cannot be read counts as not written: a broken proposal is no reason to lose a call.

    Args:
        proposed: Seconds between refreshes that we propose, and the most we agree to.
        least: Seconds below which we take no interval, 90 or more.

    Attributes:
        interval: Seconds from one refresh to the end without another; ``None`` when there is no timer.
        ours: Whether refreshing is our task.
    """

    def __init__(self, proposed: int = PROPOSED, least: int = LEAST) -> None:
        self.interval: int | None = None
        self.ours = False
        self._most = self._proposal = max(proposed, least)
        self._least = self._floor = least
        self._since = 0.0

    # ── as the one who asks ──

    def proposal(self) -> list[Row]:
        """For our INVITE that begins a call; the far end chooses who refreshes (§7.1)."""
        return [("Session-Expires", str(self._proposal)), ("Min-SE", str(self._least))]

    def renewal(self) -> list[Row]:
        """For our re-INVITE or UPDATE: as agreed (§7.4); nothing where no timer was."""
        if self.interval is None:
            return []
        expiry = Expiry(self.interval, "uac" if self.ours else "uas")
        return [("Session-Expires", str(expiry)), ("Min-SE", str(self._least))]

    def agree(self, response: Response, now: float) -> None:
        """A 2xx came (§7.2): without Session-Expires there is no timer."""
        expiry = read_expiry(response)
        self.interval = None
        if expiry is not None:
            # Shorter than §5 allows: we refresh in time for 60 s all the same, and not every second for a stranger.
            self._run(max(expiry.interval, LEAST), expiry.refresher != "uas", now)

    def raised(self, response: Response) -> bool:
        """§7.3: a 422 names the least the far end takes. Whether that is more than what we asked for."""
        least = read_least(response)
        if least <= (self.interval or self._proposal):
            return False
        self._least = self._proposal = least
        if self.interval is not None:
            self.interval = least
        return True

    # ── as the one who is asked ──

    def refusal(self, request: Request) -> list[Row]:
        """§9: the header of the 422 that a request gets; empty when it may be accepted."""
        return [("Min-SE", str(self._floor))] if is_too_short(request, self._floor) else []

    def accept(self, request: Request, now: float) -> list[Row]:
        """For our 2xx (§9 and its table 2). ``refusal`` has been asked before."""
        expiry = read_expiry(request)
        speaks = "timer" in option_tags(request, "supported")
        if expiry is None or expiry.interval < LEAST:
            # A re-INVITE that says nothing of timers leaves us to refresh as before, and ends a promise of theirs.
            if self.interval is None or not self.ours:
                self.interval = None
                return []
            self._run(self.interval, True, now)
        else:
            interval = min(expiry.interval, max(self._most, read_least(request)))
            self._run(interval, not speaks or self._is_ours(expiry), now)
        assert self.interval is not None, "a timer that runs has an interval"
        rows: list[Row] = [("Session-Expires", str(Expiry(self.interval, "uas" if self.ours else "uac")))]
        return [("Require", "timer"), *rows] if speaks else rows

    # ── time ──

    def refresh_at(self) -> float | None:
        """When our refresh is due (§10): after half the interval."""
        return self._since + self.interval / 2 if self.interval is not None and self.ours else None

    def expires_at(self) -> float | None:
        """When a far end that has not refreshed is given up (§10)."""
        if self.interval is None or self.ours:
            return None
        return self._since + self.interval - min(32.0, self.interval / 3)

    # ── inside ──

    def _run(self, interval: int, ours: bool, now: float) -> None:
        self.interval, self.ours, self._since = interval, ours, now

    def _is_ours(self, expiry: Expiry) -> bool:
        """Left open, roles stay as they are, and at the beginning we take the task: then the call depends on us."""
        if expiry.refresher:
            return expiry.refresher == "uas"
        return self.ours or self.interval is None


def read_expiry(message: Message) -> Expiry | None:
    """Session-Expires; ``None`` when there is none, or none that can be read."""
    text, semicolon, rest = (message.headers.get("session-expires") or "").partition(";")
    try:
        interval = number(text.strip(" \t"), LONGEST)
        parameters = parse_parameters(";" + rest) if semicolon else {}
    except SipParseError:
        return None
    refresher = (parameters.get("refresher") or "").lower()
    return Expiry(interval, refresher if refresher in ("uac", "uas") else "")


def read_least(message: Message) -> int:
    """Min-SE in seconds, 90 unless more is said (§5)."""
    text = (message.headers.get("min-se") or "").partition(";")[0]
    try:
        return max(LEAST, number(text.strip(" \t"), LONGEST))
    except SipParseError:
        return LEAST


def is_too_short(request: Request, least: int = LEAST) -> bool:
    """§9: whether to answer 422. Only who speaks timers can make sense of that."""
    expiry = read_expiry(request)
    return expiry is not None and expiry.interval < least and "timer" in option_tags(request, "supported")


def option_tags(message: Message, key: str) -> list[str]:
    """Tags of a list header (Supported, Require, Allow), in lower case; empty ones left out."""
    tags = (tag.strip(" \t").lower() for value in message.headers.all(key) for tag in value.split(","))
    return [tag for tag in tags if tag]
