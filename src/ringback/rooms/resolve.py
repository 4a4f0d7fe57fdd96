"""What is in force in a room: its own properties, else the domain's, else the built-in default. Pure."""

from collections.abc import Mapping
from typing import Any

from ringback.model.domain import Domain
from ringback.model.room import DialinSettings, IdleTimeouts, Room, RoomSettings, SipSettings
from ringback.rooms.properties import PRIVATE, ROOM_PROPERTIES, shown

MAX_APP_MESSAGE_SIZE = 4096


def resolve(room: Room, domain: Domain, *, max_participants: int, max_sip_pstn_sessions: int) -> RoomSettings:
    """Join a room with its domain under the operator's caps."""
    values: dict[str, Any] = {
        name: room.properties.get(name, domain.config.get(name, row.default)) for name, row in ROOM_PROPERTIES.items()
    }
    return RoomSettings(
        room=room,
        nbf=values["nbf"],
        exp=values["exp"],
        eject_at_room_exp=values["eject_at_room_exp"],
        eject_after_elapsed=values["eject_after_elapsed"],
        max_participants=min(values["max_participants"], max_participants),
        max_sip_pstn_sessions=max_sip_pstn_sessions,
        enable_dialout=values["enable_dialout"],
        enable_phone_transfer=values["enable_phone_transfer"],
        detect_dtmf_tones=values["detect_dtmf_tones"],
        guard_phone_echo=values["guard_phone_echo"],
        suppress_phone_noise=values["suppress_phone_noise"],
        level_phone_gain=values["level_phone_gain"],
        dialout=_idle(values["dialout_config"]),
        sip=_sip(values["sip"]),
        dialin=_dialin(values["dialin"]),
        enforce_unique_user_ids=values["enforce_unique_user_ids"],
        enable_hidden_participants=values["enable_hidden_participants"],
        enable_screenshare=values["enable_screenshare"],
        enable_knocking=values["enable_knocking"],
        start_audio_off=values["start_audio_off"],
        start_video_off=values["start_video_off"],
        permissions=values["permissions"],
        max_app_message_size=MAX_APP_MESSAGE_SIZE,
        room_config={
            name: value for name, value in shown(room.properties, domain.config).items() if name not in PRIVATE
        },
        domain_config={
            **{name: value for name, value in domain.config.items() if name not in PRIVATE},
            "max_app_message_size": MAX_APP_MESSAGE_SIZE,
        },
    )


def _sip(value: Mapping[str, Any] | None) -> SipSettings | None:
    if value is None:
        return None
    codecs = value.get("codecs", {})
    return SipSettings(
        display_name=value["display_name"],
        num_endpoints=value.get("num_endpoints", 1),
        video=value.get("video", False),
        audio_codecs=tuple(codecs.get("audio", ())),
        video_codecs=tuple(codecs.get("video", ())),
        provider=value.get("provider"),
        dialin=_idle(value.get("dialin_config")),
    )


def _dialin(value: Mapping[str, Any] | None) -> DialinSettings | None:
    if value is None:
        return None
    return DialinSettings(
        display_name=value.get("display_name", ""),
        waits=value.get("wait_for_meeting_start", False),
        numbers=tuple(item["phone_number"] for item in value.get("room_numbers", ())),
    )


def _idle(value: Mapping[str, Any] | None) -> IdleTimeouts:
    if value is None:
        return IdleTimeouts()
    alone = float(value.get("max_idle_timeout_sec", 0))
    return IdleTimeouts(
        allow_room_start=value.get("allow_room_start", False),
        max_idle=alone,
        max_idle_post_conversation=float(value.get("max_idle_timeout_post_conversation_sec", alone)),
    )
