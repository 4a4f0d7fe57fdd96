"""An INVITE that takes the place of another call (RFC 3891), in and out."""

import pytest

from ringback.calls.ports.carrier import OutgoingInvite, Replaces
from ringback.model.ids import CallId
from ringback.telephony.service import TelephonySettings
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Station
from unit.sip.puppet import OFFER, Puppet
from unit.sip.test_inbound import ANN, call_ann, hang_up
from unit.sip.test_outbound import TARGET


async def replace(
    puppet: Puppet, clock: VirtualClock, *values: str, call_id: str = "new", to: str = ANN, **more: str
) -> int:
    rows = [("Replaces", value) for value in values]
    rows += [(name.replace("_", "-"), value) for name, value in more.items()]
    puppet.request("INVITE", to, call_id=call_id, from_tag=call_id, body=OFFER, rows=rows)
    await clock.run_for(0.1)
    return puppet.last_response().status


def named(tag: str, more: str = "") -> str:
    return f"puppet-call;to-tag={tag};from-tag=puppet{more}"


async def test_an_invite_that_names_a_call_of_ours_says_which(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§3: it is answered first, then the other is ended; Referred-By says on whose word (RFC 3892)."""
    tag = await call_ann(ann, puppet, clock)
    old = ann.last("incoming").call

    status = await replace(puppet, clock, named(tag), Require="replaces", Referred_By="<sip:bob@phones.example>;cid=2")

    invite = ann.last("incoming")
    assert (status, invite.replaces, invite.referred_by) == (100, old, "sip:bob@phones.example")
    ann.telephony.answer(invite.call, OFFER)
    ann.telephony.bye(old)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("BYE"), 200, ANN)
    ours = puppet.got(200)[-1].to.tag
    puppet.request("ACK", ANN, call_id="new", from_tag="new", to_tag=ours)
    puppet.request("BYE", ANN, call_id="new", from_tag="new", to_tag=ours, cseq=2)
    await clock.run_for(0.1)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("puppet-call;to-tag=guess;from-tag=puppet", 481),
        ("puppet-call;to-tag=TAG;from-tag=guess", 481),
        ("other;to-tag=TAG;from-tag=puppet", 481),
        ("puppet-call;to-tag=TAG", 400),
        ("puppet-call;to-tag=TAG;to-tag=TAG;from-tag=puppet", 400),
        ("", 400),
        ("puppet-call;to-tag=TAG;from-tag=puppet;early-only", 486),
    ],
)
async def test_what_matches_no_call_or_is_unreadable_is_refused(
    ann: Station, puppet: Puppet, clock: VirtualClock, value: str, status: int
):
    """A13; §3. Whoever only replaces a ringing call is told that this one is answered."""
    tag = await call_ann(ann, puppet, clock)
    assert await replace(puppet, clock, value.replace("TAG", tag)) == status
    assert len(ann.all("incoming")) == 1
    await hang_up(puppet, clock, tag)


async def test_two_of_them_are_one_too_many(ann: Station, puppet: Puppet, clock: VirtualClock):
    tag = await call_ann(ann, puppet, clock)
    assert await replace(puppet, clock, named(tag), named(tag)) == 400
    assert await replace(puppet, clock, named(tag), call_id="joins", Join="a;to-tag=b;from-tag=c") == 400
    await hang_up(puppet, clock, tag)


async def test_a_stranger_who_learnt_the_ids_is_told_the_same_as_one_who_guessed(
    ann: Station, puppet: Puppet, network: Network, clock: VirtualClock
):
    """A13: only the far end itself, or who is known, may put another call in its place."""
    tag = await call_ann(ann, puppet, clock)
    stranger = Puppet(network, "203.0.113.66")
    assert await replace(stranger, clock, named(tag)) == 481
    assert len(ann.all("incoming")) == 1
    await hang_up(puppet, clock, tag)


async def test_a_known_peer_may_replace_the_call_of_another(network: Network, puppet: Puppet, clock: VirtualClock):
    """An attended transfer: the party that is called in the end is not the one that asked for it."""
    settings = TelephonySettings(rate_limits=None, allow_private=True, lag_limit=None, known=["203.0.113.0/24"])
    station = await Station(network, "10.0.0.3", settings).start()
    puppet.request("INVITE", "10.0.0.3", body=OFFER)
    await clock.run_for(0.1)
    old = station.last("incoming").call
    station.telephony.answer(old, OFFER)
    await clock.run_for(0.1)
    tag = puppet.last_response().to.tag
    puppet.request("ACK", "10.0.0.3", to_tag=tag)
    known = Puppet(network, "203.0.113.66")

    assert await replace(known, clock, named(tag), to="10.0.0.3") == 100

    assert station.last("incoming").replaces == old
    station.telephony.reject(station.last("incoming").call, 486)
    puppet.request("BYE", "10.0.0.3", to_tag=tag, cseq=2)
    await clock.run_for(400.0)
    assert station.telephony.idle, station.telephony.leftovers()


async def test_a_call_that_only_rings_at_us_cannot_be_taken(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§3: an early dialog may be replaced only by whom it was made to."""
    puppet.request("INVITE", ANN, body=OFFER)
    await clock.run_for(0.1)
    call = ann.last("incoming").call
    ann.telephony.ring(call)
    await clock.run_for(0.1)
    tag = puppet.last_response().to.tag
    assert await replace(puppet, clock, named(tag)) == 481
    ann.telephony.reject(call, 486)


async def test_an_early_call_of_ours_may_be_taken_by_whom_it_rings_at(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """§3: call pickup."""
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    puppet.answer(invite, 180, ANN)
    await clock.run_for(0.1)

    value = f"{invite.call_id};to-tag={invite.from_.tag};from-tag=puppet;early-only"
    assert await replace(puppet, clock, value) == 100

    assert ann.last("incoming").replaces == call
    ann.telephony.reject(ann.last("incoming").call, 486)
    puppet.answer(invite, 486, ANN)


async def test_our_invite_in_the_place_of_another_says_so(ann: Station, puppet: Puppet, clock: VirtualClock):
    """§5: Require, so that nobody rings anew; a header cannot be smuggled in."""
    call = CallId("out")
    dialog = ann.telephony.prepare(TARGET, call, "room")
    told = Replaces("theirs@pbx\r\nX-Evil: 1", "a1", "b2", True)
    ann.telephony.invite(OutgoingInvite(call, dialog, OFFER, replaces=told, referred_by="sip:bob@phones.example"))
    await clock.run_for(0.1)

    headers = puppet.last_request("INVITE").headers
    assert headers.get("replaces") == "theirs@pbxX-Evil: 1;to-tag=a1;from-tag=b2;early-only"
    assert (headers.get("require"), headers.get("referred-by")) == ("replaces", "<sip:bob@phones.example>")
    puppet.answer(puppet.last_request("INVITE"), 481, ANN)
    await clock.run_for(0.1)
    assert ann.last("failed")[1].status == 481
