"""What the log says of calls in which nothing is heard."""

from collections.abc import Mapping

import pytest
import structlog
from structlog.testing import capture_logs

from ringback.meetings.silence import PATIENCE, SilenceWatch
from ringback.model.ids import CallId, DomainId, MeetingId, RoomName
from ringback.model.records import CallRecord, CallState, Direction
from ringback.testing.clock import VirtualClock
from ringback.testing.media import FakeMedia

CALL = CallRecord(
    CallId("c1"),
    DomainId("d"),
    RoomName("hello"),
    MeetingId("m"),
    Direction.DIAL_IN,
    CallState.ANSWERED,
    "node",
    1,
    100.0,
    media="192.0.2.1:20000",
)


class CountingMedia(FakeMedia):
    """Media whose counters are given."""

    def __init__(self, stats: Mapping[str, float | int | str]) -> None:
        super().__init__()
        self.given = stats

    def stats(self, leg: str) -> Mapping[str, float | int | str]:
        return self.given


async def watched(stats: Mapping[str, float | int | str], *, hang_up_after: float | None = None) -> list[str]:
    """The reasons in the warnings of an answered call with these counters."""
    clock = VirtualClock()
    with capture_logs() as logs:
        watch = SilenceWatch(CountingMedia(stats), clock, structlog.get_logger())
        watch.answered(CALL)
        if hang_up_after is not None:
            await clock.run_for(hang_up_after)
            watch.ended(CALL.id)
        await clock.run_for(2 * PATIENCE)
    return [entry["why"] for entry in logs if entry["event"] == "call.hears-nothing"]


async def test_a_call_from_which_nothing_came_is_warned_of_once() -> None:
    assert await watched({"packets_received": 0, "packets_rejected": 0}) == ["nothing arrived at our port"]


async def test_packets_that_were_refused_are_told_apart_from_none() -> None:
    (why,) = await watched({"packets_received": 0, "packets_rejected": 7})
    assert "refused" in why


@pytest.mark.parametrize("stats", [{"packets_received": 1, "packets_rejected": 0}, {}])
async def test_a_call_that_is_heard_or_gone_is_no_cause_for_alarm(stats: Mapping[str, int]) -> None:
    assert await watched(stats) == []


async def test_who_hangs_up_in_time_is_not_looked_at() -> None:
    assert await watched({"packets_received": 0}, hang_up_after=PATIENCE - 1) == []


async def test_a_meeting_that_ends_leaves_no_timer() -> None:
    clock = VirtualClock()
    watch = SilenceWatch(CountingMedia({"packets_received": 0}), clock, structlog.get_logger())
    watch.answered(CALL)
    watch.stop()
    with capture_logs() as logs:
        await clock.run_for(2 * PATIENCE)
    assert logs == []
