"""The objects inside room, domain and token properties, key by key."""

import base64
import binascii
import re

from ringback.model.errors import InvalidRequest
from ringback.rooms.checks import (
    Check,
    Field,
    Rules,
    boolean,
    either,
    free_object,
    integer,
    listing,
    mapping,
    number,
    one_of,
    refusal,
    shape,
    text,
)

SEND_KINDS = ("video", "audio", "screenVideo", "screenAudio", "customVideo", "customAudio")
ADMIN_KINDS = ("participants", "streaming", "transcription")
AUDIO_CODECS = ("OPUS", "G722", "PCMU", "PCMA")
VIDEO_CODECS = ("H264", "VP8")
RECORDING_TYPES = ("cloud", "cloud-audio-only", "local", "raw-tracks")
LONGEST_TIMEOUT = 24 * 3600.0


def unique(check: Check) -> Check:
    """A list without repetitions, in the order of first mention."""

    def run(name: str, value: object, rules: Rules) -> object:
        found = check(name, value, rules)
        return list(dict.fromkeys(found)) if isinstance(found, list) else found

    return run


E164 = re.compile(r"\+[1-9]\d{1,14}")


def phone_number(name: str, value: object, _rules: Rules) -> str:
    if not isinstance(value, str) or not E164.fullmatch(value):
        raise refusal(name, "must be a phone number in E.164 form, as in +14155550123", value)
    return value


def base64_secret(name: str, value: object, _rules: Rules) -> str:
    try:
        if not isinstance(value, str) or not 1 <= len(base64.b64decode(value, validate=True)) <= 1024:
            raise refusal(name, "must be a base64 string", "(hidden)")
    except (binascii.Error, ValueError):
        raise refusal(name, "must be a base64 string", "(hidden)") from None
    return value


_RECEIVE_KINDS = shape(
    {
        **{kind: Field(boolean) for kind in ("video", "audio", "screenVideo", "screenAudio")},
        "customVideo": Field(mapping(boolean)),
        "customAudio": Field(mapping(boolean)),
    }
)
_RECEIVE = either(boolean, _RECEIVE_KINDS)

permissions = shape(
    {
        "hasPresence": Field(boolean),
        "canSend": Field(either(boolean, unique(listing(one_of(*SEND_KINDS), most=len(SEND_KINDS))))),
        "canReceive": Field(
            shape(
                {
                    "base": Field(_RECEIVE),
                    "byUserId": Field(mapping(_RECEIVE)),
                    "byParticipantId": Field(mapping(_RECEIVE)),
                }
            )
        ),
        "canAdmin": Field(either(boolean, unique(listing(one_of(*ADMIN_KINDS), most=len(ADMIN_KINDS))))),
    }
)

_IDLE = {
    "allow_room_start": Field(boolean),
    "max_idle_timeout_sec": Field(number(0, LONGEST_TIMEOUT)),
    "max_idle_timeout_post_conversation_sec": Field(number(0, LONGEST_TIMEOUT)),
}
dialout_config = shape({**_IDLE, "dialout_geo": Field(text(64))})

_SIP_FIELDS = shape(
    {
        "display_name": Field(text(200), required=True),
        "sip_mode": Field(one_of("dial-in"), required=True),
        "video": Field(boolean),
        "num_endpoints": Field(integer(1)),
        "force_digit_only_username": Field(boolean),
        "codecs": Field(
            shape(
                {
                    "audio": Field(unique(listing(one_of(*AUDIO_CODECS), fewest=1, most=8))),
                    "video": Field(unique(listing(one_of(*VIDEO_CODECS), fewest=1, most=8))),
                }
            )
        ),
        "provider": Field(one_of("daily", "signalwire")),
        "dialin_config": Field(shape({**_IDLE, "dialin_geo": Field(text(64)), "hold_music_enabled": Field(boolean)})),
    }
)


def sip(name: str, value: object, rules: Rules) -> object:
    found = _SIP_FIELDS(name, value, rules)
    assert isinstance(found, dict), "a shape gives an object"
    endpoints = integer(1, rules.max_sip_pstn_sessions)("num_endpoints", found.get("num_endpoints", 1), rules)
    if found.get("force_digit_only_username") and endpoints != 1:
        raise refusal("force_digit_only_username", "is not allowed with num_endpoints greater than 1", True)
    return found


dialin = shape(
    {
        "display_name": Field(text(200)),
        "wait_for_meeting_start": Field(boolean),
        "room_numbers": Field(listing(shape({"phone_number": Field(phone_number, required=True)}))),
    }
)


def enable_recording(name: str, value: object, rules: Rules) -> object:
    """One value is kept, and shown, as a plain string: a list of one breaks clients that expect a string."""
    if isinstance(value, str):
        return one_of(*RECORDING_TYPES)(name, value, rules)
    found = unique(listing(one_of(*RECORDING_TYPES), fewest=1, most=len(RECORDING_TYPES)))(name, value, rules)
    assert isinstance(found, list), "a listing gives a list"
    return found[0] if len(found) == 1 else found


_BUCKET = {
    "bucket_name": Field(text(255), required=True),
    "bucket_region": Field(text(64), required=True),
    "assume_role_arn": Field(text(2048), required=True),
    "allow_api_access": Field(boolean),
    "storage_provider": Field(one_of("aws", "oci")),
}
recordings_bucket = shape({**_BUCKET, "allow_streaming_from_bucket": Field(boolean)})
bucket = shape(_BUCKET)


def template(*tags: str, extension: str) -> Check:
    """A file name pattern with ``{tags}``; ``{epoch_time}`` must be in it."""
    pattern = re.compile(r"(?:[0-9A-Za-z./_-]|\{(?:" + "|".join(tags) + r")\})+")

    def check(name: str, value: object, rules: Rules) -> str:
        if not isinstance(value, str) or len(value) > 1024 or not pattern.fullmatch(value):
            raise refusal(
                name, f"must be at most 1024 of A-Z a-z 0-9 . / _ - and the tags {{{'}, {'.join(tags)}}}", value
            )
        if "{epoch_time}" not in value:
            raise refusal(name, "must contain {epoch_time}", value)
        last = value.rsplit("/", 1)[-1]
        if "." in last and not last.endswith(extension):
            raise refusal(name, f"can have only the extension {extension}", value)
        return value

    return check


_TAGS = ("epoch_time", "domain_name", "room_name", "mtg_session_id", "instance_id")
recordings_template = template(*_TAGS, "recording_id", extension=".mp4")
transcription_template = template(*_TAGS, "transcript_id", extension=".vtt")

_VARIANT = shape(
    {
        "width": Field(integer(32, 1920)),
        "height": Field(integer(32, 1920)),
        "fps": Field(integer(1, 30)),
        "bitrate": Field(integer(100, 5000)),
        "iframe_only": Field(boolean),
    }
)
_HLS_CONFIG = shape(
    {
        "save_hls_recording": Field(boolean),
        "storage": Field(
            shape({**_BUCKET, "path": Field(text(1024)), "path_template": Field(text(1024))}), required=True
        ),
        "variant": Field(listing(_VARIANT, most=16)),
    }
)
_STREAMING_ENDPOINT = shape(
    {
        "name": Field(text(255), required=True),
        "type": Field(one_of("rtmp", "hls"), required=True),
        "rtmp_config": Field(shape({"url": Field(text(1024), required=True)})),
        "hls_config": Field(_HLS_CONFIG),
    }
)


def streaming_endpoint(name: str, value: object, rules: Rules) -> object:
    found = _STREAMING_ENDPOINT(name, value, rules)
    assert isinstance(found, dict), "a shape gives an object"
    needed = f"{found['type']}_config"
    if needed not in found:
        raise InvalidRequest(f'"{needed}" is required')
    variants = [v for v in found.get("hls_config", {}).get("variant", []) if not v.get("iframe_only")]
    if len(variants) > 4:
        raise refusal("variant", "must contain less than or equal to 4 items besides iframe_only ones", len(variants))
    if sum(v.get("height", 0) >= 1080 for v in variants) > 1:
        raise refusal("variant", "must contain at most one 1080p item", 1080)
    return found


streaming_endpoints = listing(streaming_endpoint, most=20)

auto_transcription = shape(
    {
        "language": Field(text(32)),
        "model": Field(text(128)),
        "tier": Field(text(64)),
        "profanity_filter": Field(boolean),
        "punctuate": Field(boolean),
        "endpointing": Field(either(boolean, number(0))),
        "redact": Field(either(boolean, listing(text(64)))),
        "extra": Field(free_object()),
        "includeRawResponse": Field(boolean),
        "instanceId": Field(text(36)),
        "participants": Field(listing(text(64))),
        "transcription_geo": Field(text(64)),
    }
)

_LAYOUT = free_object()
recording_options = shape(
    {
        "type": Field(one_of(*RECORDING_TYPES)),
        "instanceId": Field(text(36)),
        "width": Field(number(1, 8192)),
        "height": Field(number(1, 8192)),
        "fps": Field(number(1, 60)),
        "videoBitrate": Field(number(1)),
        "audioBitrate": Field(number(1)),
        "minIdleTimeOut": Field(number(0)),
        "maxDuration": Field(number(1)),
        "backgroundColor": Field(text(9)),
        "layout": Field(_LAYOUT),
        "dataOutputs": Field(listing(one_of("event-json", "transcript-webvtt", "chat-webvtt"))),
    }
)
