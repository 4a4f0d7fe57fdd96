"""One run of a room, as a state machine."""

from dataclasses import replace

import pytest

from ringback.meetings.admission import Joiner, JoinRefused
from ringback.meetings.effects import (
    CloseLeg,
    CloseMeeting,
    Effect,
    HangUp,
    MeetingEnds,
    Publish,
    Save,
    SetSources,
    Tell,
)
from ringback.meetings.meeting import GRACE, START_GRACE, Life, Meeting, MeetingOver
from ringback.meetings.ports import Unseated
from ringback.model.end_reason import Ending, EndReason
from ringback.model.events import CountsUpdated, ParticipantJoined, ParticipantLeft, ParticipantUpdated
from ringback.model.ids import CallId, DomainId, MeetingId, ParticipantId, RoomId, RoomName
from ringback.model.instant import Instant
from ringback.model.participant import Holder, Participant, ParticipantType, PhoneState
from ringback.model.records import MeetingRecord
from ringback.model.room import IdleTimeouts, Permissions, Room, RoomSettings, TokenGrants

START = 100.0
ANN, BOB, CALL = ParticipantId("ann"), ParticipantId("bob"), CallId("call")
NO_HOLD = IdleTimeouts()


def at(seconds: float) -> Instant:
    """A moment some seconds after the start; the wall clock shows a million more."""
    return Instant(START + seconds, START + seconds + 1_000_000)


def meeting(privacy: str = "public", **values: object) -> Meeting:
    room = Room(RoomId("r"), DomainId("d"), RoomName("hello"), privacy, 0.0)  # type: ignore[arg-type]
    return Meeting(MeetingId("m"), RoomSettings(room, **values), "node-1", 1)  # type: ignore[arg-type]


def phone(state: PhoneState = PhoneState.ANSWERED, permissions: Permissions | None = None) -> Participant:
    return Participant(
        ParticipantId(CALL),
        START + 1_000_000,
        type=ParticipantType.SIP_DIAL_IN,
        phone_state=state,
        permissions=permissions or Permissions(),
    )


def told(effects: list[Effect]) -> list[type]:
    return [type(effect.event) for effect in effects if isinstance(effect, Tell)]


def hung_up(effects: list[Effect]) -> list[Ending]:
    return [effect.reason.ending for effect in effects if isinstance(effect, HangUp)]


def ended(effects: list[Effect]) -> bool:
    return any(isinstance(effect, MeetingEnds) for effect in effects)


def errors(effects: list[Effect]) -> dict[str, str]:
    """Who was sent away, and with which type of error."""
    away = [e.message for e in effects if isinstance(e, Publish) and isinstance(e.message, Unseated)]
    return {message.participant: message.error[0] for message in away if message.error}


def test_it_starts_with_the_first_client_and_ends_at_once_with_the_last():
    it = meeting()

    first = it.join(Joiner(ANN), at(0))
    second = it.join(Joiner(BOB), at(1))
    left = it.leave(ANN, at(2))
    last = it.leave(BOB, at(3))

    assert next(type(e.row) for e in first if isinstance(e, Save)) is MeetingRecord
    assert told(second) == [ParticipantJoined, CountsUpdated]
    assert told(left) == [ParticipantLeft, CountsUpdated] and not ended(left)
    assert ended(last) and CloseMeeting(MeetingId("m")) in last
    row = next(e.row for e in reversed(last) if isinstance(e, Save))
    assert isinstance(row, MeetingRecord) and row.max_participants == 2 and row.ended_at == at(3).wall
    with pytest.raises(MeetingOver):
        it.join(Joiner(ANN), at(4))


def test_nobody_is_told_of_its_own_coming_and_going():
    it = meeting()
    it.join(Joiner(ANN), at(0))

    joined = next(e for e in it.join(Joiner(BOB), at(1)) if isinstance(e, Tell))
    left = next(e for e in it.leave(BOB, at(2)) if isinstance(e, Tell))

    assert joined.but == left.but == BOB


def test_a_lost_connection_keeps_its_place_for_its_grace():
    it = meeting()
    it.join(Joiner(ANN), at(0))
    it.lost(ANN, at(10))

    assert it.next_wake() == at(10 + GRACE).mono
    assert it.wake(at(10 + GRACE - 0.1)) == []
    assert ended(it.wake(at(10 + GRACE)))


def test_who_comes_back_in_time_stays():
    it = meeting()
    it.join(Joiner(ANN), at(0))
    it.lost(ANN, at(10))

    assert it.returned(ANN)
    assert it.next_wake() is None
    assert not it.returned(BOB)


def test_the_meeting_is_full_at_max_participants_and_hidden_ones_take_no_place():
    it = meeting(max_participants=2)
    hidden = TokenGrants(DomainId("d"), permissions={"hasPresence": False})
    it.join(Joiner(ANN), at(0))
    it.join(Joiner(ParticipantId("ghost"), hidden), at(0))
    it.join(Joiner(BOB), at(0))

    with pytest.raises(JoinRefused) as refused:
        it.join(Joiner(ParticipantId("carl")), at(1))
    it.join(Joiner(ParticipantId("ghost-2"), hidden), at(1))

    assert refused.value.kind == "meeting-full"


def test_a_refused_joiner_does_not_start_a_meeting():
    it = meeting("private")

    with pytest.raises(JoinRefused):
        it.join(Joiner(ANN), at(0))

    assert it.life is Life.IDLE and not it.members


def test_a_user_id_that_comes_again_displaces_the_older_one_where_the_room_says_so():
    it = meeting(enforce_unique_user_ids=True, max_participants=1)
    grants = TokenGrants(DomainId("d"), user_id="user-7")
    it.join(Joiner(ANN, grants), at(0))

    effects = it.join(Joiner(BOB, grants), at(1))

    assert set(it.members) == {BOB}
    assert errors(effects) == {ANN: "ejected"}
    assert not ended(effects)


def test_hidden_participants_are_counted_and_not_shown():
    it = meeting(enable_hidden_participants=True)
    it.join(Joiner(ANN, TokenGrants(DomainId("d"), is_owner=True)), at(0))

    effects = it.join(Joiner(BOB), at(1))

    assert [e.event for e in effects if isinstance(e, Tell)] == [CountsUpdated(present=1, hidden=1)]
    assert it.shown_to(ANN) == []
    assert [one.id for one in it.presence(at(5))] == [ANN]
    assert it.presence(at(5))[0].duration == 5


def test_limits_are_fixed_at_the_door_and_send_away_with_their_own_type():
    it = meeting(exp=at(30).wall, eject_at_room_exp=True)
    it.join(Joiner(ANN), at(0))
    token = TokenGrants(
        DomainId("d"), exp=at(20).wall, eject_at_token_exp=True, properties={"eject_at_token_exp": True}
    )
    it.join(Joiner(BOB, token), at(0))

    assert it.members[ANN].participant.will_eject_at == at(30).wall
    assert errors(it.wake(at(20))) == {BOB: "exp-token"}
    assert errors(it.wake(at(30))) == {ANN: "exp-room"}


def test_limits_of_the_room_hang_up_telephones_too():
    it = meeting(eject_after_elapsed=60)
    it.join(Joiner(ANN, TokenGrants(DomainId("d"), properties={"eject_at_token_exp": False})), at(0))
    it.call_begins(CALL, NO_HOLD, at(30))
    it.phone_joins(phone(), at(30))

    assert hung_up(it.wake(at(60))) == []
    assert hung_up(it.wake(at(90))) == [Ending.EJECTED]


# ── telephones ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_timeout_the_last_clients_leave_hangs_up_the_telephones():
    it = meeting()
    it.join(Joiner(ANN), at(0))
    it.call_begins(CALL, NO_HOLD, at(1))
    it.phone_joins(phone(), at(1))

    effects = it.leave(ANN, at(2))
    assert hung_up(effects) == [Ending.MEETING_ENDED] and not ended(effects)

    assert ended(it.call_ends(CALL, at(2)))


def test_a_telephone_holds_the_meeting_as_long_as_its_room_says_after_a_conversation():
    it = meeting()
    it.join(Joiner(ANN), at(0))
    it.call_begins(CALL, IdleTimeouts(max_idle_post_conversation=30), at(1))
    it.phone_joins(phone(), at(1))

    assert hung_up(it.leave(ANN, at(10))) == []
    assert it.next_wake() == at(40).mono
    assert hung_up(it.wake(at(40))) == [Ending.IDLE_TIMEOUT]


def test_somebody_who_comes_stops_the_idling():
    it = meeting()
    it.join(Joiner(ANN), at(0))
    it.call_begins(CALL, IdleTimeouts(max_idle_post_conversation=30), at(1))
    it.phone_joins(phone(), at(1))
    it.leave(ANN, at(10))

    it.join(Joiner(BOB), at(20))

    assert it.next_wake() is None
    it.leave(BOB, at(50))
    assert it.next_wake() == at(80).mono, "and each leaving counts anew"


def test_a_telephone_that_started_the_meeting_waits_from_its_answer_on():
    it = meeting()
    it.call_begins(CALL, IdleTimeouts(allow_room_start=True, max_idle=60), at(0))
    it.phone_joins(phone(PhoneState.RINGING), at(5))
    assert it.next_wake() is None

    it.phone_changes(CALL, PhoneState.ANSWERED, None, at(20))

    assert it.next_wake() == at(80).mono


def test_a_call_that_comes_after_the_conversation_waits_for_the_next_one_where_it_may():
    it = meeting()
    other = CallId("other")
    it.join(Joiner(ANN), at(0))
    it.call_begins(CALL, IdleTimeouts(allow_room_start=True, max_idle=60, max_idle_post_conversation=10), at(0))
    it.phone_joins(phone(), at(0))
    it.leave(ANN, at(5))

    assert not it.takes_calls(NO_HOLD), "nobody is in whom it could talk with"
    it.call_begins(other, IdleTimeouts(allow_room_start=True, max_idle=60), at(6))
    it.phone_joins(replace(phone(), id=ParticipantId(other)), at(6))

    assert [e.call for e in it.wake(at(15)) if isinstance(e, HangUp)] == [CALL]
    it.call_ends(CALL, at(15))
    assert [e.call for e in it.wake(at(66)) if isinstance(e, HangUp)] == [other]


def test_a_call_that_is_still_set_up_has_its_place():
    it = meeting(max_participants=2)
    it.join(Joiner(ANN), at(0))
    it.call_begins(CALL, NO_HOLD, at(1))

    assert it.is_full()
    with pytest.raises(JoinRefused):
        it.join(Joiner(BOB), at(2))


def test_a_room_that_names_no_time_still_gives_its_starter_a_moment():
    it = meeting()
    it.call_begins(CALL, IdleTimeouts(allow_room_start=True), at(0))
    it.phone_joins(phone(), at(0))

    assert hung_up(it.wake(at(START_GRACE))) == [Ending.IDLE_TIMEOUT]


def test_a_call_cannot_start_a_meeting_unless_it_may():
    it = meeting()

    with pytest.raises(MeetingOver):
        it.call_begins(CALL, NO_HOLD, at(0))

    assert it.life is Life.IDLE


def test_two_telephones_alone_do_not_hold_a_meeting_longer_than_their_own_time():
    it = meeting()
    other = CallId("other")
    it.join(Joiner(ANN), at(0))
    for call, seconds in ((CALL, 10.0), (other, 50.0)):
        it.call_begins(call, IdleTimeouts(max_idle_post_conversation=seconds), at(1))
    it.leave(ANN, at(2))

    first = it.wake(at(12))
    it.call_ends(CALL, at(12))
    second = it.wake(at(52))

    assert [e.call for e in (*first, *second) if isinstance(e, HangUp)] == [CALL, other]


def test_only_calls_that_exist_count_against_the_limit():
    it = meeting(max_sip_pstn_sessions=2)
    it.join(Joiner(ANN), at(0))
    it.call_begins(CallId("a"), NO_HOLD, at(0))
    assert it.may_take_call()
    it.call_begins(CallId("b"), NO_HOLD, at(0))
    assert not it.may_take_call()

    it.call_ends(CallId("a"), at(1))

    assert it.may_take_call()


def test_a_call_that_never_became_a_participant_leaves_only_its_port():
    it = meeting()
    it.join(Joiner(ANN), at(0))
    it.call_begins(CALL, NO_HOLD, at(1))

    effects = it.call_ends(CALL, at(2))

    assert effects == [CloseLeg(ParticipantId(CALL))]
    assert it.call_ends(CALL, at(2)) == []


def test_a_change_that_changes_nothing_is_not_told():
    it = meeting()
    it.join(Joiner(ANN), at(0))
    it.call_begins(CALL, NO_HOLD, at(1))
    it.phone_joins(phone(), at(1))

    assert told(it.phone_changes(CALL, None, frozenset({Holder.FAR_END}), at(2))) == [ParticipantUpdated]
    assert it.phone_changes(CALL, None, frozenset({Holder.FAR_END}), at(3)) == []


def test_a_telephone_that_may_not_hear_everybody_gets_its_sources_anew_when_somebody_comes_or_goes():
    it = meeting()
    it.join(Joiner(ANN), at(0))
    it.call_begins(CALL, NO_HOLD, at(1))
    deaf = Permissions(can_receive={"base": False, "byParticipantId": {"bob": True}})

    alone = it.phone_joins(phone(permissions=deaf), at(1))
    with_bob = it.join(Joiner(BOB), at(2))
    without = it.leave(BOB, at(3))

    def heard(effects: list[Effect]) -> list[object]:
        return [effect.sources for effect in effects if isinstance(effect, SetSources)]

    assert (heard(alone), heard(with_bob), heard(without)) == ([frozenset()], [frozenset({BOB})], [frozenset()])


def test_closing_sends_clients_away_and_hangs_up_whatever_the_timeouts_say():
    it = meeting()
    it.join(Joiner(ANN), at(0))
    it.call_begins(CALL, IdleTimeouts(max_idle_post_conversation=3600), at(1))
    it.phone_joins(phone(), at(1))

    effects = it.close(EndReason(Ending.SERVER_DRAIN), at(2), ("connection-error", "bye"))

    assert errors(effects) == {ANN: "connection-error"}
    assert hung_up(effects) == [Ending.SERVER_DRAIN]
    assert ended(it.call_ends(CALL, at(2)))
