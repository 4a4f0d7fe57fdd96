"""Counting what calls take of their caps, to the second; time is handed in."""

import random

import pytest

from ringback.model.instant import Instant
from ringback.numbers.ledger import DAY, Ledger
from ringback.numbers.policy import Caps, Rate

NOON = 1_772_452_800.0  # 12:00 UTC
DOMAIN = ("domain", "d")
KEY = ("key", "d key k")


def at(seconds: float) -> Instant:
    return Instant(1000.0 + seconds, NOON + seconds)


def rules(ledger: Ledger, caps: Caps, now: Instant, rate: Rate = Rate()) -> list[str]:  # noqa: B008
    return [rule for rule, _ in ledger.against([(DOMAIN, caps)], rate, now)]


def begin(ledger: Ledger, grant: str, caps: Caps, now: Instant, rate: Rate = Rate()) -> bool:  # noqa: B008
    """One more call, if nothing is against it."""
    if rules(ledger, caps, now, rate):
        return False
    ledger.open(grant, [(DOMAIN, caps)], rate, now)
    return True


def test_calls_at_once_count_from_the_invite_to_the_end():
    ledger, caps = Ledger(), Caps(concurrent=2)

    assert [begin(ledger, str(n), caps, at(0)) for n in range(3)] == [True, True, False]
    assert rules(ledger, caps, at(1)) == ["too-many-calls"]
    ledger.settle("0", at(2))
    assert begin(ledger, "3", caps, at(2))


@pytest.mark.parametrize(("caps", "window"), [(Caps(per_minute=3), 60), (Caps(per_hour=3), 3600)])
def test_calls_begun_count_for_a_sliding_minute_or_hour_whether_they_last_or_not(caps: Caps, window: float):
    ledger = Ledger()
    for number, second in enumerate((0, 10, 20)):
        assert begin(ledger, str(number), caps, at(second))
        ledger.settle(str(number), at(second))

    assert rules(ledger, caps, at(window - 1)) == ["call-rate-reached"]
    assert rules(ledger, caps, at(window + 1)) == []


def test_what_rings_holds_a_minute_back_and_costs_nothing_when_it_is_not_answered():
    ledger, caps = Ledger(), Caps(minutes_per_day=2)

    assert [begin(ledger, str(n), caps, at(0)) for n in range(3)] == [True, True, False]
    ledger.settle("0", at(30))
    assert begin(ledger, "3", caps, at(30))
    assert ledger.spent(DOMAIN, at(30))[1] == 0.0


def test_minutes_of_calls_that_run_count_and_the_ledger_knows_when_they_are_used_up():
    ledger, caps = Ledger(), Caps(minutes_per_day=10)
    for grant in ("a", "b"):
        begin(ledger, grant, caps, at(0))
        ledger.answered(grant, at(0))

    assert ledger.next_wake(at(0)) == pytest.approx(1300.0)
    assert ledger.due(at(299)) == []
    assert sorted(ledger.due(at(300))) == ["a", "b"]
    assert ledger.due(at(301)) == [], "each is told once"
    assert ledger.next_wake(at(301)) is None
    assert [ledger.settle(grant, at(300)) for grant in ("a", "b")] == [(300.0, 0.0), (300.0, 0.0)]
    assert rules(ledger, caps, at(400)) == ["minutes-cap-reached"]


def test_money_counts_by_the_second_and_for_being_answered():
    ledger, caps, rate = Ledger(), Caps(spend_per_day=1.0), Rate(per_minute=0.60, per_call=0.10)

    assert begin(ledger, "a", caps, at(0), rate)
    assert not begin(ledger, "b", caps, at(0), rate), "0.70 of the first and 0.70 of this one are more than 1.00"
    ledger.answered("a", at(5))
    assert ledger.next_wake(at(5)) == pytest.approx(1095.0)
    assert ledger.settle("a", at(35)) == (30.0, pytest.approx(0.40))
    assert ledger.spent(DOMAIN, at(40)) == (0, 30.0, pytest.approx(0.40))


def test_midnight_makes_everything_new_also_for_calls_that_run():
    ledger, caps, rate = Ledger(), Caps(minutes_per_day=1500, spend_per_day=100.0), Rate(0.06)
    midnight = DAY / 2
    begin(ledger, "a", caps, at(midnight - 600), rate)
    ledger.answered("a", at(midnight - 600))

    _, seconds, money = ledger.spent(DOMAIN, at(midnight + 60))

    assert (seconds, money) == (pytest.approx(60.0), pytest.approx(0.06))
    assert ledger.settle("a", at(midnight + 120)) == (720.0, pytest.approx(0.72))
    assert ledger.spent(DOMAIN, at(midnight + 130))[1:] == (pytest.approx(120.0), pytest.approx(0.12))


def test_a_call_counts_in_each_of_its_scopes_and_any_of_them_may_refuse_or_end_it():
    ledger = Ledger()
    scopes = [(DOMAIN, Caps(minutes_per_day=100)), (KEY, Caps(minutes_per_day=2))]
    ledger.open("a", scopes, Rate(), at(0))
    ledger.answered("a", at(0))

    assert ledger.next_wake(at(0)) == pytest.approx(1120.0)
    assert [words.split()[1] for _, words in ledger.against(scopes, Rate(), at(90))] == ["key"]
    assert ledger.due(at(120)) == ["a"]


def test_what_an_earlier_life_spent_counts():
    ledger, caps = Ledger(), Caps(per_minute=1, minutes_per_day=10)

    ledger.replay([DOMAIN], 30.0, 540.0, 0.0, at(0))

    assert rules(ledger, caps, at(0)) == ["call-rate-reached"]
    assert begin(ledger, "a", caps, at(61))
    assert rules(ledger, Caps(minutes_per_day=10), at(61)) == ["minutes-cap-reached"]


def test_settling_twice_or_something_unknown_changes_nothing():
    ledger, caps = Ledger(), Caps(concurrent=1)
    begin(ledger, "a", caps, at(0))
    ledger.settle("a", at(1))

    assert ledger.settle("a", at(2)) is None
    ledger.answered("a", at(2))
    assert ledger.spent(DOMAIN, at(2)) == (0, 0.0, 0.0)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_calls_do_together_they_never_go_past_a_cap(seed: int):
    """D9: whoever is told to end does so at once; nothing leaks out beyond."""
    chance, ledger = random.Random(seed), Ledger()
    caps, rate = Caps(concurrent=20, minutes_per_day=30, spend_per_day=5.0), Rate(0.20, 0.05)
    now, running, total, money = 0.0, {}, 0.0, 0.0
    for step in range(2000):
        then = now + chance.expovariate(0.5)
        while (wake := ledger.next_wake(at(now))) is not None and wake - 1000.0 <= then:
            now = max(now, wake - 1000.0)
            for grant in ledger.due(at(now)):
                used = ledger.settle(grant, at(now))
                assert used is not None
                total, money = total + used[0], money + used[1]
                running.pop(grant)
        now = then
        action = chance.random()
        if action < 0.5:
            if begin(ledger, str(step), caps, at(now), rate):
                running[str(step)] = False
        elif running and action < 0.8:
            ledger.answered(chance.choice(list(running)), at(now))
        elif running:
            grant = chance.choice(list(running))
            used = ledger.settle(grant, at(now))
            assert used is not None
            total, money = total + used[0], money + used[1]
            running.pop(grant)
        if now > DAY / 2 - 1:
            break

    assert total <= 30 * 60 + 1e-3
    assert money <= 5.0 + 1e-6
    assert money > 4.0, "the test did try"
