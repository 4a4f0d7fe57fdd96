"""When what happened in a call."""

from ringback.calls.timeline import MOST_STEPS, Timeline
from ringback.model.instant import Instant


def at(seconds: float) -> Instant:
    return Instant(seconds, 1000 + seconds)


def test_the_first_sound_of_each_side_counts_and_no_later_one() -> None:
    timeline = Timeline()

    timeline.heard(at(1))
    timeline.heard(at(2))
    timeline.sent(at(3))
    timeline.sent(at(4))

    assert timeline.sound(at(5)) == {"first_heard_at": 1001.0, "first_sent_at": 1003.0, "held_seconds": 0.0}
    assert [(step["step"], step["at"]) for step in timeline.steps()] == [
        ("first-heard", 1001.0),
        ("first-sent", 1003.0),
    ]


def test_time_on_hold_adds_up_and_runs_on_while_it_lasts() -> None:
    timeline = Timeline()

    timeline.hold(True, at(1))
    timeline.hold(True, at(2))
    timeline.hold(False, at(4))
    timeline.hold(True, at(10))

    assert timeline.sound(at(11))["held_seconds"] == 4.0


def test_a_call_nobody_heard_anything_of_has_no_sound() -> None:
    assert Timeline().sound(at(1)) == {}


def test_of_very_many_steps_the_first_and_the_last_are_kept_and_how_many_are_missing_is_said() -> None:
    timeline = Timeline()

    for number in range(1000):
        timeline.note("key-pressed", at(number), n=number)

    steps = timeline.steps()
    assert len(steps) == MOST_STEPS + 1
    assert [step["n"] for step in steps[: MOST_STEPS // 2]] == list(range(50))
    assert (steps[50]["step"], steps[50]["steps"]) == ("skipped", 900)
    assert [step["n"] for step in steps[51:]] == list(range(950, 1000))
