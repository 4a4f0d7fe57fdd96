"""What a participant may send, receive and administer."""

import pytest

from ringback.meetings.permissions import changed, initial, may_administer, may_receive, may_send, phone_permissions
from ringback.model.errors import InvalidRequest
from ringback.model.ids import DomainId, ParticipantId, RoomId, RoomName
from ringback.model.participant import Participant
from ringback.model.room import Permissions, Room, RoomSettings, TokenGrants

DOMAIN = DomainId("d")


def settings(**values: object) -> RoomSettings:
    room = Room(RoomId("r"), DOMAIN, RoomName("hello"), "public", 0.0)
    return RoomSettings(room, **values)  # type: ignore[arg-type]


def grants(**values: object) -> TokenGrants:
    return TokenGrants(DOMAIN, **values)  # type: ignore[arg-type]


def test_a_token_goes_before_the_room():
    room = settings(permissions={"canSend": ["audio"], "canAdmin": ["participants"]})

    allowed = initial(room, grants(permissions={"canSend": False}))

    assert allowed.can_send is False
    assert allowed.can_admin == {"participants"}


def test_owners_may_everything_whatever_the_room_says():
    room = settings(permissions={"canSend": False, "hasPresence": False}, enable_hidden_participants=True)

    allowed = initial(room, grants(is_owner=True))

    assert (allowed.can_send, allowed.has_presence, allowed.can_admin) == (True, True, True)


def test_in_a_room_of_hidden_participants_guests_are_hidden_unless_their_token_says_otherwise():
    room = settings(enable_hidden_participants=True)

    assert initial(room, None).has_presence is False
    assert initial(room, grants(permissions={"hasPresence": True})).has_presence is True


def test_fields_replace_and_can_receive_replaces_by_part():
    before = Permissions(can_receive={"base": False, "byUserId": {"u": True}})

    after = changed(before, {"canReceive": {"base": True}, "canSend": []})

    assert after.can_receive == {"base": True, "byUserId": {"u": True}}
    assert after.can_send == frozenset()


@pytest.mark.parametrize(
    "bad",
    [
        {"canFly": True},
        {"hasPresence": "yes"},
        {"canSend": "audio"},
        {"canSend": ["smell"]},
        {"canAdmin": [7]},
        {"canReceive": True},
        {"canReceive": {"base": "all"}},
        {"canReceive": {"byUserId": {"u": {"audio": 1}}}},
        {"canReceive": {"byUserId": {str(n): True for n in range(201)}}},
        {"canReceive": {"byMood": {}}},
    ],
)
def test_what_is_no_permission_is_refused(bad: dict[str, object]):
    with pytest.raises(InvalidRequest):
        changed(Permissions(), bad)


def test_the_most_specific_rule_decides_what_is_heard():
    def who(id: str, user: str | None = None) -> Participant:
        return Participant(ParticipantId(id), 0.0, user_id=user)

    listener = Permissions(
        can_receive={
            "base": False,
            "byUserId": {"boss": {"audio": True}},
            "byParticipantId": {"p3": False, "p4": {"video": True}},
        }
    )

    assert not may_receive(listener, who("p1"), "audio")
    assert may_receive(listener, who("p2", "boss"), "audio")
    assert not may_receive(listener, who("p2", "boss"), "video"), "not named by the rule: base decides"
    assert not may_receive(listener, who("p3", "boss"), "audio")
    assert may_receive(listener, who("p4", "boss"), "audio")
    assert may_receive(listener, who("p4"), "video")


def test_sending_and_administering_may_be_in_part():
    some = Permissions(can_send=frozenset({"audio"}), can_admin=frozenset({"streaming"}))
    participant = Participant(ParticipantId("p"), 0.0, permissions=some)

    assert may_send(some, "audio") and not may_send(some, "video")
    assert may_administer(participant, "streaming") and not may_administer(participant)


def test_telephones_are_always_shown():
    assert phone_permissions(settings(enable_hidden_participants=True), None).has_presence is True
    assert phone_permissions(settings(), {"canReceive": {"base": False}}).can_receive == {"base": False}
