"""From an event of the outbox to the body of a webhook: Daily's types, ids and payload keys.

The outbox speaks as clients hear it (``signalling.wire``); a webhook says the same in other words. What webhooks do not
tell (somebody hidden who is still there, say) has no body.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ringback.model.payload import write_json_utf8
from ringback.model.records import EventRecord

VERSION = "1.0.0"

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Body:
    """What is POSTed, and the names under which it is listed."""

    type: str
    event_id: str
    text: str


def body_of(event: EventRecord) -> Body | None:
    """The webhook's body for an event; ``None`` for one that webhooks are not told."""
    found = _TYPES.get(event.name)
    if found is None:
        return None
    type, short, make = found
    payload = make(event, event.payload)
    if payload is None:
        return None
    # The order of events is theirs for good, so the id is the same after a restart.
    event_id = f"{short}-{payload.get('session_id') or event.meeting}-{event.epoch}-{event.sequence}"
    whole = {"version": VERSION, "type": type, "id": event_id, "payload": payload, "event_ts": round(event.at, 3)}
    # Compact: receivers that sign what they parsed and wrote again then agree with the octets sent.
    return Body(type, event_id, write_json_utf8(whole))


def _meeting(event: EventRecord, told: Mapping[str, Any]) -> Payload:
    return {**told, "meeting_id": event.meeting, "room": event.room}


def _participant(event: EventRecord, told: Mapping[str, Any]) -> Payload | None:
    if told.get("reason") == "hidden":
        return None
    who = told["participant"]
    joined_at = _seconds(who["joined_at"])
    payload: Payload = {
        "joined_at": joined_at,
        "session_id": who["session_id"],
        "room": event.room,
        "user_name": who["user_name"] or None,
        "owner": who["owner"],
        "will_eject_at": _seconds(who["will_eject_at"]) if who["will_eject_at"] else None,
        "permissions": who["permissions"],
    }
    if who["user_id"] != who["session_id"]:
        payload["user_id"] = who["user_id"]
    if who.get("userData") is not None:
        payload["user_data"] = who["userData"]
    if who.get("participantType"):
        payload["participant_type"] = who["participantType"]
    if event.name in ("participant-left", "waiting-participant-removed"):
        payload["duration"] = round(max(0.0, event.at - joined_at), 3)
    return payload


def _ready(event: EventRecord, told: Mapping[str, Any]) -> Payload:
    return {**_frame(event), "sip_endpoint": told["sipEndpoint"]}


def _call(event: EventRecord, told: Mapping[str, Any]) -> Payload:
    payload = {**_frame(event), "session_id": told["sessionId"]}
    details = told.get("details") or {}
    for name, key in _CALL_KEYS.items():
        value = told.get(name, details.get(name))
        if value is not None:
            payload[key] = value
    return payload


def _transfer(event: EventRecord, told: Mapping[str, Any]) -> Payload:
    payload = {
        **_frame(event),
        "session_id": told["sessionId"],
        "mtg_session_id": event.meeting,
        "from_endpoint": told["fromEndPoint"],
        "to_endpoint": told["toEndPoint"],
        "is_sip_refer": told["isSipRefer"],
    }
    for name, key in _TRANSFER_KEYS.items():
        if name in told:
            payload[key] = told[name]
    for name, key in _REFER_KEYS.items():
        if name in told:
            # Codes are text in the published schema.
            payload[key] = str(told[name])
    return payload


def _frame(event: EventRecord) -> Payload:
    # The published samples carry the time as text, though it is declared a number.
    return {"timestamp": str(int(event.at)), "domain_id": event.domain, "room": event.room}


def _seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


_CALL_KEYS = {
    "userId": "user_id",
    "sipFrom": "sip_from",
    "displayName": "display_name",
    "sipHeaders": "sip_headers",
    "destination": "destination",
    "callerId": "caller_id",
    "origin": "origin",
    "errorMsg": "error_msg",
    # Ours: how it ended, as clients are told.
    "reason": "reason",
    "sipStatusCode": "sip_status_code",
    "sipReason": "sip_reason",
    "fault": "fault",
    "q850": "q850",
}

_TRANSFER_KEYS = {
    "completeStatus": "complete_status",
    # Ours: the call that is made for it, and whether whom it goes to is told about it before.
    "toSessionId": "to_session_id",
    "isWarm": "is_warm",
}

_REFER_KEYS = {
    "referSipResponseCode": "refer_sip_response_code",
    "notifySipResponseCode": "notify_sip_response_code",
}

Make = Callable[[EventRecord, Mapping[str, Any]], Payload | None]

_TYPES: dict[str, tuple[str, str, Make]] = {
    "meeting-started": ("meeting.started", "met-sta", _meeting),
    "meeting-ended": ("meeting.ended", "met-end", _meeting),
    "participant-joined": ("participant.joined", "ptcpt-join", _participant),
    "participant-left": ("participant.left", "ptcpt-left", _participant),
    "waiting-participant-added": ("waiting-participant.joined", "wait-join", _participant),
    "waiting-participant-removed": ("waiting-participant.left", "wait-left", _participant),
    "dialin-ready": ("dialin.ready", "dial-in-rdy", _ready),
    "dialin-connected": ("dialin.connected", "dial-in-con", _call),
    "dialin-stopped": ("dialin.stopped", "dial-in-stp", _call),
    "dialin-warning": ("dialin.warning", "dial-in-wrn", _call),
    "dialin-error": ("dialin.error", "dial-in-err", _call),
    "dialout-connected": ("dialout.connected", "dial-out-con", _call),
    "dialout-answered": ("dialout.answered", "dial-out-ans", _call),
    "dialout-stopped": ("dialout.stopped", "dial-out-stp", _call),
    "dialout-warning": ("dialout.warning", "dial-out-wrn", _call),
    "dialout-error": ("dialout.error", "dial-out-err", _call),
    "calltransfer-triggered": ("calltransfer.triggered", "call-transfer-trig", _transfer),
    "calltransfer-initiated": ("calltransfer.initiated", "call-transfer-init", _transfer),
    # Ours, of warm transfers.
    "calltransfer-briefing": ("calltransfer.briefing", "call-transfer-brief", _transfer),
    "calltransfer-merged": ("calltransfer.merged", "call-transfer-merge", _transfer),
    "calltransfer-answered": ("calltransfer.answered", "call-transfer-ans", _transfer),
    "calltransfer-completed": ("calltransfer.completed", "call-transfer-comp", _transfer),
}

SENT_TYPES = frozenset(type for type, _, _ in _TYPES.values())
"""What is sent today."""

KNOWN_TYPES = SENT_TYPES | {
    "recording.started",
    "recording.ready-to-download",
    "recording.error",
    "transcript.started",
    "transcript.ready-to-download",
    "transcript.error",
    "streaming.started",
    "streaming.updated",
    "streaming.ended",
    "streaming.error",
    "batch-processor.job-finished",
    "batch-processor.error",
}
"""What a webhook may ask for: programs written for Daily name types that never happen here."""
