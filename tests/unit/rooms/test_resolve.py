"""What is in force in a room."""

from typing import Any

from ringback.model.domain import Domain
from ringback.model.ids import DomainId, RoomId, RoomName
from ringback.model.room import IdleTimeouts, Room, RoomSettings, SipSettings
from ringback.rooms.resolve import resolve


def resolved(properties: dict[str, Any], config: dict[str, Any] | None = None, most: int = 200) -> RoomSettings:
    domain = Domain(DomainId("d"), "acme", 0.0, config or {})
    room = Room(RoomId("r"), domain.id, RoomName("desk"), "public", 0.0, properties)
    return resolve(room, domain, max_participants=most, max_sip_pstn_sessions=5)


def test_the_room_wins_over_the_domain_and_that_over_the_default() -> None:
    assert resolved({}).enforce_unique_user_ids is False
    assert resolved({}, {"enforce_unique_user_ids": True}).enforce_unique_user_ids is True
    assert (
        resolved({"enforce_unique_user_ids": False}, {"enforce_unique_user_ids": True}).enforce_unique_user_ids is False
    )
    assert resolved({}, {"permissions": {"canSend": False}}).permissions == {"canSend": False}
    assert resolved({"permissions": {"canSend": True}}, {"permissions": {"canSend": False}}).permissions == {
        "canSend": True
    }


def test_an_operator_that_lowers_a_cap_lowers_it_for_rooms_that_are_there() -> None:
    assert resolved({"max_participants": 100}, most=10).max_participants == 10


def test_the_sip_property_becomes_typed() -> None:
    sip = {
        "display_name": "Desk",
        "sip_mode": "dial-in",
        "num_endpoints": 2,
        "video": True,
        "codecs": {"audio": ["OPUS"], "video": ["VP8"]},
        "provider": "daily",
        "dialin_config": {"allow_room_start": True, "max_idle_timeout_sec": 9},
    }

    assert resolved({"sip": sip}).sip == SipSettings(
        "Desk", 2, True, ("OPUS",), ("VP8",), "daily", IdleTimeouts(True, 9.0, 9.0)
    )


def test_idle_after_the_conversation_is_as_before_it_unless_said() -> None:
    config = {"max_idle_timeout_sec": 9}

    assert resolved({"dialout_config": config}).dialout == IdleTimeouts(False, 9.0, 9.0)
    config["max_idle_timeout_post_conversation_sec"] = 0
    assert resolved({"dialout_config": config}).dialout == IdleTimeouts(False, 9.0, 0.0)


def test_participants_are_not_told_the_customers_secrets() -> None:
    bucket = {"bucket_name": "b"}
    settings = resolved(
        {"recordings_bucket": bucket, "meeting_join_hook": "https://x", "start_audio_off": True},
        {"pinless_dialin": [{"hmac": "s"}], "batch_processor_bucket": bucket, "lang": "de"},
    )

    assert settings.room_config == {"start_audio_off": True}
    assert settings.domain_config == {"lang": "de", "max_app_message_size": 4096}
