"""Every property a room or a domain can have: one row each, and what nothing acts on yet beside it.

``check`` validates, ``default`` is what holds when neither room nor domain says anything. A row's ``idle`` names what
is kept and returned but changes nothing yet: ``True`` for all of it, or the keys inside.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ringback.model.errors import InvalidRequest
from ringback.rooms import shapes
from ringback.rooms.checks import (
    Check,
    Rules,
    boolean,
    epoch,
    future_epoch,
    integer,
    not_allowed,
    number,
    one_of,
    text,
    url,
)

ROOM, DOMAIN = "room", "domain"
YEAR_SECONDS = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Property:
    """One row.

    Attributes:
        name: Wire name.
        check: Validates and gives the value to keep.
        default: Built-in value; a set value equal to it is not shown. ``None``: unset.
        scopes: Where it may be set.
        idle: What of it nothing acts on yet.
    """

    name: str
    check: Check
    default: object = None
    scopes: tuple[str, ...] = (ROOM,)
    idle: bool | tuple[str, ...] = False


BOTH = (ROOM, DOMAIN)
LANGUAGES = (
    "da",
    "de",
    "en",
    "es",
    "fi",
    "fr",
    "it",
    "jp",
    "ka",
    "nl",
    "no",
    "pt",
    "pt-BR",
    "pl",
    "ru",
    "sv",
    "tr",
    "user",
)


def _max_participants(name: str, value: object, rules: Rules) -> object:
    found = integer(1)(name, value, rules)
    if isinstance(found, int) and found > rules.max_participants:
        raise InvalidRequest(f"property '{name}' cannot be set to that value with your current plan")
    return found


def _flag(name: str, default: bool | None = None, *scopes: str, idle: bool = True) -> Property:
    return Property(name, boolean, default, scopes or BOTH, idle)


PROPERTIES = (
    # telephony
    Property(
        "sip",
        shapes.sip,
        idle=("dialin_config.dialin_geo", "dialin_config.hold_music_enabled"),
    ),
    Property("dialin", shapes.dialin),
    Property("enable_dialout", boolean, False),
    Property("enable_phone_transfer", boolean, False),
    Property("detect_dtmf_tones", boolean, False),
    Property("guard_phone_echo", boolean, False),
    Property("suppress_phone_noise", boolean, False),
    Property("level_phone_gain", boolean, False),
    Property("dialout_config", shapes.dialout_config, idle=("dialout_geo",)),
    # access, time, limits
    Property("nbf", epoch),
    Property("exp", future_epoch),
    Property("max_participants", _max_participants, 200),
    Property("eject_at_room_exp", boolean, False),
    Property("eject_after_elapsed", number(1, 10 * YEAR_SECONDS)),
    _flag("enable_knocking", False, ROOM, idle=False),
    Property("enforce_unique_user_ids", boolean, False, BOTH),
    Property("enable_hidden_participants", boolean, False),
    Property("permissions", shapes.permissions, None, BOTH),
    Property("enable_screenshare", boolean, True),
    _flag("start_video_off", False, ROOM, idle=False),
    _flag("start_audio_off", False, ROOM, idle=False),
    Property("meeting_join_hook", url(255), None, BOTH, idle=True),
    Property("geo", text(64), None, BOTH, idle=True),
    _flag("enable_mesh_sfu"),
    Property("sfu_switchover", number(0), 0.5, BOTH, idle=True),
    _flag("enable_adaptive_simulcast", True),
    _flag("enable_multiparty_adaptive_simulcast", False),
    _flag("enable_terse_logging", False),
    _flag("enable_opus_fec", None, DOMAIN),
    # recording, transcription, streaming
    Property("enable_recording", shapes.enable_recording, idle=True),
    _flag("enable_raw_tracks_transcoded_audio", None, ROOM),
    Property("recordings_bucket", shapes.recordings_bucket, None, BOTH, idle=True),
    Property(
        "recordings_template", shapes.recordings_template, "{domain_name}/{room_name}/{epoch_time}", BOTH, idle=True
    ),
    Property("transcription_bucket", shapes.bucket, None, BOTH, idle=True),
    Property(
        "transcription_template",
        shapes.transcription_template,
        "{domain_name}/{room_name}/{epoch_time}.vtt",
        BOTH,
        idle=True,
    ),
    Property("batch_processor_bucket", shapes.bucket, None, (DOMAIN,), idle=True),
    _flag("enable_transcription_storage", False),
    Property("auto_transcription_settings", shapes.auto_transcription, idle=True),
    Property("streaming_endpoints", shapes.streaming_endpoints, idle=True),
    Property("rtmp_geo", one_of("us-west-2", "eu-central-1", "ap-south-1"), None, BOTH, idle=True),
    _flag("disable_rtmp_geo_fallback", False),
    # the ready-made page
    _flag("enable_people_ui", True),
    _flag("enable_cpu_warning_notifications", True),
    _flag("enable_pip_ui", False),
    _flag("enable_emoji_reactions", False),
    _flag("enable_hand_raising", False),
    _flag("enable_prejoin_ui", True),
    _flag("enable_live_captions_ui", False),
    _flag("enable_network_ui", False),
    _flag("enable_noise_cancellation_ui", True),
    _flag("enable_breakout_rooms", False),
    _flag("enable_video_processing_ui", True),
    _flag("enable_chat", False, ROOM),
    _flag("enable_shared_chat_history", True, ROOM),
    _flag("enable_advanced_chat", False),
    _flag("experimental_optimize_large_calls", None, ROOM),
    Property("lang", one_of(*LANGUAGES), "en", BOTH, idle=True),
    _flag("hide_daily_branding", False, DOMAIN),
    Property("redirect_on_meeting_exit", url(), None, (DOMAIN,), idle=True),
    _flag("hipaa", False, DOMAIN),
    _flag("intercom_auto_record", None, DOMAIN),
)

ROOM_PROPERTIES: Mapping[str, Property] = {p.name: p for p in PROPERTIES if ROOM in p.scopes}
DOMAIN_PROPERTIES: Mapping[str, Property] = {p.name: p for p in PROPERTIES if DOMAIN in p.scopes}

READ_ONLY = frozenset({"sip_uri", "dialin_code", "dialin_number"})
"""Shown by us; sent back by clients that echo what they read, and ignored then."""

PRIVATE = frozenset(
    {
        "sip",
        "dialin",
        "pinless_dialin",
        "pin_dialin",
        "meeting_join_hook",
        "recordings_bucket",
        "transcription_bucket",
        "batch_processor_bucket",
        "streaming_endpoints",
        "auto_transcription_settings",
    }
)
"""Not told to participants: addresses, credentials and hooks of the customer."""

LEGACY = frozenset(
    {"owner_only_broadcast", "autojoin", "audio_only", "signaling_impl", "enable_dialin", "enable_transcription"}
)
"""Still sent by published programs; without meaning."""

DOMAIN_READ_ONLY = frozenset(
    {
        "intercom_manual_record",
        "sfu_impl",
        "switchover_impl",
        "signaling_impl",
        "callstats",
        "webhook_meeting_end",
        "max_live_streams",
        "max_streaming_instances_per_room",
        "max_api_rooms",
        "max_app_message_size",
        "max_webhook_count",
        "max_api_keys",
        "max_sip_pstn_sessions_per_room",
        "enable_daily_logger",
        "disable_rate_limiting",
        "attach_callobject_to_window",
    }
)
"""Shown in a domain's config or known to clients; ignored when sent back."""


def check_room_properties(sent: object, rules: Rules) -> dict[str, object]:
    """Validate what a request set. ``None`` marks a property to be reset.

    Raises:
        InvalidRequest: In Daily's words, for the first one that is wrong.
    """
    return _check(sent, ROOM_PROPERTIES, READ_ONLY | LEGACY, rules)


def check_domain_properties(sent: object, rules: Rules) -> dict[str, object]:
    """As ``check_room_properties``, for ``POST /v1``."""
    return _check(sent, DOMAIN_PROPERTIES, DOMAIN_READ_ONLY | LEGACY, rules)


def merge(old: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """Properties after an update: whole objects are replaced, ``None`` resets."""
    return {key: value for key, value in {**old, **changes}.items() if value is not None}


def check_together(properties: Mapping[str, object], rules: Rules) -> None:
    """Rules between properties, on what would be stored.

    Raises:
        InvalidRequest: Telephone dial-in without an expiry within a year.
    """
    if "dialin" in properties:
        exp = properties.get("exp")
        if not isinstance(exp, int | float) or exp - rules.now >= YEAR_SECONDS:
            raise InvalidRequest("exp must be set and less than 365 days in the future when dialin is enabled")


def shown(properties: Mapping[str, object], domain: Mapping[str, object]) -> dict[str, object]:
    """A room's properties as ``config`` shows them: only what differs from what would hold without them."""
    return {
        name: value
        for name, value in properties.items()
        if value != domain.get(name, ROOM_PROPERTIES[name].default if name in ROOM_PROPERTIES else None)
    }


def idle_properties(table: Mapping[str, Property]) -> list[str]:
    """Names, dotted for inner keys, of what is accepted and acted on by nothing yet."""
    names: list[str] = []
    for row in table.values():
        if row.idle is True:
            names.append(row.name)
        elif row.idle:
            names += [f"{row.name}.{key}" for key in row.idle]
    return sorted(names)


def _check(sent: object, table: Mapping[str, Property], ignored: frozenset[str], rules: Rules) -> dict[str, object]:
    if sent is None:
        return {}
    if not isinstance(sent, dict):
        raise InvalidRequest('"properties" must be an object')
    found: dict[str, object] = {}
    for name, value in sent.items():
        row = table.get(name)
        if row is not None:
            found[name] = None if value is None else row.check(name, value, rules)
        elif name not in ignored:
            raise not_allowed(name, value)
    return found
