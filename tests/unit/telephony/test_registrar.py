"""Registering on the wire: stored before it is acknowledged, there after a restart, kept open through NAT."""

import pytest

from ringback.sip.digest import Credential, answer_challenge
from ringback.sip.message import Message, Request, Response
from ringback.telephony.registrar import Registry
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Station
from unit.sip.accounts import PASSWORD, TwoDomains, a_request
from unit.sip.puppet import OFFER, Puppet
from unit.telephony.bindings import MemoryBindings

SERVER = "10.0.0.1"


@pytest.fixture
def network() -> Network:
    return Network(VirtualClock())


PHONE = "<sip:ann@192.168.1.7:5062>"


class Office:
    """A server with accounts, and a phone played by hand."""

    def __init__(self, network: Network, store: MemoryBindings) -> None:
        self.network = network
        self.clock: VirtualClock = network.clock  # type: ignore[assignment]
        self.store = store
        self.registry = Registry(network.clock, TwoDomains(), store)
        self.station = Station(network, SERVER, registry=self.registry)
        self.phone = Puppet(network)
        self.phone.forgiving = True  # keep-alives are no messages

    async def ask(self, request: Request) -> Response:
        """Send, answer a challenge, and return the last answer."""
        self.phone.send(request, SERVER)
        await self.clock.run_for(1.0)
        answer = self.phone.last_response()
        if answer.status != 401:
            return answer
        mine = [Credential(SERVER, "ann", PASSWORD)]
        row = answer_challenge(mine, request, answer, SERVER, "cnonce")
        assert row is not None
        rows = [(name, value.replace("branch=z9hG4bK", "branch=z9hG4bKx")) for name, value in request.headers.rows]
        self.phone.send(Request(request.method, request.target, [*rows, row], request.body), SERVER)
        await self.clock.run_for(1.0)
        return self.phone.last_response()

    def register(self, expires: int = 600, cseq: int = 1) -> Request:
        here = f"{self.phone.host}:5060"
        return a_request("REGISTER", "ann", contacts=[f"{PHONE};expires={expires}"], cseq=cseq, via=here)

    def places(self) -> list[str]:
        client = TwoDomains().find("acme", "ann")
        assert client is not None
        return [str(place.flow) for place in self.registry.places(client)]


async def test_a_registration_is_stored_and_there_after_a_restart(network: Network):
    store = MemoryBindings()
    office = Office(network, store)
    await office.station.start()

    answer = await office.ask(office.register())

    assert answer.status == 200
    assert [binding.contact for binding in store.kept["acme/ann"]] == ["sip:ann@192.168.1.7:5062"]
    await office.station.telephony.stop()
    again = Office(network, store)
    await again.station.start()
    assert again.places() == office.places() == ["udp:10.0.0.9:5060"]
    await network.clock.run_for(600.0)  # type: ignore[attr-defined]
    assert again.places() == []
    await again.station.telephony.stop()


async def test_what_cannot_be_stored_is_not_acknowledged(network: Network):
    store = MemoryBindings()
    store.broken = True
    office = Office(network, store)
    await office.station.start()

    answer = await office.ask(office.register())

    assert (answer.status, answer.headers.get("retry-after")) == (503, "5"), "others may take it"
    assert office.places() == []
    await office.station.telephony.stop()


async def test_a_phone_behind_nat_hears_from_us_while_it_is_registered(network: Network):
    office = Office(network, MemoryBindings())
    await office.station.start()
    await office.ask(office.register(expires=100))
    await office.clock.run_for(200.0)

    pings = [packet for packet in network.packets if packet.data == b"\r\n\r\n"]

    assert len(pings) == 3
    assert {packet.target for packet in pings} == {"10.0.0.9:5060"}
    await office.station.telephony.stop()


async def test_a_flood_of_registers_keeps_nothing(network: Network):
    """C4: no account, no state but the transactions, and those end."""
    store = MemoryBindings()
    office = Office(network, store)
    await office.station.start()
    for number in range(500):
        request = a_request("REGISTER", f"eve{number}", contacts=[PHONE], cseq=number + 1, via="10.0.0.9:5060")
        office.phone.send(request, SERVER)
    await office.clock.run_for(40.0)

    assert office.phone.statuses() == [401] * 500
    assert (store.saves, office.registry.count) == (0, 0)
    assert office.station.telephony.idle
    await office.station.telephony.stop()


async def test_a_call_of_a_client_says_whose_it_is(network: Network):
    """A5."""
    office = Office(network, MemoryBindings())
    await office.station.start()
    here = f"{office.phone.host}:5060"
    first = a_request("INVITE", "ann", contacts=[PHONE], to="sip:123456789012@sip.test", via=here)
    rows = [*first.headers.rows, ("Content-Type", "application/sdp")]
    with_offer = Request("INVITE", first.target, rows, OFFER)
    office.station.on["incoming"] = lambda invite: office.station.telephony.reject(invite.call, 486)

    answer = await office.ask(with_offer)

    invite = office.station.last("incoming")
    assert (invite.client, invite.client_domain, invite.known) == ("ann", "id-acme", True)
    assert answer.status == 486
    office.phone.send(_ack(with_offer, answer), SERVER)
    await office.clock.run_for(60.0)
    await office.station.telephony.stop()


def _ack(invite: Request, answer: Message) -> Request:
    rows = [(n, answer.headers.get("to") or "") if n == "To" else (n, v) for n, v in invite.headers.rows]
    return Request("ACK", invite.target, [(n, v.replace("INVITE", "ACK")) for n, v in rows if n != "Content-Type"])
