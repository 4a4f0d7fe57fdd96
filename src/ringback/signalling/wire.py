"""Our events and participants in daily-js's words: names, payload keys, times. The only place of this translation.

Telephony payloads carry the union of what daily-js and daily-python hand out (``errorMsg`` and ``message``,
``displayName``); each SDK picks its own.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from ringback.model.events import (
    ActiveSpeakerChanged,
    AppMessage,
    CallEvent,
    CallFacts,
    CallStep,
    CountsUpdated,
    DialInReady,
    DigitPressed,
    Event,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    RemoteRequest,
)
from ringback.model.participant import TRACKS, Participant, Track
from ringback.model.records import Direction
from ringback.model.room import Permissions

Payload = dict[str, object]


def spell(event: Event) -> tuple[str, Payload]:
    """An event's wire name and payload, JSON-ready, without ``action``."""
    match event:
        case ParticipantJoined(who):
            return "participant-joined", {"participant": participant(who)}
        case ParticipantUpdated(who):
            return "participant-updated", {"participant": participant(who)}
        case ParticipantLeft(who, reason):
            return "participant-left", _present(participant=participant(who), reason=reason)
        case CountsUpdated(present, hidden):
            return "participant-counts-updated", {"participantCounts": {"present": present, "hidden": hidden}}
        case ActiveSpeakerChanged(who_id):
            return "active-speaker-change", {"activeSpeaker": {"peerId": who_id}}
        case AppMessage(data, sender):
            return "app-message", {"data": data, "fromId": sender}
        case RemoteRequest(changes, asker):
            return "remote-request", {**changes, "fromId": asker}
        case DialInReady(endpoint, provider):
            return "dialin-ready", {"sipEndpoint": endpoint, "provider": provider}
        case DigitPressed(call, digit, method, volume):
            return "dtmf-event", {"sessionId": call, "tone": digit, "volume": volume, "method": method}
        case CallEvent():
            return _call_event(event)


def participant(who: Participant) -> Payload:
    """A participant as docs/signalling.md describes it."""
    shown: Payload = {
        "session_id": who.id,
        "user_id": who.user_id or who.id,
        "user_name": who.user_name,
        "userData": who.user_data,
        "owner": who.owner,
        "record": False,
        "joined_at": iso(who.joined_at),
        "will_eject_at": None if who.will_eject_at is None else iso(who.will_eject_at),
        "permissions": permissions(who.permissions),
        "tracks": {name: _track(who.tracks.get(name)) for name in TRACKS},
    }
    if who.type is not None:
        shown["participantType"] = who.type.value
        shown["callState"] = who.phone_state.value if who.phone_state else None
        shown["onHold"] = who.on_hold
    return shown


def permissions(value: Permissions) -> Payload:
    return {
        "hasPresence": value.has_presence,
        "canSend": value.can_send if isinstance(value.can_send, bool) else sorted(value.can_send),
        "canReceive": dict(value.can_receive),
        "canAdmin": value.can_admin if isinstance(value.can_admin, bool) else sorted(value.can_admin),
    }


def iso(wall: float) -> str:
    """Unix seconds as ISO 8601 in UTC with milliseconds, ``2026-03-02T10:16:02.000Z``."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _track(track: Track | None) -> Payload:
    if track is None:
        return {"state": "off", "off": {"byUser": True}}
    shown: Payload = {"state": track.state, "generation": track.generation}
    if track.state != "playable":
        shown[track.state] = dict(track.reason) or {"byUser": True}
    return shown


def _call_event(event: CallEvent) -> tuple[str, Payload]:
    facts = event.facts
    dial_in = facts.direction is Direction.DIAL_IN
    payload = _present(
        sessionId=facts.call,
        provider=facts.provider,
        sipCallId=facts.sip_call_id or None,
        userId=facts.user_id,
        displayName=facts.display_name or None,
        actionTraceId=facts.call,
    )
    payload |= _dial_in(facts) if dial_in else _dial_out(facts)
    if event.step in (CallStep.WARNING, CallStep.ERROR):
        payload |= {"errorMsg": event.message, "message": event.message}
    if event.step is CallStep.ERROR:
        payload |= _error_details(event, dial_in)
    if event.end is not None:
        payload["reason"] = event.end.ending.value
        if event.end.sip_status is not None:
            payload["sipStatusCode"] = event.end.sip_status
    return f"{'dialin' if dial_in else 'dialout'}-{event.step}", payload


def _dial_in(facts: CallFacts) -> Payload:
    return _present(
        sipFrom=facts.remote or None,
        sipEndpoint=facts.endpoint or None,
        sipHeaders=dict(facts.sip_headers) or None,
    )


def _dial_out(facts: CallFacts) -> Payload:
    return _present(destination=facts.remote, origin=facts.origin or None, callerId=facts.caller_id)


def _error_details(event: CallEvent, dial_in: bool) -> Payload:
    facts = event.facts
    if dial_in:
        return {"type": event.type, "details": {"sipEndpoint": facts.endpoint}}
    return {"details": _present(destination=facts.remote, sipHeaders=dict(facts.sip_headers) or None)}


def _present(**values: object) -> Payload:
    """The pairs that have a value."""
    return {name: value for name, value in values.items() if value is not None}


def room_info(
    room_id: str, name: str, config: Mapping[str, object], domain: Mapping[str, object], token: Mapping[str, object]
) -> Payload:
    """The ``room`` object of a join's reply."""
    return {
        "id": room_id,
        "name": name,
        "config": dict(config),
        "domainConfig": dict(domain),
        "tokenConfig": dict(token),
    }
