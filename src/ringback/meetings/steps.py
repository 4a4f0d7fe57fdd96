"""Says one line in the log per step of a meeting's and its calls' lives, and counts what is worth keeping of a leg."""

from collections.abc import Mapping

from structlog.typing import FilteringBoundLogger

from ringback.calls.ports.clock import Clock
from ringback.calls.ports.media import MediaLegs
from ringback.meetings.silence import SilenceWatch
from ringback.model.events import CallEvent, CallStep, Event
from ringback.model.ids import CallId, ParticipantId
from ringback.model.records import CallRecord, CallState, Unit
from ringback.model.values import replace

FIRSTS = {
    "first_heard_ms": "first_heard_at",
    "first_sent_ms": "first_sent_at",
    "video_first_received_ms": "video_first_received_at",
    "video_last_received_ms": "video_last_received_at",
    "video_first_sent_ms": "video_first_sent_at",
    "video_last_sent_ms": "video_last_sent_at",
}
"""How long ago the first packet came and left: the media side knows it better than whoever told it to begin."""

UNTOLD = frozenset({"way", "codec", "last_heard_ms", "level_dbov", "webrtc", "video_maker_lacks", *FIRSTS})
"""Counters that say how a leg is now: nothing to keep of one that is over."""

LOGGED = (
    "first_heard_at",
    "first_sent_at",
    "held_seconds",
    "packets_received",
    "packets_sent",
    "packets_lost",
    "packets_late",
    "packets_rejected",
    "frames_concealed",
    "jitter_ms",
    "round_trip_ms",
    "mos",
    "remote_mos",
    "srtp",
    "video_pictures_received",
    "video_pictures_sent",
    "video_freezes_received",
    "video_freezes_sent",
    "video_packets_lost",
)
"""What of a call's sound is worth being in the line that ends it; its row has it all."""


class Steps:
    """What the log has been told of one meeting's calls.

    Args:
        media: Whose counters are read.
        clock: For the look at calls of which nothing is heard.
        log: Bound to the meeting.
    """

    def __init__(self, media: MediaLegs, clock: Clock, log: FilteringBoundLogger) -> None:
        self._media = media
        self._clock = clock
        self._log = log
        self._seen: dict[CallId, tuple[CallState, str]] = {}
        self._watch = SilenceWatch(media, clock, log)

    def counted(self, call: CallRecord) -> CallRecord:
        """The row of a call, with the counters of its leg if it has just ended: they go with the leg."""
        if call.end is None:
            return call
        return replace(call, sound={**call.sound, **self.counters(call.id)})

    def counters(self, call: CallId) -> dict[str, float | int | str]:
        """What is counted of a leg now; empty when it is not known (any more), or has carried nothing."""
        stats = self._media.stats(ParticipantId(call))
        now = self._clock.wall()
        firsts = {
            name: round(now - age / 1000, 3)
            for of, name in FIRSTS.items()
            if isinstance(age := stats.get(of), (int, float))
        }
        return {**{name: value for name, value in stats.items() if name not in UNTOLD}, **firsts}

    def told(self, event: Event) -> None:
        """An event goes out: holding and resuming are steps that no row has."""
        if isinstance(event, CallEvent) and event.step in (CallStep.HELD, CallStep.RESUMED):
            self._log.info(f"call.{event.step}", call=event.facts.call, by=str(event.held_by))

    def stored(self, unit: Unit) -> None:
        """Rows were written."""
        for meeting in unit.meetings:
            self._log.info("meeting.started" if meeting.ended_at is None else "meeting.ended")
        for call in unit.calls:
            before = self._seen.get(call.id)
            if before != (call.state, call.codec):
                self._seen[call.id] = (call.state, call.codec)
                self._say(call, before)

    def stop(self) -> None:
        """The meeting is over."""
        self._watch.stop()

    def _say(self, call: CallRecord, before: tuple[CallState, str] | None) -> None:
        facts: dict[str, object] = {"call": call.id}
        if before is None:
            facts |= {"direction": call.direction.value, "sip_call_id": call.sip_call_id, "remote": call.remote}
        if call.trunk:
            facts["trunk"] = call.trunk
        if call.state is CallState.ANSWERED:
            facts["codec"] = call.codec
            if before is not None and before[0] is call.state:
                self._log.info("call.agreed", **facts)
                return
            facts["media"] = call.media
            self._watch.answered(call)
        if call.end is not None:
            del self._seen[call.id]
            self._watch.ended(call.id)
            facts |= {"reason": call.end.ending.value, "fault": call.end.fault.value}
            facts |= _given(
                {"sip_status": call.end.sip_status, "sip_reason": call.end.sip_reason, "q850": call.end.q850}
            )
            facts |= {name: call.sound[name] for name in LOGGED if name in call.sound}
        self._log.info(f"call.{call.state}", **facts)


def _given(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}
