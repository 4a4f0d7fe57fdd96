"""What the row of a call that is over says of its pictures."""

from dataclasses import replace

import pytest

from ringback.calls.diagnosis import diagnose
from ringback.calls.looks import Counted, Ended, Situation, Stats
from ringback.model.end_reason import Ending, EndReason
from ringback.model.records import CallState

SEEN = Ended("VP8", fps=15)
SCENE = Situation(CallState.ENDED, 0.0, 60.0, end=EndReason(Ending.HANGUP_REMOTE), seen=SEEN)
WELL: Stats = {
    "packets_received": 3000, "packets_sent": 3000, "frames_heard": 3000, "frames_speech": 3000, "reports_on_ours": 9,
    "video_packets_received": 3000, "video_packets_sent": 3000, "video_key_frames_received": 2,
    "video_pictures_received": 900, "video_pictures_sent": 890, "video_size_received": "640x360",
    "video_forward_seconds": 59.5,
}  # fmt: skip


def codes(change: Stats | None = None, seen: Ended | None = SEEN, talked: float = 60.0) -> list[str]:
    found = diagnose(Counted({}, {**WELL, **(change or {})}), Counted(), replace(SCENE, seen=seen, talked=talked))
    assert [verdict.code for verdict in found[:2]] == ["ended", "healthy"]
    return [verdict.code for verdict in found[2:]]


def test_pictures_that_went_well_are_told_with_what_came_and_went() -> None:
    *_, found = diagnose(Counted({}, WELL), Counted(), SCENE)

    assert found.code == "video-well"
    assert found.evidence == {
        "codec": "VP8",
        "pictures_received": 900,
        "size_received": "640x360",
        "pictures_sent": 890,
        "forward_seconds": 59.5,
    }


def test_a_call_without_pictures_or_that_hardly_began_says_nothing_of_them() -> None:
    assert codes(seen=None) == []
    assert codes({"video_packets_received": 0}, talked=2.9) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"video_packets_received": 0}, "video-nothing-arrives"),
        ({"video_packets_received": 0, "video_packets_rejected": 40}, "video-refused"),
        ({"video_key_frames_received": 0, "video_key_frames_asked": 3}, "video-no-key-frame"),
        ({"video_freezes_received": 2, "video_frozen_received_seconds": 7.5}, "video-frozen"),
        ({"video_packets_lost": 300}, "video-loss"),
        ({"video_packets_sent": 3, "video_packets_withheld": 80}, "video-unproved"),
        ({"video_nobody_seconds": 30.0}, "video-no-cameras"),
        ({"video_waiting_seconds": 7.0, "video_nobody_seconds": 2.0}, "video-waiting"),
        ({"video_no_maker_seconds": 58.0}, "video-no-program"),
        ({"video_maker_down_seconds": 58.0}, "video-program-down"),
        ({"video_maker_lacked": "VP8"}, "video-codec-missing"),
        ({"video_make_seconds": 50.0, "video_pictures_made": 300}, "video-encoder-limited"),
        ({"video_freezes_sent": 1, "video_frozen_sent_seconds": 4.0}, "video-frozen-out"),
        ({"video_remote_packets_lost": 400}, "video-loss-out"),
    ],
)
def test_a_counter_that_stands_out_is_named(change: Stats, code: str) -> None:
    assert codes(change) == [code]


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (Ended("none"), "video-not-agreed"),
        (Ended("no-port"), "video-no-port"),
        (replace(SEEN, listened=False), "video-not-sent"),
        (replace(SEEN, sent=False), "video-not-wanted"),
        (replace(SEEN, stopped=12.0), "video-nothing-arrives"),
    ],
)
def test_what_was_agreed_on_is_named(seen: Ended, code: str) -> None:
    assert codes(seen=seen) == [code]


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"video_nobody_seconds": 5.0}, SEEN),
        ({"video_make_seconds": 50.0, "video_pictures_made": 700}, SEEN),
        ({}, replace(SEEN, stopped=0.4)),
    ],
)
def test_what_passes_in_every_call_is_no_fault(change: Stats, seen: Ended) -> None:
    assert codes(change, seen) == ["video-well"]
