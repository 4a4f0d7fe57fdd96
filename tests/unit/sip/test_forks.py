"""One INVITE, several telephones: early dialogs and what becomes of them (RFC 3261 §12.1.2, §13.2.2.4)."""

from ringback.calls.ports.carrier import Failure
from ringback.model.ids import CallId
from ringback.sip.agent import Agent
from ringback.sip.agent_settings import AgentSettings, Transmit
from ringback.sip.events import Failed
from ringback.sip.flow import Flow
from ringback.sip.message import Request, reply
from ringback.sip.outbound import OutboundCall
from ringback.sip.parser import parse
from ringback.sip.uri import parse_sip_uri
from ringback.testing.clock import VirtualClock
from ringback.testing.link import SeededChance, Station
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


async def test_a_telephone_that_rings_on_after_the_call_was_given_up_is_told_that_it_is_over(
    ann: Station, puppet: Puppet, clock: VirtualClock
):
    call = ann.dial(TARGET, OFFER, ring_timeout=10.0)
    await clock.run_for(0.1)
    invite = puppet.last_request("INVITE")
    puppet.answer(invite, 183, ANN, body=OFFER, rows=[("Require", "100rel"), ("RSeq", "1")])
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("PRACK"), 200, ANN)
    await clock.run_for(11.0)
    assert ann.last("failed")[0] == call

    puppet.request("UPDATE", ANN, call_id=invite.call_id, to_tag=invite.from_.tag, cseq=1, body=HOLD)
    await clock.run_for(0.1)

    assert puppet.last_response().status == 481 and "reoffered" not in ann.names()
    puppet.answer(puppet.last_request("CANCEL"), 200, ANN)
    puppet.answer(invite, 487, ANN)


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


async def test_a_target_that_rings_after_it_was_given_up_on_does_not_end_the_call_elsewhere():
    """RFC 3263 §4.3: it gets CANCEL, and whether it takes that is nobody's concern."""
    agent = Agent(AgentSettings(), SeededChance("x"), lambda flow: (ANN, 5060))
    late, other = (Flow("udp", host, 5060) for host in ("10.0.0.8", "10.0.0.9"))
    record = agent.prepare(parse_sip_uri(TARGET), "sip:ann@10.0.0.1")
    call = CallId("call")
    agent.invite(OutboundCall(agent, call, record, [late, other], body=OFFER), 0.0)
    agent.wake(4.1)
    sent = [parse(effect.data) for effect in agent.take() if isinstance(effect, Transmit)]
    first, second = sent[0], sent[-1]
    assert isinstance(first, Request) and isinstance(second, Request)
    agent.receive(parse(reply(second, 180, to_tag="b").to_bytes()), other, 4.2)
    agent.receive(parse(reply(first, 180, to_tag="a").to_bytes()), late, 4.3)
    assert [m.method for m in map(parse, _sent(agent)) if isinstance(m, Request)] == ["CANCEL"]

    agent.wake(50.0)

    assert call in agent.calls and not any(isinstance(effect, Failed) for effect in agent.take())
    agent.receive(parse(reply(second, 486, to_tag="b").to_bytes()), other, 50.1)
    for now in (90.0, 130.0):
        agent.wake(now)
    assert agent.idle, agent.leftovers()


def _sent(agent: Agent) -> list[bytes]:
    return [effect.data for effect in agent.take() if isinstance(effect, Transmit)]
