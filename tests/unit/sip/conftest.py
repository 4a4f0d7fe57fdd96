"""A network, a clock that jumps, and a check that nothing is left behind."""

from collections.abc import AsyncIterator

import pytest

from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Station
from unit.sip.puppet import Puppet


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def network(clock: VirtualClock) -> Network:
    return Network(clock)


@pytest.fixture
def puppet(network: Network) -> Puppet:
    return Puppet(network)


@pytest.fixture
async def ann(network: Network, clock: VirtualClock) -> AsyncIterator[Station]:
    """Our stack; at the end every timer has run out and nothing of any call may be left."""
    station = await Station(network, "10.0.0.1").start()
    yield station
    await clock.run_for(400.0)
    assert station.telephony.idle, station.telephony.leftovers()


@pytest.fixture
async def bob(network: Network, clock: VirtualClock) -> AsyncIterator[Station]:
    """A second stack of ours."""
    station = await Station(network, "10.0.0.2").start()
    yield station
    await clock.run_for(400.0)
    assert station.telephony.idle, station.telephony.leftovers()
