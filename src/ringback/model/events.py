"""What a meeting tells its participants and the application.

An event is a value in our words; ``signalling.wire`` spells it as daily-js does. ``DURABLE`` events are written
in the unit of work of the change they tell of, the others only pass by.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from ringback.model.end_reason import EndReason
from ringback.model.ids import CallId, ParticipantId
from ringback.model.participant import Holder, Participant
from ringback.model.records import Direction
from ringback.model.values import dataclass


@dataclass(frozen=True, slots=True)
class MeetingStarted:
    """A room began to be used. Told to the application; nobody is there yet. Unix seconds."""

    started_at: float


@dataclass(frozen=True, slots=True)
class MeetingEnded:
    """The last one who kept a meeting open left it. Told to the application. Unix seconds."""

    started_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    participant: Participant


@dataclass(frozen=True, slots=True)
class ParticipantUpdated:
    participant: Participant


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    """``reason`` is ``"hidden"`` when the participant is still there but no longer shown."""

    participant: Participant
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class WaitingJoined:
    """Somebody waits at the door to be let in (knocking)."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class WaitingLeft:
    """It waits no longer: it was let in, or not, or gave up."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class CountsUpdated:
    """How many participants are shown and how many are hidden."""

    present: int
    hidden: int


@dataclass(frozen=True, slots=True)
class ActiveSpeakerChanged:
    participant: ParticipantId


@dataclass(frozen=True, slots=True)
class LayerLimit:
    """What one layer of a picture is to be at most.

    Attributes:
        layer: 0 is the lowest.
        bitrate_bps: Bits in a second.
        fps: Pictures in a second; 0: any.
    """

    layer: int
    bitrate_bps: int
    fps: int = 0


@dataclass(frozen=True, slots=True)
class EncodingAsked:
    """A participant is to encode a picture so that telephones can be passed it on; others than ``layers`` are free."""

    track: str
    layers: tuple[LayerLimit, ...]


@dataclass(frozen=True, slots=True)
class AppMessage:
    """``sender`` is a participant, or ``"server"`` for a message sent over REST."""

    data: object
    sender: str


@dataclass(frozen=True, slots=True)
class RemoteRequest:
    """A participant is asked to change what it sends (``setAudio``, ``setVideo``, ``setScreenShare``)."""

    changes: Mapping[str, bool]
    sender: ParticipantId


@dataclass(frozen=True, slots=True)
class DialInReady:
    """An endpoint can be dialled now. ``endpoint`` is its full ``sip:`` address."""

    endpoint: str
    provider: str


class CallStep(StrEnum):
    """Steps of a call that are told. Values end the wire names (``dialin-connected``, ``dialout-stopped``, …)."""

    CONNECTED = "connected"
    ANSWERED = "answered"
    STOPPED = "stopped"
    HELD = "held"
    RESUMED = "resumed"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What every event of one call repeats.

    Attributes:
        remote: The far end: caller's URI, or the address or number dialled.
        origin: Dial-out: our own address.
        endpoint: Dial-in: full ``sip:`` address that was dialled.
        sip_headers: ``X-`` headers of the INVITE, either way.
        trunk: Name of the trunk that carries it, empty for none.
    """

    call: CallId
    direction: Direction
    provider: str
    sip_call_id: str
    remote: str
    display_name: str = ""
    user_id: str | None = None
    origin: str = ""
    endpoint: str = ""
    caller_id: str | None = None
    sip_headers: Mapping[str, str] = field(default_factory=dict)
    trunk: str = ""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One step of a call.

    Attributes:
        message: For warnings and errors: a sentence for people.
        end: How the call ended, on ``STOPPED`` and ``ERROR``.
        type: ``start-failed`` on a dial-in error of that kind.
        held_by: On ``HELD`` and ``RESUMED``: who put the other on hold, or did until now.
    """

    facts: CallFacts
    step: CallStep
    message: str = ""
    end: EndReason | None = None
    type: str | None = None
    held_by: Holder | None = None


class TransferStep(StrEnum):
    """Steps of a transfer that are told. Values end the wire names (``calltransfer-triggered``, …).

    ``BRIEFING`` and ``MERGED`` are of warm transfers (``records.TransferState``).
    """

    TRIGGERED = "triggered"
    INITIATED = "initiated"
    BRIEFING = "briefing"
    MERGED = "merged"
    ANSWERED = "answered"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class CallTransfer:
    """One step of a transfer of a call.

    Attributes:
        remote: Who is at the call's far end.
        to: Where it goes: a ``sip:`` address or a number.
        by_refer: The far end was asked to call there itself; otherwise we do.
        status: On ``COMPLETED``: ``completed``, ``failed``, ``busy``, ``no-answer``, ``canceled``.
        refer_status: What the far end answered to our REFER.
        notify_status: The last it told of its call.
        warm: Whom it goes to is told about it before.
        leg: The call that is made for it; empty for none.
    """

    call: CallId
    remote: str
    step: TransferStep
    to: str
    by_refer: bool = False
    status: str = ""
    refer_status: int | None = None
    notify_status: int | None = None
    warm: bool = False
    leg: str = ""


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """A telephone key was pressed.

    Attributes:
        volume: As RFC 4733 carries it, 0..63 (dBm0 without sign); 0 when it came by SIP INFO.
        method: ``telephone-event``, ``sip-info`` or, as a tone in the sound, ``in-band``.
    """

    call: CallId
    digit: str
    method: str
    volume: int = 0


Event = (
    MeetingStarted
    | MeetingEnded
    | ParticipantJoined
    | ParticipantUpdated
    | ParticipantLeft
    | WaitingJoined
    | WaitingLeft
    | CountsUpdated
    | ActiveSpeakerChanged
    | EncodingAsked
    | AppMessage
    | RemoteRequest
    | DialInReady
    | CallEvent
    | CallTransfer
    | DigitPressed
)

DURABLE = (
    MeetingStarted,
    MeetingEnded,
    ParticipantJoined,
    ParticipantLeft,
    WaitingJoined,
    WaitingLeft,
    DialInReady,
    CallEvent,
    CallTransfer,
)
"""Types of the events that are stored; the rest (mute, speakers, messages, digits) is only passed on."""
