"""Passwords that callers prove to trunks, and who guesses them: held back after some failures, and told of (A7)."""

from collections.abc import Callable

import structlog

from ringback.logs import OncePerMinute
from ringback.sip.digest import Verdict
from ringback.sip.flow import Flow
from ringback.sip.login_guard import LoginGuard

log = structlog.get_logger(__name__)


class Logins:
    """Counts failures by account and source together: whoever guesses locks nobody out but themselves."""

    def __init__(self) -> None:
        self._guard = LoginGuard()
        self._now = 0.0
        self._may_log = OncePerMinute(lambda: self._now)

    def check(self, account: str, flow: Flow, now: float, check: Callable[[], Verdict]) -> Verdict:
        """What ``check`` says, unless it is not even asked; then the login has failed, whatever it is.

        Args:
            account: Whose password it has to be, as the request claims.
        """
        self._now = now
        keys = [(account, flow.source)]
        if self._guard.is_closed(keys, now):
            if self._may_log(flow.source) is not None:
                log.warning("sip.refused", source=flow.source, rule="login held back after failures")
            return Verdict(False)
        verdict = check()
        if verdict.ok:
            self._guard.succeeded(keys)
        elif verdict.username and not verdict.stale:
            self._guard.failed(keys, now)
        return verdict
