"""A participant of a meeting as everybody else sees it."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from ringback.model.ids import ParticipantId
from ringback.model.room import Permissions
from ringback.model.values import dataclass

TRACKS = ("audio", "video", "screenAudio", "screenVideo")
"""Names of the tracks a participant can send, as on the wire."""


class ParticipantType(StrEnum):
    """What a telephone participant is; browsers and bots have none. Values are wire values."""

    SIP_DIAL_IN = "sip-dial-in"
    SIP_DIAL_OUT = "sip-dial-out"
    PSTN_DIAL_IN = "pstn-dial-in"
    PSTN_DIAL_OUT = "pstn-dial-out"


class PhoneState(StrEnum):
    """Where a telephone participant's call is. Values are wire values."""

    RINGING = "ringing"
    ANSWERED = "answered"


class Holder(StrEnum):
    """Who put the other on hold. Values are wire values."""

    FAR_END = "far-end"
    ROOM = "room"


@dataclass(frozen=True, slots=True)
class Track:
    """What the sender says of one of its tracks.

    Attributes:
        state: ``off``, ``blocked`` or ``playable``.
        reason: Why it is off or blocked (``byUser``, ``byRemoteRequest``, ``byCanSendPermission``, …).
        generation: Rises with each new stream, so that receivers know to subscribe again.
    """

    state: str = "off"
    reason: Mapping[str, bool] = field(default_factory=dict)
    generation: int = 0


class SeenLayout(StrEnum):
    """How what a phone is shown stands. Values are wire values."""

    ONE = "one"
    SPEAKER = "speaker"
    GRID = "grid"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a phone with a screen is shown.

    Attributes:
        layout: One alone, the first large and others beside, or all alike.
        tracks: Who, and which of its tracks (``video``, ``screenVideo``), the most important first.
    """

    layout: SeenLayout
    tracks: tuple[tuple[ParticipantId, str], ...]


@dataclass(frozen=True, slots=True)
class Participant:
    """Someone or something in a meeting.

    Attributes:
        user_id: As given by a token or a dial-out request; ``None`` when nobody gave one.
        joined_at: Unix seconds.
        will_eject_at: Unix seconds, when a limit will remove it.
        type: Set for telephones only; ``phone_state`` and ``held_by`` go with it.
        held_by: Who has the call on hold: the far end us, the room the far end, or each the other.
        sees: What it is shown; ``None``: nothing, or it is no telephone with a screen.
    """

    id: ParticipantId
    joined_at: float
    user_name: str = ""
    user_id: str | None = None
    user_data: object = None
    owner: bool = False
    will_eject_at: float | None = None
    type: ParticipantType | None = None
    permissions: Permissions = field(default_factory=Permissions)
    tracks: Mapping[str, Track] = field(default_factory=dict)
    phone_state: PhoneState | None = None
    held_by: frozenset[Holder] = frozenset()
    sees: Seen | None = None

    @property
    def on_hold(self) -> bool:
        """Whether either side has the other on hold."""
        return bool(self.held_by)

    @property
    def hidden(self) -> bool:
        """Whether others are not told of it."""
        return not self.permissions.has_presence
