"""A call out of a room, as a state machine."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ringback.calls.dialout import DialOut
from ringback.calls.effects import AnswerOffer, Bye, Cancel, Confirm, Invite
from ringback.calls.ports.carrier import Failure
from ringback.calls.ports.routes import Attempt
from ringback.calls.requests import validate
from ringback.meetings.effects import CallEnds, Effect, PhoneJoins, PlayTone, Save, SetPhone, Tell
from ringback.model.end_reason import Ending, EndReason
from ringback.model.events import CallEvent, CallFacts, CallStep
from ringback.model.ids import CallId, DomainId, MeetingId, RoomName
from ringback.model.instant import Instant
from ringback.model.participant import PhoneState
from ringback.model.records import CallRecord, CallState, DialogRecord, Direction
from ringback.model.room import Permissions
from ringback.sdp.crypto import CLEAR_ONLY, Protection
from ringback.sdp.negotiation import make_answer, make_offer

CALL = CallId("call")
DIALOG = DialogRecord("c", "ours", "", "sip:hello@h", "sip:bob@far", 1, "sip:bob@far", branch="b1")


def at(seconds: float) -> Instant:
    return Instant(100 + seconds, 1_000_100 + seconds)


class Rig:
    """A call that has begun, and the answer its far end gives."""

    def __init__(self, attempts: Sequence[Attempt] = (), protection: Protection = CLEAR_ONLY, **body: object) -> None:
        request = validate({"sipUri": "sip:bob@far?X-Case=17", **body})
        record = CallRecord(
            CALL,
            DomainId("d"),
            RoomName("hello"),
            MeetingId("m"),
            Direction.DIAL_OUT,
            CallState.QUEUED,
            "node",
            1,
            100.0,
            dialog=DIALOG,
        )
        facts = CallFacts(CALL, Direction.DIAL_OUT, "daily", "c", "sip:bob@far", "Bob")
        self.call = DialOut(request, record, facts, Permissions(), attempts=attempts)
        self.call.protection = protection
        self.begun = self.call.begin(("192.0.2.1", 20000), at(0))
        (invite,) = [effect for effect in self.begun if isinstance(effect, Invite)]
        self.invite = invite.invite

    def sdp(self, *codecs: str) -> bytes:
        answer, _ = make_answer(self.invite.offer, "198.51.100.7", 14000, codecs or ("PCMU",), session_id=7, version=1)
        return answer


def find(effects: list[Effect], kind: type[Effect]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, kind)]


def steps(effects: list[Effect]) -> list[CallStep]:
    return [e.event.step for e in effects if isinstance(e, Tell) and isinstance(e.event, CallEvent)]


def test_the_row_comes_before_the_invite():
    rig = Rig()

    assert [type(effect) for effect in rig.begun] == [Save, Invite]
    assert rig.invite.headers == (("X-Case", "17"),) and rig.invite.dialog == DIALOG


def test_ringing_is_told_once_however_often_it_rings():
    rig = Rig()

    first = rig.call.progress(180, "Ringing", None, at(1))
    again = rig.call.progress(180, "Ringing", None, at(2))

    assert [type(effect) for effect in first] == [Save, PhoneJoins, Tell, PlayTone] and steps(first) == [
        CallStep.CONNECTED
    ]
    (joins,) = find(first, PhoneJoins)
    assert isinstance(joins, PhoneJoins) and joins.participant.phone_state is PhoneState.RINGING
    assert again == []


def test_early_media_may_come_with_a_later_provisional_answer():
    rig = Rig()
    rig.call.progress(180, "Ringing", None, at(1))

    (media,) = find(rig.call.progress(183, "Session Progress", rig.sdp(), at(2)), SetPhone)

    assert isinstance(media, SetPhone) and not media.media.send and media.media.listen


def test_a_bad_early_description_is_no_reason_to_give_up():
    rig = Rig()

    rig.call.progress(183, "Session Progress", b"nonsense", at(1))

    assert find(rig.call.far_end_answered(rig.sdp(), at(2)), SetPhone)


def test_an_answer_without_a_description_uses_the_early_one():
    rig = Rig()
    rig.call.progress(183, "Session Progress", rig.sdp("PCMA"), at(1))

    rig.call.far_end_answered(None, at(2))

    assert rig.call.answered and rig.call.record.codec == "PCMA"


def test_early_media_may_move_before_anybody_picks_up():
    """RFC 3311 §5.1: an UPDATE with another description is answered while it rings, and nothing is sent yet."""
    rig = Rig()
    rig.call.progress(183, "Session Progress", rig.sdp(), at(1))
    offer = make_offer(7, 2, "198.51.100.9", 14002, ("PCMA",))

    effects = rig.call.reoffered(offer, at(2))

    (media,), (answer,) = find(effects, SetPhone), find(effects, AnswerOffer)
    assert isinstance(media, SetPhone) and isinstance(answer, AnswerOffer)
    assert (media.media.remote, media.media.send, answer.status) == (("198.51.100.9", 14002), False, 200)
    assert answer.sdp is not None and b"PCMA" in answer.sdp


def test_a_refresh_answered_from_elsewhere_moves_the_sound():
    """RFC 4028 §7.4: nobody here offered anything, and what held was offered again."""
    rig = Rig()
    rig.call.far_end_answered(rig.sdp(), at(1))

    effects = rig.call.reoffer_answered(rig.sdp().replace(b"14000", b"14002"), at(900))

    (media,) = find(effects, SetPhone)
    assert isinstance(media, SetPhone) and media.media.remote == ("198.51.100.7", 14002) and media.media.send


@pytest.mark.parametrize("sdp", [None, b"nonsense"])
def test_an_answer_that_agrees_on_nothing_is_hung_up_as_an_error(sdp: bytes | None):
    rig = Rig()

    effects = rig.call.far_end_answered(sdp, at(1))

    assert find(effects, Bye) and find(effects, CallEnds) and steps(effects) == [CallStep.ERROR]
    assert not find(effects, PhoneJoins)


def test_what_is_asked_for_is_offered_first_and_the_default_is_what_every_phone_has():
    assert b"RTP/AVP 0 8 101\r\n" in Rig().invite.offer
    assert b"RTP/AVP 9 0 8 111 101 110\r\n" in Rig(codecs={"audio": ["G722"]}).invite.offer


def test_stopping_before_ringing_is_stopped_and_no_error():
    rig = Rig()

    effects = rig.call.hang_up(EndReason(Ending.HANGUP_LOCAL), at(1))

    assert find(effects, Cancel) and steps(effects) == [CallStep.STOPPED]
    assert rig.call.record.end == EndReason(Ending.CANCELLED_LOCAL, q850=16)


def test_an_answer_that_crosses_the_cancel_changes_nothing():
    rig = Rig()
    rig.call.hang_up(EndReason(Ending.HANGUP_LOCAL), at(1))

    assert rig.call.far_end_answered(rig.sdp(), at(1.1)) == []
    assert rig.call.failed(Failure(487, "Request Terminated"), at(1.2)) == []


def test_before_the_answer_only_another_invite_is_worth_a_write():
    rig = Rig()

    assert rig.call.dialog_changed(replace(DIALOG, peer="1.2.3.4:5060"), at(0.1)) == []
    assert find(rig.call.dialog_changed(replace(DIALOG, branch="b2"), at(0.2)), Save)
    (save,) = find(rig.call.progress(180, "Ringing", None, at(1)), Save)

    assert isinstance(save, Save) and isinstance(save.row, CallRecord)
    assert save.row.dialog is not None and save.row.dialog.branch == "b2"


def test_ringing_is_no_failure_and_failing_while_it_rings_is_stopped():
    rang, silent = Rig(), Rig()
    rang.call.progress(180, "Ringing", None, at(1))

    assert steps(rang.call.failed(Failure(486, "Busy Here"), at(2))) == [CallStep.STOPPED]
    assert steps(silent.call.failed(Failure(486, "Busy Here"), at(2))) == [CallStep.ERROR]


def test_the_far_end_is_told_that_its_answer_arrived_only_once_the_row_is_stored():
    """A kill before the commit leaves an answer without ACK, which the far end gives up by itself."""
    rig = Rig()

    effects = rig.call.far_end_answered(rig.sdp(), at(2))

    kinds = [type(effect) for effect in effects]
    assert kinds.index(Save) < kinds.index(Confirm)
    (confirm,) = find(effects, Confirm)
    assert isinstance(confirm, Confirm) and confirm.needs_row == CALL
