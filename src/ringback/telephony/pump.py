"""The shell around the stack: send what comes out, tell what it tells, and re-arm one timer."""

from collections.abc import Callable

import structlog

from ringback.calls.ports.clock import Clock, Timer
from ringback.sip.agent import Agent
from ringback.sip.agent_settings import Transmit
from ringback.sip.events import Event, Lookup, Refused, Registering
from ringback.sip.hops import transport_of
from ringback.telephony.door import Door
from ringback.telephony.forking import Forks
from ringback.telephony.lookups import Lookups
from ringback.telephony.registrar import Registry
from ringback.telephony.resolve import NotAllowed, Unresolvable
from ringback.telephony.tasks import Tasks
from ringback.telephony.trace import Trace
from ringback.telephony.trunk_side import TrunkSide
from ringback.telephony.wire import Wire

log = structlog.get_logger(__name__)

MOST_LOOKUPS = 100
"""Names from Contacts and routes that are looked up at once; others are not."""


class Pump:
    """Whoever made the stack do something calls ``flush``.

    Args:
        tell: Tells the user above.
    """

    def __init__(
        self,
        clock: Clock,
        agent: Agent,
        wire: Wire,
        *,
        door: Door,
        trace: Trace,
        forks: Forks,
        trunks: TrunkSide,
        registry: Registry,
        lookups: Lookups,
        tasks: Tasks,
        tell: Callable[[Event], None],
    ) -> None:
        self._clock = clock
        self._agent = agent
        self._wire = wire
        self._door = door
        self._trace = trace
        self._forks = forks
        self._trunks = trunks
        self._registry = registry
        self._lookups = lookups
        self._tasks = tasks
        self._tell = tell
        self._looking_up = 0
        self._timer: Timer | None = None
        self._wake_at: float | None = None

    def flush(self) -> None:
        """Send what the stack wants sent, tell what it tells, and re-arm the one timer."""
        rule = ""
        while effects := self._agent.take():
            for effect in effects:
                if isinstance(effect, Transmit):
                    self._trace.note(effect.flow, effect.data, True, rule)
                    self._door.answered(effect.flow, effect.data)
                    self._wire.send(effect.flow, effect.data)
                    rule = ""
                elif isinstance(effect, Refused):
                    self._door.note("sip.refused", effect.flow, rule=effect.rule)
                    rule = effect.rule
                elif isinstance(effect, Lookup):
                    self._look_up(effect)
                elif isinstance(effect, Registering):
                    self._tasks.run(self._register(effect))
                elif self._forks.busy:
                    for event in self._forks.translate(effect, self._clock.monotonic()):
                        self._tell(event)
                elif not self._trunks.dialling.noticed(effect):
                    self._tell(effect)
            self._forks.settle()
        self._arm()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        due = self._agent.next_wake()
        if due is None or (self._wake_at is not None and self._wake_at <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._wake_at = due
        self._timer = self._clock.call_at(due, self._wake)

    def _wake(self) -> None:
        self._wake_at = self._timer = None
        try:
            self._agent.wake(self._clock.monotonic())
        except Exception:
            # A bug of ours costs the call whose time had come, never the clock of all the others.
            log.exception("sip.timer_failed")
        self.flush()

    async def _register(self, told: Registering) -> None:
        """Acknowledge a registration once it is stored."""
        assert told.answer.change is not None, "only what changes something has to be stored"
        stored = await self._registry.keep(told.answer.change)
        self._agent.registered(told, stored, self._clock.monotonic())
        self.flush()

    def _look_up(self, wanted: Lookup) -> None:
        """Find the address of the name that a call's far end gave; until then the one it was heard from is used."""
        if self._looking_up < MOST_LOOKUPS:
            self._looking_up += 1
            self._tasks.run(self._look_up_name(wanted))

    async def _look_up_name(self, wanted: Lookup) -> None:
        try:
            found = await self._lookups.find(wanted.uri, transport_of(wanted.uri, wanted.transport))
        except (Unresolvable, NotAllowed):
            return
        finally:
            self._looking_up -= 1
        self._agent.located(wanted.call, wanted.uri, found)
