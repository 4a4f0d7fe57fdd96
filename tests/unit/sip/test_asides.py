"""What is said beside the call itself: keys and wishes by INFO, reasons of an end, names in Contact, late offers."""

import pytest

from ringback.calls.ports.carrier import Failure
from ringback.model.ids import CallId
from ringback.sip.message import Row
from ringback.telephony.service import TelephonySettings
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Station
from unit.sip.puppet import OFFER, Puppet
from unit.sip.test_call import HELD
from unit.sip.test_inbound import ANN, call_ann, hang_up, ring_ann
from unit.sip.test_outbound import TARGET, call_up

PICTURE = (
    b'<?xml version="1.0" encoding="utf-8"?><media_control><vc_primitive><to_encoder>'
    b"<picture_fast_update></picture_fast_update></to_encoder></vc_primitive></media_control>"
)


async def goodbye(ann: Station, puppet: Puppet, clock: VirtualClock, call: CallId) -> None:
    ann.telephony.bye(call)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("BYE"), 200, ANN)
    await clock.run_for(0.1)


# ── INFO ──


async def test_keys_go_out_by_info_one_after_the_other(ann: Station, puppet: Puppet, clock: VirtualClock):
    """RFC 6086 keeps no order: each waits for the answer to the one before, whatever that is."""
    call = await call_up(ann, puppet, clock)
    for digit in "1#D":
        ann.telephony.send_info_digit(call, digit, 160)
    await clock.run_for(0.1)
    assert len(puppet.got("INFO")) == 1
    for status in (200, 415, 500):
        puppet.answer(puppet.last_request("INFO"), status, ANN)
        await clock.run_for(0.1)

    infos = puppet.got("INFO")
    assert [info.body for info in infos] == [f"Signal={d}\r\nDuration=160\r\n".encode() for d in "1#D"]
    assert {info.headers.get("content-type") for info in infos} == {"application/dtmf-relay"}
    assert "ended" not in ann.names()
    await goodbye(ann, puppet, clock, call)


async def test_a_key_that_finds_no_dialog_ends_the_call(ann: Station, puppet: Puppet, clock: VirtualClock):
    """RFC 3261 §12.2.1.2."""
    call = await call_up(ann, puppet, clock)
    ann.telephony.send_info_digit(call, "1", 100)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("INFO"), 481, ANN)
    await clock.run_for(0.1)
    assert ann.last("ended")[:2] == (call, "gone")
    puppet.answer(puppet.last_request("BYE"), 481, ANN)


@pytest.mark.parametrize("status", [408, None])
async def test_a_phone_that_has_nothing_to_say_to_keys_keeps_its_call(
    ann: Station, puppet: Puppet, clock: VirtualClock, status: int | None
):
    """Departs from RFC 3261 §12.2.1.2: phones that never answer INFO exist, and people talk over them."""
    call = await call_up(ann, puppet, clock)
    ann.telephony.send_info_digit(call, "1", 100)
    ann.telephony.send_info_digit(call, "2", 100)
    await clock.run_for(0.1)
    if status is not None:
        puppet.answer(puppet.last_request("INFO"), status, ANN)
    await clock.run_for(70.0)
    assert "ended" not in ann.names()
    wanted = {b"Signal=1"} if status is None else {b"Signal=1", b"Signal=2"}
    assert {info.body[:8] for info in puppet.got("INFO")} == wanted
    await goodbye(ann, puppet, clock, call)


async def test_a_wish_for_a_picture_is_told(ann: Station, puppet: Puppet, clock: VirtualClock):
    """RFC 5168 §7.1; whatever else such a body says is taken and means nothing."""
    tag = await call_ann(ann, puppet, clock)
    xml: list[Row] = [("Content-Type", "application/media_control+xml")]
    puppet.request("INFO", ANN, to_tag=tag, cseq=2, rows=xml, body=PICTURE)
    puppet.request("INFO", ANN, to_tag=tag, cseq=3, rows=xml, body=b"<media_control/>")
    await clock.run_for(0.1)
    assert puppet.statuses()[-2:] == [200, 200]
    assert ann.all("picture_wanted") == [(ann.last("incoming").call,)]
    await hang_up(puppet, clock, tag)


# ── Reason (RFC 3326) ──


async def test_our_bye_and_cancel_say_why_in_words_and_as_the_telephone_network_counts(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    call = await call_up(ann, puppet, clock)
    ann.telephony.bye(call, 'meeting "7" ended\r\n', 16)
    await clock.run_for(0.1)
    bye = puppet.last_request("BYE")
    assert bye.headers.all("reason") == [
        'SIP;cause=200;text="meeting \\"7\\" ended"',
        'Q.850;cause=16;text="meeting \\"7\\" ended"',
    ]
    puppet.answer(bye, 200, ANN)

    other = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    puppet.answer(invite, 180, ANN)
    await clock.run_for(0.1)
    ann.telephony.cancel(other, "", 31)
    await clock.run_for(0.1)
    assert puppet.last_request("CANCEL").headers.all("reason") == ["SIP;cause=487", "Q.850;cause=31"]
    puppet.answer(puppet.last_request("CANCEL"), 200, ANN)
    puppet.answer(invite, 487, ANN)


@pytest.mark.parametrize(
    ("q850", "said"),
    [
        (None, ["SIP;cause=200", "Q.850;cause=16"]),
        (31, ["SIP;cause=200", "Q.850;cause=31"]),
        (102, ["SIP;cause=504", "Q.850;cause=102"]),
        (88, ["SIP;cause=488", "Q.850;cause=88"]),
    ],
)
async def test_every_bye_of_ours_has_a_reason(
    ann: Station, puppet: Puppet, clock: VirtualClock, q850: int | None, said: list[str]
):
    call = await call_up(ann, puppet, clock)
    ann.telephony.bye(call, "", q850)
    await clock.run_for(0.1)

    assert puppet.last_request("BYE").headers.all("reason") == said
    puppet.answer(puppet.last_request("BYE"), 200, ANN)


async def test_why_a_caller_gave_up_is_told(ann: Station, puppet: Puppet, clock: VirtualClock):
    invite = await ring_ann(puppet, clock)
    reason = ("Reason", 'SIP;cause=200;text="Call completed elsewhere", Q.850;cause=26;text="answered elsewhere"')
    puppet.request("CANCEL", ANN, branch=invite.top_via.branch, rows=[reason])
    await clock.run_for(0.1)
    assert ann.last("cancelled") == (ann.last("incoming").call, "answered elsewhere", 26)


async def test_why_a_call_failed_and_why_it_ended_is_told(ann: Station, puppet: Puppet, clock: VirtualClock):
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("INVITE"), 480, ANN, rows=[("Reason", "Q.850;cause=20")])
    await clock.run_for(0.1)
    assert ann.last("failed") == (call, Failure(480, "Temporarily Unavailable", "answer", 20))

    tag = await call_ann(ann, puppet, clock)
    puppet.request("BYE", ANN, to_tag=tag, cseq=2, rows=[("Reason", 'Q.850;cause=41;text="Temporary failure"')])
    await clock.run_for(0.1)
    assert ann.last("ended")[1:] == ("bye", "Temporary failure", 41)


async def test_our_refusals_may_say_why(ann: Station, puppet: Puppet, clock: VirtualClock):
    await ring_ann(puppet, clock)
    ann.telephony.reject(ann.last("incoming").call, 480, headers=[("Reason", "Q.850;cause=34")])
    await clock.run_for(0.1)
    assert puppet.last_response().headers.get("reason") == "Q.850;cause=34"


async def test_a_refusal_says_what_the_telephone_network_calls_it(ann: Station, puppet: Puppet, clock: VirtualClock):
    """RFC 3398 §8.2.6.1: a gateway need not guess; RFC 6432 lets responses say it."""
    for number, (status, cause) in enumerate({486: 17, 404: 1, 480: 18, 488: 88, 603: 21}.items()):
        await ring_ann(puppet, clock, call_id=f"c{number}")
        ann.telephony.reject(ann.last("incoming").call, status)
        await clock.run_for(0.1)
        assert puppet.last_response().headers.all("reason") == [f"Q.850;cause={cause}"]


# ── an INVITE without an offer (RFC 3261 §13.2.1) ──


@pytest.mark.parametrize("hold", [True, False])
async def test_our_invite_may_ask_for_an_offer_and_its_ack_brings_the_answer(
    network: Network, puppet: Puppet, clock: VirtualClock, hold: bool
):
    settings = TelephonySettings(rate_limits=None, allow_private=True, lag_limit=None, hold_ack=hold)
    station = await Station(network, "10.0.0.3", settings).start()
    call = station.dial(TARGET)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    puppet.answer(invite, 200, "10.0.0.3", body=OFFER)
    await clock.run_for(0.1)
    assert station.last("answered") == (call, OFFER)
    assert puppet.got("ACK") == []

    station.telephony.confirm(call, HELD)
    await clock.run_for(0.1)
    ack = puppet.last_request("ACK")
    assert (ack.body, ack.headers.get("content-type")) == (HELD, "application/sdp")
    puppet.answer(invite, 200, "10.0.0.3", body=OFFER)
    await clock.run_for(0.1)
    assert [message.body for message in puppet.got("ACK")] == [HELD, HELD]

    station.telephony.bye(call)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("BYE"), 200, "10.0.0.3")
    await clock.run_for(400.0)
    assert station.telephony.idle, station.telephony.leftovers()


async def test_an_offer_nobody_could_answer_is_acknowledged_and_hung_up_on(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    call = ann.dial(TARGET)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("INVITE"), 200, ANN, body=OFFER)
    await clock.run_for(0.1)
    ann.telephony.bye(call)
    await clock.run_for(0.1)
    assert puppet.last_request("ACK").body == b""
    puppet.answer(puppet.last_request("BYE"), 200, ANN)


# ── names where addresses are expected (RFC 3263 §4, §12.2.1.1) ──


class Book:
    """A name server with two names."""

    async def naptr(self, name: str) -> list[object]:
        return []

    async def srv(self, name: str) -> list[object]:
        return []

    async def addresses(self, host: str) -> list[str]:
        return {"edge.example": ["203.0.113.8"], "here.example": ["203.0.113.8", "10.0.0.9"]}.get(host, [])


@pytest.mark.parametrize(
    ("contact", "goes_to"),
    [("edge.example", "203.0.113.8"), ("here.example", "10.0.0.9"), ("nowhere.example", "10.0.0.9")],
)
async def test_a_name_in_contact_is_looked_up_for_what_comes_later(
    network: Network, puppet: Puppet, clock: VirtualClock, contact: str, goes_to: str
):
    """A name that means where the far end was heard from, among others, or nothing at all, changes nothing."""
    settings = TelephonySettings(rate_limits=None, allow_private=True, lag_limit=None)
    station = await Station(network, "10.0.0.3", settings, names=Book()).start()
    edge = Puppet(network, "203.0.113.8")
    puppet.claims = contact
    puppet.request("INVITE", "10.0.0.3", body=OFFER)
    await clock.run_for(0.1)
    call = station.last("incoming").call
    station.telephony.answer(call, OFFER)
    await clock.run_for(0.1)
    puppet.request("ACK", "10.0.0.3", to_tag=puppet.last_response().to.tag)
    await clock.run_for(0.1)

    station.telephony.bye(call)
    await clock.run_for(0.1)

    heard = edge if goes_to == edge.host else puppet
    bye = heard.last_request("BYE")
    assert bye.target == f"sip:puppet@{contact}:5060"
    heard.answer(bye, 200, "10.0.0.3")
    await clock.run_for(400.0)
    assert station.telephony.idle, station.telephony.leftovers()


async def test_a_goodbye_from_another_node_of_a_known_network_counts(
    network: Network, puppet: Puppet, clock: VirtualClock
):
    """B2: carriers say goodbye from another edge; a stranger may not while the far end is heard."""
    settings = TelephonySettings(rate_limits=None, allow_private=True, lag_limit=None, known=["10.0.0.8/30"])
    station = await Station(network, "10.0.0.3", settings).start()
    stranger, node = Puppet(network, "10.0.0.66"), Puppet(network, "10.0.0.10")
    puppet.request("INVITE", "10.0.0.3", body=OFFER)
    await clock.run_for(0.1)
    station.telephony.answer(station.last("incoming").call, OFFER)
    await clock.run_for(0.1)
    tag = puppet.last_response().to.tag
    puppet.request("ACK", "10.0.0.3", to_tag=tag)
    for source, status in ((stranger, 403), (node, 200)):
        source.request("BYE", "10.0.0.3", to_tag=tag, cseq=2)
        await clock.run_for(0.1)
        assert source.last_response().status == status
    await clock.run_for(400.0)
    assert station.telephony.idle, station.telephony.leftovers()
