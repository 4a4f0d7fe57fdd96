"""Events of the server as a bot is given them."""

import pytest

from ringback.client.events import (
    ActiveSpeakerChanged,
    AppMessage,
    CallTransfer,
    CountsUpdated,
    DialIn,
    DialInReady,
    DialOut,
    DigitPressed,
    Other,
    ParticipantJoined,
    ParticipantLeft,
    RemoteRequest,
    read_event,
)
from ringback.client.participants import Participant, read_participant

ANN = {
    "session_id": "a1",
    "user_id": "a1",
    "user_name": "Ann",
    "owner": True,
    "participantType": "sip-dial-in",
    "callState": "answered",
    "onHold": False,
    "tracks": {"audio": {"state": "playable", "generation": 2}, "video": {"state": "off"}},
}


def test_a_telephone_is_read_with_the_stream_of_its_microphone():
    ann = read_participant(ANN)

    assert ann == Participant(
        "a1", "Ann", "a1", True, "sip-dial-in", "answered", False, {"audio": "playable", "video": "off"}
    )
    assert (ann.is_phone, ann.audio_generation) == (True, 2)


def test_a_browser_that_is_muted_has_no_stream():
    bob = read_participant({"session_id": "b", "tracks": {"audio": {"state": "off", "generation": 3}}})

    assert (bob.is_phone, bob.audio_generation) == (False, None)


@pytest.mark.parametrize(
    ("name", "payload", "event"),
    [
        ("participant-joined", {"participant": ANN}, ParticipantJoined(read_participant(ANN))),
        (
            "participant-left",
            {"participant": ANN, "reason": "hidden"},
            ParticipantLeft(read_participant(ANN), "hidden"),
        ),
        ("participant-counts-updated", {"participantCounts": {"present": 2, "hidden": 1}}, CountsUpdated(2, 1)),
        ("active-speaker-change", {"activeSpeaker": {"peerId": "a1"}}, ActiveSpeakerChanged("a1")),
        ("app-message", {"data": None, "fromId": "server"}, AppMessage(None, "server")),
        ("remote-request", {"changes": {"setAudio": False}, "fromId": "a"}, RemoteRequest({"setAudio": False}, "a")),
        ("dialin-ready", {"sipEndpoint": "sip:1@x"}, DialInReady("sip:1@x")),
        ("dtmf-event", {"sessionId": "a1", "tone": "#", "method": "sip-info"}, DigitPressed("a1", "#", "sip-info")),
    ],
)
def test_every_event_has_a_value_of_its_own(name: str, payload: dict[str, object], event: object):
    assert read_event(name, payload) == event


def test_calls_are_told_by_their_steps():
    ended = {"sessionId": "a1", "reason": "hangup-remote"}

    assert read_event("dialin-stopped", ended) == DialIn("stopped", "a1", "hangup-remote", "", ended)
    out = read_event("dialout-error", {"sessionId": "o", "errorMsg": "busy"})
    assert (type(out), getattr(out, "step", None), getattr(out, "message", None)) == (DialOut, "error", "busy")
    moved = read_event("calltransfer-completed", {"sessionId": "a1", "completeStatus": "busy"})
    assert isinstance(moved, CallTransfer) and (moved.step, moved.status) == ("completed", "busy")


@pytest.mark.parametrize("payload", [{}, {"participant": None}, {"participant": 7}])
def test_what_is_not_as_it_should_be_is_passed_on_as_it_is(payload: dict[str, object]):
    assert read_event("participant-joined", payload) == Other("participant-joined", payload)
    assert read_event("of-the-future", payload) == Other("of-the-future", payload)
