"""The wheel: whatever waits is woken once, in order, and never early."""

from hypothesis import given
from hypothesis import strategies as st

from ringback.sip.timers import Wheel


def test_an_item_is_due_at_the_end_of_its_slot_and_only_once():
    wheel: Wheel[str] = Wheel(0.25)
    wheel.set("a", 1.01)

    assert wheel.due(1.0) == []
    assert wheel.next_wake() == 1.25
    assert wheel.due(1.25) == ["a"]
    assert wheel.due(9.0) == []
    assert wheel.next_wake() is None


def test_setting_again_moves_and_none_forgets():
    wheel: Wheel[str] = Wheel(0.05)
    wheel.set("a", 1.0)
    wheel.set("b", 1.0)
    wheel.set("a", 3.0)
    wheel.set("b", None)

    assert wheel.next_wake() == 3.0
    assert wheel.due(2.0) == []
    assert wheel.due(3.0) == ["a"]
    assert len(wheel) == 0


@given(st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), st.floats(0, 100))), max_size=60))
def test_no_wakeup_is_lost_early_or_later_than_a_slot(steps: list[tuple[int, float | None]]):
    wheel: Wheel[int] = Wheel(0.05)
    wanted: dict[int, float] = {}
    for item, when in steps:
        wheel.set(item, when)
        if when is None:
            wanted.pop(item, None)
        else:
            wanted[item] = when

    while (now := wheel.next_wake()) is not None:
        for item in wheel.due(now):
            assert 0.0 <= now - wanted.pop(item) <= 0.05 + 1e-6
    assert wanted == {}
