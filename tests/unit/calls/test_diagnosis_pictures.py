"""What two looks at a call's counters say of its pictures."""

from dataclasses import replace

import pytest

from ringback.calls.diagnosis import HEALTHY, diagnose
from ringback.calls.looks import Counted, Kind, Looking, Other, Situation, Stats
from ringback.calls.ports.streams import PhoneCodec, PhoneMedia, PhoneVideo
from ringback.calls.verdict import Way, Whose
from ringback.model.participant import Holder
from ringback.model.records import CallState

SOUND: Stats = {"packets_received": 75, "packets_sent": 75, "frames_heard": 75, "frames_speech": 75}
VIDEO = PhoneVideo(("192.0.2.7", 4002), "VP8", 0, 96, 96)
MEDIA = PhoneMedia(("192.0.2.7", 4000), PhoneCodec("PCMU", 0, 0, 8000), signalling_host="192.0.2.7")
ANN = Other("Ann", Kind.WEBRTC, Counted({}, {"packets_received": 75, "frames_speech": 75, "webrtc": "connected"}))
LOOKING = Looking(VIDEO, codecs=("VP8", "H264"), cameras=("Ann",), seen=("Ann",))
SCENE = Situation(CallState.ANSWERED, 1.5, 10.0, media=MEDIA, sdp="192.0.2.7:4000", others=(ANN,), pictures=LOOKING)
WELL: Stats = {
    **SOUND,
    "video_packets_received": 90,
    "video_packets_sent": 90,
    "video_key_frames_received": 1,
    "video_way": "forward",
}


def codes(change: Stats | None = None, looking: Looking | None = LOOKING, before: Stats | None = None) -> list[str]:
    scene = replace(SCENE, pictures=looking)
    found = diagnose(Counted(before or {"rooms": 1}, {**WELL, **(change or {})}), Counted(), scene)
    return [verdict.code for verdict in found]


def test_pictures_that_go_both_ways_are_healthy_and_a_call_that_was_to_have_none_says_nothing_of_them() -> None:
    assert codes() == [HEALTHY.code]
    assert codes({"video_packets_received": 0}, None) == [HEALTHY.code]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"video_packets_received": 0}, "video-nothing-arrives"),
        ({"video_packets_received": 0, "video_packets_rejected": 40}, "video-refused"),
        ({"video_key_frames_received": 0, "video_key_frames_asked": 3}, "video-no-key-frame"),
        ({"video_packets_lost": 10}, "video-loss"),
        ({"video_packets_sent": 3, "video_packets_withheld": 80}, "video-unproved"),
        ({"video_way": "nobody"}, "video-participant-sends-nothing"),
        ({"video_way": "no-maker"}, "video-no-program"),
        ({"video_way": "maker-down"}, "video-program-down"),
        ({"video_way": "make", "video_maker_lacks": "VP8", "video_pictures_made": 30}, "video-codec-missing"),
        ({"video_way": "waiting", "video_packets_sent": 0}, "video-waiting"),
        ({"video_way": "make", "video_pictures_made": 8}, "video-encoder-limited"),
        ({"video_remote_packets_lost": 20}, "video-loss-out"),
    ],
)
def test_a_counter_that_stands_out_is_named(change: Stats, code: str) -> None:
    assert codes(change) == [code]


@pytest.mark.parametrize(
    ("looking", "change", "code"),
    [
        (replace(LOOKING, media=None), {}, "video-not-agreed"),
        (replace(LOOKING, media=None, has_port=False), {}, "video-no-port"),
        (replace(LOOKING, may_send=False), {}, "video-may-not-send"),
        (replace(LOOKING, media=replace(VIDEO, listen=False)), {}, "video-not-sent"),
        (replace(LOOKING, media=replace(VIDEO, send=False)), {}, "video-not-wanted"),
        (replace(LOOKING, seen=()), {"video_way": "nobody"}, "video-may-not-see"),
        (replace(LOOKING, cameras=(), seen=()), {"video_way": "nobody"}, "video-no-cameras"),
    ],
)
def test_what_was_agreed_on_and_allowed_is_named(looking: Looking, change: Stats, code: str) -> None:
    assert codes(change, looking) == [code]


def test_a_full_rate_of_made_pictures_is_healthy() -> None:
    assert codes({"video_way": "make", "video_pictures_made": 22}) == [HEALTHY.code]


def test_pictures_begin_some_seconds_after_the_answer_and_rest_on_hold() -> None:
    bare = Counted({"rooms": 1}, {**SOUND, "video_way": "waiting"})

    early = diagnose(bare, Counted(), replace(SCENE, talked=1.6))
    assert [verdict.code for verdict in early] == [HEALTHY.code]
    held = diagnose(bare, Counted(), replace(SCENE, held_by=frozenset({Holder.ROOM})))
    assert [verdict.code for verdict in held] == ["held-by-room"]


def test_no_sound_is_told_before_no_picture() -> None:
    found = codes({"packets_received": 0, "video_packets_received": 0})

    assert found[0] == "nothing-arrives" and found[-1] == "video-nothing-arrives"


def test_a_missing_library_is_the_servers_and_the_doctor_says_more() -> None:
    now = {**WELL, "video_way": "make", "video_maker_lacks": "VP8"}
    (found,) = diagnose(Counted({"rooms": 1}, now), Counted(), SCENE)

    assert (found.whose, found.way, found.silent) == (Whose.SERVER, Way.OUT, False)
    assert "libvpx" in found.words and "ringback doctor" in found.to_do
