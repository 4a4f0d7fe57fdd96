"""Calls to us: RFC 3261 §8.2, §9.2, §13.3, and what strangers try."""

import pytest

from ringback.sip.abilities import METHODS
from ringback.sip.message import Request
from ringback.telephony.service import TelephonySettings
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Station
from unit.sip.puppet import OFFER, Puppet

ANN = "10.0.0.1"


async def ring_ann(puppet: Puppet, clock: VirtualClock, **more: object) -> Request:
    invite = puppet.request("INVITE", ANN, body=OFFER, **more)  # type: ignore[arg-type]
    await clock.run_for(0.1)
    return invite


async def call_ann(ann: Station, puppet: Puppet, clock: VirtualClock) -> str:
    """A call of the puppet's that we answered and it acknowledged; our tag."""
    await ring_ann(puppet, clock)
    ann.telephony.answer(ann.last("incoming").call, OFFER)
    await clock.run_for(0.1)
    tag = puppet.last_response().to.tag
    puppet.request("ACK", ANN, to_tag=tag)
    await clock.run_for(0.1)
    return tag


async def hang_up(puppet: Puppet, clock: VirtualClock, tag: str, cseq: int = 90) -> None:
    puppet.request("BYE", ANN, to_tag=tag, cseq=cseq)
    await clock.run_for(0.1)


async def test_an_invite_is_told_with_all_that_matters_of_it(ann: Station, puppet: Puppet, clock: VirtualClock):
    await ring_ann(
        puppet,
        clock,
        uri="sip:sip:%31%32@10.0.0.1;x-daily_display_name=Ann%20%0d%0aB?X-Team=r%C3%A9d",
        rows=[("X-Order", "7"), ("x-second", "é"), ("Subject", "no")],
    )

    invite = ann.last("incoming")
    assert puppet.statuses() == [100]
    assert (invite.user, invite.host, invite.source) == ("12", "10.0.0.1", "10.0.0.9:5060")
    assert invite.from_uri == "sip:puppet@10.0.0.9"
    assert invite.uri_headers == {"x-daily_display_name": "Ann B", "x-team": "réd"}
    assert list(invite.headers) == [("X-Order", "7"), ("x-second", "é")]
    assert invite.offer == OFFER
    assert invite.dialog.remote_target == "sip:puppet@10.0.0.9:5060"
    ann.telephony.reject(invite.call, 404)


async def test_ring_answer_and_hang_up(ann: Station, puppet: Puppet, clock: VirtualClock):
    await ring_ann(puppet, clock)
    call = ann.last("incoming").call
    ann.telephony.ring(call)
    await clock.run_for(1.0)
    ann.telephony.answer(call, OFFER)
    await clock.run_for(0.1)
    ok = puppet.last_response()
    puppet.request("ACK", ANN, to_tag=ok.to.tag)
    await clock.run_for(0.1)
    puppet.request("BYE", ANN, to_tag=ok.to.tag, cseq=2, rows=[("Reason", "Q.850;cause=16")])
    await clock.run_for(0.1)

    assert puppet.statuses() == [100, 180, 200, 200]
    assert ok.body == OFFER
    assert str(ok.contacts[0].uri) == "sip:123@10.0.0.1:5060"
    assert ann.names() == ["incoming", "acknowledged", "ended"]
    assert ann.last("ended") == (call, "bye", "", 16)


async def test_our_answer_is_repeated_until_its_ack(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§13.3.1.4: T1, doubling up to T2."""
    await ring_ann(puppet, clock)
    ann.telephony.answer(ann.last("incoming").call, OFFER)
    await clock.run_for(8.0)
    assert puppet.statuses().count(200) == 5

    tag = puppet.last_response().to.tag
    puppet.request("ACK", ANN, to_tag=tag)
    await clock.run_for(20.0)

    assert puppet.statuses().count(200) == 5
    await hang_up(puppet, clock, tag)


async def test_without_an_ack_the_call_ends_after_32_seconds(ann: Station, puppet: Puppet, clock: VirtualClock):
    """C3."""
    await ring_ann(puppet, clock)
    call = ann.last("incoming").call
    ann.telephony.answer(call, OFFER)
    await clock.run_for(31.9)
    assert "ended" not in ann.names()

    await clock.run_for(0.3)

    assert ann.last("ended") == (call, "ack-timeout", "", None)
    puppet.answer(puppet.last_request("BYE"), 200, ANN)


async def test_hanging_up_before_the_ack_waits_for_it(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§15."""
    await ring_ann(puppet, clock)
    call = ann.last("incoming").call
    ann.telephony.answer(call, OFFER)
    ann.telephony.bye(call)
    await clock.run_for(1.0)
    assert puppet.got("BYE") == []

    puppet.request("ACK", ANN, to_tag=puppet.last_response().to.tag)
    await clock.run_for(0.1)

    puppet.answer(puppet.last_request("BYE"), 200, ANN)


async def test_cancel_before_our_answer(ann: Station, puppet: Puppet, clock: VirtualClock):
    invite = await ring_ann(puppet, clock, branch="z9hG4bKc")
    puppet.request("CANCEL", ANN, branch="z9hG4bKc")
    await clock.run_for(0.1)

    assert puppet.statuses() == [100, 200, 487]
    assert ann.names() == ["incoming", "cancelled"]
    puppet.request("ACK", ANN, branch="z9hG4bKc", to_tag=puppet.last_response().to.tag)
    ann.telephony.answer(ann.last("incoming").call, OFFER)
    await clock.run_for(1.0)
    assert puppet.statuses() == [100, 200, 487]
    assert invite.method == "INVITE"


async def test_a_cancel_after_our_answer_changes_nothing(ann: Station, puppet: Puppet, clock: VirtualClock):
    await ring_ann(puppet, clock, branch="z9hG4bKc")
    ann.telephony.answer(ann.last("incoming").call, OFFER)
    await clock.run_for(0.1)
    tag = puppet.last_response().to.tag
    puppet.request("CANCEL", ANN, branch="z9hG4bKc")
    puppet.request("ACK", ANN, to_tag=tag)
    await clock.run_for(0.1)

    assert "cancelled" not in ann.names()
    await hang_up(puppet, clock, tag)


async def test_a_cancel_from_elsewhere_or_for_nothing_cancels_nothing(
    ann: Station, network: Network, puppet: Puppet, clock: VirtualClock
):
    """B3."""
    await ring_ann(puppet, clock, branch="z9hG4bKc")
    thief = Puppet(network, "10.0.0.66")
    thief.claims = "10.0.0.9"
    thief.request("CANCEL", ANN, branch="z9hG4bKc")
    puppet.request("CANCEL", ANN, branch="z9hG4bKother")
    await clock.run_for(0.1)

    assert thief.statuses() == [481]
    assert 481 in puppet.statuses()
    assert "cancelled" not in ann.names()
    ann.telephony.reject(ann.last("incoming").call, 480)


async def test_a_repeated_invite_gets_what_it_got_before(ann: Station, puppet: Puppet, clock: VirtualClock):
    invite = await ring_ann(puppet, clock)
    ann.telephony.ring(ann.last("incoming").call)
    await clock.run_for(0.1)
    puppet.send(invite, ANN)
    await clock.run_for(0.1)

    assert puppet.statuses() == [100, 180, 180]
    assert ann.names() == ["incoming"]
    ann.telephony.reject(ann.last("incoming").call, 480)
    await clock.run_for(0.1)
    puppet.request("ACK", ANN, branch=invite.top_via.branch, to_tag=puppet.last_response().to.tag)


async def test_the_same_invite_by_another_path_is_a_loop(ann: Station, puppet: Puppet, clock: VirtualClock):
    """B9; §8.2.2.2."""
    await ring_ann(puppet, clock, branch="z9hG4bKone")
    await ring_ann(puppet, clock, branch="z9hG4bKtwo")

    assert puppet.statuses() == [100, 482]
    assert ann.names() == ["incoming"]
    ann.telephony.reject(ann.last("incoming").call, 480)


async def test_refusals_are_repeated_until_acknowledged_and_carry_their_headers(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    invite = await ring_ann(puppet, clock)
    ann.telephony.reject(ann.last("incoming").call, 480, "", [("Retry-After", "5")])
    await clock.run_for(2.0)

    assert puppet.statuses() == [100, 480, 480, 480]
    refused = puppet.last_response()
    assert refused.headers.get("retry-after") == "5"
    puppet.request("ACK", ANN, branch=invite.top_via.branch, to_tag=refused.to.tag)
    await clock.run_for(10.0)
    assert puppet.statuses() == [100, 480, 480, 480]


@pytest.mark.parametrize("change", ["to_tag", "from_tag", "call_id"])
async def test_a_bye_with_a_wrong_tag_or_call_id_ends_nothing(
    ann: Station, puppet: Puppet, clock: VirtualClock, change: str
):
    """B1."""
    tag = await call_ann(ann, puppet, clock)

    puppet.request("BYE", ANN, **{"to_tag": tag, "cseq": 2, change: "guess"})  # type: ignore[arg-type]
    await clock.run_for(0.1)

    assert puppet.last_response().status == 481
    assert "ended" not in ann.names()
    await hang_up(puppet, clock, tag)


async def test_a_bye_with_an_old_cseq_ends_nothing(ann: Station, puppet: Puppet, clock: VirtualClock):
    """B1; §12.2.2."""
    tag = await call_ann(ann, puppet, clock)

    puppet.request("BYE", ANN, to_tag=tag, cseq=1)
    await clock.run_for(0.1)

    assert puppet.last_response().status == 500
    assert "ended" not in ann.names()
    await hang_up(puppet, clock, tag)


async def test_a_bye_from_elsewhere_is_refused_while_media_flows(network: Network, puppet: Puppet, clock: VirtualClock):
    """B2; a far end that moved is let in once its media has stopped."""
    flowing = True
    ann = await Station(network, ANN, media_flows=lambda call: flowing).start()
    tag = await call_ann(ann, puppet, clock)
    thief = Puppet(network, "10.0.0.66")
    thief.request("BYE", ANN, to_tag=tag, cseq=2)
    await clock.run_for(0.1)

    assert thief.statuses() == [403]
    assert "ended" not in ann.names()
    refused = ann.telephony.trace("puppet-call").said[-1]
    assert (refused.text[:11], refused.rule) == ("SIP/2.0 403", "BYE in a dialog from elsewhere")

    flowing = False
    thief.request("BYE", ANN, to_tag=tag, cseq=3)
    await clock.run_for(60.0)
    assert thief.statuses() == [403, 200]
    assert ann.telephony.idle


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "REFER", "INFO"])
async def test_a_forged_offer_or_transfer_from_elsewhere_changes_nothing(
    ann: Station, network: Network, puppet: Puppet, clock: VirtualClock, method: str
):
    """B5, B6: whoever learnt the ids cannot move the sound or the call while the far end is heard."""
    tag = await call_ann(ann, puppet, clock)
    before = ann.names()
    thief = Puppet(network, "10.0.0.66")
    body = OFFER.replace(b"10.0.0.9", b"10.0.0.66") if method in ("INVITE", "UPDATE") else b""
    thief.request(method, ANN, to_tag=tag, cseq=2, body=body, rows=[("Refer-To", "<sip:eve@10.0.0.66>")])
    await clock.run_for(0.1)

    assert thief.statuses()[-1] == 403 and ann.names() == before
    ann.telephony.bye(ann.last("incoming").call)
    await clock.run_for(0.1)
    assert puppet.last_request("BYE").target == "sip:puppet@10.0.0.9:5060", "the target is where it was"
    puppet.answer(puppet.last_request("BYE"), 200, ANN)


async def test_requests_from_the_address_in_contact_are_the_far_ends_own(
    ann: Station, network: Network, puppet: Puppet, clock: VirtualClock
):
    """A proxy carried the INVITE; the phone behind it speaks for itself."""
    proxy = Puppet(network, "10.0.0.8")
    proxy.claims = "10.0.0.9"
    proxy.request("INVITE", ANN, body=OFFER, call_id="through-proxy", branch="z9hG4bKproxy")
    await clock.run_for(0.1)
    ann.telephony.answer(ann.last("incoming").call, OFFER)
    await clock.run_for(0.1)
    tag = proxy.last_response().to.tag

    puppet.request("ACK", ANN, to_tag=tag, call_id="through-proxy")
    puppet.request("BYE", ANN, to_tag=tag, call_id="through-proxy", cseq=2)
    await clock.run_for(0.1)

    assert ann.names()[-2:] == ["acknowledged", "ended"]


async def test_options_say_the_same_whoever_is_asked_for(ann: Station, puppet: Puppet, clock: VirtualClock):
    """A6."""
    for number, user in enumerate(("123456789012", "nobody")):
        puppet.request("OPTIONS", ANN, uri=f"sip:{user}@{ANN}", call_id=f"o{number}")
        await clock.run_for(0.1)

    first, second = puppet.heard
    assert isinstance(first, type(second))
    assert puppet.statuses() == [200, 200]
    assert first.headers.get("allow") == second.headers.get("allow") == METHODS
    assert not {"server", "user-agent"} & first.headers.index.keys()


@pytest.mark.parametrize(
    ("method", "status", "header"),
    [
        ("MESSAGE", 405, "allow"),
        ("SUBSCRIBE", 405, "allow"),
        ("PUBLISH", 405, "allow"),
        ("FROBNICATE", 405, "allow"),
        ("NOTIFY", 489, "allow-events"),
        ("REFER", 403, "via"),
        ("PRACK", 481, "via"),
    ],
)
async def test_what_we_do_only_in_calls_or_not_at_all_is_refused_outside_of_them(
    ann: Station, puppet: Puppet, clock: VirtualClock, method: str, status: int, header: str
):
    """A10: nothing is relayed, stored or dialled. RFC 3261 §8.2.1; RFC 6665 §4.1.3."""
    puppet.request(method, ANN, rows=[("Refer-To", "<sip:eve@203.0.113.9>")])
    await clock.run_for(0.1)

    assert puppet.statuses() == [status]
    assert header in puppet.last_response().headers
    assert ann.names() == []


async def test_register_is_challenged_whoever_asks(ann: Station, puppet: Puppet, clock: VirtualClock):
    """A6."""
    puppet.request("REGISTER", ANN)
    await clock.run_for(0.1)

    response = puppet.last_response()
    assert response.status == 401
    assert len(response.headers.all("www-authenticate")) == 2


@pytest.mark.parametrize(
    ("rows", "status", "header"),
    [
        ([("Require", "precondition")], 420, "unsupported"),
        ([("Content-Type", "text/plain")], 415, "accept"),
        ([("Content-Encoding", "gzip")], 415, "accept-encoding"),
        ([("Accept", "text/plain")], 406, "via"),
    ],
)
async def test_invites_we_cannot_understand_say_what_we_could(
    ann: Station, puppet: Puppet, clock: VirtualClock, rows: list[tuple[str, str]], status: int, header: str
):
    """§8.2.2.3, §8.2.3; C13."""
    await ring_ann(puppet, clock, rows=rows)

    assert puppet.statuses() == [status]
    assert header in puppet.last_response().headers


async def test_one_source_may_have_ten_calls_that_no_ack_has_proved(
    network: Network, puppet: Puppet, clock: VirtualClock
):
    """C3."""
    ann = await Station(network, ANN, TelephonySettings(lag_limit=None)).start()
    for number in range(12):
        puppet.request("INVITE", ANN, body=OFFER, call_id=f"c{number}", from_tag=f"t{number}")
    await clock.run_for(0.2)

    assert sorted(puppet.statuses()) == [100] * 10 + [480] * 2
    for (invite,) in ann.all("incoming"):
        ann.telephony.reject(invite.call, 480)
    await clock.run_for(60.0)
    assert ann.telephony.idle


async def test_an_invite_without_an_offer_is_answered_with_ours(ann: Station, puppet: Puppet, clock: VirtualClock):
    """Delayed offer: the answer comes in the ACK."""
    puppet.request("INVITE", ANN)
    await clock.run_for(0.1)
    assert ann.last("incoming").offer is None
    ann.telephony.answer(ann.last("incoming").call, OFFER)
    await clock.run_for(0.1)
    tag = puppet.last_response().to.tag
    puppet.request("ACK", ANN, to_tag=tag, body=OFFER)
    await clock.run_for(0.1)

    assert ann.last("acknowledged")[1] == OFFER
    await hang_up(puppet, clock, tag)


async def test_a_call_nobody_above_answers_is_refused_in_the_end(ann: Station, puppet: Puppet, clock: VirtualClock):
    await ring_ann(puppet, clock)

    await clock.run_for(301.0)

    assert puppet.last_response().status == 480
    assert ann.names() == ["incoming", "cancelled"]


async def test_phones_of_the_old_standard_can_call(ann: Station, puppet: Puppet, clock: VirtualClock):
    """RFC 2543: no cookie in the branch; ACK and BYE still find their call."""
    puppet.request("INVITE", ANN, body=OFFER, branch="1", from_tag="old")
    await clock.run_for(0.1)
    ann.telephony.answer(ann.last("incoming").call, OFFER)
    await clock.run_for(0.1)
    tag = puppet.last_response().to.tag
    puppet.request("ACK", ANN, branch="1", from_tag="old", to_tag=tag)
    puppet.request("BYE", ANN, branch="2", from_tag="old", to_tag=tag, cseq=2)
    await clock.run_for(0.1)

    assert ann.names() == ["incoming", "acknowledged", "ended"]
