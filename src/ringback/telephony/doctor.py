"""A SIP side of its own for looking one trunk over: another port, the same trunk, and nobody else's calls."""

import asyncio

from ringback.calls.ports.carrier import Carrier
from ringback.calls.ports.clock import Clock
from ringback.calls.ports.media import MediaLegs
from ringback.calls.ports.routes import Attempt
from ringback.model.ids import CallId
from ringback.model.traces import Remembered
from ringback.model.values import replace
from ringback.numbers.diagnosis import Facts, HostFacts
from ringback.numbers.examination import Examination
from ringback.numbers.trunk import Host, Trunk, key_of
from ringback.telephony.service import Telephony, TelephonySettings

GOODBYE = 1.0
"""Seconds a far end gets to confirm that the test call is over."""


class SipDoctor:
    """Implements ``numbers.examination.Doctor`` with a ``Telephony`` that was started."""

    def __init__(self, telephony: Telephony, trunk: Trunk) -> None:
        self._telephony = telephony
        self._trunk = trunk
        self.carrier: Carrier = telephony

    async def hosts(self) -> list[HostFacts]:
        return list(await asyncio.gather(*(self._ask(host) for host in self._trunk.hosts)))

    async def _ask(self, host: Host) -> HostFacts:
        status, reason, flows = await self._telephony.trunks.ask(self._trunk, host)
        return HostFacts(key_of(host), tuple(str(flow) for flow in flows), status, reason)

    def trace(self, sip_call_id: str, our_tag: str, /) -> Remembered:
        return self._telephony.trace(sip_call_id, our_tag)

    def address(self) -> str:
        return self._telephony.local_addresses[0]


async def examine(
    settings: TelephonySettings,
    clock: Clock,
    media: MediaLegs,
    call: CallId,
    trunk: Trunk,
    attempts: tuple[Attempt, ...],
    *,
    registration: str = "off",
    number: str = "",
    refused: str = "",
) -> Facts:
    """Look a trunk over. ``attempts`` are the ways to ``number``, ``refused`` why there are none.

    Args:
        settings: The server's; ports and listeners are left out.
        call: A fresh id.
    """
    alone = replace(settings, port=0, tls_port=0, certificate=None, rate_limits=None, lag_limit=None, hold_ack=False)
    examination = Examination(trunk, media, clock, call)
    telephony = Telephony(alone, clock, examination)
    await telephony.start()
    try:
        # Registering from here would take the server's own registration away.
        alone_with = replace(trunk, options_interval=0, calls_per_second=None, max_calls=None, register=None)
        telephony.trunks.set([alone_with])
        examination.doctor = SipDoctor(telephony, trunk)
        facts = await examination.look(registration, attempts, number, refused)
        for _ in range(round(GOODBYE / 0.02)):
            if not telephony.calls:
                break
            await asyncio.sleep(0.02)
        return facts
    finally:
        await telephony.stop()
