"""Keys towards a far end: their order, their pace, their number."""

import pytest

from ringback.calls.press import MOST_WAITING, Press, Presses
from ringback.model.errors import InvalidRequest


def played(presses: Presses) -> list[tuple[float, Press]]:
    """Everything that is sent, and when."""
    sent: list[tuple[float, Press]] = []
    while (at := presses.next()) is not None:
        sent += [(round(at, 3), press) for press in presses.due(at)]
    return sent


def test_events_go_in_one_run_and_info_key_by_key_each_after_the_one_before():
    presses = Presses()
    presses.add("12", 200, False, now=10.0)
    presses.add("34", 100, True, now=10.1)
    presses.add("5", 50, False, now=10.2)

    assert played(presses) == [
        (10.0, Press("12", 200, False)),
        (10.6, Press("3", 100, True)),
        (10.8, Press("4", 100, True)),
        (11.0, Press("5", 50, False)),
    ]


def test_an_extension_waits_and_its_commas_are_pauses_of_a_second():
    presses = Presses()
    presses.wait(3, now=10.0)
    presses.add("1,,w2", 500, False, now=10.0)

    assert played(presses) == [(13.0, Press("1", 500, False)), (16.6, Press("2", 500, False))]


def test_an_extension_of_pauses_alone_sends_nothing_and_ends():
    presses = Presses()
    presses.add(",,", 500, True, now=0.0)

    assert presses.due(0.0) == [] and presses.due(5.0) == [] and presses.next() is None


def test_what_is_over_is_no_reason_to_wait():
    presses = Presses()
    presses.add("1", 500, True, now=0.0)
    assert [press.keys for press in presses.due(0.0)] == ["1"]

    presses.add("2", 500, True, now=60.0)

    assert [press.keys for press in presses.due(60.0)] == ["2"] and presses.next() is None


def test_so_many_keys_may_wait_and_not_one_more():
    """D12."""
    presses = Presses()
    for _ in range(MOST_WAITING // 20):
        presses.add("1" * 20, 2000, True, now=0.0)

    with pytest.raises(InvalidRequest, match="200 tones wait"):
        presses.add("2", 50, True, now=0.0)


def test_nothing_is_pressed_after_the_call():
    presses = Presses()
    presses.add("123", 500, True, now=0.0)

    presses.clear()

    assert presses.due(100.0) == [] and presses.next() is None
