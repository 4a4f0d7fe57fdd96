"""A room as stored, and the settings that are in force in it once domain and defaults are joined."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from ringback.model.ids import DomainId, EndpointUser, RoomId, RoomName
from ringback.model.values import dataclass

Privacy = Literal["public", "private"]


@dataclass(frozen=True, slots=True)
class Room:
    """A named place with properties; outlives its meetings.

    Attributes:
        properties: What was set, validated, in Daily's wire names. Also what equals a default: it may differ from the
            domain's.
        endpoints: User parts of its SIP addresses, first one first; empty without ``sip``. They survive updates.
        created_at: Unix seconds.
        dialin_code: Eleven digits that callers enter, unique on this server; empty without ``dialin``. It survives
            updates.
    """

    id: RoomId
    domain: DomainId
    name: RoomName
    privacy: Privacy
    created_at: float
    properties: Mapping[str, object] = field(default_factory=dict)
    endpoints: tuple[EndpointUser, ...] = ()
    dialin_code: str = ""


@dataclass(frozen=True, slots=True)
class IdleTimeouts:
    """When a phone may start or hold a meeting by itself (Daily: ``dialin_config``, ``dialout_config``).

    Attributes:
        allow_room_start: A call may start the meeting.
        max_idle: Seconds a phone may wait alone for somebody to come.
        max_idle_post_conversation: Seconds it may stay alone after the others left.
    """

    allow_room_start: bool = False
    max_idle: float = 0.0
    max_idle_post_conversation: float = 0.0


@dataclass(frozen=True, slots=True)
class SipSettings:
    """The room's ``sip`` property."""

    display_name: str
    num_endpoints: int = 1
    video: bool = False
    audio_codecs: tuple[str, ...] = ()
    video_codecs: tuple[str, ...] = ()
    provider: str | None = None
    dialin: IdleTimeouts = IdleTimeouts()


@dataclass(frozen=True, slots=True)
class DialinSettings:
    """The room's ``dialin`` property: how callers come in who enter its code.

    Attributes:
        display_name: What a caller is called; empty: by its number.
        waits: Callers hear music until somebody is in the meeting; else they are told that nobody is.
        numbers: The numbers (E.164) at which the code counts; empty: at any of the domain's.
    """

    display_name: str = ""
    waits: bool = False
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a participant may do, in wire terms (Daily: ``permissions``).

    Attributes:
        can_send, can_admin: ``True``/``False``, or the set of allowed kinds.
        can_receive: ``base`` (bool or object), ``byUserId``, ``byParticipantId`` as on the wire.
    """

    has_presence: bool = True
    can_send: bool | frozenset[str] = True
    can_receive: Mapping[str, object] = field(default_factory=lambda: {"base": True})
    can_admin: bool | frozenset[str] = False


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """What is in force in a room: room properties, else the domain's, else the built-in default.

    Times are Unix seconds, durations seconds.
    """

    room: Room
    nbf: float | None = None
    exp: float | None = None
    eject_at_room_exp: bool = False
    eject_after_elapsed: float | None = None
    max_participants: int = 200
    max_sip_pstn_sessions: int = 5
    enable_dialout: bool = False
    enable_phone_transfer: bool = False
    detect_dtmf_tones: bool = False
    guard_phone_echo: bool = False
    suppress_phone_noise: bool = False
    level_phone_gain: bool = False
    dialout: IdleTimeouts = IdleTimeouts()
    sip: SipSettings | None = None
    dialin: DialinSettings | None = None
    enforce_unique_user_ids: bool = False
    enable_hidden_participants: bool = False
    enable_screenshare: bool = True
    enable_knocking: bool = False
    start_audio_off: bool = False
    start_video_off: bool = False
    permissions: Mapping[str, object] | None = None
    max_app_message_size: int = 4096
    room_config: Mapping[str, object] = field(default_factory=dict)
    domain_config: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TokenGrants:
    """A meeting token that was checked: its properties under their long names.

    Attributes:
        properties: All of them as ``GET /meeting-tokens/:token`` shows them.
    """

    domain: DomainId
    room_name: RoomName | None = None
    is_owner: bool = False
    user_name: str | None = None
    user_id: str | None = None
    nbf: float | None = None
    exp: float | None = None
    eject_at_token_exp: bool = False
    eject_after_elapsed: float | None = None
    start_audio_off: bool | None = None
    start_video_off: bool | None = None
    enable_screenshare: bool | None = None
    knocking: bool = False
    permissions: Mapping[str, object] | None = None
    properties: Mapping[str, object] = field(default_factory=dict)
