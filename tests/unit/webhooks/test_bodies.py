"""What webhooks say, from what clients are told."""

import json
from pathlib import Path
from typing import Any

import pytest

from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.events import (
    CallEvent,
    CallFacts,
    CallStep,
    CallTransfer,
    DialInReady,
    MeetingEnded,
    MeetingStarted,
    ParticipantJoined,
    ParticipantLeft,
    TransferStep,
    WaitingJoined,
    WaitingLeft,
)
from ringback.model.ids import CallId, DomainId, MeetingId, ParticipantId, RoomName
from ringback.model.participant import Participant, ParticipantType
from ringback.model.records import Direction, EventRecord
from ringback.signalling.wire import spell
from ringback.webhooks.bodies import SENT_TYPES, body_of

AT = 1_772_446_600.25
ANN = Participant(ParticipantId("p-1"), AT - 30, "Ann", "user-7", user_data={"seat": 4})
PHONE = Participant(ParticipantId("c-1"), AT - 10, "Caller", None, type=ParticipantType.SIP_DIAL_IN)
IN = CallFacts(
    CallId("c-1"),
    Direction.DIAL_IN,
    "daily",
    "abc@10.0.0.1",
    "sip:bob@example.org",
    display_name="Bob",
    endpoint="sip:123@rooms.example.test",
    sip_headers={"X-Case": "9"},
)
OUT = CallFacts(
    CallId("c-2"),
    Direction.DIAL_OUT,
    "daily",
    "def@10.0.0.1",
    "+15550100",
    user_id="user-9",
    origin="+15550199",
    caller_id="number-1",
)
BUSY = EndReason(Ending.BUSY, Fault.REMOTE, 486, "Busy Here")


def told(event: Any, sequence: int = 3) -> dict[str, Any] | None:
    name, payload = spell(event)
    record = EventRecord(
        DomainId("d-1"), RoomName("desk"), MeetingId("m-1"), 5, sequence, AT, name, json.loads(json.dumps(payload))
    )
    body = body_of(record)
    if body is None:
        return None
    whole = json.loads(body.text)
    assert (whole["type"], whole["id"]) == (body.type, body.event_id)
    # Receivers sign what they parsed and wrote again: the octets must agree.
    assert json.dumps(whole, separators=(",", ":"), ensure_ascii=False) == body.text
    return dict(whole)


def test_a_meeting_begins_and_ends() -> None:
    assert told(MeetingStarted(AT - 60)) == {
        "version": "1.0.0",
        "type": "meeting.started",
        "id": "met-sta-m-1-5-3",
        "event_ts": AT,
        "payload": {"start_ts": AT - 60, "meeting_id": "m-1", "room": "desk"},
    }
    ended = told(MeetingEnded(AT - 60, AT))
    assert ended is not None
    assert ended["payload"] == {"start_ts": AT - 60, "end_ts": AT, "meeting_id": "m-1", "room": "desk"}


def test_a_participant_joins_with_its_rights_and_leaves_with_its_duration() -> None:
    joined, left = told(ParticipantJoined(ANN)), told(ParticipantLeft(ANN))
    assert joined is not None and left is not None

    assert joined["payload"] == {
        "joined_at": AT - 30,
        "session_id": "p-1",
        "room": "desk",
        "user_id": "user-7",
        "user_name": "Ann",
        "user_data": {"seat": 4},
        "owner": False,
        "will_eject_at": None,
        "permissions": {"hasPresence": True, "canSend": True, "canReceive": {"base": True}, "canAdmin": False},
    }
    assert left["payload"] == {**joined["payload"], "duration": 30.0}


def test_a_phone_has_its_type_and_no_user_id_unless_it_was_given_one() -> None:
    joined = told(ParticipantJoined(PHONE))
    assert joined is not None

    assert joined["payload"]["participant_type"] == "sip-dial-in"
    assert "user_id" not in joined["payload"]
    assert "user_data" not in joined["payload"]


def test_somebody_who_is_hidden_has_not_left() -> None:
    assert told(ParticipantLeft(ANN, "hidden")) is None


def test_an_endpoint_is_ready() -> None:
    ready = told(DialInReady("sip:123@rooms.example.test", "daily"))
    assert ready is not None
    assert ready["payload"] == {
        "timestamp": "1772446600",
        "domain_id": "d-1",
        "room": "desk",
        "sip_endpoint": "sip:123@rooms.example.test",
    }


def test_a_dial_in_is_told_with_who_called_and_its_headers() -> None:
    connected = told(CallEvent(IN, CallStep.CONNECTED))
    assert connected is not None
    assert connected["type"] == "dialin.connected"
    assert connected["id"] == "dial-in-con-c-1-5-3"
    assert connected["payload"] == {
        "timestamp": "1772446600",
        "domain_id": "d-1",
        "room": "desk",
        "session_id": "c-1",
        "sip_from": "sip:bob@example.org",
        "display_name": "Bob",
        "sip_headers": {"X-Case": "9"},
    }


def test_a_dial_out_is_told_with_where_it_went_and_why_it_failed() -> None:
    answered = told(CallEvent(OUT, CallStep.ANSWERED))
    failed = told(CallEvent(OUT, CallStep.ERROR, "the callee is busy", BUSY))
    assert answered is not None and failed is not None

    assert answered["payload"] == {
        "timestamp": "1772446600",
        "domain_id": "d-1",
        "room": "desk",
        "session_id": "c-2",
        "user_id": "user-9",
        "destination": "+15550100",
        "origin": "+15550199",
        "caller_id": "number-1",
    }
    assert failed["type"] == "dialout.error"
    assert failed["payload"]["error_msg"] == "the callee is busy"
    assert failed["payload"]["destination"] == "+15550100"
    assert (failed["payload"]["reason"], failed["payload"]["sip_status_code"]) == ("busy", 486)


@pytest.mark.parametrize(
    ("facts", "step"),
    # We answer dial-ins ourselves: that step is a dial-out's. Of holds Daily's webhooks do not tell.
    [
        (facts, step)
        for facts in (IN, OUT)
        for step in CallStep
        if step not in (CallStep.HELD, CallStep.RESUMED) and (facts, step) != (IN, CallStep.ANSWERED)
    ],
)
def test_every_step_of_a_call_that_is_told_is_told_to_webhooks_too(facts: CallFacts, step: CallStep) -> None:
    found = told(CallEvent(facts, step, "because", BUSY if step in (CallStep.STOPPED, CallStep.ERROR) else None))
    assert found is not None
    assert found["type"] in SENT_TYPES


def test_a_transfer_is_told_with_both_ends_and_its_codes() -> None:
    begun = told(CallTransfer(IN.call, IN.remote, TransferStep.TRIGGERED, "sip:x@example.org"))
    done = told(CallTransfer(IN.call, IN.remote, TransferStep.COMPLETED, "sip:x@example.org", True, "busy", 202, 486))
    assert begun is not None and done is not None

    assert begun["type"] == "calltransfer.triggered"
    assert begun["payload"] == {
        "timestamp": "1772446600",
        "domain_id": "d-1",
        "room": "desk",
        "session_id": "c-1",
        "mtg_session_id": "m-1",
        "from_endpoint": "sip:bob@example.org",
        "to_endpoint": "sip:x@example.org",
        "is_sip_refer": False,
    }
    assert done["payload"] == {
        **begun["payload"],
        "is_sip_refer": True,
        "complete_status": "busy",
        "refer_sip_response_code": "202",
        "notify_sip_response_code": "486",
    }


@pytest.mark.parametrize("step", list(TransferStep))
def test_every_step_of_a_transfer_has_a_webhook(step: TransferStep) -> None:
    found = told(CallTransfer(OUT.call, OUT.remote, step, "+15550123", status="completed"))
    assert found is not None
    assert found["type"] == f"calltransfer.{step.value}"


EVENTS: dict[str, Any] = {
    "meeting.started": MeetingStarted(AT - 60),
    "meeting.ended": MeetingEnded(AT - 60, AT),
    "participant.joined": ParticipantJoined(ANN),
    "participant.left": ParticipantLeft(PHONE),
    "waiting-participant.joined": WaitingJoined(ANN),
    "waiting-participant.left": WaitingLeft(ANN),
    "dialin.ready": DialInReady("sip:123@rooms.example.test", "daily"),
    "dialin.connected": CallEvent(IN, CallStep.CONNECTED),
    "dialin.stopped": CallEvent(IN, CallStep.STOPPED, end=EndReason(Ending.EJECTED, q850=16)),
    "dialin.warning": CallEvent(IN, CallStep.WARNING, "none of the room's codecs is offered: PCMA is used instead"),
    "dialin.error": CallEvent(IN, CallStep.ERROR, "no common codec (488)", EndReason(Ending.NO_COMMON_CODEC)),
    "dialout.connected": CallEvent(OUT, CallStep.CONNECTED),
    "dialout.answered": CallEvent(OUT, CallStep.ANSWERED),
    "dialout.stopped": CallEvent(OUT, CallStep.STOPPED, end=BUSY),
    "dialout.warning": CallEvent(OUT, CallStep.WARNING, "none of the codecs asked for was taken: PCMU is used instead"),
    "dialout.error": CallEvent(OUT, CallStep.ERROR, BUSY.sentence(), BUSY),
    "calltransfer.triggered": CallTransfer(IN.call, IN.remote, TransferStep.TRIGGERED, "+15550111"),
    "calltransfer.initiated": CallTransfer(IN.call, IN.remote, TransferStep.INITIATED, "+15550111"),
    "calltransfer.answered": CallTransfer(IN.call, IN.remote, TransferStep.ANSWERED, "+15550111"),
    "calltransfer.completed": CallTransfer(
        IN.call,
        IN.remote,
        TransferStep.COMPLETED,
        "sip:eve@example.org",
        True,
        "completed",
        refer_status=202,
        notify_status=200,
    ),
}
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "webhooks.json").read_text())


@pytest.mark.parametrize("type", EVENTS)
def test_a_body_is_what_its_vector_says_to_the_last_octet(type: str) -> None:
    """Programs written for Daily read these."""
    assert told(EVENTS[type]) == VECTORS[type]


def test_every_type_of_the_published_lists_that_happens_here_has_a_vector() -> None:
    assert VECTORS.keys() == EVENTS.keys() <= SENT_TYPES
    ours = {type for type in SENT_TYPES - VECTORS.keys() if not type.startswith("calltransfer.")}
    assert not ours, ours


def test_two_events_never_share_an_id() -> None:
    one, other = told(CallEvent(IN, CallStep.WARNING, "a"), 3), told(CallEvent(IN, CallStep.WARNING, "a"), 4)
    assert one is not None and other is not None
    assert one["id"] != other["id"]
