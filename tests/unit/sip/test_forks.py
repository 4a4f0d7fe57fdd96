"""One INVITE, several telephones: early dialogs and what becomes of them (RFC 3261 §12.1.2, §13.2.2.4)."""

from ringback.calls.ports import Failure
from ringback.sip.message import Request
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Station
from unit.sip.puppet import OFFER, Puppet
from unit.sip.test_call import HELD, HOLD
from unit.sip.test_inbound import ANN
from unit.sip.test_outbound import TARGET


async def ring_two(ann: Station, puppet: Puppet, clock: VirtualClock) -> tuple[str, Request]:
    """The desk phone rings, then the mobile with early media."""
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    puppet.answer(invite, 180, ANN, tag="desk")
    puppet.answer(invite, 183, ANN, tag="mobile", body=HOLD)
    await clock.run_for(0.1)
    return call, invite


async def bye(ann: Station, puppet: Puppet, clock: VirtualClock, call: str) -> Request:
    ann.telephony.bye(call)  # type: ignore[arg-type]
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("BYE"), 200, ANN)
    await clock.run_for(0.1)
    return puppet.last_request("BYE")


async def test_each_telephone_that_rings_is_told_by_its_tag(ann: Station, puppet: Puppet, clock: VirtualClock):
    call, invite = await ring_two(ann, puppet, clock)

    assert ann.all("progress") == [
        (call, 180, "Ringing", None, "desk", False),
        (call, 183, "Session Progress", HOLD, "mobile", False),
    ]
    puppet.answer(invite, 200, ANN, tag="mobile")
    await clock.run_for(0.1)
    assert ann.last("answered") == (call, HOLD), "what its 183 said holds"
    assert (await bye(ann, puppet, clock, call)).to.tag == "mobile"


async def test_an_answer_from_another_fork_brings_its_own_description_and_route(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """§13.2.2.4: route set and target are those of the 2xx, and nothing of the fork that only rang is left."""
    call, invite = await ring_two(ann, puppet, clock)
    puppet.answer(invite, 200, ANN, tag="desk", body=HELD, rows=[("Record-Route", "<sip:10.0.0.9;lr>")])
    await clock.run_for(0.1)

    assert ann.last("answered") == (call, HELD)
    ack = puppet.last_request("ACK")
    assert (ack.to.tag, ack.headers.get("route")) == ("desk", "<sip:10.0.0.9;lr>")
    puppet.request("UPDATE", ANN, call_id=invite.call_id, to_tag=invite.from_.tag, from_tag="mobile", cseq=1)
    await clock.run_for(0.1)
    assert puppet.last_response().status == 481
    assert ann.last("dialog_changed")[1].remote_tag == "desk"
    await bye(ann, puppet, clock, call)


async def test_an_answer_without_a_description_and_without_early_media_of_its_own_brings_none(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    """What another fork said is not its word."""
    call, invite = await ring_two(ann, puppet, clock)
    puppet.answer(invite, 200, ANN, tag="desk")
    await clock.run_for(0.1)

    assert ann.last("answered") == (call, None)
    await bye(ann, puppet, clock, call)


async def test_a_second_telephone_that_answers_gets_ack_and_bye(ann: Station, puppet: Puppet, clock: VirtualClock):
    call, invite = await ring_two(ann, puppet, clock)
    puppet.answer(invite, 200, ANN, tag="desk", body=OFFER)
    puppet.answer(invite, 200, ANN, tag="mobile", body=OFFER)
    await clock.run_for(0.1)

    assert [message.to.tag for message in puppet.got("ACK")] == ["desk", "mobile"]
    assert [message.to.tag for message in puppet.got("BYE")] == ["mobile"]
    puppet.answer(puppet.last_request("BYE"), 200, ANN)
    assert len(ann.all("answered")) == 1
    await bye(ann, puppet, clock, call)


async def test_a_telephone_that_stops_ringing_is_told_and_forgotten(ann: Station, puppet: Puppet, clock: VirtualClock):
    """RFC 6228: 199 ends its early dialog, and the call goes on with the others."""
    call, invite = await ring_two(ann, puppet, clock)
    assert "199" in (invite.headers.get("supported") or "")
    puppet.answer(invite, 199, ANN, tag="mobile")
    await clock.run_for(0.1)

    assert ann.last("progress")[1:] == (199, "Early Dialog Terminated", None, "mobile", False)
    puppet.request("UPDATE", ANN, call_id=invite.call_id, to_tag=invite.from_.tag, from_tag="mobile", cseq=1)
    await clock.run_for(0.1)
    assert puppet.last_response().status == 481
    puppet.answer(invite, 200, ANN, tag="desk", body=OFFER)
    await clock.run_for(0.1)
    await bye(ann, puppet, clock, call)


async def test_only_so_many_telephones_are_heard(ann: Station, puppet: Puppet, clock: VirtualClock):
    """What a stranger can make grow has a limit; one that was not heard ringing may answer all the same."""
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    for number in range(40):
        puppet.answer(invite, 180, ANN, tag=f"phone{number}")
    await clock.run_for(0.1)

    assert len(ann.all("progress")) == 16
    assert ann.telephony.leftovers()["dialogs"] == 16
    puppet.answer(invite, 200, ANN, tag="phone39", body=OFFER)
    await clock.run_for(0.1)
    assert ann.telephony.leftovers()["dialogs"] == 1
    assert (await bye(ann, puppet, clock, call)).to.tag == "phone39"


async def test_an_update_that_waits_for_its_answer_in_a_fork_that_lost_is_answered(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    call, invite = await ring_two(ann, puppet, clock)
    puppet.answer(invite, 183, ANN, tag="desk", body=OFFER, rows=[("Require", "100rel"), ("RSeq", "1")])
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("PRACK"), 200, ANN)
    puppet.request("UPDATE", ANN, call_id=invite.call_id, to_tag=invite.from_.tag, from_tag="desk", cseq=1, body=HOLD)
    await clock.run_for(0.1)
    puppet.answer(invite, 200, ANN, tag="mobile", body=OFFER)
    await clock.run_for(0.1)

    assert (puppet.last_response().status, puppet.last_response().cseq.method) == (481, "UPDATE")
    await bye(ann, puppet, clock, call)


async def test_where_a_3xx_points_to_is_told_best_first(ann: Station, puppet: Puppet, clock: VirtualClock):
    """B8: nothing is followed here; whether to follow is for whoever knows the trunk."""
    call = ann.dial(TARGET, OFFER)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    contacts = ("Contact", "<sip:later@203.0.113.5>;q=0.3, <sip:first@203.0.113.6>, <tel:+15550100>;q=0.9")
    puppet.claims = "203.0.113.7"
    puppet.answer(invite, 302, ANN, rows=[contacts])
    await clock.run_for(0.1)

    wanted = ("sip:puppet@203.0.113.7:5060", "sip:first@203.0.113.6", "tel:+15550100", "sip:later@203.0.113.5")
    assert ann.last("failed") == (call, Failure(302, "Moved Temporarily", "answer", None, wanted))
    assert len(puppet.got("INVITE")) == 1
