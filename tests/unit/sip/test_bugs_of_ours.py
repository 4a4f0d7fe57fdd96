"""What a bug of ours may cost: the call it is in, and no other."""

import pytest

from ringback.sip.agent import Agent
from ringback.sip.agent_settings import AgentSettings, Transmit
from ringback.sip.message import Response
from ringback.sip.parser import parse
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, SeededChance, Station
from unit.sip.messages import FLOW, request
from unit.sip.puppet import OFFER, Puppet


class Bug(Exception):
    """What nobody thought of."""


def broken(*arguments: object) -> None:
    raise Bug


async def test_a_timer_that_breaks_stops_no_other(network: Network, puppet: Puppet, clock: VirtualClock):
    ann = await Station(network, "10.0.0.1").start()
    for number in range(3):
        puppet.request("INVITE", "10.0.0.1", body=OFFER, call_id=f"c{number}", from_tag=f"t{number}")
    await clock.run_for(0.1)
    first, *_ = calls = list(ann.telephony._agent.calls.values())
    for call in calls:
        ann.telephony.answer(call.id, OFFER)
    first.on_alarm = broken  # type: ignore[method-assign, assignment]

    await clock.run_for(40.0)

    assert [told[:2] for told in ann.all("ended")] == [(call.id, "ack-timeout") for call in calls[1:]]
    await ann.telephony.stop()


def test_a_request_that_meets_a_bug_is_answered_and_forgotten(monkeypatch: pytest.MonkeyPatch):
    """Unanswered, it would stay for ever."""
    agent = Agent(AgentSettings(), SeededChance("bug"), lambda flow: ("10.0.0.1", 5060))
    monkeypatch.setattr(agent._serving, "serve", broken)

    with pytest.raises(Bug):
        agent.receive(request("OPTIONS"), FLOW, 0.0)

    (sent,) = [parse(one.data) for one in agent.take() if isinstance(one, Transmit)]
    assert isinstance(sent, Response)
    assert sent.status == 500
    agent.wake(40.0)
    assert agent.idle
