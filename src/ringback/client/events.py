"""What happens in a room, as values; ``read_event`` makes them of the server's words (docs/signalling.md)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ringback.client.participants import Participant, read_participant

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    participant: Participant


@dataclass(frozen=True, slots=True)
class ParticipantUpdated:
    participant: Participant


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    """``reason`` is ``hidden`` for one that is still there and no longer shown, else empty."""

    participant: Participant
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CountsUpdated:
    present: int
    hidden: int


@dataclass(frozen=True, slots=True)
class ActiveSpeakerChanged:
    participant_id: str


@dataclass(frozen=True, slots=True)
class AppMessage:
    """``sender`` is a participant's id, or ``server`` for what came over REST."""

    data: Any
    sender: str


@dataclass(frozen=True, slots=True)
class RemoteRequest:
    """Somebody who may asks us to change what we send, as ``{"setAudio": False}``: that one is obeyed already."""

    changes: Payload
    sender: str


@dataclass(frozen=True, slots=True)
class DialInReady:
    """An address of the room can be dialled now."""

    sip_endpoint: str


@dataclass(frozen=True, slots=True)
class DialIn:
    """A telephone that calls in.

    Attributes:
        step: ``connected``, ``held``, ``resumed``, ``stopped``, ``warning`` or ``error``.
        session_id: Its call's id, and its participant's.
        reason: How it ended, where it did (``hangup-remote`` …).
        message: Words of a warning or an error.
        payload: Everything the server says.
    """

    step: str
    session_id: str
    reason: str = ""
    message: str = ""
    payload: Payload = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class DialOut(DialIn):
    """A telephone that is called; its steps are ``DialIn``'s and ``answered``."""


@dataclass(frozen=True, slots=True)
class CallTransfer:
    """``step``: ``triggered``, ``initiated``, ``answered`` or ``completed``; ``status`` says how it was completed."""

    step: str
    session_id: str
    status: str = ""
    payload: Payload = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """``method``: ``telephone-event`` or ``sip-info``."""

    session_id: str
    tone: str
    method: str = ""


@dataclass(frozen=True, slots=True)
class SpeechHeard:
    """Speech with a mark went out; not ``whole`` when it was flushed before its end."""

    mark: str
    heard_s: float
    whole: bool


@dataclass(frozen=True, slots=True)
class Interrupted:
    """``what``: ``signalling`` or ``media``. We are coming back by ourselves; speech waits meanwhile."""

    what: str


@dataclass(frozen=True, slots=True)
class Resumed:
    what: str


@dataclass(frozen=True, slots=True)
class Other:
    """Something this version has no value for."""

    name: str
    payload: Payload = field(default_factory=dict)


Event = (
    ParticipantJoined
    | ParticipantUpdated
    | ParticipantLeft
    | CountsUpdated
    | ActiveSpeakerChanged
    | AppMessage
    | RemoteRequest
    | DialInReady
    | DialIn
    | DialOut
    | CallTransfer
    | DigitPressed
    | SpeechHeard
    | Interrupted
    | Resumed
    | Other
)

READERS: Mapping[str, Callable[[Payload], Event]] = {
    "participant-joined": lambda p: ParticipantJoined(read_participant(p["participant"])),
    "participant-updated": lambda p: ParticipantUpdated(read_participant(p["participant"])),
    "participant-left": lambda p: ParticipantLeft(read_participant(p["participant"]), str(p.get("reason", ""))),
    "participant-counts-updated": lambda p: CountsUpdated(
        int(p["participantCounts"]["present"]), int(p["participantCounts"]["hidden"])
    ),
    "active-speaker-change": lambda p: ActiveSpeakerChanged(str(p["activeSpeaker"]["peerId"])),
    "app-message": lambda p: AppMessage(p.get("data"), str(p["fromId"])),
    "remote-request": lambda p: RemoteRequest(p["changes"], str(p["fromId"])),
    "dialin-ready": lambda p: DialInReady(str(p["sipEndpoint"])),
    "dtmf-event": lambda p: DigitPressed(str(p["sessionId"]), str(p["tone"]), str(p.get("method", ""))),
}


def read_event(name: str, payload: Payload) -> Event:
    """An event of the server as a value; ``Other`` for one that is not known, or not as it should be."""
    try:
        if name in READERS:
            return READERS[name](payload)
        family, _, step = name.partition("-")
        if family in ("dialin", "dialout"):
            told = (step, str(payload["sessionId"]), str(payload.get("reason", "")), str(payload.get("errorMsg", "")))
            return DialIn(*told, payload) if family == "dialin" else DialOut(*told, payload)
        if family == "calltransfer":
            return CallTransfer(step, str(payload["sessionId"]), str(payload.get("completeStatus", "")), payload)
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    return Other(name, payload)
