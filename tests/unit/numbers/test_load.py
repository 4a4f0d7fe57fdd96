from ringback.model.ids import CallId
from ringback.numbers.load import Load
from ringback.numbers.trunk import Trunk

TRUNK = Trunk("a", calls_per_second=2.0, max_calls=2)


def test_calls_out_wait_for_their_turn_at_the_trunks_pace() -> None:
    load = Load()

    assert [load.book(TRUNK, 10.0) for _ in range(4)] == [10.0, 10.5, 11.0, 11.5]
    assert load.book(TRUNK, 100.0) == 100.0


def test_a_queue_of_more_than_half_a_minute_is_not_joined() -> None:
    load = Load()

    booked = [load.book(TRUNK, 0.0) for _ in range(100)]

    assert booked.count(None) == 100 - 61
    assert max(at for at in booked if at is not None) == 30.0


def test_calls_in_beyond_the_pace_are_not_taken() -> None:
    load = Load()

    assert [load.takes(TRUNK, 0.0) for _ in range(3)] == [True, True, False]
    assert load.takes(TRUNK, 0.5)


def test_a_trunk_is_full_at_its_cap() -> None:
    load = Load()
    load.calls |= {CallId("a"), CallId("b")}

    assert load.is_full(TRUNK)
    assert not load.is_full(Trunk("b"))


def test_looking_whether_a_call_would_be_taken_takes_nothing() -> None:
    load = Load()

    assert [load.would_take(TRUNK, 0.0) for _ in range(5)] == [True] * 5
    assert [load.takes(TRUNK, 0.0) for _ in range(2)] == [True, True]
    assert not load.would_take(TRUNK, 0.4)
    assert load.would_take(TRUNK, 0.5)
    assert load.would_take(Trunk("b"), 0.0)
