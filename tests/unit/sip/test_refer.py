"""Transfers: REFER both ways and what is told of them (RFC 3515, RFC 3892, RFC 4488, RFC 6665)."""

import pytest

from ringback.calls.ports.carrier import Refer, Replaces
from ringback.model.ids import CallId
from ringback.sip.message import Request
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Station
from unit.sip.puppet import OFFER, Puppet
from unit.sip.test_call import HELD, HOLD
from unit.sip.test_inbound import ANN, call_ann, hang_up
from unit.sip.test_outbound import call_up

# ── theirs ──


async def refer(puppet: Puppet, clock: VirtualClock, tag: str, refer_to: str, cseq: int = 2, **rows: str) -> int:
    more = [(name.replace("_", "-"), value) for name, value in rows.items()]
    puppet.request("REFER", ANN, to_tag=tag, cseq=cseq, rows=[("Refer-To", refer_to), *more])
    await clock.run_for(0.1)
    return puppet.last_response().status


async def told(puppet: Puppet, clock: VirtualClock, status: int = 200) -> tuple[str | None, str | None, bytes]:
    """Answer the last NOTIFY; its event, state and body."""
    notify = puppet.last_request("NOTIFY")
    puppet.answer(notify, status, ANN)
    await clock.run_for(0.1)
    return notify.headers.get("event"), notify.headers.get("subscription-state"), notify.body


async def test_a_refer_is_told_accepted_and_its_call_reported_to_the_end(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """RFC 3515 §2.4.4–5: 202, a NOTIFY at once, one at the end; RFC 3892: on whose word."""
    tag = await call_ann(ann, puppet, clock)
    call = ann.last("incoming").call
    to = "<sip:carol@203.0.113.9;method=INVITE?X-Team=r%C3%A9d%0d%0aEvil:1&Route=%3Csip:a%3E&Body=x>"
    await refer(puppet, clock, tag, to, Referred_By="<sip:bob@phones.example>;cid=1")

    told_call, event = ann.last("referred")
    assert told_call == call
    assert event == Refer(
        event.id, "sip:carol@203.0.113.9", "sip:bob@phones.example", None, (("X-Team", "rédEvil:1"),), False
    )
    assert puppet.statuses()[-1] == 200, "the REFER is not answered before somebody has decided"
    ann.telephony.accept_refer(call, event.id)
    await clock.run_for(0.1)
    assert 202 in puppet.statuses()
    assert await told(puppet, clock) == ("refer;id=2", "active;expires=180", b"SIP/2.0 100 Trying\r\n")
    ann.telephony.notify_refer(call, event.id, 180)
    await clock.run_for(0.1)
    assert (await told(puppet, clock))[2] == b"SIP/2.0 180 Ringing\r\n"
    ann.telephony.notify_refer(call, event.id, 486, "Busy\r\nHere")
    await clock.run_for(0.1)
    assert await told(puppet, clock) == ("refer;id=2", "terminated;reason=noresource", b"SIP/2.0 486 BusyHere\r\n")

    ann.telephony.notify_refer(call, event.id, 200)
    await clock.run_for(0.1)
    assert len(puppet.got("NOTIFY")) == 3, "the last word has been said"
    await hang_up(puppet, clock, tag)


async def test_notifies_go_out_one_after_the_other(ann: Station, puppet: Puppet, clock: VirtualClock):
    tag = await call_ann(ann, puppet, clock)
    call = ann.last("incoming").call
    await refer(puppet, clock, tag, "<sip:carol@203.0.113.9>")
    id = ann.last("referred")[1].id
    ann.telephony.accept_refer(call, id)
    for status in (180, 200):
        ann.telephony.notify_refer(call, id, status)
    await clock.run_for(0.1)
    assert len(puppet.got("NOTIFY")) == 1

    bodies = [(await told(puppet, clock))[2] for _ in range(3)]

    assert [body.split()[1] for body in bodies] == [b"100", b"180", b"200"]
    await hang_up(puppet, clock, tag)


async def test_a_refer_that_nobody_decides_on_is_declined(ann: Station, puppet: Puppet, clock: VirtualClock):
    """D10: nothing is dialled because a phone says so."""
    tag = await call_ann(ann, puppet, clock)
    await refer(puppet, clock, tag, "<sip:carol@203.0.113.9>")
    await clock.run_for(17.0)
    assert puppet.last_response().status == 603
    await hang_up(puppet, clock, tag)


async def test_a_refer_may_be_refused_and_the_call_goes_on(ann: Station, puppet: Puppet, clock: VirtualClock):
    tag = await call_ann(ann, puppet, clock)
    call = ann.last("incoming").call
    await refer(puppet, clock, tag, "<sip:carol@203.0.113.9>")
    ann.telephony.refuse_refer(call, ann.last("referred")[1].id, 403)
    await clock.run_for(0.1)
    assert puppet.last_response().status == 403
    assert "ended" not in ann.names() and puppet.got("NOTIFY") == []
    await hang_up(puppet, clock, tag)


@pytest.mark.parametrize(
    ("refer_to", "status"),
    [
        ("", 400),
        ("<sip:a@203.0.113.9>, <sip:b@203.0.113.9>", 400),
        ("<http://203.0.113.9/>", 416),
        ("<sip:a@203.0.113.9;method=BYE>", 501),
        ("<sip:a@203.0.113.9?Replaces=x>", 400),
        ('"unclosed <sip:a@203.0.113.9>', 400),
    ],
)
async def test_refers_nobody_could_follow_are_refused(
    ann: Station, puppet: Puppet, clock: VirtualClock, refer_to: str, status: int
):
    tag = await call_ann(ann, puppet, clock)
    assert await refer(puppet, clock, tag, refer_to) == status
    assert "referred" not in ann.names()
    await hang_up(puppet, clock, tag)


async def test_without_a_wish_to_be_told_no_notify_is_sent(ann: Station, puppet: Puppet, clock: VirtualClock):
    """RFC 4488 §4."""
    tag = await call_ann(ann, puppet, clock)
    call = ann.last("incoming").call
    await refer(puppet, clock, tag, "<sip:carol@203.0.113.9>", Refer_Sub="false", Require="norefersub")
    event = ann.last("referred")[1]
    assert event.quiet
    ann.telephony.accept_refer(call, event.id)
    ann.telephony.notify_refer(call, event.id, 200)
    await clock.run_for(0.1)

    accepted = puppet.last_response()
    assert (accepted.status, accepted.headers.get("refer-sub")) == (202, "false")
    assert puppet.got("NOTIFY") == []
    await hang_up(puppet, clock, tag)


async def test_only_so_many_refers_are_open_in_a_call(ann: Station, puppet: Puppet, clock: VirtualClock):
    tag = await call_ann(ann, puppet, clock)
    for cseq in range(2, 7):
        await refer(puppet, clock, tag, "<sip:carol@203.0.113.9>", cseq)
    assert puppet.last_response().status == 491 and len(ann.all("referred")) == 4
    await hang_up(puppet, clock, tag)
    assert puppet.statuses().count(481) == 4, "the call is over before anybody has decided"


async def test_an_attended_transfer_names_our_own_other_call(ann: Station, puppet: Puppet, clock: VirtualClock):
    """RFC 3891: a phone with two calls to us connects them."""
    tag = await call_ann(ann, puppet, clock)
    first = ann.last("incoming").call
    puppet.request("INVITE", ANN, body=OFFER, call_id="second", from_tag="other")
    await clock.run_for(0.1)
    second = ann.last("incoming").call
    ann.telephony.answer(second, OFFER)
    await clock.run_for(0.1)
    theirs = puppet.last_response().to.tag
    puppet.request("ACK", ANN, call_id="second", from_tag="other", to_tag=theirs)

    await refer(puppet, clock, tag, f"<sip:x@{ANN}?Replaces=second%3Bto-tag%3D{theirs}%3Bfrom-tag%3Dother>")

    call, event = ann.last("referred")
    assert call == first
    assert event.replaces == Replaces("second", theirs, "other", False, second)
    ann.telephony.refuse_refer(call, event.id)
    puppet.request("BYE", ANN, call_id="second", from_tag="other", to_tag=theirs, cseq=2)
    await hang_up(puppet, clock, tag)


async def test_a_far_end_that_refuses_a_notify_is_told_no_more(ann: Station, puppet: Puppet, clock: VirtualClock):
    """RFC 6665 §4.2.2."""
    tag = await call_ann(ann, puppet, clock)
    call = ann.last("incoming").call
    await refer(puppet, clock, tag, "<sip:carol@203.0.113.9>")
    id = ann.last("referred")[1].id
    ann.telephony.accept_refer(call, id)
    await clock.run_for(0.1)
    await told(puppet, clock, 481)
    ann.telephony.notify_refer(call, id, 200)
    await clock.run_for(0.1)
    assert len(puppet.got("NOTIFY")) == 1 and "ended" not in ann.names()
    await hang_up(puppet, clock, tag)


# ── ours ──


async def transfer(ann: Station, puppet: Puppet, clock: VirtualClock, **more: object) -> tuple[CallId, Request]:
    call = await call_up(ann, puppet, clock)
    ann.telephony.refer(call, "sip:carol@203.0.113.9", **more)  # type: ignore[arg-type]
    await clock.run_for(0.1)
    return call, puppet.last_request("REFER")


async def notify(
    puppet: Puppet, clock: VirtualClock, sent: Request, cseq: int, body: bytes, *rows: tuple[str, str]
) -> int:
    puppet.request("NOTIFY", ANN, call_id=sent.call_id, to_tag=sent.from_.tag, cseq=cseq, body=body, rows=list(rows))
    await clock.run_for(0.1)
    return puppet.last_response().status


async def goodbye(ann: Station, puppet: Puppet, clock: VirtualClock, call: CallId) -> None:
    ann.telephony.bye(call)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("BYE"), 200, ANN)
    await clock.run_for(0.1)


async def test_our_refer_is_accepted_and_followed_to_its_end(ann: Station, puppet: Puppet, clock: VirtualClock):
    """RFC 3515 §2.4; a hold by re-INVITE between 202 and NOTIFY is served, as linphone does it."""
    call, sent = await transfer(ann, puppet, clock, referred_by="sip:room@ringback.example")
    assert sent.headers.get("refer-to") == "<sip:carol@203.0.113.9>"
    assert sent.headers.get("referred-by") == "<sip:room@ringback.example>"
    puppet.answer(sent, 202, ANN)
    await clock.run_for(0.1)
    assert ann.last("refer_progress") == (call, 202, "Accepted", False, False)

    puppet.request("INVITE", ANN, call_id=sent.call_id, to_tag=sent.from_.tag, cseq=1, body=HOLD)
    await clock.run_for(0.1)
    assert ann.last("reoffered") == (call, HOLD)
    ann.telephony.answer_offer(call, HELD)
    await clock.run_for(0.1)
    puppet.request("ACK", ANN, call_id=sent.call_id, to_tag=sent.from_.tag, cseq=1)

    typed = ("Content-Type", "message/sipfrag;version=2.0")
    event = ("Event", f"refer;id={sent.cseq.number}")
    active, ended = ("Subscription-State", "active;expires=60"), ("Subscription-State", "terminated;reason=noresource")
    assert await notify(puppet, clock, sent, 2, b"SIP/2.0 180 Ringing\r\n", typed, event, active) == 200
    assert ann.last("refer_progress") == (call, 180, "Ringing", False, True)
    assert await notify(puppet, clock, sent, 3, b"SIP/2.0 200 OK\r\n", typed, event, ended) == 200
    assert ann.last("refer_progress") == (call, 200, "OK", True, True)
    assert await notify(puppet, clock, sent, 4, b"SIP/2.0 200 OK\r\n", typed, event, ended) == 481
    await goodbye(ann, puppet, clock, call)


@pytest.mark.parametrize(
    ("body", "rows", "wanted"),
    [
        (b"SIP/2.0 200 OK", [("Content-Type", "Message/SipFrag")], (200, "OK", True, True)),
        (b"\nsip/2.0 603 Decline\n", [("Event", "Refer")], (603, "Decline", True, True)),
        (b"SIP/2.0 200 OK\r\nServer: x\r\n", [("Event", "refer;id=2")], (200, "OK", True, True)),
        (b"", [("Subscription-State", "terminated;reason=reason=noresource")], (480, "", True, True)),
        (b"", [("Subscription-State", "terminated;reason=rejected")], (603, "", True, True)),
        (b"SIP/2.0 100 Trying", [("Subscription-State", "Terminated ; reason=timeout")], (408, "", True, True)),
        (b"\xff\x00 nothing to read", [], (100, "", False, True)),
        (b"SIP/2.0 100", [("Subscription-State", "active;expires=never")], (100, "", False, True)),
    ],
)
async def test_notifies_are_read_leniently(
    ann: Station,
    puppet: Puppet,
    clock: VirtualClock,
    body: bytes,
    rows: list[tuple[str, str]],
    wanted: tuple[int, str, bool, bool],
):
    """Phones leave out the Event's id or the whole header, write types in capitals, and doubt CRLF."""
    call, sent = await transfer(ann, puppet, clock)
    puppet.answer(sent, 202, ANN)
    await clock.run_for(0.1)

    assert await notify(puppet, clock, sent, 1, body, *rows) == 200

    status, reason, final, notified = ann.last("refer_progress")[1:]
    assert (status, final, notified) == (wanted[0], *wanted[2:])
    assert reason == wanted[1] or not wanted[1]
    await goodbye(ann, puppet, clock, call)


@pytest.mark.parametrize("event", ["refer;id=99", "refer;id=" + "9" * 5000, "message-summary"])
async def test_notifies_of_something_else_are_refused(ann: Station, puppet: Puppet, clock: VirtualClock, event: str):
    """B6, F9: a number that is too long to be one is no bug."""
    call, sent = await transfer(ann, puppet, clock)
    puppet.answer(sent, 202, ANN)
    await clock.run_for(0.1)
    status = await notify(puppet, clock, sent, 1, b"SIP/2.0 200 OK", ("Event", event))
    assert status == (481 if "refer" in event else 489)
    assert len(ann.all("refer_progress")) == 1
    await goodbye(ann, puppet, clock, call)


async def test_a_far_end_that_tells_nothing_is_waited_for_32_seconds(ann: Station, puppet: Puppet, clock: VirtualClock):
    call, sent = await transfer(ann, puppet, clock)
    puppet.answer(sent, 202, ANN)
    await clock.run_for(31.9)
    assert len(ann.all("refer_progress")) == 1
    await clock.run_for(0.3)

    assert ann.last("refer_progress")[1:] == (408, "the far end does not tell how its call goes", True, False)
    assert "ended" not in ann.names(), "the call itself lives"
    await goodbye(ann, puppet, clock, call)


@pytest.mark.parametrize("status", [403, 405, 501, 603])
async def test_a_refused_refer_is_final_and_the_call_goes_on(
    ann: Station, puppet: Puppet, clock: VirtualClock, status: int
):
    call, sent = await transfer(ann, puppet, clock)
    puppet.answer(sent, status, ANN)
    await clock.run_for(0.1)
    assert ann.last("refer_progress")[1] == status and ann.last("refer_progress")[3:] == (True, False)
    assert "ended" not in ann.names()
    await goodbye(ann, puppet, clock, call)


async def test_a_second_transfer_waits_for_the_end_of_the_first(ann: Station, puppet: Puppet, clock: VirtualClock):
    call, sent = await transfer(ann, puppet, clock)
    ann.telephony.refer(call, "sip:dave@203.0.113.9")
    await clock.run_for(0.1)
    assert ann.last("refer_progress")[1] == 491 and len(puppet.got("REFER")) == 1
    puppet.answer(sent, 603, ANN)
    await clock.run_for(0.1)
    await goodbye(ann, puppet, clock, call)


async def test_a_far_end_that_wants_to_tell_nothing_has_said_all_with_its_202(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """RFC 4488 §4."""
    call, sent = await transfer(ann, puppet, clock)
    puppet.answer(sent, 202, ANN, rows=[("Refer-Sub", "false")])
    await clock.run_for(40.0)
    assert ann.all("refer_progress") == [(call, 202, "Accepted", True, False)]
    await goodbye(ann, puppet, clock, call)


async def test_a_bye_after_the_202_ends_the_call_and_the_waiting(ann: Station, puppet: Puppet, clock: VirtualClock):
    call, sent = await transfer(ann, puppet, clock)
    puppet.answer(sent, 202, ANN)
    puppet.request("BYE", ANN, call_id=sent.call_id, to_tag=sent.from_.tag, cseq=1)
    await clock.run_for(40.0)
    assert ann.last("ended")[:2] == (call, "bye")
    assert [event[1] for event in ann.all("refer_progress")] == [202]


async def test_an_attended_transfer_of_ours_names_the_other_call_as_its_far_end_sees_it(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """RFC 3891 §6.1: to-tag is the tag of whoever will get the INVITE."""
    other = await call_up(ann, puppet, clock)
    invite = puppet.last_request("INVITE")
    call, sent = await transfer(ann, puppet, clock, replaces=other)

    wanted = f"Replaces={invite.call_id}%3Bto-tag%3Dpuppet%3Bfrom-tag%3D{invite.from_.tag}"
    assert sent.headers.get("refer-to") == f"<sip:carol@203.0.113.9?{wanted}>"
    puppet.answer(sent, 603, ANN)
    await clock.run_for(0.1)
    for ending in (call, other):
        await goodbye(ann, puppet, clock, ending)


async def test_a_notify_may_overtake_the_202(ann: Station, puppet: Puppet, clock: VirtualClock):
    """RFC 6665 §4.4.1."""
    call, sent = await transfer(ann, puppet, clock)
    assert await notify(puppet, clock, sent, 1, b"SIP/2.0 100 Trying", ("Event", "refer")) == 200
    puppet.answer(sent, 202, ANN)
    await clock.run_for(0.1)
    assert [event[1] for event in ann.all("refer_progress")] == [202, 100]
    assert await notify(puppet, clock, sent, 2, b"SIP/2.0 200 OK", ("Event", "refer")) == 200
    assert ann.last("refer_progress")[1:] == (200, "OK", True, True)
    await goodbye(ann, puppet, clock, call)


async def test_what_cannot_be_called_is_not_sent(ann: Station, puppet: Puppet, clock: VirtualClock):
    call = await call_up(ann, puppet, clock)
    ann.telephony.refer(call, "carol at home\r\nX: y")
    await clock.run_for(0.1)
    assert ann.last("refer_progress")[1] == 400 and puppet.got("REFER") == []
    await goodbye(ann, puppet, clock, call)


async def test_a_far_end_that_never_answers_a_refer_keeps_its_call(ann: Station, puppet: Puppet, clock: VirtualClock):
    call, _ = await transfer(ann, puppet, clock)
    await clock.run_for(33.0)
    assert ann.all("refer_progress") == [(call, 408, "no answer to REFER", True, False)]
    assert "ended" not in ann.names()
    await goodbye(ann, puppet, clock, call)
