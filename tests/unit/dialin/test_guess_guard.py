"""Guessing codes is limited by caller and by number."""

from ringback.dialin.guess_guard import MOST_REMEMBERED, PER_CALLER, PER_NUMBER, WINDOW, GuessGuard

NUMBER = "+15550100"


def test_a_caller_has_three_tries_a_call_and_six_in_ten_minutes():
    guard = GuessGuard()
    left = []
    for at in range(PER_CALLER):
        left.append(guard.tries("+15550199", NUMBER, at))
        guard.wrong("+15550199", NUMBER, at)

    assert left == [3, 3, 3, 3, 2, 1]
    assert guard.tries("+15550199", NUMBER, 10.0) == 0
    assert guard.tries("+15550198", NUMBER, 10.0) == 3, "others are not concerned"
    assert guard.tries("+15550199", NUMBER, PER_CALLER + WINDOW) == 3


def test_a_number_that_many_callers_probe_gives_each_one_try():
    guard = GuessGuard()
    for each in range(PER_NUMBER):
        guard.wrong(f"caller-{each}", NUMBER, 1.0)

    assert guard.tries("somebody", NUMBER, 2.0) == 1
    assert guard.tries("somebody", "+15550101", 2.0) == 3
    assert guard.tries("somebody", NUMBER, 1.0 + WINDOW) == 3


def test_what_is_remembered_is_bounded():
    guard = GuessGuard()
    for each in range(2 * MOST_REMEMBERED):
        guard.wrong(f"caller-{each}", NUMBER, 1.0)

    assert len(guard._wrong) == MOST_REMEMBERED
