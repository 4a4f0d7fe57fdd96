"""A7: whoever guesses a trunk's password."""

import pytest

from ringback.sip.digest import Verdict
from ringback.sip.flow import Flow
from ringback.telephony.logins import Logins

GUESSER, CARRIER = Flow("udp", "203.0.113.9", 5060), Flow("udp", "192.0.2.1", 5060)
WRONG, RIGHT, STALE = Verdict(False, "me"), Verdict(True, "me"), Verdict(False, "me", stale=True)


def guessed(times: int, verdict: Verdict = WRONG) -> Logins:
    logins = Logins()
    for _ in range(times):
        logins.check("me", GUESSER, 0.0, lambda: verdict)
    return logins


def test_after_five_failures_even_the_right_password_waits(capsys: pytest.CaptureFixture[str]):
    logins = guessed(5)

    assert [logins.check("me", GUESSER, at, lambda: RIGHT).ok for at in (0.5, 0.9, 1.1)] == [False, False, True]
    assert capsys.readouterr().out.count("login held back after failures") == 1


def test_a_guesser_locks_nobody_else_out():
    assert guessed(50).check("me", CARRIER, 0.0, lambda: RIGHT).ok


def test_challenges_that_grew_old_and_requests_without_a_password_are_no_failures():
    assert guessed(50, STALE).check("me", GUESSER, 0.0, lambda: RIGHT).ok
    assert guessed(50, Verdict(False)).check("me", GUESSER, 0.0, lambda: RIGHT).ok


def test_a_success_forgives():
    logins = guessed(4)
    logins.check("me", GUESSER, 0.0, lambda: RIGHT)
    for _ in range(4):
        logins.check("me", GUESSER, 0.0, lambda: WRONG)

    assert logins.check("me", GUESSER, 0.0, lambda: RIGHT).ok
