"""C1: who is heard before anything is parsed."""

from ringback.telephony.admission import Buckets, RateLimits


def test_a_stranger_has_a_burst_and_then_a_rate():
    buckets = Buckets(RateLimits(rate=20.0, burst=40.0))

    at_once = sum(buckets.admits("a", False, 0.0) for _ in range(1000))
    in_the_next_second = sum(buckets.admits("a", False, n / 1000) for n in range(1, 1002))

    assert at_once == 40
    assert in_the_next_second == 20


def test_sources_do_not_share_and_those_we_talk_with_have_more():
    buckets = Buckets(RateLimits(rate=20.0, burst=40.0, engaged=10.0))
    while buckets.admits("a", False, 0.0):
        pass

    assert buckets.admits("b", False, 0.0)
    assert sum(buckets.admits("c", True, 0.0) for _ in range(1000)) == 400


def test_memory_of_sources_is_bounded_and_the_quietest_is_forgotten():
    buckets = Buckets(RateLimits(burst=1.0, sources=10))
    for number in range(11):
        buckets.admits(str(number), False, 0.0)

    assert buckets.admits("0", False, 0.0)
    assert not buckets.admits("10", False, 0.0)
