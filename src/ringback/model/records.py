"""What is stored of meetings, participants and calls, and the unit of work that writes it with its events.

Every row carries its ``domain``. A ``Unit`` is committed whole or not at all; what it causes outside (an INVITE, an
event to a browser) happens only after the commit, so a process killed at any moment has either not begun or left a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum

from ringback.model.end_reason import EndReason
from ringback.model.ids import CallId, DomainId, MeetingId, ParticipantId, RoomName
from ringback.model.values import dataclass

DAY_SECONDS = 86_400


def _ms(begin: float | None, end: float | None) -> int:
    return 0 if begin is None or end is None else max(0, round((end - begin) * 1000))


class Direction(StrEnum):
    """Which way a call was set up."""

    DIAL_IN = "dial-in"
    DIAL_OUT = "dial-out"


class CallState(StrEnum):
    """Life of a call. ``ENDED`` is final."""

    QUEUED = "queued"
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class DialogRecord:
    """Everything needed to say BYE or CANCEL for a call after a restart (RFC 3261 §12).

    Attributes:
        call_id: SIP ``Call-ID``.
        local_tag, remote_tag: Tags; the remote one is empty until the far end sent it.
        local_uri, remote_uri: ``From``/``To`` URIs as seen from us, without tags.
        local_cseq: Last CSeq number we used.
        remote_target: The far end's ``Contact`` (or the Request-URI while calling).
        route_set: Route set in the order we send it.
        transport: ``udp``, ``tcp`` (later ``tls``, ``ws``, ``wss``).
        peer: Address the dialog last spoke with, ``host:port``.
        branch: Top Via branch of our INVITE, for a CANCEL; empty for dial-in.
        invite_uri: Request-URI of our INVITE, for a CANCEL; empty for dial-in.
        secure: ``sips``.
    """

    call_id: str
    local_tag: str
    remote_tag: str
    local_uri: str
    remote_uri: str
    local_cseq: int
    remote_target: str
    route_set: tuple[str, ...] = ()
    transport: str = "udp"
    peer: str = ""
    branch: str = ""
    invite_uri: str = ""
    secure: bool = False


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One row per call, from before its INVITE goes out. Times are Unix seconds.

    Attributes:
        sip_call_id: The SIP ``Call-ID`` (wire: ``sipCallId``).
        remote: Who is at the far end: the dialled address, or the caller's From URI.
        endpoint: For dial-in, the user part that was dialled.
        node, epoch: Process that owns the call and its boot number; a restarted node ends calls of older epochs.
        media: Advertised RTP address ``host:port``.
        video_codec: Of its pictures, empty when there were none.
        idempotency_key: The caller's key for a dial-out command, unique per domain while remembered.
        request: The dial-out request as accepted (wire names), or the INVITE's ``X-`` headers for dial-in.
        trunk: Name of the trunk that carries it, empty for none.
        sound: What it sounded like, JSON-ready: ``first_heard_at`` and ``first_sent_at`` (Unix seconds),
            ``held_seconds``; where it was to have pictures, what ``calls.picture_notes`` sums up of them; and once it
            has ended the media side's counters of its leg.
        called: The telephone number that was called (E.164), empty for a SIP address.
        caller: Who is shown as the caller: a number or ``sip:`` address, empty when nobody vouches for one.
        timeline: What happened in it, once it has ended: steps as ``calls.timeline`` names them, JSON-ready.
        fell_back: Whether none of the codecs asked for could be used, once it has ended: it counts as transcoded.
    """

    id: CallId
    domain: DomainId
    room: RoomName
    meeting: MeetingId
    direction: Direction
    state: CallState
    node: str
    epoch: int
    created_at: float
    remote: str = ""
    endpoint: str = ""
    display_name: str = ""
    user_id: str | None = None
    sip_call_id: str = ""
    media: str = ""
    codec: str = ""
    video_codec: str = ""
    ringing_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    end: EndReason | None = None
    dialog: DialogRecord | None = None
    idempotency_key: str | None = None
    request: Mapping[str, object] = field(default_factory=dict)
    trunk: str = ""
    sound: Mapping[str, object] = field(default_factory=dict)
    called: str = ""
    caller: str = ""
    timeline: Sequence[Mapping[str, object]] = ()
    fell_back: bool = False

    @property
    def day(self) -> int | None:
        """The day it counts for: that of its end, in days since 1970 (UTC). So a day that is over stays as it is."""
        return None if self.ended_at is None else int(self.ended_at // DAY_SECONDS)

    @property
    def talked_ms(self) -> int:
        """Milliseconds from its answer to its end; 0 for one that goes on, or that nobody answered."""
        return _ms(self.answered_at, self.ended_at)

    @property
    def transcoded_ms(self) -> int:
        """Of these the ones in a codec that nobody had asked for."""
        return self.talked_ms if self.fell_back else 0


class TransferState(StrEnum):
    """Life of a transfer. ``COMPLETED`` is final.

    ``ANSWERED``: both were put together. The two in the middle are of warm transfers: whom it goes to is told about it
    (``BRIEFING``), and is in the room with the caller (``MERGED``).
    """

    TRIGGERED = "triggered"
    INITIATED = "initiated"
    RINGING = "ringing"
    BRIEFING = "briefing"
    MERGED = "merged"
    ANSWERED = "answered"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """One row per transfer, from before anybody is asked anything. Times are Unix seconds.

    Attributes:
        call: What goes elsewhere.
        verb: ``transfer``, ``refer``, ``warm-transfer``.
        to: Where to, as asked for.
        remote: Who is at the far end of the call.
        leg: The call made for it; empty for none.
        left: Whether the call was told to have left the room it came from.
        status: At the end: ``completed``, ``failed``, ``busy``, ``no-answer``, ``canceled``.
        refer_status, notify_status: What the far end said to a REFER.
    """

    id: str
    domain: DomainId
    room: RoomName
    meeting: MeetingId
    call: CallId
    verb: str
    to: str
    state: TransferState
    node: str
    epoch: int
    created_at: float
    remote: str = ""
    leg: str = ""
    left: bool = False
    status: str = ""
    refer_status: int | None = None
    notify_status: int | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A command that was carried out under an idempotency key: a repeat is answered with what it was answered.

    It is written with what the command changed, so that after a kill either both are there or neither.

    Attributes:
        verb: Which command, and what it was about: ``sipCallTransfer``, ``warm-transfer call-1``.
        request: Its body (wire names).
        answer: What is answered (JSON-ready).
    """

    domain: DomainId
    key: str
    verb: str
    room: RoomName
    request: Mapping[str, object]
    answer: Mapping[str, object]
    created_at: float

    @property
    def id(self) -> str:
        return self.key


@dataclass(frozen=True, slots=True)
class MeetingRecord:
    """One run of a room. Times are Unix seconds."""

    id: MeetingId
    domain: DomainId
    room: RoomName
    node: str
    epoch: int
    started_at: float
    ended_at: float | None = None
    max_participants: int = 0


@dataclass(frozen=True, slots=True)
class ParticipantRecord:
    """One stay of someone in a meeting. Times are Unix seconds."""

    id: ParticipantId
    domain: DomainId
    room: RoomName
    meeting: MeetingId
    user_id: str | None
    user_name: str | None
    participant_type: str | None
    joined_at: float
    left_at: float | None = None

    @property
    def day(self) -> int | None:
        """The day it counts for, as ``CallRecord.day``."""
        return None if self.left_at is None else int(self.left_at // DAY_SECONDS)

    @property
    def stayed_ms(self) -> int:
        """Milliseconds from coming to going; 0 while it is there."""
        return _ms(self.joined_at, self.left_at)


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event of a meeting, written in the same unit of work as the change it tells of.

    Order is ``(meeting, epoch, sequence)``; ``at`` (Unix seconds) is for display.

    Attributes:
        name: The client event's name (``dialin-connected``, ``participant-joined``, …).
        payload: Its payload in wire names, JSON-ready, without ``action``.
        to: Participants it is for; ``None`` means everybody in the meeting.
    """

    domain: DomainId
    room: RoomName
    meeting: MeetingId
    epoch: int
    sequence: int
    at: float
    name: str
    payload: Mapping[str, object]
    to: tuple[ParticipantId, ...] | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """Rows to write (inserted, or replaced by id) and events to append, committed together."""

    calls: tuple[CallRecord, ...] = ()
    meetings: tuple[MeetingRecord, ...] = ()
    participants: tuple[ParticipantRecord, ...] = ()
    events: tuple[EventRecord, ...] = ()
    transfers: tuple[TransferRecord, ...] = ()
    commands: tuple[CommandRecord, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.calls or self.meetings or self.participants or self.events or self.transfers or self.commands)


Row = CallRecord | MeetingRecord | ParticipantRecord | TransferRecord | CommandRecord
"""What a step may save."""
