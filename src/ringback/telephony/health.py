"""Asks trunks' hosts whether they are there: OPTIONS outside any dialog (RFC 3261 §11), now and then."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from ringback.calls.ports.clock import Clock, Timer
from ringback.numbers.identity import request_uri
from ringback.numbers.trunk import Host, Trunk, key_of
from ringback.sip.errors import SipParseError
from ringback.sip.flow import Flow
from ringback.sip.uri import SipUri, parse_sip_uri
from ringback.telephony.resolve import NotAllowed, Unresolvable
from ringback.telephony.trunks import TrunkDesk

log = structlog.get_logger(__name__)

PATIENCE = 4.0
"""Seconds an answer to OPTIONS is waited for."""

FIRST = 0.5
"""Seconds after which a new trunk's hosts are asked for the first time, and a little chance."""

MOST_ADDRESSES = 3


class Asker(Protocol):
    """Telephony, as health checks see it."""

    async def find(self, uri: SipUri, transport: str, trunk: Trunk | None) -> list[Flow]:
        """Raises ``Unresolvable``, ``NotAllowed``."""

    async def options(self, uri: SipUri, flow: Flow, patience: float) -> tuple[int, str]:
        """Status and reason of the answer; status 0 and why, when there is none."""

    def fraction(self) -> float: ...


class HealthChecks:
    """One timer per trunk that wants checks.

    Args:
        clock: For timers.
        desk: Is told what came of them.
        asker: Sends.
    """

    def __init__(self, clock: Clock, desk: TrunkDesk, asker: Asker) -> None:
        self._clock = clock
        self._desk = desk
        self._asker = asker
        self._timers: dict[str, Timer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = False

    def start(self, trunks: Sequence[Trunk]) -> None:
        """From now on check these. Those whose settings did not change keep their time."""
        self._running = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for trunk in trunks:
            self._arm(trunk, FIRST)

    async def stop(self) -> None:
        self._running = False
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def check(self, trunk: Trunk) -> None:
        """Ask every host of one trunk, all at once."""
        await asyncio.gather(*(self._ask(trunk, host) for host in trunk.hosts))

    def _arm(self, trunk: Trunk, seconds: float) -> None:
        if self._running and trunk.enabled and trunk.hosts and trunk.options_interval > 0:
            # A fifth by chance, so that many servers do not ask one carrier in step.
            due = self._clock.monotonic() + seconds * (0.9 + 0.2 * self._asker.fraction())
            self._timers[trunk.name] = self._clock.call_at(due, lambda: self._begin(trunk))

    def _begin(self, trunk: Trunk) -> None:
        task = asyncio.get_running_loop().create_task(self._check_and_arm(trunk))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _check_and_arm(self, trunk: Trunk) -> None:
        await self.check(trunk)
        if self._desk.named(trunk.name) == trunk:
            self._arm(trunk, trunk.options_interval)

    async def _ask(self, trunk: Trunk, host: Host) -> None:
        key = key_of(host)
        was_down = self._desk.health(trunk.name, key).is_down
        began = self._clock.monotonic()
        status, reason = await self._answer(trunk, host)
        took = self._clock.monotonic() - began
        if status:
            self._desk.note_answer(trunk.name, key, status, reason, took)
        else:
            self._desk.note_failure(trunk.name, key, reason)
        found = self._desk.health(trunk.name, key)
        if found.is_down != was_down:
            tell = log.warning if found.is_down else log.info
            tell("trunk.down" if found.is_down else "trunk.up", trunk=trunk.name, host=key, because=found.why)

    async def _answer(self, trunk: Trunk, host: Host) -> tuple[int, str]:
        status, reason, _ = await self.ask(trunk, host)
        return status, reason

    async def ask(self, trunk: Trunk, host: Host) -> tuple[int, str, list[Flow]]:
        """The first answer of a host's addresses, tried in order, and those addresses; status 0: none, and why."""
        try:
            uri = parse_sip_uri(request_uri(trunk, "", host.host, host.port).replace("sip:@", "sip:"))
            hop = parse_sip_uri(trunk.outbound_proxy) if trunk.outbound_proxy else uri
            flows = await self._asker.find(hop, trunk.transport.value, trunk)
        except SipParseError as error:
            return 0, f"the address is unreadable: {error.reason}", []
        except Unresolvable:
            return 0, f"no address for {hop.host}", []
        except NotAllowed:
            return 0, "the address is not allowed", []
        why = "no answer to OPTIONS"
        for flow in flows[:MOST_ADDRESSES]:
            status, reason = await self._asker.options(uri, flow, PATIENCE)
            if status:
                return status, reason, flows
            why = reason
        return 0, why, flows
