"""A call into a room, as a state machine."""

from dataclasses import replace

import pytest

from ringback.calls.dialin import RETRY, WAIT, DialIn
from ringback.calls.effects import Answer, AnswerOffer, Bye, Offer, Reject, Ring
from ringback.calls.ports.carrier import IncomingInvite
from ringback.meetings.effects import CallEnds, Effect, PhoneChanges, PhoneJoins, Save, SetPhone, Tell
from ringback.model.end_reason import Ending, EndReason
from ringback.model.events import CallEvent, CallFacts, CallStep
from ringback.model.ids import CallId, DomainId, MeetingId, RoomName
from ringback.model.instant import Instant
from ringback.model.participant import Holder
from ringback.model.records import CallRecord, CallState, DialogRecord, Direction
from ringback.model.room import Permissions, SipSettings
from ringback.sdp.description import heard_at
from ringback.sdp.negotiation import make_answer, make_offer, read_answer

HERE = ("192.0.2.1", 20000)
CALL = CallId("call")
WANT_PORT = Ring(CallId("stands for looking again"))
DIALOG = DialogRecord("c", "ours", "theirs", "sip:1@h", "sip:ann@h", 0, "sip:ann@far")


def at(seconds: float) -> Instant:
    return Instant(100 + seconds, 1_000_100 + seconds)


def offer(direction: str = "sendrecv", codecs: tuple[str, ...] = ("PCMU",), version: int = 1) -> bytes:
    return make_offer(7, version, "198.51.100.7", 14000, codecs, direction)


def dial_in(body: bytes | None, sip: SipSettings | None = None) -> DialIn:
    record = CallRecord(
        CALL,
        DomainId("d"),
        RoomName("hello"),
        MeetingId("m"),
        Direction.DIAL_IN,
        CallState.QUEUED,
        "node",
        1,
        100.0,
        endpoint="123456789012",
        dialog=DIALOG,
    )
    facts = CallFacts(CALL, Direction.DIAL_IN, "daily", "c", "sip:ann@h", "Ann")
    invite = IncomingInvite(CALL, "123456789012", "h", "sip:ann@h", "", "c", "198.51.100.7:5060", body)
    return DialIn(invite, record, facts, sip or SipSettings("Caller"), Permissions(), WANT_PORT)


def answered(body: bytes | None = None) -> DialIn:
    call = dial_in(body or offer())
    call.begin(HERE, at(0))
    call.acknowledged(None, at(0.1))
    return call


def find(effects: list[Effect], kind: type[Effect]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, kind)]


def steps(effects: list[Effect]) -> list[CallStep]:
    return [e.event.step for e in effects if isinstance(e, Tell) and isinstance(e.event, CallEvent)]


def test_it_is_a_participant_before_it_is_told_and_answered_last():
    effects = dial_in(offer()).begin(HERE, at(0))

    kinds = [type(effect) for effect in effects]
    assert kinds == [Save, PhoneJoins, Tell, SetPhone, Answer]
    row = effects[0]
    assert isinstance(row, Save) and isinstance(row.row, CallRecord)
    assert (row.row.state, row.row.codec, row.row.media) == (CallState.ANSWERED, "PCMU", "192.0.2.1:20000")
    assert row.row.dialog == DIALOG, "a restart can say goodbye from the row alone"


def test_nothing_is_sent_before_the_ack():
    call = dial_in(offer())
    before = find(call.begin(HERE, at(0)), SetPhone)
    after = find(call.acknowledged(None, at(1)), SetPhone)

    assert [effect.media.send for effect in (*before, *after)] == [False, True]  # type: ignore[attr-defined]
    assert call.acknowledged(None, at(2)) == [], "a repeated ACK changes nothing"


@pytest.mark.parametrize(
    ("peer", "trusted"), [("198.51.100.7:5060", True), ("203.0.113.9:5060", False), ("", False), ("[::1]:5060", False)]
)
def test_after_the_ack_the_address_that_was_signalled_from_is_sent_everything_at_once(peer: str, trusted: bool):
    """A telephone that says nothing itself must not hear half; a third party must not be flooded (E11)."""
    call = dial_in(offer())
    call.record = replace(call.record, dialog=replace(DIALOG, peer=peer))
    call.begin(HERE, at(0))

    (media,) = find(call.acknowledged(None, at(1)), SetPhone)

    assert isinstance(media, SetPhone) and media.media.trusted is trusted


@pytest.mark.parametrize(
    ("peer", "reachable", "hold_fire"),
    [
        ("203.0.113.9:5060", False, True),
        ("203.0.113.9:5060", True, False),
        ("198.51.100.7:5060", False, False),
        ("", False, True),
    ],
)
def test_an_address_we_may_not_send_to_is_sent_nothing_before_the_phone_is_heard(
    peer: str, reachable: bool, hold_fire: bool
):
    """E11, D5. A phone behind a NAT names its private address: it is answered, and found by where it sends from."""
    call = dial_in(offer())
    asked: list[tuple[str, int]] = []
    call.reachable = lambda host, port: bool(asked.append((host, port))) or reachable
    call.record = replace(call.record, dialog=replace(DIALOG, peer=peer))
    effects = call.begin(HERE, at(0))

    (media,) = find(call.acknowledged(None, at(1)), SetPhone)

    assert find(effects, Answer) and isinstance(media, SetPhone)
    assert (media.media.remote, media.media.hold_fire) == (("198.51.100.7", 14000), hold_fire)
    assert media.media.signalling_host == peer.rpartition(":")[0]
    assert set(asked) <= {("198.51.100.7", 14000)}


def test_a_call_that_moves_to_an_address_we_may_not_send_to_is_not_followed_there():
    call = answered()
    call.reachable = lambda host, port: False

    effects = call.reoffered(offer(version=2), at(5))

    (media,) = find(effects, SetPhone)
    assert isinstance(media, SetPhone) and media.media.hold_fire
    assert [e.status for e in effects if isinstance(e, AnswerOffer)] == [200]


def test_without_a_port_it_rings_and_is_answered_when_there_is_one():
    call = dial_in(offer())

    ringing = call.begin(None, at(0))
    assert find(ringing, Ring) and call.next_wake() == at(RETRY).mono
    assert call.wake(at(RETRY)) == [WANT_PORT] and call.next_wake() == at(2 * RETRY).mono
    effects = call.port_found(HERE, at(2))

    assert find(effects, Answer) and call.next_wake() is None


def test_ringing_ends_after_a_while_with_a_refusal():
    call = dial_in(offer())
    call.begin(None, at(0))

    assert call.wake(at(WAIT - 0.1)) == [WANT_PORT]
    effects = call.wake(at(WAIT))

    assert find(effects, Reject) == [Reject(CALL, 480)]
    assert steps(effects) == [CallStep.ERROR] and find(effects, CallEnds)
    assert call.next_wake() is None


def test_a_caller_may_give_up_while_it_rings_but_not_after_the_answer():
    ringing = dial_in(offer())
    ringing.begin(None, at(0))

    assert find(ringing.cancelled(None, at(1)), CallEnds)
    assert ringing.record.end == EndReason(Ending.CANCELLED_REMOTE, sip_status=487)
    assert answered().cancelled(None, at(1)) == []


@pytest.mark.parametrize("body", [b"", b"nonsense", offer(codecs=("PCMU",)).replace(b" 0 101", b" 18")])
def test_an_offer_with_nothing_in_common_is_488(body: bytes):
    effects = dial_in(body).begin(HERE, at(0))

    assert find(effects, Reject) == [Reject(CALL, 488)]
    assert steps(effects) == [CallStep.ERROR] and not find(effects, PhoneJoins)


def test_video_that_the_room_wants_is_a_warning():
    body = offer() + b"m=video 14002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"

    with_video = dial_in(body, SipSettings("Caller", video=True)).begin(HERE, at(0))
    without = dial_in(body).begin(HERE, at(0))

    assert steps(with_video) == [CallStep.CONNECTED, CallStep.WARNING]
    assert steps(without) == [CallStep.CONNECTED]


def test_hold_and_resume_by_the_far_end():
    call = answered()

    held = call.reoffered(offer("sendonly", version=2), at(5))
    resumed = call.reoffered(offer("sendrecv", version=3), at(9))

    (hold,), (resume,) = find(held, PhoneChanges), find(resumed, PhoneChanges)
    assert isinstance(hold, PhoneChanges) and isinstance(resume, PhoneChanges)
    assert (hold.held_by, resume.held_by) == ({Holder.FAR_END}, frozenset())
    assert steps(held) == [CallStep.HELD] and steps(resumed) == [CallStep.RESUMED]
    (reply,) = find(held, AnswerOffer)
    assert isinstance(reply, AnswerOffer) and reply.sdp is not None and b"a=recvonly" in reply.sdp


def test_a_bad_re_invite_is_488_and_the_call_goes_on():
    call = answered()
    media = call.media

    assert call.reoffered(b"nonsense", at(5)) == [AnswerOffer(CALL, None, 488)]
    assert call.answered and call.media == media


def test_a_re_invite_without_an_offer_gets_ours():
    (reply,) = answered().reoffered(None, at(5))

    assert isinstance(reply, AnswerOffer) and reply.sdp is not None and reply.status == 200


def test_hold_by_us_is_an_offer_that_only_sends():
    call = answered()

    (held,) = call.hold(True, at(5))
    assert isinstance(held, Offer) and b"a=sendonly" in held.sdp
    assert call.hold(True, at(6)) == [], "it is already"
    sdp, _ = make_answer(held.sdp, "198.51.100.7", 14000, ["PCMU"], session_id=7, version=2)
    (changed,) = find(call.reoffer_answered(sdp, at(6)), PhoneChanges)

    assert isinstance(changed, PhoneChanges) and changed.held_by == {Holder.ROOM}
    assert call.media is not None and call.media.send and not call.media.listen


def test_each_description_of_ours_has_a_higher_version():
    """RFC 3264 §8: the version in ``o=`` rises by one with each change."""
    call = dial_in(offer())
    first = find(call.begin(HERE, at(0)), Answer)[0]
    second = find(call.reoffered(offer("sendonly", version=2), at(5)), AnswerOffer)[0]
    third = call.hold(True, at(6))[0]

    bodies = [effect.sdp for effect in (first, second, third)]  # type: ignore[attr-defined]
    versions = [int(body.split(b"o=- ")[1].split()[1]) for body in bodies]
    assert versions == [1, 2, 3]


@pytest.mark.parametrize(("status", "ends"), [(481, True), (408, True), (488, False), (500, False)])
def test_a_failed_re_invite_ends_the_call_only_when_the_dialog_is_gone(status: int, ends: bool):
    call = answered()
    call.hold(True, at(5))

    effects = call.reoffer_failed(status, at(6))

    assert bool(find(effects, Bye)) == ends and call.ended == ends


def test_an_ack_without_a_description_does_not_answer_an_offer_that_is_on_its_way():
    """A hold that was asked for before the caller's ACK came ended the call for want of a codec."""
    call = dial_in(offer())
    call.begin(HERE, at(0))
    (held,) = call.hold(True, at(1))

    call.acknowledged(None, at(1))

    assert not call.ended
    assert isinstance(held, Offer)
    sdp, _ = make_answer(held.sdp, "198.51.100.7", 14000, ["PCMU"], session_id=7, version=2)
    assert find(call.reoffer_answered(sdp, at(2)), SetPhone)


def test_taking_back_a_hold_before_it_is_answered_waits_its_turn_and_the_phone_is_heard_again():
    """The answer to the hold was read as one to the resume, and the phone was never heard again."""
    call = answered()
    (held,) = call.hold(True, at(5))
    assert call.hold(False, at(5.01)) == []
    assert isinstance(held, Offer)
    sdp, _ = make_answer(held.sdp, "198.51.100.7", 14000, ["PCMU"], session_id=7, version=2)
    (resumed,) = find(call.reoffer_answered(sdp, at(5.1)), Offer)
    assert isinstance(resumed, Offer) and b"a=sendrecv" in resumed.sdp
    sdp, _ = make_answer(resumed.sdp, "198.51.100.7", 14000, ["PCMU"], session_id=7, version=3)

    assert not find(call.reoffer_answered(sdp, at(5.2)), Offer)
    assert call.media is not None and call.media.send and call.media.listen


def test_a_hold_that_the_far_end_refused_can_be_asked_for_again():
    call = answered()
    call.hold(True, at(5))
    call.reoffer_failed(500, at(6))

    assert not call.held_by_us
    (again,) = call.hold(True, at(7))
    assert isinstance(again, Offer) and b"a=sendonly" in again.sdp


def test_a_late_offer_is_ours_and_its_answer_comes_in_the_ack():
    call = dial_in(None)
    (answer,) = find(call.begin(HERE, at(0)), Answer)
    assert isinstance(answer, Answer)
    sdp, agreed = make_answer(answer.sdp, "198.51.100.7", 14000, ["PCMA"], session_id=7, version=1)
    assert agreed.codec.name == "PCMA"

    effects = call.acknowledged(sdp, at(1))

    (media,) = find(effects, SetPhone)
    assert isinstance(media, SetPhone) and media.media.codec.name == "PCMA" and media.media.send


@pytest.mark.parametrize("sdp", [None, b"nonsense"])
def test_an_ack_without_the_answer_it_owes_ends_the_call(sdp: bytes | None):
    call = dial_in(None)
    call.begin(HERE, at(0))

    assert find(call.acknowledged(sdp, at(1)), Bye)


def test_an_ended_call_absorbs_everything():
    call = answered()
    call.remote_ended("bye", "", 16, at(5))

    assert call.record.end is not None and call.record.end.q850 == 16
    for effects in (
        call.remote_ended("bye", "", None, at(6)),
        call.hang_up(EndReason(Ending.HANGUP_LOCAL), at(6)),
        call.reoffered(offer(version=2), at(6)),
        call.acknowledged(None, at(6)),
        call.digit("1", "sip-info", 0, at(6)),
        call.silent(at(6)),
        call.hold(True, at(6)),
        call.dialog_changed(replace(DIALOG, remote_tag="x"), at(6)),
        call.wake(at(60)),
    ):
        assert effects == []


def test_left_comes_before_stopped():
    kinds = [type(effect) for effect in answered().remote_ended("bye", "", None, at(5))]

    assert kinds == [Save, CallEnds, Tell]


def test_the_answer_is_one_the_caller_can_read():
    body = offer(codecs=("OPUS", "PCMU"))
    (answer,) = find(dial_in(body).begin(HERE, at(0)), Answer)

    assert isinstance(answer, Answer)
    agreed = read_answer(body, answer.sdp)
    assert agreed.codec.name == "OPUS" and agreed.remote == HERE


IPV6_OFFER = make_offer(7, 1, "2001:db8::7", 14000, ("PCMU",))


def address_in(effects: list[Effect], kind: type[Effect]) -> str:
    (said,) = find(effects, kind)
    assert isinstance(said, Answer | AnswerOffer | Offer) and said.sdp is not None
    return heard_at(said.sdp)


def test_a_far_end_is_told_an_address_of_the_ip_version_it_wants_its_sound_at():
    call = dial_in(IPV6_OFFER)
    call.host_towards = lambda peer: "2001:db8::1" if ":" in peer else "192.0.2.9"

    assert address_in(call.begin(HERE, at(0)), Answer) == "2001:db8::1"
    call.acknowledged(None, at(1))
    assert address_in(call.hold(True, at(2)), Offer) == "2001:db8::1", "what we offer later follows"
    call.reoffer_failed(491, at(2))
    assert address_in(call.reoffered(offer(version=2), at(3)), AnswerOffer) == HERE[0]
    assert address_in(call.reoffered(make_offer(7, 3, "0.0.0.0", 14000, ("PCMU",)), at(4)), AnswerOffer) == HERE[0]


def test_where_one_ip_version_is_spoken_a_far_end_of_the_other_is_told_what_there_is():
    assert address_in(dial_in(IPV6_OFFER).begin(HERE, at(0)), Answer) == HERE[0]
