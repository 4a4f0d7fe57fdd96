"""What participants may do to a meeting."""

import pytest

from ringback.meetings import commands
from ringback.meetings.admission import Joiner
from ringback.meetings.effects import (
    Effect,
    HangUp,
    SetMuted,
    SetPublished,
    SetSources,
    SetSubscriptions,
    SetViewing,
    Tell,
)
from ringback.meetings.meeting import Meeting
from ringback.model.errors import Forbidden, InvalidRequest, NotFound
from ringback.model.events import ParticipantJoined, ParticipantLeft, ParticipantUpdated, RemoteRequest
from ringback.model.ids import CallId, DomainId, MeetingId, ParticipantId, RoomId, RoomName
from ringback.model.instant import Instant
from ringback.model.participant import Participant, ParticipantType, PhoneState, Track
from ringback.model.room import IdleTimeouts, Room, RoomSettings, TokenGrants

NOW = Instant(1.0, 1_000_001.0)
OWNER, BOB, CALL = ParticipantId("owner"), ParticipantId("bob"), ParticipantId("call")


@pytest.fixture
def it() -> Meeting:
    """An owner, a guest and a telephone."""
    meeting = Meeting(
        MeetingId("m"), RoomSettings(Room(RoomId("r"), DomainId("d"), RoomName("hello"), "public", 0.0)), "node-1", 1
    )
    meeting.join(Joiner(OWNER, TokenGrants(DomainId("d"), is_owner=True)), NOW)
    meeting.join(Joiner(BOB), NOW)
    meeting.call_begins(CallId(CALL), IdleTimeouts(), NOW)
    meeting.phone_joins(
        Participant(
            CALL,
            0.0,
            type=ParticipantType.SIP_DIAL_IN,
            phone_state=PhoneState.ANSWERED,
            tracks={"audio": Track("playable", generation=1)},
        ),
        NOW,
    )
    return meeting


def update(it: Meeting, by: ParticipantId, who: str, **change: object) -> list[Effect]:
    return commands.update_participants(it, by, {who: change}, NOW)


def track(it: Meeting, who: ParticipantId, name: str = "audio") -> Track:
    return it.members[who].participant.tracks.get(name, Track())


def test_a_track_is_what_its_sender_says(it: Meeting):
    effects = commands.set_track(it, BOB, "audio", "playable", {})
    assert [type(e.event) for e in effects if isinstance(e, Tell)] == [ParticipantUpdated]
    commands.set_track(it, BOB, "video", "blocked", {"byPermissions": True})

    assert track(it, BOB).state == "playable"
    assert track(it, BOB, "video").reason == {"byPermissions": True}
    commands.set_track(it, BOB, "audio", "off", {})
    assert track(it, BOB).reason == {"byUser": True}


@pytest.mark.parametrize(("name", "state"), [("smell", "off"), ("audio", "loud")])
def test_unknown_tracks_and_states_are_refused(it: Meeting, name: str, state: str):
    with pytest.raises(InvalidRequest):
        commands.set_track(it, BOB, name, state, {})


def test_who_may_not_send_cannot_say_that_it_does(it: Meeting):
    update(it, OWNER, BOB, updatePermissions={"canSend": ["video"]})

    with pytest.raises(Forbidden):
        commands.set_track(it, BOB, "audio", "playable", {})
    commands.set_track(it, BOB, "video", "playable", {})


def test_guests_administer_nobody(it: Meeting):
    for change in ({"eject": True}, {"setAudio": False}, {"updatePermissions": {"canSend": False}}):
        with pytest.raises(Forbidden):
            update(it, BOB, OWNER, **change)
    with pytest.raises(Forbidden):
        commands.require_admin(it, BOB)


def test_an_admin_of_participants_may_administer_and_make_no_other_admins(it: Meeting):
    update(it, OWNER, BOB, updatePermissions={"canAdmin": ["participants"]})

    update(it, BOB, CALL, setAudio=False)
    with pytest.raises(Forbidden):
        update(it, BOB, OWNER, updatePermissions={"canAdmin": True})


def test_ejecting_a_telephone_hangs_it_up_and_a_client_is_sent_away(it: Meeting):
    assert any(isinstance(e, HangUp) for e in update(it, OWNER, CALL, eject=True))
    update(it, OWNER, BOB, eject=True)

    assert BOB not in it.members


def test_muting_a_telephone_is_done_by_us_and_can_be_taken_back(it: Meeting):
    off = update(it, OWNER, CALL, setAudio=False)
    assert SetMuted(CALL, True) in off and track(it, CALL).reason == {"byRemoteRequest": True}
    assert update(it, OWNER, CALL, setAudio=False) == []

    on = update(it, OWNER, CALL, setAudio=True)

    assert SetMuted(CALL, False) in on and track(it, CALL).state == "playable"


def test_a_muted_client_is_asked_and_unmutes_itself(it: Meeting):
    commands.set_track(it, BOB, "audio", "playable", {})

    off = update(it, OWNER, BOB, setAudio=False)
    on = update(it, OWNER, BOB, setAudio=True)
    own = commands.set_track(it, BOB, "audio", "playable", {})

    assert SetMuted(BOB, True) in off
    assert [e.event for e in off if isinstance(e, Tell)][-1] == RemoteRequest({"setAudio": False}, OWNER)
    assert on == [Tell(RemoteRequest({"setAudio": True}, OWNER), (BOB,))], "nobody's microphone is opened by others"
    assert SetMuted(BOB, False) in own


def test_a_star_means_everybody_else_who_is_not_named(it: Meeting):
    commands.update_participants(it, OWNER, {"*": {"setAudio": False}, CALL: {"setVideo": True}}, NOW)

    assert it.members[BOB].muted and not it.members[CALL].muted and not it.members[OWNER].muted


def test_one_bad_update_changes_nothing_at_all(it: Meeting):
    with pytest.raises(NotFound):
        commands.update_participants(it, OWNER, {CALL: {"eject": True}, "nobody": {"eject": True}}, NOW)
    for bad in ({"setMood": True}, {"eject": "yes"}, {"updatePermissions": 7}, {"updatePermissions": {"canFly": True}}):
        with pytest.raises(InvalidRequest):
            commands.update_participants(it, OWNER, {CALL: {"setAudio": False}, BOB: bad}, NOW)

    assert not it.members[CALL].muted


def test_losing_the_permission_to_send_mutes_and_says_why(it: Meeting):
    effects = update(it, OWNER, CALL, updatePermissions={"canSend": False})

    assert SetMuted(CALL, True) in effects
    assert track(it, CALL).state == "off" and track(it, CALL).reason == {"byCanSendPermission": True}


def test_what_a_telephone_hears_follows_its_permission(it: Meeting):
    deaf = update(it, OWNER, CALL, updatePermissions={"canReceive": {"base": False}})
    again = update(it, OWNER, CALL, updatePermissions={"canReceive": {"base": True}})

    assert SetSources(CALL, frozenset()) in deaf
    assert SetSources(CALL, None) in again


def test_what_a_telephone_sees_and_who_sees_it_follow_its_permissions(it: Meeting):
    it.phone_changes(CALL, None, None, NOW, video=True)

    blind = update(it, OWNER, CALL, updatePermissions={"canReceive": {"base": {"audio": True, "video": False}}})
    hidden = update(it, OWNER, CALL, updatePermissions={"canSend": ["audio"]})
    assert track(it, CALL, "video").reason == {"byCanSendPermission": True}
    again = update(it, OWNER, CALL, updatePermissions={"canSend": True, "canReceive": {"base": True}})

    def viewing(effects: list[Effect]) -> list[tuple[bool, set[str] | None]]:
        found = [effect for effect in effects if isinstance(effect, SetViewing)]
        return [(one.seen, None if one.tracks is None else {track for _, track in one.tracks}) for one in found]

    assert viewing(blind) == [(True, {"screenVideo"})]
    assert viewing(hidden) == [(False, {"screenVideo"})]
    assert viewing(again) == [(True, None)]
    assert (track(it, CALL, "video").state, track(it, CALL, "video").generation) == ("playable", 2)


def test_being_hidden_and_shown_is_told_as_leaving_and_joining(it: Meeting):
    hidden = update(it, OWNER, BOB, updatePermissions={"hasPresence": False})
    shown = update(it, OWNER, BOB, updatePermissions={"hasPresence": True})

    left = next(e.event for e in hidden if isinstance(e, Tell))
    assert isinstance(left, ParticipantLeft) and left.reason == "hidden"
    assert isinstance(next(e.event for e in shown if isinstance(e, Tell)), ParticipantJoined)


def test_an_offer_names_what_is_sent_and_wanted(it: Meeting):
    effects, refused = commands.negotiate(
        it, BOB, {"0": "audio", "1": "smell", "2": "audio"}, {"3": (CALL, "audio"), "4": (ParticipantId("x"), "audio")}
    )

    assert SetPublished(BOB, {"0": "audio"}) in effects
    assert SetSubscriptions(BOB, {"3": (CALL, "audio")}) in effects
    assert refused == {"1": "no-such-track", "2": "already-sent", "4": "no-such-participant"}
    assert track(it, BOB).generation == 1


def test_a_new_stream_raises_the_generation_and_the_same_one_does_not(it: Meeting):
    commands.negotiate(it, BOB, {"0": "audio"}, {})
    commands.negotiate(it, BOB, {"0": "audio"}, {})
    assert track(it, BOB).generation == 1

    commands.negotiate(it, BOB, {"5": "audio"}, {})

    assert track(it, BOB).generation == 2


def test_nobody_receives_what_it_may_not_or_itself(it: Meeting):
    update(it, OWNER, BOB, updatePermissions={"canReceive": {"base": {"audio": False, "video": True}}})

    _, refused = commands.negotiate(it, BOB, {}, {"1": (OWNER, "audio"), "2": (BOB, "video"), "3": (OWNER, "video")})

    assert refused == {"1": "not-allowed", "2": "no-such-participant"}


def test_a_subscription_ends_and_returns_with_the_permission(it: Meeting):
    commands.negotiate(it, BOB, {}, {"1": (OWNER, "audio")})

    without = update(it, OWNER, BOB, updatePermissions={"canReceive": {"base": False}})
    again = update(it, OWNER, BOB, updatePermissions={"canReceive": {"base": True}})

    assert SetSubscriptions(BOB, {}) in without
    assert SetSubscriptions(BOB, {"1": (OWNER, "audio")}) in again


def test_the_screen_is_shared_only_where_the_room_allows_it():
    room = Room(RoomId("r"), DomainId("d"), RoomName("hello"), "public", 0.0)
    it = Meeting(MeetingId("m"), RoomSettings(room, enable_screenshare=False), "node-1", 1)
    it.join(Joiner(BOB), NOW)

    _, refused = commands.negotiate(it, BOB, {"0": "screenVideo", "1": "video"}, {})

    assert refused == {"0": "not-allowed"}


def test_whoever_is_gone_does_nothing_more(it: Meeting):
    it.leave(BOB, NOW)

    for act in (
        lambda: commands.set_user_name(it, BOB, "x"),
        lambda: commands.app_message(it, BOB, "x", None),
        lambda: commands.negotiate(it, BOB, {}, {}),
        lambda: commands.update_participants(it, BOB, {}, NOW),
    ):
        with pytest.raises(NotFound):
            act()
