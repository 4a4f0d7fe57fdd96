"""Key presses that come by two ways at once."""

from ringback.calls.dtmf import WINDOW, DigitFilter

RTP, INFO, TONES = "telephone-event", "sip-info", "in-band"


def told(presses: list[tuple[str, str, float]]) -> list[tuple[str, str]]:
    keys = DigitFilter()
    return [(digit, method) for digit, method, at in presses if keys.is_new(digit, method, at)]


def test_a_press_that_comes_both_ways_counts_once_whichever_is_first():
    assert told([("5", RTP, 0.0), ("5", INFO, 0.1)]) == [("5", RTP)]
    assert told([("5", INFO, 0.0), ("5", RTP, 0.1)]) == [("5", INFO)]


def test_the_same_key_pressed_twice_quickly_counts_twice():
    assert len(told([("5", RTP, 0.0), ("5", INFO, 0.05), ("5", RTP, 0.2), ("5", INFO, 0.25)])) == 2
    assert len(told([("5", RTP, 0.0), ("5", RTP, 0.2), ("5", INFO, 0.3), ("5", INFO, 0.4)])) == 2


def test_a_phone_that_uses_one_way_only_is_never_silenced():
    assert len(told([("1", INFO, at / 10) for at in range(40)])) == 40


def test_long_after_it_is_another_press():
    assert len(told([("5", RTP, 0.0), ("5", INFO, WINDOW + 0.1)])) == 2


def test_what_is_no_key_is_nothing():
    assert told([("flash", RTP, 0.0), ("", INFO, 0.0), ("a", RTP, 0.0), ("16", RTP, 0.0)]) == []


def test_a_press_that_comes_in_three_ways_counts_once_and_the_next_one_again():
    once = [("5", RTP, 0.0), ("5", INFO, 0.05), ("5", TONES, 0.1)]

    assert told(once) == [("5", RTP)]
    assert told([*once, ("5", TONES, 0.3), ("5", RTP, 0.31), ("5", INFO, 0.4)]) == [("5", RTP), ("5", TONES)]
    assert len(told([*once, ("6", RTP, 0.5), ("5", RTP, 0.7)])) == 3
