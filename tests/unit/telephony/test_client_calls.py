"""Calls to SIP clients: over the flow they registered by, all phones at once, and what comes when nobody is there."""

from collections.abc import AsyncIterator, Sequence

import pytest

from ringback.model.ids import CallId
from ringback.model.sip_client import Binding
from ringback.sdp.negotiation import make_answer, make_offer
from ringback.sip.message import Request
from ringback.sip.parser import parse
from ringback.telephony.registrar import Registry
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Station
from unit.sip.accounts import TwoDomains
from unit.telephony.bindings import MemoryBindings, a_binding

SERVER, ONE, TWO = "10.0.0.1", "10.0.0.2", "10.0.0.3"
ANN = "sip:ann@sip.test"
OFFER = make_offer(1, 1, SERVER, 20000, ("PCMU",))
ANSWER, _ = make_answer(OFFER, ONE, 14000, ("PCMU",), session_id=1, version=1)


class House:
    """A server and two phones of the same account."""

    def __init__(self, bindings: Sequence[Binding]) -> None:
        self.clock = VirtualClock()
        self.network = Network(self.clock)
        registry = Registry(self.clock, TwoDomains(), MemoryBindings({"acme/ann": bindings} if bindings else {}))
        self.server = Station(self.network, SERVER, registry=registry)
        self.one, self.two = Station(self.network, ONE), Station(self.network, TWO)

    async def start(self) -> "House":
        for station in (self.server, self.one, self.two):
            await station.start()
        return self

    async def call(self, target: str = ANN, domain: str = "id-acme", seconds: float = 1.0) -> CallId:
        call = self.server.dial(target, OFFER, domain=domain)
        await self.clock.run_for(seconds)
        return call

    def ring(self, *phones: Station) -> None:
        for phone in phones:
            phone.telephony.ring(phone.last("incoming").call)

    async def answer(self, phone: Station) -> CallId:
        call: CallId = phone.last("incoming").call
        phone.telephony.answer(call, ANSWER)
        await self.clock.run_for(1.0)
        return call

    def requests(self, method: str, to: str) -> list[Request]:
        found = [parse(p.data) for p in self.network.packets if p.target.startswith(to) and p.summary == method]
        return [one for one in found if isinstance(one, Request)]

    async def end(self) -> None:
        await self.clock.run_for(100.0)
        for station in (self.server, self.one, self.two):
            assert station.telephony.idle, station.telephony.leftovers()
            await station.telephony.stop()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Two phones, both registered."""
    made = await House([a_binding(ONE), a_binding(TWO)]).start()
    yield made
    await made.end()


async def test_one_phone_is_called_where_it_registered_from_whatever_its_contact_says():
    house = await House([a_binding(ONE, "sip:ann@192.168.1.7:7777;ob")]).start()
    call = await house.call()
    invite = house.requests("INVITE", ONE)[0]
    theirs = await house.answer(house.one)
    house.server.telephony.bye(call)
    await house.clock.run_for(1.0)

    assert invite.target == "sip:ann@192.168.1.7:7777;ob"
    assert str(invite.to.uri) == ANN
    assert house.server.names() == ["answered"]
    assert house.one.last("ended")[:2] == (theirs, "bye")
    await house.end()


async def test_an_edge_proxy_in_between_is_named_in_route():
    """RFC 3327 §5.4."""
    house = await House([a_binding(ONE, path=("<sip:edge@10.0.0.2;lr>",))]).start()
    await house.call()

    assert house.requests("INVITE", ONE)[0].headers.all("route") == ["<sip:edge@10.0.0.2;lr>"]
    house.one.telephony.reject(house.one.last("incoming").call, 486)
    await house.end()


async def test_all_phones_ring_and_the_first_to_answer_has_the_call(house: House):
    call = await house.call()
    house.ring(house.one, house.two)
    await house.clock.run_for(1.0)
    await house.answer(house.two)

    assert house.server.names() == ["progress", "progress", "answered"]
    assert {arguments[0] for name, arguments in house.server.told} == {call}
    assert house.one.names()[-1] == "cancelled"
    house.server.telephony.bye(call)
    await house.clock.run_for(1.0)
    assert house.two.names()[-1] == "ended"
    assert [p for p in house.network.packets if p.target.startswith(ONE) and p.summary == "BYE"] == []


async def test_a_second_phone_that_answers_too_late_is_hung_up_on(house: House):
    call = await house.call()
    for phone in (house.one, house.two):
        phone.telephony.answer(phone.last("incoming").call, ANSWER)
    await house.clock.run_for(2.0)

    assert house.server.names() == ["answered"]
    ended = [phone for phone in (house.one, house.two) if "ended" in phone.names()]
    assert len(ended) == 1
    house.server.telephony.bye(call)


async def test_one_phone_that_is_busy_does_not_stop_the_other(house: House):
    call = await house.call()
    house.one.telephony.reject(house.one.last("incoming").call, 486)
    await house.clock.run_for(1.0)
    assert house.server.names() == []
    await house.answer(house.two)

    assert house.server.names() == ["answered"]
    house.server.telephony.bye(call)


@pytest.mark.parametrize(("first", "second", "told"), [(480, 486, 486), (486, 480, 486), (404, 500, 404)])
async def test_when_all_refuse_the_best_refusal_is_told(house: House, first: int, second: int, told: int):
    """RFC 3261 §16.7 step 6."""
    await house.call()
    house.one.telephony.reject(house.one.last("incoming").call, first)
    house.two.telephony.reject(house.two.last("incoming").call, second)
    await house.clock.run_for(1.0)

    assert house.server.names() == ["failed"]
    assert house.server.last("failed")[1].status == told


async def test_declining_for_everybody_stops_the_other_phone(house: House):
    """RFC 3261 §16.7 step 5: 6xx."""
    await house.call()
    house.ring(house.two)
    house.one.telephony.reject(house.one.last("incoming").call, 603)
    await house.clock.run_for(1.0)

    assert house.server.last("failed")[1].status == 603
    assert house.two.names()[-1] == "cancelled"


async def test_giving_up_stops_all_phones(house: House):
    call = await house.call()
    house.ring(house.one, house.two)
    await house.clock.run_for(1.0)
    house.server.telephony.cancel(call)
    await house.clock.run_for(1.0)

    assert [phone.names()[-1] for phone in (house.one, house.two)] == ["cancelled", "cancelled"]
    assert house.server.last("failed")[1].status == 487


@pytest.mark.parametrize(
    ("target", "domain"),
    [("sip:bob@sip.test", "id-acme"), (ANN, "id-globex"), (ANN, ""), ("sip:ann@globex.sip.test", "id-globex")],
)
async def test_who_is_not_registered_or_not_of_this_domain_is_not_reached(house: House, target: str, domain: str):
    await house.call(target, domain)

    assert house.server.names() == ["failed"]
    failure = house.server.last("failed")[1]
    assert (failure.status, failure.cause) == (480, "unregistered")
    assert house.requests("INVITE", "10.0.0.") == []


async def test_a_room_that_calls_a_room_of_the_same_server_has_nobody_to_prove_itself(house: House):
    """Its From is an address of ours; that its Call-ID is ours too is proof enough."""
    house.server.on["incoming"] = lambda invite: house.server.telephony.reject(invite.call, 486)
    await house.call(f"sip:123456789012@{SERVER}")

    assert house.server.last("failed")[1].status == 486
