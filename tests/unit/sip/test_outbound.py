"""Calls we make: RFC 3261 §9.1, §13.2, RFC 3263 §4.3, and what far ends do to them."""

import pytest

from ringback.calls.ports.carrier import Failure
from ringback.model.ids import CallId
from ringback.sip.digest import Credential
from ringback.sip.message import reply
from ringback.telephony.service import TelephonySettings
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Packet, Station
from unit.sip.puppet import OFFER, Puppet

TARGET = "sip:123@10.0.0.9"
ANN = "10.0.0.1"


async def call_up(ann: Station, puppet: Puppet, clock: VirtualClock) -> CallId:
    """A call that the puppet answered and we acknowledged."""
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("INVITE"), 200, ANN, body=OFFER)
    await clock.run_for(0.1)
    return call


async def test_ringing_and_answer_are_told_and_the_answer_is_acknowledged(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    call = ann.dial(TARGET, OFFER, headers=(("X-Team", "blue"),))
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    puppet.answer(invite, 100, ANN)
    puppet.answer(invite, 183, ANN, body=OFFER)
    await clock.run_for(0.1)
    puppet.answer(invite, 200, ANN, body=OFFER)
    await clock.run_for(0.1)

    assert ann.names() == ["progress", "answered"]
    assert ann.last("progress") == (call, 183, "Session Progress", OFFER, "puppet", False)
    assert ann.last("answered") == (call, OFFER)
    assert (invite.headers.get("x-team"), invite.target) == ("blue", TARGET)
    ack = puppet.last_request("ACK")
    assert (ack.to.tag, ack.target) == ("puppet", "sip:puppet@10.0.0.9:5060")
    assert ack.top_via.branch != invite.top_via.branch

    ann.telephony.bye(call, "meeting ended")
    await clock.run_for(0.1)
    bye = puppet.last_request("BYE")
    assert bye.headers.get("reason") == 'SIP;cause=200;text="meeting ended"'
    puppet.answer(bye, 200, ANN)


async def test_a_repeated_answer_is_acknowledged_again(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§13.2.2.4, also after the transaction has been forgotten."""
    await call_up(ann, puppet, clock)
    for _ in range(2):
        puppet.answer(puppet.last_request("INVITE"), 200, ANN, body=OFFER)
        await clock.run_for(40.0)

    assert len(puppet.got("ACK")) == 3
    assert ann.names() == ["answered"]
    puppet.request("BYE", ANN, call_id=puppet.last_request("INVITE").call_id, **tags(puppet))
    await clock.run_for(0.1)


def tags(puppet: Puppet) -> dict[str, str]:
    return {"from_tag": "puppet", "to_tag": puppet.last_request("INVITE").from_.tag}


async def test_the_answer_of_another_fork_is_taken_and_given_back(ann: Station, puppet: Puppet, clock: VirtualClock):
    call = await call_up(ann, puppet, clock)

    puppet.answer(puppet.last_request("INVITE"), 200, ANN, tag="fork", body=OFFER)
    await clock.run_for(0.1)

    assert [ack.to.tag for ack in puppet.got("ACK")] == ["puppet", "fork"]
    assert [bye.to.tag for bye in puppet.got("BYE")] == ["fork"]
    assert ann.names() == ["answered"]
    puppet.answer(puppet.last_request("BYE"), 200, ANN)
    ann.telephony.bye(call)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("BYE"), 200, ANN)


@pytest.mark.parametrize(
    ("status", "reason", "q850"),
    [(486, "Busy Here", 17), (603, "Decline", None), (404, "Not Found", 1), (302, "Moved Temporarily", None)],
)
async def test_a_refusal_is_told_with_its_status_and_cause(
    ann: Station, puppet: Puppet, clock: VirtualClock, status: int, reason: str, q850: int | None
):
    """Redirections are not followed (D8)."""
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    rows = [("Reason", f"Q.850;cause={q850}")] if q850 else []
    invite = puppet.last_request("INVITE")
    puppet.send(reply(invite, status, reason, to_tag="puppet", rows=rows), ANN)
    await clock.run_for(0.1)

    assert ann.last("failed") == (call, Failure(status, reason, "answer", q850))
    assert puppet.last_request("ACK").top_via.branch == invite.top_via.branch


async def test_cancel_waits_for_the_first_provisional_answer(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§9.1."""
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    ann.telephony.cancel(call, "changed my mind")
    await clock.run_for(0.1)
    assert puppet.got("CANCEL") == []

    invite = puppet.last_request("INVITE")
    puppet.answer(invite, 100, ANN)
    await clock.run_for(0.1)
    cancel = puppet.last_request("CANCEL")
    puppet.answer(cancel, 200, ANN)
    puppet.answer(invite, 487, ANN)
    await clock.run_for(0.1)

    assert cancel.top_via.branch == invite.top_via.branch
    assert ann.last("failed") == (call, Failure(487, "Request Terminated", "answer"))


async def test_an_answer_that_crosses_our_cancel_is_acknowledged_and_hung_up(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    puppet.answer(invite, 180, ANN)
    await clock.run_for(0.1)
    ann.telephony.cancel(call)
    puppet.answer(invite, 200, ANN, body=OFFER)
    await clock.run_for(0.1)

    assert len(puppet.got("ACK")) == 1
    assert len(puppet.got("BYE")) == 1
    assert ann.names() == ["progress", "failed"]
    puppet.answer(puppet.last_request("BYE"), 200, ANN)
    puppet.answer(puppet.last_request("CANCEL"), 481, ANN)


async def test_a_cancel_that_nobody_honours_ends_after_32_seconds(ann: Station, puppet: Puppet, clock: VirtualClock):
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("INVITE"), 180, ANN)
    await clock.run_for(0.1)
    ann.telephony.cancel(call)
    await clock.run_for(31.0)
    assert "failed" not in ann.names()

    await clock.run_for(2.0)

    assert ann.last("failed") == (call, Failure(0, "no answer to CANCEL", "timeout"))


async def test_ringing_too_long_is_no_answer_at_the_second_it_was_set_to(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    call = ann.dial(TARGET, OFFER, ring_timeout=30.0)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    puppet.answer(invite, 180, ANN)
    await clock.run_for(29.0)
    assert ann.names() == ["progress"]

    await clock.run_for(1.0)

    assert ann.last("failed") == (call, Failure(408, "no answer", "timeout"))
    puppet.answer(puppet.last_request("CANCEL"), 200, ANN)
    puppet.answer(invite, 487, ANN)


async def test_silence_is_reported_after_4_seconds(ann: Station, puppet: Puppet, clock: VirtualClock):
    """RFC 3261 would wait 32 s; a network that is there says 100 at once."""
    call = ann.dial(TARGET, OFFER)

    await clock.run_for(4.2)

    assert ann.last("failed") == (call, Failure(0, "no response", "timeout"))
    assert len(puppet.got("INVITE")) == 4
    await clock.run_for(20.0)
    assert len(puppet.got("INVITE")) == 4


async def test_what_comes_after_silence_is_still_answered(ann: Station, puppet: Puppet, clock: VirtualClock):
    """Ringing with CANCEL, an answer with ACK and BYE: nobody is left with a call that nobody knows of."""
    ann.dial(TARGET, OFFER)
    await clock.run_for(5.0)
    invite = puppet.last_request("INVITE")
    puppet.answer(invite, 180, ANN)
    await clock.run_for(0.1)
    assert len(puppet.got("CANCEL")) == 1

    puppet.answer(invite, 200, ANN, body=OFFER)
    await clock.run_for(0.1)

    assert len(puppet.got("ACK")) == 1
    assert len(puppet.got("BYE")) == 1
    assert ann.names() == ["failed"]
    puppet.answer(puppet.last_request("BYE"), 200, ANN)


async def test_an_address_where_nobody_listens_is_reported_at_once(ann: Station, clock: VirtualClock):
    call = ann.dial("sip:123@10.0.0.77", OFFER)

    await clock.run_for(0.1)

    assert ann.last("failed") == (call, Failure(0, "the far end cannot be reached", "transport"))


async def test_an_answer_from_another_address_is_not_ours(
    ann: Station, network: Network, puppet: Puppet, clock: VirtualClock
):
    """B4: no ACK, no change."""
    ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    thief = Puppet(network, "10.0.0.66")
    thief.answer(puppet.last_request("INVITE"), 200, ANN, body=OFFER)
    await clock.run_for(0.1)

    assert (ann.names(), thief.heard) == ([], [])
    puppet.answer(puppet.last_request("INVITE"), 486, ANN)


async def test_a_challenge_to_a_stranger_is_a_refusal(ann: Station, puppet: Puppet, clock: VirtualClock):
    """A9: no credentials for an address somebody typed in."""
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    challenge = [("Proxy-Authenticate", 'Digest realm="trunk", nonce="n", qop="auth"')]
    puppet.answer(puppet.last_request("INVITE"), 407, ANN, rows=challenge)
    await clock.run_for(0.1)

    assert ann.last("failed")[1].status == 407
    assert ann.last("failed")[0] == call
    assert len(puppet.got("INVITE")) == 1


async def test_a_trunks_challenge_is_answered_once_and_not_for_ever(
    network: Network, puppet: Puppet, clock: VirtualClock
):
    """A8: a peer that challenges every attempt gets two."""
    settings = TelephonySettings(
        rate_limits=None,
        allow_private=True,
        lag_limit=None,
        credentials=[Credential("10.0.0.9", "us", "secret", "trunk")],
    )
    station = await Station(network, ANN, settings).start()
    call = station.dial(TARGET, OFFER)
    for nonce in "ab":
        await clock.run_for(0.1)
        challenge = [("Proxy-Authenticate", f'Digest realm="trunk", nonce="{nonce}", qop="auth", algorithm=SHA-256')]
        puppet.answer(puppet.last_request("INVITE"), 407, ANN, rows=challenge)
    await clock.run_for(0.1)

    first, second = puppet.got("INVITE")
    assert (first.cseq.number, second.cseq.number) == (1, 2)
    assert first.call_id == second.call_id
    assert 'username="us"' in (second.headers.get("proxy-authorization") or "")
    assert station.last("failed")[1].status == 407
    assert station.last("failed")[0] == call
    await clock.run_for(60.0)
    assert station.telephony.idle


async def test_an_answer_without_a_description_means_the_early_one(ann: Station, puppet: Puppet, clock: VirtualClock):
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    puppet.answer(invite, 183, ANN, body=OFFER)
    puppet.answer(invite, 200, ANN)
    await clock.run_for(0.1)

    assert ann.last("answered") == (call, OFFER)
    puppet.request("BYE", ANN, call_id=invite.call_id, **tags(puppet))
    await clock.run_for(0.1)


async def test_requests_through_a_proxy_keep_its_route(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§12.1.2: Record-Route turned round; without it a proxy answers 404 to our BYE and the call stays up."""
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    routes = [("Record-Route", "<sip:10.0.0.8;lr>"), ("Record-Route", "<sip:10.0.0.9;lr;ftag=x>")]
    puppet.answer(puppet.last_request("INVITE"), 200, ANN, rows=routes, body=OFFER)
    await clock.run_for(0.1)
    ann.telephony.bye(call)
    await clock.run_for(0.1)

    for method in ("ACK", "BYE"):
        sent = puppet.last_request(method)
        assert sent.headers.all("route") == ["<sip:10.0.0.9;lr;ftag=x>", "<sip:10.0.0.8;lr>"]
        assert sent.target == "sip:puppet@10.0.0.9:5060"
    puppet.answer(puppet.last_request("BYE"), 200, ANN)


async def test_a_strict_router_is_put_into_the_request_uri(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§12.2.1.1."""
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("INVITE"), 200, ANN, rows=[("Record-Route", "<sip:10.0.0.9:5060>")], body=OFFER)
    await clock.run_for(0.1)
    ann.telephony.bye(call)
    await clock.run_for(0.1)

    bye = puppet.last_request("BYE")
    assert bye.target == "sip:10.0.0.9:5060"
    assert bye.headers.all("route") == ["<sip:puppet@10.0.0.9:5060>"]
    puppet.answer(bye, 200, ANN)


async def test_long_invites_go_by_tcp_and_by_udp_where_there_is_none(
    ann: Station, network: Network, puppet: Puppet, clock: VirtualClock
):
    """C8: §18.1.1."""
    network.drop = lambda packet: b"SIP/2.0/TCP" in packet.data
    ann.dial(TARGET, OFFER + b"a=x:" + b"y" * 1200 + b"\r\n")
    await clock.run_for(0.1)
    assert network.packets[-1].data.count(b"Via: SIP/2.0/TCP") == 1

    await clock.run_for(4.2)

    assert puppet.last_request("INVITE").top_via.transport == "UDP"
    puppet.answer(puppet.last_request("INVITE"), 486, ANN)


async def test_the_dialog_is_told_before_the_invite_goes_out_and_again_when_answered(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """So that a process that is killed leaves what is needed to hang up."""
    call = await call_up(ann, puppet, clock)

    before, after = (dialog for _, dialog in ann.all("dialog_changed"))
    assert (before.peer, before.remote_tag, before.branch) == (
        "10.0.0.9:5060",
        "",
        puppet.last_request("INVITE").top_via.branch,
    )
    assert (after.remote_tag, after.remote_target) == ("puppet", "sip:puppet@10.0.0.9:5060")
    puppet.request("BYE", ANN, call_id=before.call_id, **tags(puppet), rows=[("Reason", 'Q.850;cause=16;text="bye"')])
    await clock.run_for(0.1)
    assert ann.last("ended") == (call, "bye", "bye", 16)


async def test_a_header_value_cannot_become_a_line(ann: Station, puppet: Puppet, clock: VirtualClock):
    """D1, D4: whatever was checked before, the last door is shut too."""
    ann.dial(TARGET, OFFER, headers=(("X-A", "1\r\nVia: x"), ("Route", "<sip:evil>"), ("X-B:", "2")))
    await clock.run_for(0.1)

    invite = puppet.last_request("INVITE")
    assert invite.headers.get("x-a") == "1Via: x"
    assert "route" not in invite.headers
    puppet.answer(invite, 486, ANN)


def test_what_was_dropped_is_seen_in_the_ladder():
    packet = Packet(0.0, "10.0.0.1:5060", "10.0.0.2:5060", b"SIP/2.0 180 Ringing\r\n", "lost")

    assert packet.summary == "180"


@pytest.mark.parametrize("status", [401, 407, 302])
async def test_a_bye_that_is_challenged_for_ever_is_not_said_for_ever(
    network: Network, puppet: Puppet, clock: VirtualClock, status: int
):
    """B8, A9: one retry, with credentials that are meant for that far end; a redirected BYE is not followed."""
    settings = TelephonySettings(
        rate_limits=None,
        allow_private=True,
        lag_limit=None,
        credentials=[Credential("10.0.0.9", "us", "secret", "trunk")],
    )
    station = await Station(network, "10.0.0.3", settings).start()
    call = station.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("INVITE"), 200, "10.0.0.3", body=OFFER)
    await clock.run_for(0.1)
    station.telephony.bye(call)
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    for nonce in range(5):
        await clock.run_for(0.1)
        rows = [(name, f'Digest realm="trunk", nonce="{nonce}", qop="auth"')]
        puppet.answer(puppet.last_request("BYE"), status, "10.0.0.3", rows=rows)

    assert len(puppet.got("BYE")) == (1 if status == 302 else 2)
    await clock.run_for(400.0)
    assert station.telephony.idle, station.telephony.leftovers()
