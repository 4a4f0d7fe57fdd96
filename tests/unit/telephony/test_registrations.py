"""Registering with trunks, against our own registrar, on a network in memory and a clock that jumps."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from ringback.numbers.trunk import Credentials, Host, Registration, Trunk
from ringback.sdp.negotiation import make_offer
from ringback.telephony.registrar import Registry
from ringback.telephony.service import TelephonySettings
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Station
from unit.sip.accounts import PASSWORD, TwoDomains
from unit.telephony.bindings import MemoryBindings

US, PBX = "10.0.0.1", "10.0.0.2"
LINE = Trunk(
    "pbx",
    hosts=(Host(PBX),),
    credentials=Credentials("ann", PASSWORD),
    register=Registration(domain="sip.test", expires=600),
    options_interval=0,
)
OFFER = make_offer(1, 1, PBX, 14000, ("PCMU",))


class Office:
    """Us, and a PBX of our own make where ``ann`` has an account."""

    def __init__(self, **link: float) -> None:
        self.clock = VirtualClock()
        self.network = Network(self.clock, **link)  # type: ignore[arg-type]
        settings = TelephonySettings(rate_limits=None, lag_limit=None, domain="us.example")
        self.us = Station(self.network, US, settings)
        self.registry = Registry(self.clock, TwoDomains(), MemoryBindings())
        self.pbx = Station(self.network, PBX, registry=self.registry)

    def state(self, trunk: Trunk = LINE) -> str:
        return self.us.telephony.trunks.state(trunk).registration

    def bindings(self) -> list[str]:
        client = TwoDomains().find("acme", "ann")
        assert client is not None
        return [place.binding.contact for place in self.registry.places(client)]

    def count(self, summary: str) -> int:
        return sum(packet.summary == summary for packet in self.network.packets)


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    made = Office()
    for station in (made.us, made.pbx):
        await station.start()
    yield made
    made.us.telephony.trunks.set([])
    await made.clock.run_for(100.0)
    await made.us.telephony.stop()
    await made.pbx.telephony.stop()


async def test_a_trunk_that_wants_it_is_registered_with_and_taken_back_when_it_goes(office: Office):
    office.us.telephony.trunks.set([LINE, replace(LINE, name="other", register=None)])
    await office.clock.run_for(1.0)

    assert office.bindings() == ["sip:ann@10.0.0.1:5060"]
    assert office.state() == "registered"
    assert office.state(replace(LINE, name="other")) == "off"
    office.us.telephony.trunks.set([])
    await office.clock.run_for(1.0)
    assert office.bindings() == []


async def test_it_is_never_gone_for_a_day_though_every_fifth_packet_is_lost():
    office = Office(loss=0.2, reorder=0.2, duplicate=0.1)
    for station in (office.us, office.pbx):
        await station.start()
    office.us.telephony.trunks.set([LINE])
    await office.clock.run_for(120.0)
    gone = 0
    for _ in range(24 * 6):
        await office.clock.run_for(600.0)
        gone += office.bindings() != ["sip:ann@10.0.0.1:5060"]

    assert gone == 0
    assert office.state() == "registered"
    office.us.telephony.trunks.set([])
    await office.clock.run_for(100.0)
    assert office.us.telephony.idle
    await office.us.telephony.stop()
    await office.pbx.telephony.stop()


async def test_a_call_over_the_registration_is_the_trunks(office: Office):
    """The PBX is known by name only, and calls the Contact that it was given."""
    office.us.telephony.trunks.set([LINE])
    await office.clock.run_for(1.0)
    office.us.on["incoming"] = lambda invite: office.us.telephony.reject(invite.call, 486)

    office.pbx.dial("sip:ann@sip.test", OFFER, domain="id-acme")
    await office.clock.run_for(1.0)

    assert (office.us.last("incoming").trunk, office.us.last("incoming").known) == ("pbx", True)
    await office.clock.run_for(60.0)


async def test_a_wrong_password_is_told_with_its_code_and_when_it_is_tried_again(office: Office):
    wrong = replace(LINE, credentials=Credentials("ann", "not-the-password-1"))
    office.us.telephony.trunks.set([wrong])
    await office.clock.run_for(1.0)

    assert office.state(wrong).startswith("failing: 401 Unauthorized, next try in ")
    before = office.count("REGISTER")
    await office.clock.run_for(10.0)
    assert office.count("REGISTER") == before, "no storm"


async def test_changing_the_password_registers_anew(office: Office):
    office.us.telephony.trunks.set([replace(LINE, credentials=Credentials("ann", "not-the-password-1"))])
    await office.clock.run_for(1.0)
    office.us.telephony.trunks.set([LINE])
    await office.clock.run_for(1.0)

    assert office.state() == "registered"


async def test_the_second_host_is_taken_when_the_first_is_dead(office: Office):
    trunk = replace(LINE, hosts=(Host("10.0.0.77", priority=1), Host(PBX, priority=2)))
    office.us.telephony.trunks.set([trunk])
    await office.clock.run_for(10.0)

    assert office.state(trunk) == "registered"


async def test_changes_that_have_nothing_to_do_with_it_leave_it_alone(office: Office):
    office.us.telephony.trunks.set([LINE])
    await office.clock.run_for(1.0)
    before = office.count("REGISTER")
    office.us.telephony.trunks.set([replace(LINE, max_calls=3)])
    await office.clock.run_for(1.0)

    assert office.count("REGISTER") == before
    assert office.bindings() == ["sip:ann@10.0.0.1:5060"]


async def test_the_way_is_kept_open_while_it_is_registered(office: Office):
    office.us.telephony.trunks.set([LINE])
    await office.clock.run_for(100.0)

    pings = [
        packet for packet in office.network.packets if packet.data == b"\r\n\r\n" and packet.target.startswith(PBX)
    ]
    assert len(pings) == 4
