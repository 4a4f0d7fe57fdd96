"""Provisional answers that are acknowledged, as the one who calls and as the one who is called (RFC 3262)."""

import pytest

from ringback.model.ids import CallId
from ringback.sip.digest import Credential
from ringback.sip.message import Request, Response
from ringback.telephony.admission import RateLimits
from ringback.telephony.service import TelephonySettings
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Station
from unit.sip.puppet import OFFER, Puppet
from unit.sip.test_call import HELD, HOLD
from unit.sip.test_inbound import ANN
from unit.sip.test_outbound import TARGET

RELIABLE = ("Require", "100rel")


def rseq(number: int) -> tuple[tuple[str, str], ...]:
    return (RELIABLE, ("RSeq", str(number)))


async def dial(ann: Station, puppet: Puppet, clock: VirtualClock, offer: bytes = OFFER) -> tuple[CallId, Request]:
    call = ann.dial(TARGET, offer)
    await clock.run_for(0.1)
    return call, puppet.last_request("INVITE")


async def answer(puppet: Puppet, clock: VirtualClock, request: Request, status: int, **more: object) -> None:
    puppet.answer(request, status, ANN, **more)  # type: ignore[arg-type]
    await clock.run_for(0.1)


async def hang_up(ann: Station, puppet: Puppet, clock: VirtualClock, call: CallId, invite: Request) -> None:
    await answer(puppet, clock, invite, 200, body=OFFER)
    ann.telephony.bye(call)
    await clock.run_for(0.1)
    await answer(puppet, clock, puppet.last_request("BYE"), 200)


# ── as the one who calls (§4) ──


@pytest.mark.parametrize("body", [b"", OFFER])
async def test_a_reliable_18x_gets_its_prack_also_when_it_is_bare(
    ann: Station, puppet: Puppet, clock: VirtualClock, body: bytes
):
    """§4: a new CSeq in the early dialog; RAck repeats the RSeq and the CSeq of the INVITE."""
    call, invite = await dial(ann, puppet, clock)
    assert "100rel" in (invite.headers.get("supported") or "")

    await answer(puppet, clock, invite, 180, rows=rseq(17), body=body)

    prack = puppet.last_request("PRACK")
    assert prack.headers.get("rack") == f"17 {invite.cseq.number} INVITE"
    assert (prack.to.tag, prack.target) == ("puppet", "sip:puppet@10.0.0.9:5060")
    assert prack.cseq.number == invite.cseq.number + 1
    assert ann.last("progress") == (call, 180, "Ringing", body or None, "puppet", False)
    await answer(puppet, clock, prack, 200)
    await hang_up(ann, puppet, clock, call, invite)
    assert puppet.last_request("BYE").cseq.number == invite.cseq.number + 2


async def test_repeats_and_18x_out_of_order_are_neither_told_nor_acknowledged(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """§4: the next RSeq must be one higher than the last that was acknowledged."""
    call, invite = await dial(ann, puppet, clock)

    for number in (5, 5, 7, 4, 6, 7):
        await answer(puppet, clock, invite, 183, rows=rseq(number))
        for prack in puppet.got("PRACK"):
            assert isinstance(prack, Request)
            puppet.answer(prack, 200, ANN)

    racks = dict.fromkeys(message.headers.get("rack") for message in puppet.got("PRACK"))
    assert list(racks) == [f"{number} {invite.cseq.number} INVITE" for number in (5, 6, 7)]
    assert len(ann.all("progress")) == 3
    await hang_up(ann, puppet, clock, call, invite)


async def test_the_last_description_of_a_fork_holds_when_its_answer_has_none(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """RFC 3261 §13.2.1 allows one answer; carriers that move early media send another, and are believed."""
    call, invite = await dial(ann, puppet, clock)
    for number, body in ((1, OFFER), (2, HELD)):
        await answer(puppet, clock, invite, 183, rows=rseq(number), body=body)
        await answer(puppet, clock, puppet.last_request("PRACK"), 200)
    await answer(puppet, clock, invite, 200)

    assert [progress[3] for progress in ann.all("progress")] == [OFFER, HELD]
    assert ann.last("answered") == (call, HELD)
    ann.telephony.bye(call)
    await clock.run_for(0.1)
    await answer(puppet, clock, puppet.last_request("BYE"), 200)


async def test_each_fork_counts_its_own_rseq(ann: Station, puppet: Puppet, clock: VirtualClock):
    call, invite = await dial(ann, puppet, clock)

    await answer(puppet, clock, invite, 180, rows=rseq(5), tag="one")
    await answer(puppet, clock, invite, 180, rows=rseq(900), tag="two")

    assert [
        (
            m.to.tag,
            m.headers.get(
                "rack",
            ),
        )
        for m in puppet.got("PRACK")
    ] == [
        ("one", f"5 {invite.cseq.number} INVITE"),
        ("two", f"900 {invite.cseq.number} INVITE"),
    ]
    for prack in puppet.got("PRACK"):
        assert isinstance(prack, Request)
        puppet.answer(prack, 200, ANN)
    await hang_up(ann, puppet, clock, call, invite)


async def test_an_offer_in_a_reliable_18x_is_answered_in_the_prack(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§5: our INVITE asked the far end to offer; the 2xx says nothing more."""
    call, invite = await dial(ann, puppet, clock, b"")
    assert invite.body == b"" and "content-type" not in invite.headers

    await answer(puppet, clock, invite, 183, rows=rseq(1), body=OFFER)
    assert ann.last("progress") == (call, 183, "Session Progress", OFFER, "puppet", True)
    assert puppet.got("PRACK") == []
    ann.telephony.answer_offer(call, HELD)
    await clock.run_for(0.1)
    prack = puppet.last_request("PRACK")
    assert (prack.body, prack.headers.get("content-type")) == (HELD, "application/sdp")
    await answer(puppet, clock, prack, 200)

    await answer(puppet, clock, invite, 200)
    assert ann.last("answered") == (call, OFFER)
    assert puppet.last_request("ACK").body == b""
    ann.telephony.bye(call)
    await clock.run_for(0.1)
    await answer(puppet, clock, puppet.last_request("BYE"), 200)


async def test_a_challenged_prack_is_sent_again_with_credentials(network: Network, puppet: Puppet, clock: VirtualClock):
    """RFC 3261 §22.2, once."""
    settings = TelephonySettings(
        rate_limits=None,
        allow_private=True,
        lag_limit=None,
        credentials=[Credential("10.0.0.9", "ann", "secret", "pbx")],
    )
    station = await Station(network, "10.0.0.3", settings).start()
    call = station.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    puppet.answer(invite, 183, "10.0.0.3", rows=rseq(3))
    await clock.run_for(0.1)
    challenge = ("Proxy-Authenticate", 'Digest realm="pbx", nonce="n1", algorithm=MD5, qop="auth"')
    puppet.answer(puppet.last_request("PRACK"), 407, "10.0.0.3", rows=[challenge])
    await clock.run_for(0.1)

    first, second = puppet.got("PRACK")
    assert isinstance(second, Request) and isinstance(first, Request)
    assert second.headers.get("rack") == first.headers.get("rack")
    assert second.cseq.number == first.cseq.number + 1
    assert "proxy-authorization" in second.headers

    puppet.answer(second, 407, "10.0.0.3", rows=[challenge])
    puppet.answer(invite, 486, "10.0.0.3")
    await clock.run_for(400.0)
    assert len(puppet.got("PRACK")) == 2
    assert station.last("failed")[0] == call
    assert station.telephony.idle, station.telephony.leftovers()


async def test_after_an_answer_in_a_reliable_18x_the_far_end_may_update_before_it_picks_up(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """RFC 3311 §5.1: not before the first offer has its answer for good."""
    call, invite = await dial(ann, puppet, clock)
    await answer(puppet, clock, invite, 183, body=OFFER)
    same = {"call_id": invite.call_id, "to_tag": invite.from_.tag}
    puppet.request("UPDATE", ANN, cseq=1, body=HOLD, **same)  # type: ignore[arg-type]
    await clock.run_for(0.1)
    assert puppet.last_response().status == 491
    await answer(puppet, clock, invite, 183, rows=rseq(1), body=OFFER)
    await answer(puppet, clock, puppet.last_request("PRACK"), 200)

    puppet.request("UPDATE", ANN, cseq=2, body=HOLD, **same)  # type: ignore[arg-type]
    await clock.run_for(0.1)
    assert ann.last("reoffered") == (call, HOLD)
    ann.telephony.answer_offer(call, HELD)
    await clock.run_for(0.1)

    ok = puppet.last_response()
    assert (ok.status, ok.cseq.method, ok.body) == (200, "UPDATE", HELD)
    await hang_up(ann, puppet, clock, call, invite)


# ── as the one who is called (§3) ──


async def ring(
    ann: Station, puppet: Puppet, clock: VirtualClock, sdp: bytes | None = None, offer: bytes = OFFER
) -> tuple[Request, Response]:
    """A caller that requires 100rel, and our first 18x."""
    invite = puppet.request("INVITE", ANN, body=offer, rows=[RELIABLE])
    await clock.run_for(0.1)
    ann.telephony.ring(ann.last("incoming").call, sdp)
    await clock.run_for(0.1)
    return invite, puppet.last_response()


async def prack(
    puppet: Puppet, clock: VirtualClock, ringing: Response, *, cseq: int = 2, body: bytes = b""
) -> Response:
    rack = ("RAck", f"{ringing.headers.get('rseq')} 1 INVITE")
    puppet.request("PRACK", ANN, to_tag=ringing.to.tag, cseq=cseq, rows=[rack], body=body)
    await clock.run_for(0.1)
    return puppet.last_response()


async def bye(puppet: Puppet, clock: VirtualClock, tag: str, cseq: int = 9) -> None:
    puppet.request("ACK", ANN, to_tag=tag, cseq=1)
    puppet.request("BYE", ANN, to_tag=tag, cseq=cseq)
    await clock.run_for(0.1)
    assert puppet.last_response().status == 200


async def test_a_caller_that_requires_it_gets_reliable_18x_repeated_until_its_prack(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """§3: Require and RSeq; T1 doubling, without a longest interval."""
    _, ringing = await ring(ann, puppet, clock)
    assert (ringing.status, ringing.headers.get("require")) == (180, "100rel")
    await clock.run_for(16.0)
    assert len(puppet.got(180)) == 6, "at 0, 0.5, 1.5, 3.5, 7.5 and 15.5 s"

    assert (await prack(puppet, clock, ringing)).status == 200
    await clock.run_for(20.0)
    assert len(puppet.got(180)) == 6
    ann.telephony.answer(ann.last("incoming").call, OFFER)
    await clock.run_for(0.1)
    assert puppet.got(200)[-1].body == OFFER
    await bye(puppet, clock, ringing.to.tag)


async def test_without_any_prack_the_call_ends_with_504(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§3: after 64·T1."""
    _, ringing = await ring(ann, puppet, clock)
    await clock.run_for(33.0)

    assert puppet.last_response().status == 504
    assert ann.last("cancelled") == (ann.last("incoming").call, "no PRACK came", None)
    puppet.request("ACK", ANN, branch=ringing.top_via.branch, to_tag=ringing.to.tag, cseq=1)


async def test_the_answer_waits_until_a_description_in_an_18x_is_acknowledged(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """§3: no 2xx before; then it does not repeat what holds (RFC 6337 §2)."""
    _, ringing = await ring(ann, puppet, clock, OFFER)
    assert (ringing.status, ringing.body) == (183, OFFER)
    call = ann.last("incoming").call
    ann.telephony.answer(call, OFFER)
    await clock.run_for(2.0)
    assert puppet.got(200) == []

    assert (await prack(puppet, clock, ringing)).status == 200
    await clock.run_for(0.1)
    ok = puppet.got(200)[-1]
    assert ok.cseq.method == "INVITE" and ok.body == b""
    await bye(puppet, clock, ringing.to.tag)
    assert ann.names()[-2:] == ["acknowledged", "ended"]


async def test_a_call_answered_above_ends_when_its_caller_cancels_before_the_prack(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    invite, ringing = await ring(ann, puppet, clock, OFFER)
    call = ann.last("incoming").call
    ann.telephony.answer(call, OFFER)
    puppet.request("CANCEL", ANN, branch=invite.top_via.branch, cseq=1)
    await clock.run_for(0.1)

    assert puppet.last_response().status == 487
    assert ann.last("ended")[:2] == (call, "ack-timeout")
    puppet.request("ACK", ANN, branch=invite.top_via.branch, to_tag=ringing.to.tag, cseq=1)


async def test_a_bare_180_does_not_hold_up_the_answer(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§3: only a description does; the final answer ends the repeats, and a PRACK on its way is still taken."""
    _, ringing = await ring(ann, puppet, clock)
    ann.telephony.answer(ann.last("incoming").call, OFFER)
    await clock.run_for(3.0)

    assert puppet.got(200) and len(puppet.got(180)) == 1
    assert (await prack(puppet, clock, ringing)).status == 200
    await bye(puppet, clock, ringing.to.tag)


async def test_the_next_18x_waits_for_the_prack_of_the_one_before(ann: Station, puppet: Puppet, clock: VirtualClock):
    _, ringing = await ring(ann, puppet, clock)
    ann.telephony.ring(ann.last("incoming").call, OFFER)
    await clock.run_for(0.2)
    assert puppet.got(183) == []

    await prack(puppet, clock, ringing)

    progress = puppet.last_response()
    assert progress.status == 183
    assert int(progress.headers.get("rseq") or 0) == int(ringing.headers.get("rseq") or 0) + 1
    assert (await prack(puppet, clock, progress, cseq=3)).status == 200
    ann.telephony.reject(ann.last("incoming").call, 486)
    await clock.run_for(0.1)
    puppet.request("ACK", ANN, branch="z9hG4bKp1", to_tag=ringing.to.tag, cseq=1)


async def test_a_prack_that_matches_nothing_gets_481(ann: Station, puppet: Puppet, clock: VirtualClock):
    """B6; §3."""
    _, ringing = await ring(ann, puppet, clock)
    for cseq, rack in enumerate(("1 1 INVITE", f"{ringing.headers.get('rseq')} 7 INVITE", "nonsense", ""), 2):
        puppet.request("PRACK", ANN, to_tag=ringing.to.tag, cseq=cseq, rows=[("RAck", rack)])
        await clock.run_for(0.1)
        assert puppet.last_response().status == 481

    assert (await prack(puppet, clock, ringing, cseq=8)).status == 200
    assert (await prack(puppet, clock, ringing, cseq=9)).status == 481, "it has been acknowledged"
    ann.telephony.reject(ann.last("incoming").call, 486)
    await clock.run_for(0.1)
    puppet.request("ACK", ANN, branch="z9hG4bKp1", to_tag=ringing.to.tag, cseq=1)


async def test_a_caller_that_only_supports_it_gets_plain_18x(ann: Station, puppet: Puppet, clock: VirtualClock):
    puppet.request("INVITE", ANN, body=OFFER, rows=[("Supported", "100rel")])
    await clock.run_for(0.1)
    ann.telephony.ring(ann.last("incoming").call)
    await clock.run_for(5.0)

    ringing = puppet.last_response()
    assert "rseq" not in ringing.headers and len(puppet.got(180)) == 1
    ann.telephony.reject(ann.last("incoming").call, 486)
    await clock.run_for(0.1)
    puppet.request("ACK", ANN, branch="z9hG4bKp1", to_tag=ringing.to.tag, cseq=1)


async def test_a_prack_may_answer_our_offer(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§5: the caller asked us to offer, and we did in a reliable 183. It is told with the ACK."""
    _, ringing = await ring(ann, puppet, clock, OFFER, b"")
    call = ann.last("incoming").call
    assert (await prack(puppet, clock, ringing, body=HELD)).status == 200
    ann.telephony.answer(call, OFFER)
    await clock.run_for(0.1)
    await bye(puppet, clock, ringing.to.tag)

    assert ann.last("acknowledged") == (call, HELD)


async def test_a_prack_may_bring_another_offer(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§5: once the first has its answer."""
    _, ringing = await ring(ann, puppet, clock, OFFER)
    call = ann.last("incoming").call
    await prack(puppet, clock, ringing, body=HOLD)
    assert ann.last("reoffered") == (call, HOLD)
    ann.telephony.answer_offer(call, HELD)
    await clock.run_for(0.1)
    ok = puppet.last_response()
    assert (ok.status, ok.cseq.method, ok.body) == (200, "PRACK", HELD)

    puppet.request("UPDATE", ANN, to_tag=ringing.to.tag, cseq=3, body=OFFER)
    await clock.run_for(0.1)
    assert ann.last("reoffered") == (call, OFFER)
    ann.telephony.answer_offer(call, OFFER)
    ann.telephony.answer(call, OFFER)
    await clock.run_for(0.1)
    await bye(puppet, clock, ringing.to.tag)


async def test_a_prack_proves_a_caller_before_its_ack(network: Network, puppet: Puppet, clock: VirtualClock):
    """A11: of callers that have proved nothing only so many may ring at once; whoever hears us may go on."""
    settings = TelephonySettings(rate_limits=RateLimits(1000, 1000), allow_private=True, lag_limit=None)
    station = await Station(network, "10.0.0.3", settings).start()
    for number in range(11):
        puppet.request("INVITE", "10.0.0.3", call_id=f"c{number}", body=OFFER, rows=[RELIABLE])
        await clock.run_for(0.1)
    assert (len(station.all("incoming")), puppet.statuses().count(480)) == (10, 1)
    first = station.all("incoming")[0][0].call
    station.telephony.ring(first)
    await clock.run_for(0.1)
    ringing = puppet.last_response()
    rack = ("RAck", f"{ringing.headers.get('rseq')} 1 INVITE")
    puppet.request("PRACK", "10.0.0.3", call_id="c0", to_tag=ringing.to.tag, cseq=2, rows=[rack])
    await clock.run_for(0.1)

    puppet.request("INVITE", "10.0.0.3", call_id="c11", body=OFFER)
    await clock.run_for(0.1)

    assert len(station.all("incoming")) == 11
    for (invite,) in station.all("incoming"):
        station.telephony.reject(invite.call, 486)
    await clock.run_for(400.0)
    assert station.telephony.idle, station.telephony.leftovers()
