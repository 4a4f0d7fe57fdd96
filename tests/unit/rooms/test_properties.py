"""The table of properties: what passes, what is refused, what is shown."""

import pytest

from ringback.model.errors import InvalidRequest
from ringback.rooms.checks import Rules
from ringback.rooms.properties import (
    DOMAIN_PROPERTIES,
    LEGACY,
    READ_ONLY,
    ROOM_PROPERTIES,
    check_domain_properties,
    check_room_properties,
    idle_properties,
    merge,
    shown,
)

RULES = Rules(now=1_000_000.0)
AWS = {"bucket_name": "b", "bucket_region": "eu-west-2", "assume_role_arn": "arn:aws:iam::1:role/r"}
SIP = {"sip_mode": "dial-in", "display_name": "Desk"}
HLS = {"storage": AWS, "variant": [{"width": 640, "height": 360, "fps": 30, "bitrate": 500}]}

# One value for each property of a room; together they are every property there is.
GOOD = {
    "sip": {**SIP, "num_endpoints": 5, "codecs": {"audio": ["PCMU", "OPUS"]}, "force_digit_only_username": False},
    "dialin": {"display_name": "x", "room_numbers": [{"phone_number": "+14155550123"}]},
    "enable_dialout": True,
    "enable_phone_transfer": True,
    "detect_dtmf_tones": True,
    "guard_phone_echo": True,
    "suppress_phone_noise": True,
    "level_phone_gain": True,
    "dialout_config": {"allow_room_start": True, "dialout_geo": "x", "max_idle_timeout_sec": 1.5},
    "nbf": 5,
    "exp": 1_000_001.5,
    "max_participants": 2,
    "eject_at_room_exp": True,
    "eject_after_elapsed": 60,
    "enable_knocking": True,
    "enforce_unique_user_ids": True,
    "enable_hidden_participants": True,
    "permissions": {
        "hasPresence": False,
        "canSend": ["audio"],
        "canReceive": {"base": {"video": False, "customAudio": {"*": True}}, "byUserId": {"u": True}},
        "canAdmin": ["participants"],
    },
    "enable_screenshare": False,
    "start_video_off": True,
    "start_audio_off": True,
    "meeting_join_hook": "https://a.example/hook?x=1",
    "geo": "anywhere-1",
    "sfu_switchover": 2,
    "enable_recording": "raw-tracks",
    "recordings_bucket": {**AWS, "allow_api_access": True, "allow_streaming_from_bucket": True},
    "recordings_template": "{room_name}/{epoch_time}.mp4",
    "transcription_bucket": AWS,
    "transcription_template": "{room_name}/{epoch_time}-{transcript_id}.vtt",
    "auto_transcription_settings": {"language": "en", "endpointing": 300, "redact": ["pci"], "extra": {"a": [1]}},
    "streaming_endpoints": [
        {"name": "a", "type": "rtmp", "rtmp_config": {"url": "rtmp://x"}},
        {"name": "b", "type": "hls", "hls_config": HLS},
    ],
    "rtmp_geo": "us-west-2",
    "lang": "pt-BR",
    "redirect_on_meeting_exit": "https://a.example/bye",
}


@pytest.mark.parametrize("name", sorted(ROOM_PROPERTIES))
def test_a_good_value_is_kept_as_it_came(name: str) -> None:
    value = GOOD.get(name, True)

    assert check_room_properties({name: value}, RULES) == {name: value}


@pytest.mark.parametrize("name", sorted(ROOM_PROPERTIES))
def test_null_resets(name: str) -> None:
    assert check_room_properties({name: None}, RULES) == {name: None}
    assert merge({name: GOOD.get(name, True)}, {name: None}) == {}


@pytest.mark.parametrize("name", sorted(ROOM_PROPERTIES))
@pytest.mark.parametrize("value", [[], {"?": 1}, -1, ["?"], 7.25e300], ids=str)
def test_nonsense_is_refused_or_kept_but_never_breaks(name: str, value: object) -> None:
    try:
        check_room_properties({name: value}, RULES)
    except InvalidRequest as error:
        assert "\n" not in error.info and len(error.info) < 500


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("recordings_bucket", {"bucket_name": "b", "bucket_region": "r"}),
        ("recordings_bucket", True),
        ("recordings_template", "{room_name}"),
        ("recordings_template", "{epoch_time}{secret}"),
        ("recordings_template", "../{epoch_time}.exe"),
        ("recordings_template", "{epoch_time}" + "a" * 1024),
        ("transcription_template", "{epoch_time}.mp4"),
        ("streaming_endpoints", [{"name": "a", "type": "rtmp"}]),
        ("streaming_endpoints", [{"name": "b", "type": "hls", "hls_config": {**HLS, "variant": [{}] * 5}}]),
        (
            "streaming_endpoints",
            [{"name": "b", "type": "hls", "hls_config": {**HLS, "variant": [{"height": 1080}] * 2}}],
        ),
        ("meeting_join_hook", "javascript:alert(1)"),
        ("meeting_join_hook", "https://a.example/" + "x" * 255),
        ("meeting_join_hook", "https://user:word@a.example/"),
        ("lang", "xx"),
        ("enable_recording", []),
        ("enable_recording", "<not set>"),
        ("eject_after_elapsed", 0),
        ("max_participants", 0),
        ("max_participants", 2.5),
        ("dialout_config", {"max_idle_timeout_sec": -1}),
        ("geo", "a\r\nb"),
        ("sip", {**SIP, "display_name": "a\x00b"}),
        ("sip", {**SIP, "display_name": "x" * 201}),
        ("permissions", {"canSend": ["smell"]}),
        ("permissions", {"canReceive": {"base": "yes"}}),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest):
        check_room_properties({name: value}, RULES)


def test_what_was_received_is_shortened_and_made_printable() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_room_properties({"evil": "\x1b[2J\r\n" + "x" * 500}, RULES)

    assert caught.value.info.startswith('"evil" is not allowed [Received evil=?[2J??xxx')
    assert caught.value.info.isprintable() and len(caught.value.info) < 200


@pytest.mark.parametrize("name", sorted(READ_ONLY | LEGACY))
def test_what_clients_echo_or_still_send_is_ignored(name: str) -> None:
    assert check_room_properties({name: {"any": ["thing"]}}, RULES) == {}


@pytest.mark.parametrize("name", sorted(DOMAIN_PROPERTIES))
def test_a_domain_has_its_properties_too(name: str) -> None:
    good = {**GOOD, "batch_processor_bucket": AWS}

    assert check_domain_properties({name: good.get(name, True)}, RULES) == {name: good.get(name, True)}


def test_only_what_differs_from_what_would_hold_is_shown() -> None:
    assert shown({"enable_chat": False, "enable_pip_ui": True}, {}) == {"enable_pip_ui": True}
    assert shown({"enable_pip_ui": False, "lang": "en"}, {"enable_pip_ui": True, "lang": "de"}) == {
        "enable_pip_ui": False,
        "lang": "en",
    }


def test_what_nothing_acts_on_is_listed_down_to_the_key() -> None:
    listed = idle_properties(ROOM_PROPERTIES)

    assert "dialin" not in listed and "sip.dialin_config.hold_music_enabled" in listed
    assert not {"sip", "exp", "enable_dialout", "permissions", "max_participants"} & set(listed)
