"""Says in the log why a caller may hear silence, or be silent: what a leg received and sent, and that nothing came.

Numbers come from the media core's counters (``MediaLegs.stats``); nothing is said per packet.
"""

from structlog.typing import FilteringBoundLogger

from ringback.calls.ports.clock import Clock, Timer
from ringback.calls.ports.media import MediaLegs
from ringback.model.ids import CallId, ParticipantId
from ringback.model.records import CallRecord

PATIENCE = 5.0
"""Seconds after its answer by which a far end has normally sent sound."""


class SilenceWatch:
    """Looks once at each answered call after ``PATIENCE`` seconds.

    Args:
        media: Whose counters are read.
        clock: Wakes it.
        log: Bound to the meeting.
    """

    def __init__(self, media: MediaLegs, clock: Clock, log: FilteringBoundLogger) -> None:
        self._media = media
        self._clock = clock
        self._log = log
        self._timers: dict[CallId, Timer] = {}

    def answered(self, call: CallRecord) -> None:
        """The call was answered just now."""
        at = self._clock.monotonic() + PATIENCE
        self._timers[call.id] = self._clock.call_at(at, lambda: self._look(call))

    def ended(self, call: CallId) -> None:
        """It is over. Calls that were never answered are not known here."""
        if timer := self._timers.pop(call, None):
            timer.cancel()

    def stop(self) -> None:
        """The meeting is over."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _look(self, call: CallRecord) -> None:
        self._timers.pop(call.id, None)
        stats = self._media.stats(ParticipantId(call.id))
        if not stats or stats.get("packets_received"):
            return
        rejected = stats.get("packets_rejected", 0)
        why = "what came was refused: wrong source or payload type" if rejected else "nothing arrived at our port"
        self._log.warning("call.hears-nothing", call=call.id, media=call.media, why=why, packets_rejected=rejected)
