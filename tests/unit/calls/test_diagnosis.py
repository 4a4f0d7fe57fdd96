"""What two looks at a call's counters are made of, for causes that no test can make out of packets on one machine."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ringback.calls.diagnosis import HEALTHY, diagnose
from ringback.calls.looks import Counted, Kind, Other, Situation, Stats
from ringback.calls.ports.streams import PhoneCodec, PhoneMedia
from ringback.calls.verdict import Verdict
from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.participant import Holder
from ringback.model.records import CallState

ROOT = Path(__file__).parents[3]
MEDIA = PhoneMedia(("192.0.2.7", 4000), PhoneCodec("PCMU", 0, 0, 8000), signalling_host="192.0.2.7")
WELL: Stats = {
    "packets_received": 75,
    "packets_sent": 75,
    "frames_heard": 75,
    "frames_speech": 75,
    "destination": "192.0.2.7:4000",
    "reports_received": 2,
    "reports_on_ours": 2,
}
BOT = Other("Bot", Kind.WEBRTC, Counted({}, {"packets_received": 75, "frames_speech": 75, "webrtc": "connected"}))
SCENE = Situation(CallState.ANSWERED, 1.5, 10.0, media=MEDIA, sdp="192.0.2.7:4000", others=(BOT,))


def codes(now: Stats, scene: Situation = SCENE, engine: Stats | None = None, before: Stats | None = None) -> list[str]:
    return [verdict.code for verdict in found(now, scene, engine, before)]


def found(
    now: Stats, scene: Situation = SCENE, engine: Stats | None = None, before: Stats | None = None
) -> list[Verdict]:
    return diagnose(Counted(before or {}, now), Counted({}, engine or {}), scene)


def test_a_call_in_which_both_speak_is_healthy() -> None:
    assert found(WELL) == [HEALTHY]


def test_what_no_report_of_the_far_end_speaks_of_is_not_said_to_arrive() -> None:
    (verdict,) = found({**WELL, "reports_on_ours": 0})

    assert verdict.code == "healthy" and "has not said" in verdict.words


def test_an_answer_that_was_not_acknowledged_is_told_before_the_silence_that_follows() -> None:
    """With the address that the far end was told, as that is what is wrong nearly always."""
    scene = replace(SCENE, unacknowledged=True, told="203.0.113.9")

    first, second = found({"packets_received": 0, "packets_sent": 0}, scene)

    assert (first.code, second.code) == ("no-ack", "nothing-arrives") and "203.0.113.9" in first.words


def test_what_could_not_be_sent_is_told_of_a_call_that_is_over_too() -> None:
    over = replace(SCENE, state=CallState.ENDED, media=None, talked=14.0, end=EndReason(Ending.HANGUP_REMOTE))

    assert codes({**WELL, "packets_sent": 0, "send_errors": 700}, over) == ["ended", "send-failed"]
    assert codes({**WELL, "packets_sent": 0}, over) == ["ended", "never-sent"]
    unheard = replace(over, end=EndReason(Ending.ACK_TIMEOUT, Fault.NETWORK))
    assert codes({**WELL, "packets_sent": 0}, unheard) == ["ended"]
    assert codes({**WELL, "packets_sent": 700, "unreachable": 3}, over) == ["ended", "healthy"]


def test_a_call_that_is_over_and_in_which_nobody_was_heard_did_not_go_well() -> None:
    """A bot that joined and never spoke: the caller heard silence, and every packet arrived."""
    over = replace(
        SCENE, state=CallState.ENDED, media=None, others=None, talked=9.0, end=EndReason(Ending.HANGUP_REMOTE)
    )
    silence: Stats = {**WELL, "packets_sent": 450, "silent_seconds": 9.0, "forward_seconds": 0.0}

    assert codes(silence, over) == ["ended", "sent-silence"]
    assert codes({**silence, "silent_seconds": 4.0, "forward_seconds": 5.0}, over) == ["ended", "healthy"]
    assert codes({**silence, "play_seconds": 5.0}, over) == ["ended", "healthy"], "it was played something"
    assert codes({**silence, "held_seconds": 8.0}, over) == ["ended", "healthy"], "it was on hold"


def test_a_far_end_that_is_silent_now_and_spoke_before_is_said_to_have_spoken() -> None:
    quiet: Stats = {**WELL, "frames_speech": 500, "frames_silent": 75}

    (verdict, *_) = found(quiet, before={"frames_speech": 500})

    assert verdict.code == "far-end-silent" and "earlier" in verdict.words


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"send_errors": 60, "packets_sent": 0}, "send-failed"),
        ({"packets_sent": 600, "reports_on_ours": 0}, "not-received"),
        ({"packets_sent": 10, "packets_withheld": 65}, "unproved"),
        ({"packets_sent": 0}, "nothing-sent"),
        ({"remote_loss_percent": 12.0, "remote_mos": 2.9}, "heavy-loss-out"),
        ({"underruns_late": 20, "jitter_ms": 80.0}, "late-packets"),
        ({"packets_received": 0, "rejected_stream": 75}, "unsteady-stream"),
    ],
)
def test_a_counter_that_stands_out_is_named(change: Stats, code: str) -> None:
    assert codes({**WELL, **change})[0] == code


def test_a_report_on_our_sound_says_that_it_arrives() -> None:
    assert codes({**WELL, "packets_sent": 600, "reports_received": 3, "reports_on_ours": 1}) == ["healthy"]


def test_a_media_thread_that_is_late_now_and_then_is_no_cause_and_one_that_is_often_is() -> None:
    assert codes(WELL, engine={"ticks_late": 2, "rooms": 1}) == ["healthy"]
    assert codes(WELL, engine={"ticks_late": 20, "rooms": 1}) == ["media-thread-late"]
    assert codes(WELL, engine={"ticks_late": 20, "rooms": 400}) == ["healthy"]


def test_what_was_counted_before_the_first_look_is_no_news() -> None:
    old = {"packets_forged": 9, "rejected_type": 9, "rejected_source": 9, "send_errors": 9, "unreachable": 9}

    assert codes({**old, **WELL}, before=old) == ["healthy"]


def test_a_far_end_that_wants_no_sound_is_named() -> None:
    assert codes(WELL, replace(SCENE, media=replace(MEDIA, send=False)))[0] == "not-wanted"


def test_a_far_end_that_is_played_a_prompt_is_said_to_be() -> None:
    before: Stats = {"play_seconds": 2.0}

    assert codes({**WELL, "play_seconds": 3.5}, replace(SCENE, others=()), before=before) == ["played-to", "alone"]
    assert codes({**WELL, "play_seconds": 2.0}, before=before) == ["healthy"]


def test_hold_explains_silence_and_nothing_else_is_looked_for() -> None:
    scene = replace(SCENE, held_by=frozenset({Holder.FAR_END}))

    assert codes({}, scene) == ["held-by-far-end"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"muted": True}, "participant-muted"),
        ({"may_send": False}, "participant-may-not-send"),
        ({"held": True}, "participant-on-hold"),
        ({"here": False}, "participant-away"),
        ({"sends": False}, "no-microphone"),
        ({"microphone": "off"}, "microphone-off"),
        ({"counted": Counted({}, {"webrtc": "connected"})}, "participant-sends-nothing"),
        ({"counted": Counted({}, {"webrtc": "disconnected"})}, "participant-not-connected"),
    ],
)
def test_why_somebody_is_not_heard_is_named(change: dict, code: str) -> None:
    others = (replace(BOT, **change), Other("Listener", Kind.INSIDE, heard=False))

    assert code in codes(WELL, replace(SCENE, others=others))


@pytest.mark.parametrize("counter", ["underruns_bot", "ticks_late"])
def test_a_bot_that_holds_itself_up_is_named_by_what_it_says_itself(counter: str) -> None:
    late = Counted({**BOT.counted.before, counter: 7}, {**BOT.counted.now, counter: 9})
    once = Counted({**BOT.counted.before, counter: 7}, {**BOT.counted.now, counter: 8})

    assert codes(WELL, replace(SCENE, others=(replace(BOT, counted=late),))) == ["bot-late"]
    assert codes(WELL, replace(SCENE, others=(replace(BOT, counted=once),))) == ["healthy"]


def test_one_who_is_heard_is_enough() -> None:
    others = (BOT, replace(BOT, name="Eve", sends=False))

    assert codes(WELL, replace(SCENE, others=others)) == ["healthy"]


def test_nobody_who_may_hear_the_call_is_named() -> None:
    assert codes(WELL, replace(SCENE, others=(replace(BOT, may_hear=False),)))[0] == "nobody-may-hear"


@pytest.mark.parametrize(("has_port", "code"), [(True, "not-answered"), (False, "no-rtp-port")])
def test_a_call_that_is_not_answered_says_why(has_port: bool, code: str) -> None:
    assert codes({}, Situation(CallState.RINGING, 1.5, has_port=has_port)) == [code]


def test_a_call_that_was_never_answered_says_how_it_ended() -> None:
    end = EndReason(Ending.BUSY, Fault.REMOTE, 486, "Busy Here")

    (verdict,) = found({}, Situation(CallState.ENDED, 0.0, end=end))

    assert verdict.code == "ended" and "486 Busy Here" in verdict.words and verdict.whose.value == "far-end"


def test_a_call_that_is_over_and_went_well_says_both() -> None:
    over = Situation(CallState.ENDED, 0.0, talked=9.0, end=EndReason(Ending.HANGUP_REMOTE))

    assert codes(WELL, over) == ["ended", "healthy"]


def test_every_verdict_is_in_the_guide() -> None:
    modules = [*(ROOT / "src/ringback/calls").glob("diagnosis*.py"), ROOT / "src/ringback/calls/verdict.py"]
    source = "".join(module.read_text() for module in modules)
    said = set(re.findall(r'(?:Verdict|verdict)\(\s*"([a-z-]+)"', source))

    listed = set(re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs/guides/why-no-audio.md").read_text(), re.MULTILINE))

    assert len(said) > 30 and said == listed
