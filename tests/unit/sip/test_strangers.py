"""What strangers whose address nothing has proved are sent, and what they can fill."""

import pytest

from ringback.model.ids import CallId
from ringback.sip.agent import Agent
from ringback.sip.agent_settings import AgentSettings, Transmit
from ringback.sip.events import Refused
from ringback.sip.flow import Flow
from ringback.sip.message import Response
from ringback.sip.parser import parse
from ringback.telephony.service import TelephonySettings
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, SeededChance, Station
from unit.sip.messages import FLOW, request
from unit.sip.puppet import OFFER, Puppet

ANN = "10.0.0.1"
OPEN = TelephonySettings(lag_limit=None)
METHODS = ("OPTIONS", "REGISTER", "MESSAGE", "SUBSCRIBE", "PUBLISH", "NOTIFY", "REFER", "BYE", "INVITE", "JUNK")


async def refusing(network: Network) -> Station:
    """A stack that limits strangers and refuses whoever calls."""
    ann = await Station(network, ANN, OPEN).start()
    ann.on["incoming"] = lambda invite: ann.telephony.reject(invite.call, 480)
    return ann


def told(network: Network, host: str) -> int:
    """Octets sent to an address."""
    return sum(len(packet.data) for packet in network.packets if packet.target.startswith(host))


@pytest.mark.parametrize("method", METHODS)
async def test_one_datagram_brings_no_more_than_twice_its_length_whatever_it_is(
    network: Network, clock: VirtualClock, method: str
):
    """C15: as brief as can be, from an address that may be somebody else's, who never answers."""
    ann = await refusing(network)
    Puppet(network, "10.0.0.9")
    text = (
        f"{method} sip:1@a SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bKx\r\nf:sip:a;tag=1\r\nt:sip:a\r\ni:1\r\n"
        f"CSeq:1 {method}\r\nm:<sip:a>\r\nMax-Forwards:1\r\nl:0\r\n\r\n"
    )

    network.carry(("10.0.0.9", 5060), Flow("udp", ANN, 5060), text.encode())
    await clock.run_for(60.0)

    assert 0 < told(network, "10.0.0.9") <= 2 * len(text)
    assert ann.telephony.idle


async def test_a_stranger_that_asks_again_is_answered_again(network: Network, puppet: Puppet, clock: VirtualClock):
    """An answer that was lost costs nobody a call: without a 100 its caller repeats the INVITE (§17.1.1.2)."""
    ann = await refusing(network)
    network.drop = lambda packet: packet.target.startswith("10.0.0.9") and packet.at < 1.0
    invite = puppet.request("INVITE", ANN, body=OFFER)
    for _ in range(2):
        await clock.run_for(1.5)
        puppet.send(invite, ANN)
    await clock.run_for(60.0)

    assert set(puppet.statuses()) == {480}
    assert len(puppet.statuses()) >= 2
    assert ann.telephony.idle


async def test_a_stranger_who_has_to_wait_hears_100(network: Network, puppet: Puppet, clock: VirtualClock):
    """§17.2.1: within 200 ms, so that it does not repeat what is being looked at."""
    ann = await Station(network, ANN, OPEN).start()
    puppet.request("INVITE", ANN, body=OFFER)
    await clock.run_for(0.1)
    assert puppet.statuses() == []

    await clock.run_for(0.1)

    assert puppet.statuses() == [100]
    ann.telephony.reject(ann.last("incoming").call, 480)
    await clock.run_for(60.0)
    assert ann.telephony.idle


async def test_a_caller_that_a_call_has_proved_hears_its_refusals_until_it_acknowledges_them(
    network: Network, puppet: Puppet, clock: VirtualClock
):
    ann = await Station(network, ANN, OPEN).start()
    puppet.request("INVITE", ANN, body=OFFER)
    await clock.run_for(0.1)
    ann.telephony.answer(ann.last("incoming").call, OFFER)
    await clock.run_for(0.1)
    tag = puppet.last_response().to.tag
    puppet.request("ACK", ANN, to_tag=tag)
    await clock.run_for(0.1)

    puppet.heard.clear()
    puppet.request("INVITE", ANN, body=OFFER, call_id="second", from_tag="second")
    await clock.run_for(0.1)
    ann.telephony.reject(ann.last("incoming").call, 486)
    await clock.run_for(40.0)

    assert puppet.statuses().count(486) == 11
    puppet.request("BYE", ANN, to_tag=tag, cseq=2)
    await clock.run_for(60.0)
    assert ann.telephony.idle


class Crowded:
    """A stack with room for four requests of strangers, and a call that is up."""

    def __init__(self) -> None:
        settings = AgentSettings(transactions=4, unconfirmed_per_source=None)
        self.agent = Agent(settings, SeededChance("crowd"), lambda flow: (ANN, 5060))
        self.agent.receive(request("INVITE"), FLOW, 0.0)
        (call,) = self.agent.calls.values()
        call.answer(OFFER, 0.0)  # type: ignore[attr-defined]
        self.call: CallId = call.id
        self.tag = self.answers()[-1].to.tag
        for number in range(9):
            self.says("OPTIONS", f"{number}", Flow("udp", f"198.51.100.{number}", 5060))
        self.turned_away = self.answers()

    def says(self, method: str, branch: str, flow: Flow = FLOW, **more: str) -> None:
        self.agent.receive(request(method, branch=f"z9hG4bK{branch}", cseq=2, **more), flow, 0.0)  # type: ignore[arg-type]

    def answers(self) -> list[Response]:
        self.effects = self.agent.take()
        sent = [parse(one.data) for one in self.effects if isinstance(one, Transmit)]
        return [one for one in sent if isinstance(one, Response)]


def test_strangers_who_fill_every_place_are_told_503_and_the_operator_why():
    """C2, C5."""
    crowd = Crowded()

    assert [answer.status for answer in crowd.turned_away] == [200] * 3 + [503] * 6
    assert len({answer.to.tag for answer in crowd.turned_away if answer.status == 503}) == 1
    assert [one.rule for one in crowd.effects if isinstance(one, Refused)] == [
        "more requests at once than can be kept"
    ] * 6


def test_a_call_can_be_hung_up_on_however_many_strangers_ask_for_something():
    """C2: ACK, BYE, CANCEL and responses are always served."""
    crowd = Crowded()

    crowd.says("ACK", "ack", to_tag=crowd.tag)
    crowd.says("BYE", "bye", to_tag=crowd.tag)

    assert [answer.status for answer in crowd.answers()] == [200]
    assert crowd.call not in crowd.agent.calls


def test_a_goodbye_from_elsewhere_finds_no_place_in_a_crowd():
    crowd = Crowded()

    crowd.says("BYE", "bye", Flow("udp", "198.51.100.77", 5060), to_tag=crowd.tag)

    assert [answer.status for answer in crowd.answers()] == [503]
    assert crowd.call in crowd.agent.calls


def test_what_is_kept_for_calls_is_bounded_too():
    crowd = Crowded()

    for number in range(20):
        crowd.says("INFO", f"info{number}", to_tag=crowd.tag)

    assert len(crowd.agent.transactions) == 8
