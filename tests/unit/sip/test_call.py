"""A call that is up: hold and resume from either side, crossing offers, INFO, loss (RFC 3261 §14, §12.2)."""

import pytest

from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Station
from unit.sip.puppet import OFFER, Puppet
from unit.sip.test_inbound import ANN, call_ann, hang_up

HOLD = OFFER + b"a=sendonly\r\n"
HELD = OFFER + b"a=recvonly\r\n"


def answer_at_once(station: Station, sdp: bytes = OFFER) -> None:
    """Answer every call and every offer as soon as it is told."""
    station.on["incoming"] = lambda invite: station.telephony.answer(invite.call, sdp)
    station.on["reoffered"] = lambda call, offer: station.telephony.answer_offer(call, HELD)


async def connect(ann: Station, bob: Station, clock: VirtualClock) -> tuple[str, str]:
    """Ann calls Bob, who answers; the call's id at each."""
    answer_at_once(bob)
    answer_at_once(ann)
    call = ann.dial("sip:123@10.0.0.2", OFFER)
    await clock.run_for(20.0)
    return call, bob.last("incoming").call


async def test_hold_and_resume_from_the_caller(ann: Station, bob: Station, clock: VirtualClock):
    here, there = await connect(ann, bob, clock)

    for offer in (HOLD, OFFER):
        ann.telephony.offer(here, offer)  # type: ignore[arg-type]
        await clock.run_for(1.0)
        assert bob.last("reoffered") == (there, offer)
        assert ann.last("reoffer_answered") == (here, HELD)

    assert len(bob.all("acknowledged")) == 3
    ann.telephony.bye(here)  # type: ignore[arg-type]


async def test_hold_from_the_callee(ann: Station, bob: Station, clock: VirtualClock):
    here, there = await connect(ann, bob, clock)

    bob.telephony.offer(there, HOLD)  # type: ignore[arg-type]
    await clock.run_for(1.0)

    assert ann.last("reoffered") == (here, HOLD)
    assert bob.last("reoffer_answered") == (there, HELD)
    bob.telephony.bye(there)  # type: ignore[arg-type]


async def test_offers_that_cross_are_both_refused_and_tried_again_one_by_one(
    ann: Station, bob: Station, clock: VirtualClock
):
    """E15; §14.1: 491, then the one who chose the Call-ID waits longer."""
    here, there = await connect(ann, bob, clock)

    ann.telephony.offer(here, HOLD)  # type: ignore[arg-type]
    bob.telephony.offer(there, HOLD)  # type: ignore[arg-type]
    await clock.run_for(0.1)
    statuses = [packet.summary for packet in ann.network.packets]
    assert statuses.count("491") == 2

    await clock.run_for(6.0)

    assert ann.last("reoffer_answered") == (here, HELD)
    assert bob.last("reoffer_answered") == (there, HELD)
    retries = [packet for packet in ann.network.packets if b"INVITE" in packet.data[:6]][-2:]
    assert [packet.source for packet in retries] == ["10.0.0.2:5060", "10.0.0.1:5060"]
    ann.telephony.bye(here)  # type: ignore[arg-type]


async def test_a_second_offer_while_the_first_is_open_waits(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§14.2: 500 with Retry-After."""
    tag = await call_ann(ann, puppet, clock)
    puppet.request("INVITE", ANN, to_tag=tag, cseq=2, body=HOLD)
    await clock.run_for(0.1)
    puppet.request("INVITE", ANN, to_tag=tag, cseq=3, body=OFFER)
    await clock.run_for(0.1)

    assert puppet.last_response().status == 500
    assert 0 <= int(puppet.last_response().headers.get("retry-after") or "") < 10
    ann.telephony.answer_offer(ann.last("incoming").call, None, 488)
    await clock.run_for(0.1)
    assert puppet.last_response().status == 488
    await hang_up(puppet, clock, tag)


async def test_offers_made_while_another_is_open_are_sent_when_it_ends_only_the_last(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    tag = await call_ann(ann, puppet, clock)
    call = ann.last("incoming").call
    for sdp in (HOLD, OFFER, HELD):
        ann.telephony.offer(call, sdp)
    await clock.run_for(0.1)
    assert [message.body for message in puppet.got("INVITE")] == [HOLD]

    puppet.answer(puppet.last_request("INVITE"), 200, ANN, body=OFFER)
    await clock.run_for(0.1)

    assert [message.body for message in puppet.got("INVITE")] == [HOLD, HELD]
    puppet.answer(puppet.last_request("INVITE"), 488, ANN)
    await clock.run_for(0.1)
    assert ann.last("reoffer_failed") == (call, 488)
    await hang_up(puppet, clock, tag)


async def test_a_far_end_that_forgot_the_call_is_hung_up_on(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§12.2.1.2: 481 and 408 end the dialog."""
    await call_ann(ann, puppet, clock)
    call = ann.last("incoming").call
    ann.telephony.offer(call, HOLD)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("INVITE"), 481, ANN)
    await clock.run_for(0.1)

    assert ann.last("ended") == (call, "gone", "", None)
    puppet.answer(puppet.last_request("BYE"), 481, ANN)


async def test_a_new_contact_is_where_later_requests_go(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§12.2.2: target refresh."""
    tag = await call_ann(ann, puppet, clock)
    call = ann.last("incoming").call
    puppet.port = 5099
    puppet.request("INVITE", ANN, to_tag=tag, cseq=2, body=OFFER)
    puppet.port = 5060
    await clock.run_for(0.1)

    assert ann.last("dialog_changed")[1].remote_target == "sip:puppet@10.0.0.9:5099"
    ann.telephony.answer_offer(call, OFFER)
    await clock.run_for(0.1)
    puppet.request("ACK", ANN, to_tag=tag, cseq=2)
    await hang_up(puppet, clock, tag)


async def test_a_reinvite_that_is_never_acknowledged_ends_the_call(ann: Station, puppet: Puppet, clock: VirtualClock):
    tag = await call_ann(ann, puppet, clock)
    puppet.request("INVITE", ANN, to_tag=tag, cseq=2, body=HOLD)
    await clock.run_for(0.1)
    ann.telephony.answer_offer(ann.last("incoming").call, HELD)

    await clock.run_for(33.0)

    assert ann.last("ended")[1] == "ack-timeout"
    puppet.answer(puppet.last_request("BYE"), 200, ANN)


@pytest.mark.parametrize(
    ("kind", "body", "digit"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", ("5", 160)),
        ("application/dtmf-relay", b"Signal= *\r\nDuration= 99999\r\n", ("*", 6000)),
        ("application/dtmf-relay", b"Signal=11\r\n", ("#", 250)),
        ("application/dtmf", b"d", ("D", 250)),
    ],
)
async def test_a_digit_by_info(
    ann: Station, puppet: Puppet, clock: VirtualClock, kind: str, body: bytes, digit: tuple[str, int]
):
    tag = await call_ann(ann, puppet, clock)
    puppet.request("INFO", ANN, to_tag=tag, cseq=2, rows=[("Content-Type", kind)], body=body)
    await clock.run_for(0.1)

    assert puppet.last_response().status == 200
    assert ann.last("dtmf_info") == (ann.last("incoming").call, *digit)
    await hang_up(puppet, clock, tag)


async def test_info_we_cannot_read_is_refused_and_empty_info_is_welcome(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    tag = await call_ann(ann, puppet, clock)
    puppet.request("INFO", ANN, to_tag=tag, cseq=2, rows=[("Content-Type", "text/plain")], body=b"5")
    await clock.run_for(0.1)
    assert puppet.last_response().status == 415
    puppet.request("INFO", ANN, to_tag=tag, cseq=3)
    await clock.run_for(0.1)
    assert puppet.last_response().status == 200
    assert ann.all("dtmf_info") == []
    await hang_up(puppet, clock, tag)


async def test_what_we_do_not_do_in_a_call_is_not_allowed(ann: Station, puppet: Puppet, clock: VirtualClock):
    tag = await call_ann(ann, puppet, clock)
    for cseq, (method, status) in enumerate(
        (("REFER", 400), ("PRACK", 481), ("NOTIFY", 481), ("MESSAGE", 405), ("OPTIONS", 200)), 2
    ):
        puppet.request(method, ANN, to_tag=tag, cseq=cseq)
        await clock.run_for(0.1)
        assert puppet.last_response().status == status
    await hang_up(puppet, clock, tag)


async def test_byes_that_cross_are_both_answered(ann: Station, bob: Station, clock: VirtualClock):
    here, there = await connect(ann, bob, clock)

    ann.telephony.bye(here)  # type: ignore[arg-type]
    bob.telephony.bye(there)  # type: ignore[arg-type]
    await clock.run_for(1.0)

    assert [packet.summary for packet in ann.network.packets][-4:] == ["BYE", "BYE", "200", "200"]


@pytest.mark.parametrize("seed", range(12))
async def test_calls_survive_loss_disorder_and_doubles(clock: VirtualClock, seed: int):
    """A third of the packets lost: dial, hold, resume, hang up, and nothing is left at either end."""
    network = Network(clock, seed=seed, loss=0.3, duplicate=0.2, reorder=0.3, delay=0.05)
    ann = await Station(network, "10.0.0.1").start()
    bob = await Station(network, "10.0.0.2").start()
    here, there = await connect(ann, bob, clock)
    if "answered" in ann.names():
        ann.telephony.offer(here, HOLD)  # type: ignore[arg-type]
        await clock.run_for(40.0)
        bob.telephony.offer(there, OFFER)  # type: ignore[arg-type]
        await clock.run_for(40.0)
        bob.telephony.bye(there)  # type: ignore[arg-type]

    await clock.run_for(400.0)

    assert ann.names().count("answered") + ann.names().count("failed") == 1
    assert ann.telephony.idle, (network.ladder(), ann.telephony.leftovers())
    assert bob.telephony.idle, (network.ladder(), bob.telephony.leftovers())


async def test_a_new_offer_says_that_our_last_answer_arrived(ann: Station, puppet: Puppet, clock: VirtualClock):
    """The ACK may be lost; waiting for it would leave the phone without sound."""
    puppet.request("INVITE", ANN, body=OFFER)
    await clock.run_for(0.1)
    call = ann.last("incoming").call
    ann.telephony.answer(call, OFFER)
    await clock.run_for(0.1)
    tag = puppet.last_response().to.tag
    puppet.request("INVITE", ANN, to_tag=tag, cseq=2, body=HOLD)
    await clock.run_for(0.1)

    assert ann.names() == ["incoming", "acknowledged", "reoffered"]
    ann.telephony.answer_offer(call, HELD)
    await clock.run_for(0.1)
    puppet.request("ACK", ANN, to_tag=tag, cseq=2)
    await hang_up(puppet, clock, tag)


async def test_an_offer_before_the_answer_to_ours_is_refused(ann: Station, puppet: Puppet, clock: VirtualClock):
    puppet.request("INVITE", ANN)
    await clock.run_for(0.1)
    ann.telephony.answer(ann.last("incoming").call, OFFER)
    await clock.run_for(0.1)
    tag = puppet.last_response().to.tag
    puppet.request("INVITE", ANN, to_tag=tag, cseq=2, body=HOLD)
    await clock.run_for(0.1)

    assert puppet.last_response().status == 491
    puppet.request("ACK", ANN, to_tag=tag, cseq=1, body=OFFER)
    await clock.run_for(0.1)
    assert ann.last("acknowledged")[1] == OFFER
    await hang_up(puppet, clock, tag)


@pytest.mark.parametrize("answers", [True, False])
async def test_an_offer_that_only_gets_100_is_taken_back_after_a_minute(
    ann: Station, puppet: Puppet, clock: VirtualClock, answers: bool
):
    """§9.1: a far end that never decides cannot block the call; one that does not even take CANCEL is gone."""
    tag = await call_ann(ann, puppet, clock)
    call = ann.last("incoming").call
    ann.telephony.offer(call, HOLD)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    puppet.answer(invite, 100, ANN)
    await clock.run_for(59.0)
    assert puppet.got("CANCEL") == []
    await clock.run_for(1.5)

    cancel = puppet.last_request("CANCEL")
    assert (cancel.top_via.branch, cancel.to.tag) == (invite.top_via.branch, "puppet")
    if not answers:
        await clock.run_for(33.0)
        assert ann.last("ended")[:2] == (call, "gone")
        puppet.answer(puppet.last_request("BYE"), 481, ANN)
        return
    puppet.answer(cancel, 200, ANN)
    puppet.answer(invite, 487, ANN)
    await clock.run_for(0.1)
    assert ann.last("reoffer_failed") == (call, 487)
    await hang_up(puppet, clock, tag)


async def test_an_answer_to_our_offer_that_crosses_our_goodbye_is_acknowledged(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """§13.2.2.4: without its ACK the far end would repeat it for 32 seconds, and some hear no goodbye meanwhile."""
    await call_ann(ann, puppet, clock)
    call = ann.last("incoming").call
    ann.telephony.offer(call, HOLD)
    await clock.run_for(0.1)
    offer = puppet.last_request("INVITE")
    ann.telephony.bye(call)
    await clock.run_for(0.1)
    goodbye = puppet.last_request("BYE")

    for _ in range(2):
        puppet.answer(offer, 200, ANN, body=HELD)
        await clock.run_for(0.1)
    puppet.answer(goodbye, 200, ANN)
    await clock.run_for(0.1)

    assert [ack.cseq.number for ack in puppet.got("ACK")] == [offer.cseq.number] * 2


async def test_a_goodbye_while_our_offer_is_undecided_leaves_nothing(ann: Station, puppet: Puppet, clock: VirtualClock):
    """The INVITE transaction has no timer of its own once 100 has come (§17.1.1.2)."""
    tag = await call_ann(ann, puppet, clock)
    ann.telephony.offer(ann.last("incoming").call, HOLD)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("INVITE"), 100, ANN)
    await hang_up(puppet, clock, tag)
    assert ann.last("ended")[1] == "bye"


@pytest.mark.parametrize("aside", ["UPDATE", "INFO", "OPTIONS"])
async def test_a_goodbye_that_waits_for_an_ack_goes_out_when_a_new_offer_comes_instead(
    ann: Station, puppet: Puppet, clock: VirtualClock, aside: str
):
    """Whoever makes a new offer has our 2xx. Without this the far end would never hear that we have hung up."""
    answer_at_once(ann)
    tag = await call_ann(ann, puppet, clock)
    puppet.request("INVITE", ANN, to_tag=tag, cseq=2, body=HOLD)
    await clock.run_for(0.1)
    ann.telephony.bye(ann.last("incoming").call)
    puppet.request(aside, ANN, to_tag=tag, cseq=3)
    await clock.run_for(0.1)
    assert puppet.last_response().status == 481 and not puppet.got("BYE")

    puppet.request("INVITE", ANN, to_tag=tag, cseq=4, body=OFFER)
    await clock.run_for(0.1)

    assert puppet.last_response().status == 487
    puppet.answer(puppet.last_request("BYE"), 200, ANN)
    await clock.run_for(40)
    assert len(puppet.got("BYE")) == 1
