"""Calls whose sound is to be protected: who is refused, who is hung up on, and that no call falls back to the clear."""

from dataclasses import replace

import pytest

from ringback.calls.call import CLEAR_WARNING, Call
from ringback.calls.effects import Answer, AnswerOffer, Bye, Reject
from ringback.calls.ports.routes import Attempt
from ringback.calls.ports.streams import PhoneDtls
from ringback.calls.protection import ProtectionRules
from ringback.meetings.effects import Effect, SetPhone, Tell
from ringback.model.end_reason import Ending
from ringback.model.events import CallEvent, CallStep
from ringback.sdp.crypto import Protection
from ringback.sdp.negotiation import make_answer, make_offer, read_answer
from unit.calls import test_dialout
from unit.calls.test_dialin import DIALOG, HERE, at, dial_in, find, offer

REQUIRED = Protection("required", b"r" * 32)
OPTIONAL = Protection("optional", b"o" * 32)
THEIRS = Protection("required", b"t" * 32)


def protected(policy: str = "required", version: int = 1, direction: str = "sendrecv") -> bytes:
    theirs = Protection(policy, b"t" * 32)
    return make_offer(7, version, "198.51.100.7", 14000, ("PCMU",), direction, protection=theirs)


def media(effects: list[Effect]) -> SetPhone:
    (phone,) = find(effects, SetPhone)
    assert isinstance(phone, SetPhone)
    return phone


def end_of(call: Call) -> Ending | None:
    return call.record.end.ending if call.record.end else None


@pytest.mark.parametrize("policy", ["optional", "required"])
def test_a_protected_offer_is_answered_with_keys(policy: str):
    call = dial_in(protected(policy))
    call.protection = OPTIONAL

    effects = call.begin(HERE, at(0))

    (answer,) = find(effects, Answer)
    assert isinstance(answer, Answer)
    theirs = read_answer(protected(policy), answer.sdp, Protection(policy, b"t" * 32)).keys
    ours = media(effects).media.crypto
    assert theirs is not None and ours is not None
    assert (theirs.send_key, theirs.receive_key) == (ours.receive_key, ours.send_key)


@pytest.mark.parametrize(("body", "ours"), [(offer(), REQUIRED), (protected(), Protection())])
def test_a_caller_without_what_is_demanded_is_refused(body: bytes, ours: Protection):
    """E10: 488, and the operator reads why."""
    call = dial_in(body)
    call.protection = ours

    (refusal,) = find(call.begin(HERE, at(0)), Reject)

    assert isinstance(refusal, Reject) and refusal.status == 488
    assert end_of(call) is Ending.NOT_PROTECTED


@pytest.mark.parametrize(
    ("transport", "body", "ours", "warned"),
    [
        ("tls", offer(), OPTIONAL, True),
        ("wss", offer(), OPTIONAL, True),
        ("tls", protected("optional"), OPTIONAL, False),
        ("tls", offer(), Protection(), False),
        ("udp", offer(), OPTIONAL, False),
    ],
)
def test_sound_in_the_clear_beside_encrypted_signalling_is_never_silent_about_it(
    transport: str, body: bytes, ours: Protection, warned: bool
):
    """E10: whoever looks at the call reads that its sound can be heard on the way; it is told once."""
    call = dial_in(body)
    call.protection = ours
    call.record = replace(call.record, dialog=replace(DIALOG, transport=transport))

    effects = [*call.begin(HERE, at(0)), *call.acknowledged(None, at(1)), *call.reoffered(body, at(2))]

    told = [each.event for each in effects if isinstance(each, Tell) and isinstance(each.event, CallEvent)]
    assert [one.message for one in told if one.step is CallStep.WARNING] == [CLEAR_WARNING] * warned


def test_a_late_answer_without_keys_ends_the_call():
    call = dial_in(None)
    call.protection = REQUIRED
    (answer,) = find(call.begin(HERE, at(0)), Answer)
    assert isinstance(answer, Answer) and b"RTP/SAVP" in answer.sdp
    clear = answer.sdp.replace(b"a=crypto", b"a=nothing")
    theirs, _ = make_answer(clear.replace(b"SAVP", b"AVP"), "198.51.100.7", 14000, ("PCMU",), session_id=7, version=1)

    assert find(call.acknowledged(theirs, at(0.1)), Bye)
    assert end_of(call) is Ending.NOT_PROTECTED


def test_what_was_protected_once_is_never_clear_again():
    """E10: a re-INVITE in the clear gets 488, even where protection is optional, and the call goes on."""
    call = dial_in(protected("optional"))
    call.protection = OPTIONAL
    call.begin(HERE, at(0))
    call.acknowledged(None, at(0.1))

    refused = call.reoffered(offer(version=2), at(1))

    assert refused == [AnswerOffer(call.id, None, 488)]
    assert call.media is not None and call.media.crypto is not None and not call.ended


def test_a_hold_keeps_the_keys():
    """RFC 4568 §7.1.4: with them, what has been counted of either stream."""
    call = dial_in(protected())
    call.protection = REQUIRED
    before = media(call.begin(HERE, at(0))).media.crypto
    call.acknowledged(None, at(0.1))

    held = media(call.reoffered(protected(version=2, direction="sendonly"), at(1))).media

    assert held.crypto == before


OURS = "sha-256 " + ":".join(["0A"] * 32)
BY_DTLS = Protection("optional", b"o" * 32, False, "sdes", OURS)
BROWSER = Protection("required", b"t" * 32, True, "dtls", "sha-256 " + ":".join(["0B"] * 32))


def browser_phone(version: int = 1) -> bytes:
    """An offer with DTLS and ICE, over any transport."""
    body = make_offer(7, version, "198.51.100.7", 14000, ("PCMU",), protection=BROWSER)
    return body + b"a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"


def test_keys_agreed_on_beside_the_sound_stay_over_later_offers_of_both_sides():
    """RFC 5763 §6.6: the same certificates and roles are the same association; ICE goes on with it."""
    call = dial_in(browser_phone())
    call.protection = BY_DTLS
    first = media(call.begin(HERE, at(0))).media
    call.acknowledged(None, at(0.1))

    again = media(call.reoffered(browser_phone(2), at(1))).media
    (asked,) = find(call.reoffered(None, at(2)), AnswerOffer)

    assert isinstance(first.crypto, PhoneDtls) and first.ice is not None and first.rtcp_port == 14000
    assert (again.crypto, again.ice) == (first.crypto, first.ice)
    assert isinstance(asked, AnswerOffer) and asked.sdp is not None
    assert b"UDP/TLS/RTP/SAVP " in asked.sdp and b"a=setup:actpass" in asked.sdp and b"a=crypto" not in asked.sdp
    assert f"a=ice-ufrag:{first.ice.ufrag}".encode() in asked.sdp


def test_what_dtls_protected_once_is_never_clear_again():
    """E10."""
    call = dial_in(browser_phone())
    call.protection = BY_DTLS
    call.begin(HERE, at(0))
    call.acknowledged(None, at(0.1))

    assert call.reoffered(offer(version=2), at(1)) == [AnswerOffer(call.id, None, 488)]


def test_a_far_end_with_another_certificate_is_hung_up_on():
    """E7."""
    call = dial_in(browser_phone())
    call.protection = BY_DTLS
    call.begin(HERE, at(0))
    call.acknowledged(None, at(0.1))

    assert find(call.unprotected(at(1)), Bye)
    assert end_of(call) is Ending.NOT_PROTECTED


def test_each_way_out_is_offered_as_its_trunk_says_and_read_that_way():
    second = Attempt("sip:+1@b", "second", srtp="required", media_networks=("203.0.113.0/24",))
    ways = (Attempt("sip:+1@a", "first", srtp="off"), second)
    rig = test_dialout.Rig(attempts=ways, protection=ProtectionRules("off").of_call("udp"))

    offers = [attempt.offer for attempt in rig.invite.attempts]
    assert [b"RTP/SAVP" in sdp for sdp in offers] == [False, True]
    assert b"crypto" not in offers[0]
    rig.call.routed(1, "second", at(1))
    sdp, _ = make_answer(offers[1], "198.51.100.7", 14000, ("PCMU",), session_id=7, version=1, protection=THEIRS)

    phone = media(rig.call.far_end_answered(sdp, at(2))).media

    assert phone.crypto is not None and phone.networks == ("203.0.113.0/24",)


def test_an_answer_in_the_clear_to_a_demand_is_hung_up():
    rig = test_dialout.Rig(protection=REQUIRED)
    clear = rig.invite.offer.replace(b"RTP/SAVP", b"RTP/AVP")
    sdp, _ = make_answer(clear, "198.51.100.7", 14000, ("PCMU",), session_id=7, version=1)

    assert find(rig.call.far_end_answered(sdp, at(1)), Bye)
    assert end_of(rig.call) is Ending.NOT_PROTECTED


def test_keys_are_told_only_where_nobody_reads_along():
    """RFC 4568 §7.2: over TLS; over UDP and TCP only if the operator says so, or the trunk does."""
    rules = ProtectionRules("optional")

    assert rules.of_call("tls").wanted and rules.of_call("wss").wanted
    assert not rules.of_call("udp").wanted and not rules.of_call("ws").wanted
    assert ProtectionRules("optional", without_tls=True).of_call("udp").wanted
    assert rules.of_call("udp", trunk="required").wanted
    assert not rules.of_call("tls", trunk="off").wanted
    strict = ProtectionRules("required")
    assert strict.forbids("udp") and not strict.forbids("tls")
    call = dial_in(protected())
    call.protection = strict.of_call("udp")
    assert find(call.begin(HERE, at(0)), Reject)


def test_every_call_has_keys_of_its_own():
    rules = ProtectionRules("required")

    assert rules.of_call("tls").secret != rules.of_call("tls").secret
