"""Who may come in, and when a limit sends them away."""

import pytest

from ringback.meetings.admission import Ejection, Joiner, JoinRefused, check_joiner, check_room_times, ejection
from ringback.model.ids import DomainId, ParticipantId, RoomId, RoomName
from ringback.model.instant import Instant
from ringback.model.room import Room, RoomSettings, TokenGrants

NOW = Instant(10.0, 1000.0)
HELLO = RoomName("hello")


def settings(privacy: str = "public", **values: object) -> RoomSettings:
    room = Room(RoomId("r"), DomainId("d"), HELLO, privacy, 0.0)  # type: ignore[arg-type]
    return RoomSettings(room, **values)  # type: ignore[arg-type]


def refusal(room: RoomSettings, grants: TokenGrants | None = None) -> str | None:
    try:
        check_joiner(room, Joiner(ParticipantId("p"), grants), NOW)
    except JoinRefused as refused:
        return refused.kind
    return None


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, None),
        ({"nbf": 999}, None),
        ({"nbf": 1004}, None),
        ({"nbf": 1006}, "nbf-room"),
        ({"exp": 1001}, None),
        ({"exp": 999}, "exp-room"),
    ],
)
def test_a_room_is_open_from_nbf_to_exp(values: dict[str, float], kind: str | None):
    assert refusal(settings(**values)) == kind


def test_a_private_room_needs_a_token_for_it():
    private = settings("private")

    assert refusal(private) == "not-allowed"
    assert refusal(private, TokenGrants(DomainId("d"), HELLO)) is None
    assert refusal(private, TokenGrants(DomainId("d"))) is None, "a token without a room opens every room"


@pytest.mark.parametrize("grants", [TokenGrants(DomainId("d"), RoomName("Hello")), TokenGrants(DomainId("e"), HELLO)])
def test_a_token_for_something_else_opens_nothing_not_even_a_public_room(grants: TokenGrants):
    assert refusal(settings(), grants) == "not-allowed"


def test_telephones_meet_the_same_times():
    with pytest.raises(JoinRefused):
        check_room_times(settings(exp=999), NOW)


def token(**values: object) -> TokenGrants:
    return TokenGrants(DomainId("d"), properties=values, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("room", "grants", "limit"),
    [
        (settings(), None, None),
        (settings(exp=2000), None, None),
        (settings(exp=2000, eject_at_room_exp=True), None, Ejection(2000, "exp-room")),
        (settings(eject_after_elapsed=60), None, Ejection(1060, "ejected")),
        (settings(exp=1030, eject_at_room_exp=True, eject_after_elapsed=60), None, Ejection(1030, "exp-room")),
        (settings(eject_after_elapsed=60), token(exp=1500), Ejection(1060, "ejected")),
        (settings(eject_after_elapsed=60), token(eject_after_elapsed=90), Ejection(1090, "ejected")),
        (settings(eject_after_elapsed=60), token(exp=1500, eject_at_token_exp=True), Ejection(1500, "exp-token")),
        (settings(eject_after_elapsed=60), token(exp=1500, eject_at_token_exp=False), None),
    ],
)
def test_the_first_limit_counts_and_a_tokens_own_displace_the_rooms(
    room: RoomSettings, grants: TokenGrants | None, limit: Ejection | None
):
    assert ejection(room, grants, NOW) == limit
