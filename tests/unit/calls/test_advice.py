"""Whoever looks at a call that ended finds what to do about it."""

import pytest

from ringback.calls.advice import NO_PORT, by_words, what_to_do
from ringback.model.end_reason import Ending, EndReason, Fault

AS_WISHED = {
    Ending.HANGUP_REMOTE, Ending.HANGUP_LOCAL, Ending.CANCELLED_REMOTE, Ending.CANCELLED_LOCAL, Ending.MEETING_ENDED,
    Ending.EJECTED, Ending.SIP_DISABLED, Ending.TRANSFERRED, Ending.PEER_ENDED, Ending.WRONG_CODE, Ending.NOT_LET_IN,
    Ending.NOBODY_CAME,
}  # fmt: skip


def test_every_ending_that_nobody_wished_has_its_advice_and_no_other() -> None:
    assert {ending for ending in Ending if not what_to_do(EndReason(ending), 10.0)} == AS_WISHED


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(1768.4, True), (1799.2, True), (900.0, True), (3568.0, True), (1785.0, False), (60.0, False), (1810.0, False)],
)
def test_a_call_that_is_cut_where_a_session_timer_runs_out_is_said_to_be(seconds: float, told: bool) -> None:
    assert ("session timer" in what_to_do(EndReason(Ending.HANGUP_REMOTE), seconds)) is told


def test_a_caller_for_whom_there_was_no_port_is_told_apart_from_one_that_a_rule_refused() -> None:
    assert what_to_do(EndReason(Ending.REFUSED, Fault.OURS, 480), 0.0) == NO_PORT
    assert "ringback audit" in what_to_do(EndReason(Ending.REFUSED, Fault.CALLER), 0.0)


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "forbids"), (407, "credentials"), (484, "number_format"), (503, "cannot take calls now"), (421, "--ladder")],
)
def test_what_a_carrier_said_decides_what_to_do_about_its_refusal(status: int, words: str) -> None:
    told = by_words("rejected", "remote", 0.0, status)

    assert told is not None and words in told
    assert ("password" in told) == (status in (407, 421))


@pytest.mark.parametrize("talked", [482.0, 932.0, 1832.0])
def test_a_refresh_that_was_given_up_is_suspected_of_calls_of_its_length(talked: float) -> None:
    told = by_words("hangup-remote", "nobody", talked)

    assert told is not None and "session timer" in told
