"""Our events and values in the words of the wire: daily-js's event names and payload keys.

This is the one place where a participant, a call or a digit is spelled for clients. Everything here is JSON-ready.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import singledispatch

from ringback.model.events import (
    ActiveSpeakerChanged,
    AppMessage,
    CallEvent,
    CallFacts,
    CallStep,
    CallTransfer,
    CountsUpdated,
    DialInReady,
    DigitPressed,
    EncodingAsked,
    Event,
    MeetingEnded,
    MeetingStarted,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    RemoteRequest,
    WaitingJoined,
    WaitingLeft,
)
from ringback.model.participant import TRACKS, Participant, Track
from ringback.model.payload import Payload
from ringback.model.records import Direction
from ringback.model.room import Permissions, RoomSettings, TokenGrants

Fields = dict[str, object]
Spelled = tuple[str, Fields]

SEND_LAYERS = "send-layers"
"""The event that tells a client what the layers of a track are to be at most."""


def iso(seconds: float) -> str:
    """Unix seconds as ISO 8601 UTC with milliseconds: ``2026-03-02T10:16:02.000Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def spell(event: Event) -> tuple[str, Payload]:
    """An event's wire name and payload."""
    name, fields = _spell(event)
    return name, Payload(fields)


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def participant(who: Participant) -> Fields:
    """A participant as ``participants()`` shows it; ``user_id`` falls back to the session id there."""
    payload: Fields = {
        "session_id": who.id,
        "user_id": who.user_id or who.id,
        "user_name": who.user_name,
        "userData": who.user_data,
        "owner": who.owner,
        "record": False,
        "joined_at": iso(who.joined_at),
        "will_eject_at": iso(who.will_eject_at) if who.will_eject_at is not None else None,
        "permissions": permissions(who.permissions),
        "tracks": {name: track(who.tracks.get(name, Track())) for name in TRACKS},
    }
    if who.type is not None:
        payload["participantType"] = who.type.value
        payload["callState"] = who.phone_state.value if who.phone_state else None
        payload["onHold"] = who.on_hold
        payload["heldBy"] = sorted(who.held_by)
    if who.sees is not None:
        tracks = [{"session_id": seen, "track": name} for seen, name in who.sees.tracks]
        payload["sees"] = {"layout": who.sees.layout.value, "tracks": tracks}
    return payload


def waiting(who: Participant) -> Fields:
    """Somebody at the door as ``waitingParticipants()`` shows it, and as a participant for who wants to know more."""
    shown = {"id": who.id, "name": who.user_name, "awaitingAccess": {"level": "full"}}
    return {**participant(who), **shown}


def track(what: Track) -> Fields:
    """One track: its state, why it is not playable, and which stream it is."""
    payload: Fields = {"state": what.state, "generation": what.generation}
    if what.reason and what.state in ("off", "blocked"):
        payload[what.state] = dict(what.reason)
    return payload


def permissions(allowed: Permissions) -> Fields:
    """Permissions with sets as sorted lists."""
    return {
        "hasPresence": allowed.has_presence,
        "canSend": _kinds(allowed.can_send),
        "canReceive": dict(allowed.can_receive),
        "canAdmin": _kinds(allowed.can_admin),
    }


def room(settings: RoomSettings, grants: TokenGrants | None) -> Fields:
    """What daily-js's ``room()`` answers."""
    return {
        "id": settings.room.id,
        "name": settings.room.name,
        "config": dict(settings.room_config),
        "domainConfig": {**settings.domain_config, "max_app_message_size": settings.max_app_message_size},
        "tokenConfig": dict(grants.properties) if grants else {},
    }


def _kinds(allowed: bool | frozenset[str]) -> bool | list[str]:
    return allowed if isinstance(allowed, bool) else sorted(allowed)


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@singledispatch
def _spell(event: object) -> Spelled:
    raise AssertionError(f"no wire words for {type(event).__name__}")


@_spell.register
def _(event: MeetingStarted) -> Spelled:
    return "meeting-started", {"start_ts": event.started_at}


@_spell.register
def _(event: MeetingEnded) -> Spelled:
    return "meeting-ended", {"start_ts": event.started_at, "end_ts": event.ended_at}


@_spell.register
def _(event: ParticipantJoined) -> Spelled:
    return "participant-joined", {"participant": participant(event.participant)}


@_spell.register
def _(event: ParticipantUpdated) -> Spelled:
    return "participant-updated", {"participant": participant(event.participant)}


@_spell.register
def _(event: ParticipantLeft) -> Spelled:
    return "participant-left", {
        "participant": participant(event.participant),
        **({"reason": event.reason} if event.reason else {}),
    }


@_spell.register
def _(event: WaitingJoined) -> Spelled:
    return "waiting-participant-added", {"participant": waiting(event.participant)}


@_spell.register
def _(event: WaitingLeft) -> Spelled:
    return "waiting-participant-removed", {"participant": waiting(event.participant)}


@_spell.register
def _(event: CountsUpdated) -> Spelled:
    return "participant-counts-updated", {"participantCounts": {"present": event.present, "hidden": event.hidden}}


@_spell.register
def _(event: ActiveSpeakerChanged) -> Spelled:
    return "active-speaker-change", {"activeSpeaker": {"peerId": event.participant}}


@_spell.register
def _(event: EncodingAsked) -> Spelled:
    layers = [
        {"layer": one.layer, "maxBitrate": one.bitrate_bps, **({"maxFramerate": one.fps} if one.fps else {})}
        for one in event.layers
    ]
    return SEND_LAYERS, {"track": event.track, "layers": layers}


@_spell.register
def _(event: AppMessage) -> Spelled:
    return "app-message", {"data": event.data, "fromId": event.sender}


@_spell.register
def _(event: RemoteRequest) -> Spelled:
    return "remote-request", {"changes": dict(event.changes), "fromId": event.sender}


@_spell.register
def _(event: DialInReady) -> Spelled:
    return "dialin-ready", {"sipEndpoint": event.endpoint, "provider": event.provider}


@_spell.register
def _(event: DigitPressed) -> Spelled:
    return "dtmf-event", {
        "sessionId": event.call,
        "tone": event.digit,
        "volume": event.volume,
        "method": event.method,
    }


@_spell.register
def _(event: CallEvent) -> Spelled:
    facts = event.facts
    payload: Fields = {"sessionId": facts.call, "provider": facts.provider}
    if facts.sip_call_id:
        payload["sipCallId"] = facts.sip_call_id
    if facts.user_id is not None:
        payload["userId"] = facts.user_id
    if event.step in (CallStep.WARNING, CallStep.ERROR):
        payload |= {"errorMsg": event.message, "message": event.message}
    if facts.direction is Direction.DIAL_IN:
        name = f"dialin-{event.step.value}"
        payload |= _dial_in(event, facts)
    else:
        name = f"dialout-{event.step.value}"
        payload |= _dial_out(event, facts)
    if facts.trunk:
        payload["trunk"] = facts.trunk
    if event.held_by is not None:
        payload["heldBy"] = event.held_by.value
    if event.end is not None:
        payload["reason"] = event.end.ending.value
        payload["fault"] = event.end.fault.value
        if event.end.q850 is not None:
            payload["q850"] = event.end.q850
        if event.end.sip_status is not None:
            payload["sipStatusCode"] = event.end.sip_status
            payload["sipReason"] = event.end.sip_reason or ""
    return name, payload


@_spell.register
def _(event: CallTransfer) -> Spelled:
    payload: Fields = {
        "sessionId": event.call,
        "fromEndPoint": event.remote,
        "toEndPoint": event.to,
        "isSipRefer": event.by_refer,
    }
    known: Fields = {
        "isWarm": event.warm or None,
        "toSessionId": event.leg or None,
        "completeStatus": event.status or None,
        "referSipResponseCode": event.refer_status,
        "notifySipResponseCode": event.notify_status,
    }
    payload |= {name: value for name, value in known.items() if value is not None}
    return f"calltransfer-{event.step.value}", payload


def _dial_in(event: CallEvent, facts: CallFacts) -> Fields:
    if event.step is CallStep.ERROR:
        return {"type": event.type, "details": {"sipEndpoint": facts.endpoint}}
    payload: Fields = {"sipFrom": facts.remote, "sipEndpoint": facts.endpoint}
    if event.step is not CallStep.WARNING:
        payload |= {"sipHeaders": dict(facts.sip_headers), "displayName": facts.display_name}
    return payload


def _dial_out(event: CallEvent, facts: CallFacts) -> Fields:
    if event.step is CallStep.ERROR:
        return {"details": _without_empty({"destination": facts.remote, "sipHeaders": dict(facts.sip_headers)})}
    return _without_empty({"origin": facts.origin, "destination": facts.remote, "callerId": facts.caller_id})


def _without_empty(values: Mapping[str, object]) -> Fields:
    return {key: value for key, value in values.items() if value}
