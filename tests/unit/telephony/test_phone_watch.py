"""Phones that fall silent while they are registered: not rung until they are back."""

from dataclasses import replace

import pytest

from ringback.model.sip_client import SipClient
from ringback.telephony.registrar import Registry
from ringback.telephony.service import TelephonySettings
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Station
from unit.sip.accounts import TwoDomains
from unit.telephony.bindings import MemoryBindings, a_binding

SERVER, PHONE, MUTE = "10.0.0.1", "10.0.0.2", "10.0.0.3"
SETTINGS = TelephonySettings(rate_limits=None, allow_private=True, lag_limit=None, client_options=60.0)


class Desk:
    """A server, a phone that answers OPTIONS, and an address where nobody ever did."""

    def __init__(self, interval: float = 60.0) -> None:
        self.clock = VirtualClock()
        self.network = Network(self.clock)
        accounts = TwoDomains()
        bindings = MemoryBindings({"acme/ann": [a_binding(PHONE), a_binding(MUTE)]})
        self.registry = Registry(self.clock, accounts, bindings)
        self.server = Station(self.network, SERVER, replace(SETTINGS, client_options=interval), registry=self.registry)
        self.phone = Station(self.network, PHONE)
        found = accounts.find("acme", "ann")
        assert isinstance(found, SipClient)
        self.client = found

    async def start(self) -> "Desk":
        await self.server.start()
        await self.phone.start()
        return self

    def rung(self) -> list[str]:
        return sorted(place.flow.host for place in self.registry.places(self.client))

    def asked(self, host: str) -> int:
        return sum(packet.summary == "OPTIONS" and packet.target.startswith(host) for packet in self.network.packets)


async def test_a_phone_that_no_longer_answers_is_not_rung_until_it_does(capsys: pytest.CaptureFixture[str]):
    desk = await Desk().start()
    await desk.clock.run_for(130.0)
    assert desk.rung() == [PHONE, MUTE]
    assert 1 <= desk.asked(PHONE) <= 3

    await desk.phone.telephony.stop()
    await desk.clock.run_for(200.0)
    assert desk.rung() == [MUTE], "who never answered is not believed to be gone"
    assert "sip.client-silent" in capsys.readouterr().out

    back = Station(desk.network, PHONE)
    await back.start()
    await desk.clock.run_for(120.0)
    assert desk.rung() == [PHONE, MUTE]
    assert "sip.client-back" in capsys.readouterr().out
    await back.telephony.stop()
    await desk.server.telephony.stop()
    assert desk.server.telephony.idle


async def test_nobody_is_asked_where_that_is_off():
    desk = await Desk(interval=0.0).start()
    await desk.clock.run_for(300.0)

    assert desk.asked(PHONE) == 0
