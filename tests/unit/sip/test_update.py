"""UPDATE from the far end (RFC 3311): before and after the answer, with an offer and without, and crossing ours."""

from ringback.sip.message import Response
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Station
from unit.sip.puppet import OFFER, Puppet
from unit.sip.test_call import HELD, HOLD
from unit.sip.test_inbound import ANN, call_ann, hang_up, ring_ann
from unit.sip.test_outbound import TARGET, call_up


async def update(puppet: Puppet, clock: VirtualClock, tag: str, cseq: int, body: bytes = b"", **more: str) -> Response:
    """Send UPDATE; the last response after it."""
    puppet.request("UPDATE", ANN, to_tag=tag, cseq=cseq, body=body, **more)  # type: ignore[arg-type]
    await clock.run_for(0.1)
    return puppet.last_response()


async def test_an_offer_in_update_is_told_and_its_200_brings_the_answer(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """§5.2: no ACK follows, and nothing is repeated."""
    tag = await call_ann(ann, puppet, clock)
    call = ann.last("incoming").call
    await update(puppet, clock, tag, 2, HOLD)
    assert ann.last("reoffered") == (call, HOLD)

    ann.telephony.answer_offer(call, HELD)
    await clock.run_for(5.0)

    ok = puppet.last_response()
    assert (ok.status, ok.body, ok.cseq.method) == (200, HELD, "UPDATE")
    assert "UPDATE" in (ok.headers.get("allow") or "") and ok.contacts
    assert len(puppet.got(200)) == 2, "one for INVITE, one for UPDATE"
    await hang_up(puppet, clock, tag)


async def test_an_offer_in_update_may_be_refused_and_the_call_goes_on(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    tag = await call_ann(ann, puppet, clock)
    await update(puppet, clock, tag, 2, HOLD)
    ann.telephony.answer_offer(ann.last("incoming").call, None, 488)
    await clock.run_for(0.1)
    assert puppet.last_response().status == 488
    assert (await update(puppet, clock, tag, 3)).status == 200
    await hang_up(puppet, clock, tag)


async def test_update_without_an_offer_moves_the_target_and_tells_nobody(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    tag = await call_ann(ann, puppet, clock)
    puppet.port = 5099
    puppet.request("UPDATE", ANN, to_tag=tag, cseq=2)
    puppet.port = 5060
    await clock.run_for(0.1)

    assert puppet.last_response().status == 200
    assert ann.last("dialog_changed")[1].remote_target == "sip:puppet@10.0.0.9:5099"
    assert "reoffered" not in ann.names()
    await hang_up(puppet, clock, tag)


async def test_the_same_offer_again_in_update_gets_the_same_answer(ann: Station, puppet: Puppet, clock: VirtualClock):
    tag = await call_ann(ann, puppet, clock)

    ok = await update(puppet, clock, tag, 2, OFFER)

    assert (ok.status, ok.body) == (200, OFFER)
    assert "reoffered" not in ann.names()
    await hang_up(puppet, clock, tag)


async def test_update_that_crosses_an_offer_is_refused(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§5.2; E15: 491 while ours is open, 500 with Retry-After while theirs is."""
    tag = await call_ann(ann, puppet, clock)
    call = ann.last("incoming").call
    ann.telephony.offer(call, HOLD)
    await clock.run_for(0.1)
    assert (await update(puppet, clock, tag, 2, HOLD)).status == 491
    puppet.answer(puppet.last_request("INVITE"), 200, ANN, body=HELD)
    await clock.run_for(0.1)

    puppet.request("INVITE", ANN, to_tag=tag, cseq=3, body=HOLD)
    await clock.run_for(0.1)
    late = await update(puppet, clock, tag, 4, HELD)
    assert (late.status, "retry-after" in late.headers) == (500, True)
    ann.telephony.answer_offer(call, None, 488)
    await clock.run_for(0.1)
    puppet.request("ACK", ANN, to_tag=tag, cseq=3)
    await hang_up(puppet, clock, tag)


async def test_a_callers_update_before_our_answer(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§5.1: a refresh of the target is fine; an offer has to wait until the INVITE's is answered."""
    await ring_ann(puppet, clock)
    call = ann.last("incoming").call
    ann.telephony.ring(call)
    await clock.run_for(0.1)
    tag = puppet.last_response().to.tag

    assert (await update(puppet, clock, tag, 2)).status == 200
    assert (await update(puppet, clock, tag, 3, HOLD)).status == 500
    ann.telephony.answer(call, OFFER)
    await clock.run_for(0.1)
    puppet.request("ACK", ANN, to_tag=tag)
    await hang_up(puppet, clock, tag)
    assert ann.names() == ["incoming", "acknowledged", "ended"]


async def test_a_callees_update_before_its_answer(ann: Station, puppet: Puppet, clock: VirtualClock):
    """Our offer is open until then: 491. The dialog's numbers go on after the answer."""
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    puppet.answer(invite, 180, ANN)
    await clock.run_for(0.1)
    same = {"call_id": invite.call_id}

    assert (await update(puppet, clock, invite.from_.tag, 5, **same)).status == 200
    assert (await update(puppet, clock, invite.from_.tag, 6, HOLD, **same)).status == 491
    assert (await update(puppet, clock, "nobody", 7, **same)).status == 481

    puppet.answer(invite, 200, ANN, body=OFFER)
    await clock.run_for(0.1)
    assert (await update(puppet, clock, invite.from_.tag, 6, **same)).status == 500
    assert (await update(puppet, clock, invite.from_.tag, 8, **same)).status == 200
    assert ann.names() == ["progress", "answered"]
    puppet.request("BYE", ANN, to_tag=invite.from_.tag, cseq=9, **same)
    await clock.run_for(0.1)
    assert ann.last("ended")[0] == call


async def test_each_telephone_that_rings_may_send_update(ann: Station, puppet: Puppet, clock: VirtualClock):
    """RFC 3311 §5.2; RFC 3261 §12.1.2: an early dialog for each."""
    ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    for tag in ("one", "two"):
        puppet.answer(invite, 180, ANN, tag=tag)
    await clock.run_for(0.1)

    statuses = [
        (await update(puppet, clock, invite.from_.tag, 5, call_id=invite.call_id, from_tag=tag)).status
        for tag in ("one", "two", "three")
    ]

    assert statuses == [200, 200, 481]
    puppet.answer(invite, 486, ANN, tag="two")
    await clock.run_for(0.1)


async def test_update_after_the_end_finds_no_dialog(ann: Station, puppet: Puppet, clock: VirtualClock):
    call = await call_up(ann, puppet, clock)
    invite = puppet.last_request("INVITE")
    ann.telephony.bye(call)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("BYE"), 200, ANN)
    await clock.run_for(0.1)

    assert (await update(puppet, clock, invite.from_.tag, 5, call_id=invite.call_id)).status == 481


async def test_a_callees_bye_before_its_answer_finds_no_call(ann: Station, puppet: Puppet, clock: VirtualClock):
    """RFC 3261 §15: it has to say no to the INVITE."""
    ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    puppet.answer(invite, 180, ANN)
    await clock.run_for(0.1)

    puppet.request("BYE", ANN, to_tag=invite.from_.tag, cseq=5, call_id=invite.call_id)
    await clock.run_for(0.1)

    assert puppet.last_response().status == 481
    puppet.answer(invite, 603, ANN)
    await clock.run_for(0.1)
    assert ann.last("failed")[1].status == 603
