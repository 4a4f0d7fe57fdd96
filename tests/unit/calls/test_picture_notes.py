"""What is noted of a call's pictures."""

from dataclasses import replace

from ringback.calls.picture_notes import MOST_WAYS, STEPS, PictureNotes
from ringback.calls.ports.streams import PhoneVideo
from ringback.calls.timeline import Timeline
from ringback.model.instant import Instant

VIDEO = PhoneVideo(("192.0.2.7", 4002), "VP8", 0, 96, 96)


def at(seconds: float) -> Instant:
    return Instant(seconds, 1000 + seconds)


def noted(timeline: Timeline) -> list[tuple[str, ...]]:
    return [tuple(str(value) for name, value in step.items() if name != "at") for step in timeline.steps()]


def test_pictures_that_come_rest_and_go_are_steps() -> None:
    timeline = Timeline()
    notes = PictureNotes(timeline)

    notes.agreed(VIDEO, at(0))
    notes.agreed(VIDEO, at(1))
    notes.agreed(replace(VIDEO, send=False, listen=False), at(2))
    notes.agreed(replace(VIDEO, listen=False), at(3))
    notes.agreed(None, at(4))
    notes.agreed(None, at(5))

    assert noted(timeline) == [
        ("video-added", "VP8", "sendrecv"),
        ("video-held",),
        ("video-resumed", "sendonly"),
        ("video-removed",),
    ]
    summary = notes.summary(has_port=True)
    assert (summary["video_direction"], summary["video_at_the_end"]) == ("sendrecv", "removed")
    assert {step["step"] for step in timeline.steps()} <= STEPS


def test_the_first_pictures_and_the_ways_are_steps_and_none_says_why() -> None:
    timeline = Timeline()
    notes = PictureNotes(timeline)

    notes.came(at(0))
    notes.came(at(1))
    for second, way in enumerate(["waiting", "forward", "", "forward", "make", "nobody", "none"]):
        notes.shown(way, at(second))

    assert noted(timeline) == [
        ("first-picture-in",),
        ("video-way", "none", "waiting"),
        ("first-picture-out",),
        ("video-way", "forwarded"),
        ("video-way", "composed"),
        ("video-way", "none", "nobody"),
        ("video-way", "off"),
    ]


def test_a_way_that_never_rests_is_counted_and_fills_no_timeline() -> None:
    timeline = Timeline()
    notes = PictureNotes(timeline)
    notes.agreed(VIDEO, at(0))

    for second in range(500):
        notes.shown(("forward", "make")[second % 2], at(second))

    assert sum(step["step"] == "video-way" for step in timeline.steps()) == MOST_WAYS
    assert notes.summary(has_port=True)["video_way_changes"] == 500


def test_where_nothing_was_agreed_on_the_port_says_whose_that_is() -> None:
    notes = PictureNotes(Timeline())

    assert notes.summary(has_port=True) == {"video_agreed": "none"}
    assert notes.summary(has_port=False) == {"video_agreed": "no-port"}
