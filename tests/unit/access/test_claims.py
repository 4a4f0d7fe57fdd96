"""Token properties and their short claims, both ways."""

import pytest

from ringback.access.claims import BY_NAME, CLAIMS, check_properties, from_claims, grants, to_claims
from ringback.model.errors import InvalidRequest
from ringback.model.ids import DomainId
from ringback.rooms.checks import Rules

RULES = Rules(now=1000.0)

# One value for each claim; together they are every claim there is.
GOOD: dict[str, object] = {
    "room_name": "desk",
    "nbf": 5,
    "exp": 1001.5,
    "user_name": "Ann",
    "user_id": "u" * 36,
    "eject_after_elapsed": 60,
    "enable_recording": "cloud",
    "start_cloud_recording_opts": {"layout": {"preset": "default"}, "fps": 25},
    "redirect_on_meeting_exit": "https://a.example/bye",
    "lang": "de",
    "permissions": {
        "hasPresence": True,
        "canSend": ["video", "audio"],
        "canReceive": {"base": True, "byUserId": {"u": False}, "byParticipantId": {"p": True}},
        "canAdmin": ["participants"],
    },
    "meeting_join_hook": "https://a.example/hook",
}
ALL = {claim.name: GOOD.get(claim.name, True) for claim in CLAIMS}


def test_every_property_travels_there_and_back() -> None:
    assert check_properties(ALL, RULES) == ALL
    assert from_claims(to_claims(ALL), RULES) == ALL


def test_claims_are_read_by_their_long_names_too() -> None:
    assert from_claims(ALL, RULES) == ALL


def test_permissions_travel_short() -> None:
    claims = to_claims({"permissions": ALL["permissions"]})

    assert claims == {
        "p": {
            "hp": True,
            "cs": ["video", "audio"],
            "cr": {"b": True, "u": {"u": False}, "p": {"p": True}},
            "ca": ["participants"],
        }
    }


@pytest.mark.parametrize(
    ("claim", "means"),
    [
        ({"cs": "v,a,sv,sa"}, {"canSend": ["video", "audio", "screenVideo", "screenAudio"]}),
        ({"cs": "customVideo, ca"}, {"canSend": ["customVideo", "customAudio"]}),
        ({"cs": ["v", "audio"]}, {"canSend": ["video", "audio"]}),
        ({"cs": True}, {"canSend": True}),
        ({"cs": ""}, {"canSend": []}),
        ({"ca": "p,s,t"}, {"canAdmin": ["participants", "streaming", "transcription"]}),
        ({"ca": False}, {"canAdmin": False}),
        ({"canSend": "v"}, {"canSend": ["video"]}),
    ],
)
def test_kinds_may_be_short_long_listed_or_joined(claim: dict[str, object], means: dict[str, object]) -> None:
    assert from_claims({"p": claim}, RULES) == {"permissions": means}


@pytest.mark.parametrize(
    "payload",
    [
        {"exp": "soon"},
        {"exp": True},
        {"nbf": -1},
        {"o": "yes"},
        {"r": "../x"},
        {"r": 7},
        {"ud": "u" * 37},
        {"p": {"cs": ["smell"]}},
        {"p": 7},
        {"p": {"zz": True}},
        {"u": "a\x00b"},
    ],
    ids=str,
)
def test_a_claim_with_an_impossible_value_is_refused(payload: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        from_claims(payload, RULES)


def test_claims_nobody_knows_are_left_out() -> None:
    assert from_claims({"jti": "x", "aud": ["y"], "o": None, "d": "z", "iat": 1}, RULES) == {}


def test_grants_are_the_typed_view() -> None:
    found = grants(DomainId("d"), ALL)

    assert (found.room_name, found.is_owner, found.user_name, found.exp) == ("desk", True, "Ann", 1001.5)
    assert found.permissions == ALL["permissions"] and found.properties == ALL
    guest = grants(DomainId("d"), {})
    assert (guest.room_name, guest.is_owner, guest.eject_at_token_exp, guest.start_audio_off) == (
        None,
        False,
        False,
        None,
    )


def test_long_and_short_names_are_each_used_once() -> None:
    assert len(BY_NAME) == len({claim.claim for claim in CLAIMS}) == len(CLAIMS)
