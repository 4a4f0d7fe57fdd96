"""An answer whose ACK waits until whoever must remember the call has done so (``Telephony.confirm``)."""

from ringback.model.ids import CallId
from ringback.telephony.service import TelephonySettings
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Station
from unit.sip.puppet import OFFER, Puppet

ANN = "10.0.0.3"


async def answered(network: Network, puppet: Puppet, clock: VirtualClock) -> tuple[Station, CallId]:
    """A call that the puppet answered and that nobody has confirmed."""
    settings = TelephonySettings(rate_limits=None, allow_private=True, lag_limit=None, hold_ack=True)
    station = await Station(network, ANN, settings).start()
    call = station.dial("sip:123@10.0.0.9", OFFER)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("INVITE"), 200, ANN, body=OFFER)
    await clock.run_for(0.1)
    return station, call


async def test_the_ack_goes_out_once_and_only_when_the_call_is_confirmed(
    network: Network, puppet: Puppet, clock: VirtualClock
):
    station, call = await answered(network, puppet, clock)
    puppet.answer(puppet.last_request("INVITE"), 200, ANN, body=OFFER)
    await clock.run_for(0.6)
    before = len(puppet.got("ACK"))

    station.telephony.confirm(call)
    station.telephony.confirm(call)
    await clock.run_for(0.1)

    assert (before, len(puppet.got("ACK")), len(puppet.got("BYE"))) == (0, 1, 0)
    assert station.names() == ["answered"]

    puppet.answer(puppet.last_request("INVITE"), 200, ANN, body=OFFER)
    await clock.run_for(0.1)
    assert len(puppet.got("ACK")) == 2, "a repeat after it gets it again"


async def test_hanging_up_first_acknowledges_then_says_goodbye(network: Network, puppet: Puppet, clock: VirtualClock):
    """§15: BYE ends a call that stands, and this one stands only with its ACK."""
    station, call = await answered(network, puppet, clock)

    station.telephony.bye(call)
    await clock.run_for(0.1)
    puppet.answer(puppet.last_request("BYE"), 200, ANN)
    await clock.run_for(400.0)

    assert (len(puppet.got("ACK")), len(puppet.got("BYE"))) == (1, 1)
    assert station.telephony.idle, station.telephony.leftovers()
