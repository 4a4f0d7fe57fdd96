"""Events in the words of daily-js."""

from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.events import (
    ActiveSpeakerChanged,
    CallEvent,
    CallFacts,
    CallStep,
    CountsUpdated,
    DialInReady,
    DigitPressed,
    EncodingAsked,
    LayerLimit,
    ParticipantJoined,
    ParticipantLeft,
)
from ringback.model.ids import CallId, ParticipantId
from ringback.model.participant import Participant, ParticipantType, PhoneState, Track
from ringback.model.records import Direction
from ringback.model.room import Permissions
from ringback.signalling.wire import participant, spell

ANN = Participant(ParticipantId("ann"), joined_at=1772446562.5, user_name="Ann", permissions=Permissions())
CALLER = CallFacts(
    CallId("c1"),
    Direction.DIAL_IN,
    "daily",
    "call-id@host",
    "sip:bob@pbx.example",
    display_name="Bob",
    endpoint="sip:123456789012@here",
    sip_headers={"X-Case": "17"},
)
CALLEE = CallFacts(
    CallId("c2"), Direction.DIAL_OUT, "signalwire", "id2", "sip:eve@pbx.example", user_id="u1", origin="sip:room@here"
)


def test_a_browser_looks_like_dailys_participant() -> None:
    assert participant(ANN) == {
        "session_id": "ann",
        "user_id": "ann",
        "user_name": "Ann",
        "userData": None,
        "owner": False,
        "record": False,
        "joined_at": "2026-03-02T10:16:02.500Z",
        "will_eject_at": None,
        "permissions": {"hasPresence": True, "canSend": True, "canReceive": {"base": True}, "canAdmin": False},
        "tracks": {
            name: {"state": "off", "generation": 0} for name in ("audio", "video", "screenAudio", "screenVideo")
        },
    }


def test_a_phone_says_what_it_is_and_where_its_call_is() -> None:
    phone = Participant(
        ParticipantId("p"),
        0,
        type=ParticipantType.SIP_DIAL_OUT,
        user_id="u1",
        phone_state=PhoneState.RINGING,
        permissions=Permissions(can_send=frozenset({"audio"}), can_admin=frozenset({"participants"})),
        tracks={"audio": Track("blocked", {"byPermissions": True}, 2)},
    )
    shown = participant(phone)
    assert shown["participantType"] == "sip-dial-out"
    assert (shown["callState"], shown["onHold"], shown["user_id"]) == ("ringing", False, "u1")
    assert shown["permissions"] == {
        "hasPresence": True,
        "canSend": ["audio"],
        "canReceive": {"base": True},
        "canAdmin": ["participants"],
    }
    assert shown["tracks"]["audio"] == {  # type: ignore[index]
        "state": "blocked",
        "blocked": {"byPermissions": True},
        "generation": 2,
    }


def test_comings_and_goings() -> None:
    assert spell(ParticipantJoined(ANN)) == ("participant-joined", {"participant": participant(ANN)})
    assert spell(ParticipantLeft(ANN)) == ("participant-left", {"participant": participant(ANN)})
    assert spell(ParticipantLeft(ANN, "hidden"))[1]["reason"] == "hidden"
    assert spell(CountsUpdated(3, 1)) == (
        "participant-counts-updated",
        {"participantCounts": {"present": 3, "hidden": 1}},
    )
    assert spell(ActiveSpeakerChanged(ANN.id)) == ("active-speaker-change", {"activeSpeaker": {"peerId": "ann"}})


def test_what_a_browser_is_to_encode_is_told_layer_by_layer() -> None:
    asked = EncodingAsked("video", (LayerLimit(1, 450_000), LayerLimit(2, 855_000, 15)))
    layers = [{"layer": 1, "maxBitrate": 450_000}, {"layer": 2, "maxBitrate": 855_000, "maxFramerate": 15}]
    assert spell(asked) == ("send-layers", {"track": "video", "layers": layers})


def test_an_endpoint_that_is_ready_is_named_with_its_scheme() -> None:
    assert spell(DialInReady("sip:1@here", "daily")) == (
        "dialin-ready",
        {"sipEndpoint": "sip:1@here", "provider": "daily"},
    )


def test_a_caller_is_told_of_with_its_headers_and_address() -> None:
    name, payload = spell(CallEvent(CALLER, CallStep.CONNECTED))
    assert name == "dialin-connected"
    assert payload == {
        "sessionId": "c1",
        "provider": "daily",
        "sipCallId": "call-id@host",
        "sipFrom": "sip:bob@pbx.example",
        "sipEndpoint": "sip:123456789012@here",
        "sipHeaders": {"X-Case": "17"},
        "displayName": "Bob",
    }


def test_warnings_carry_the_sentence_under_both_names() -> None:
    name, payload = spell(CallEvent(CALLEE, CallStep.WARNING, "no pictures yet"))
    assert name == "dialout-warning"
    assert payload["errorMsg"] == payload["message"] == "no pictures yet"
    assert payload["destination"] == "sip:eve@pbx.example"


def test_an_error_names_the_destination_in_its_details() -> None:
    end = EndReason(Ending.BUSY, Fault.REMOTE, 486, "Busy Here")
    name, payload = spell(CallEvent(CALLEE, CallStep.ERROR, end.sentence(), end))
    assert name == "dialout-error"
    assert payload["details"] == {"destination": "sip:eve@pbx.example"}
    assert (payload["reason"], payload["sipStatusCode"], payload["userId"]) == ("busy", 486, "u1")


def test_a_dialin_that_could_not_start_says_which_endpoint() -> None:
    name, payload = spell(CallEvent(CALLER, CallStep.ERROR, "no", type="start-failed"))
    assert name == "dialin-error"
    assert payload["type"] == "start-failed"
    assert payload["details"] == {"sipEndpoint": "sip:123456789012@here"}


def test_a_key_press_says_how_it_came() -> None:
    assert spell(DigitPressed(CallId("c1"), "5", "telephone-event", 10)) == (
        "dtmf-event",
        {"sessionId": "c1", "tone": "5", "volume": 10, "method": "telephone-event"},
    )
