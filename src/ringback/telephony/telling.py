"""Events on their way up: told from the loop, never from inside a verb."""

from collections import deque
from collections.abc import Callable

import structlog

from ringback.calls.ports.carrier import CarrierEvents
from ringback.calls.ports.clock import Clock, Timer
from ringback.model.ids import CallId
from ringback.sip.events import Event, Incoming

log = structlog.get_logger(__name__)


class Telling:
    """Keeps events in their order; until there is somebody to tell, they wait.

    Args:
        events: Who is told.
        report: Puts one event into the words of ``CarrierEvents``.
        refuse: Ends a new call that could not be told.
    """

    def __init__(
        self,
        clock: Clock,
        events: CarrierEvents | None,
        report: Callable[[Event, CarrierEvents], None],
        refuse: Callable[[CallId], None],
    ) -> None:
        self._clock = clock
        self._events = events
        self._report = report
        self._refuse = refuse
        self._queue: deque[Event] = deque()
        self._telling = False
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._queue)

    def to(self, events: CarrierEvents) -> None:
        """From now on tell ``events``, first what has waited."""
        self._events = events
        if self._queue:
            self._tell_soon()

    def tell(self, event: Event) -> None:
        self._queue.append(event)
        self._tell_soon()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tell_soon(self) -> None:
        if not self._telling and self._timer is None and self._events is not None:
            self._timer = self._clock.call_at(self._clock.monotonic(), self._tell_all)

    def _tell_all(self) -> None:
        self._timer = None
        if self._events is None:
            return
        self._telling = True
        try:
            while self._queue:
                self._tell_one(self._queue.popleft(), self._events)
        finally:
            self._telling = False

    def _tell_one(self, event: Event, events: CarrierEvents) -> None:
        try:
            self._report(event, events)
        except Exception:
            log.exception("sip.event_failed", kind=type(event).__name__)
            if isinstance(event, Incoming):
                self._refuse(event.call)
