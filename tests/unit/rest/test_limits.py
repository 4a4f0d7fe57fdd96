"""Request rates."""

import pytest

from ringback.model.errors import RateLimited
from ringback.rest.limits import MOST_SOURCES, Buckets, Quiet, Rate, RequestLimits


def passes(limits: RequestLimits, rate: str, now: float, domain: str = "d") -> bool:
    try:
        limits.admit(domain, rate, now)
    except RateLimited as error:
        assert error.retry_after >= 1
        return False
    return True


def test_a_hundred_pass_at_once_and_then_twenty_a_second() -> None:
    limits = RequestLimits()

    assert sum(passes(limits, "normal", 0.0) for _ in range(200)) == 100
    assert sum(passes(limits, "normal", 1.0) for _ in range(200)) == 20
    assert sum(passes(limits, "normal", 1000.0) for _ in range(200)) == 100


def test_a_ring_group_of_twenty_can_start_at_once() -> None:
    limits = RequestLimits()

    assert all(passes(limits, "dial", 0.0) for _ in range(20))


def test_classes_and_domains_have_their_own_share() -> None:
    limits = RequestLimits()
    while passes(limits, "slow", 0.0):
        pass

    assert passes(limits, "normal", 0.0) and passes(limits, "slow", 0.0, "other")


def test_a_domain_is_told_how_long_to_wait() -> None:
    limits = RequestLimits()
    while passes(limits, "slow", 0.0):
        pass

    with pytest.raises(RateLimited) as caught:
        limits.admit("d", "slow", 0.0)
    assert not passes(limits, "slow", 0.5)
    assert passes(limits, "slow", float(caught.value.retry_after))


def test_switched_off_everything_passes() -> None:
    limits = RequestLimits(enabled=False)

    assert all(passes(limits, "dial", 0.0) for _ in range(1000))
    for _ in range(1000):
        limits.refused("192.0.2.1", 0.0)


def test_a_stranger_that_guesses_is_slowed_down_alone() -> None:
    """C16."""
    limits = RequestLimits()
    with pytest.raises(RateLimited):
        for _ in range(1000):
            limits.refused("192.0.2.1", 0.0)

    limits.refused("192.0.2.2", 0.0)


def test_many_sources_take_no_more_room_than_the_limit() -> None:
    buckets = Buckets(Rate(1.0, 1.0))
    assert buckets.take("kept", 0.0) == 0.0
    for number in range(MOST_SOURCES + 100):
        buckets.take(str(number), 0.0)
        assert buckets.take("kept", 0.0) > 0.0

    assert len(buckets._buckets) == MOST_SOURCES


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    buckets = Buckets(Rate(1.0, 1.0))
    buckets.take("a", 100.0)

    assert buckets.take("a", 0.0) > 0.0


def test_one_line_per_source_and_minute_counts_the_silent_ones() -> None:
    quiet = Quiet()

    assert [quiet.line("a", now) for now in (0.0, 1.0, 59.0, 60.0, 61.0, 200.0)] == [0, None, None, 2, None, 1]
    assert quiet.line("b", 61.0) == 0
