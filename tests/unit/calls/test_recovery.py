"""What a restart does with what an earlier life left."""

from dataclasses import replace

from ringback.calls.recovery import finish_earlier_life
from ringback.model.end_reason import Ending
from ringback.model.ids import CallId, DomainId, MeetingId, RoomName
from ringback.model.records import CallRecord, CallState, Direction, MeetingRecord, Unit
from ringback.signalling.wire import spell
from ringback.testing.carrier import FakeCarrier
from ringback.testing.clock import VirtualClock
from ringback.testing.records import MemoryRecords


def call(id: str, **values: object) -> CallRecord:
    record = CallRecord(
        CallId(id),
        DomainId("d"),
        RoomName("hello"),
        MeetingId("m"),
        Direction.DIAL_OUT,
        CallState.QUEUED,
        "node-1",
        1,
        0.0,
    )
    return replace(record, **values)  # type: ignore[arg-type]


async def restarted(*calls: CallRecord, meetings: tuple[MeetingRecord, ...] = ()) -> tuple[MemoryRecords, FakeCarrier]:
    records, carrier = MemoryRecords(), FakeCarrier()
    await records.commit(Unit(calls=calls, meetings=meetings))
    await finish_earlier_life(records, carrier, VirtualClock(), spell, "node-1", 2)
    return records, carrier


ANSWERED = {"state": CallState.ANSWERED, "answered_at": 1.0, "direction": Direction.DIAL_IN}


async def test_unfinished_calls_of_earlier_lives_end_and_their_far_ends_are_told():
    records, carrier = await restarted(
        call("queued"),
        call("ringing", state=CallState.RINGING),
        call("never seen", direction=Direction.DIAL_IN),
        call("answered", **ANSWERED, request={"X-Case": "17"}),
        call("over", state=CallState.ENDED, ended_at=1.0),
    )

    assert [record.id for record in carrier.finished] == ["queued", "ringing", "never seen", "answered"]
    assert all(record.ended_at is None for record in carrier.finished), "the carrier needs the call as it stood"
    for id in ("queued", "ringing", "never seen", "answered"):
        row = records.calls[id]
        assert row.end is not None and row.end.ending is Ending.SERVER_RESTART and row.state is CallState.ENDED
    assert records.calls["over"].ended_at == 1.0
    assert records.event_names() == ["dialout-stopped", "dialout-stopped", "dialin-stopped"]
    assert records.events[2].payload["sipHeaders"] == {"X-Case": "17"}
    assert all(event.payload["reason"] == "server-restart" for event in records.events)


async def test_no_invite_is_sent_again():
    _, carrier = await restarted(call("queued"))

    assert carrier.sent == []


async def test_other_nodes_calls_and_this_lifes_are_left_alone():
    records, carrier = await restarted(call("theirs", node="node-2"), call("ours", epoch=2))

    assert carrier.finished == []
    assert records.calls["theirs"].ended_at is None and records.calls["ours"].ended_at is None


async def test_meetings_of_earlier_lives_end():
    meeting = MeetingRecord(MeetingId("m"), DomainId("d"), RoomName("hello"), "node-1", 1, 0.0)
    records, _ = await restarted(meetings=(meeting,))

    assert records.meetings["m"].ended_at is not None


async def test_events_of_one_meeting_keep_their_order_across_lives():
    records, _ = await restarted(call("a"), call("b"))

    assert [(event.epoch, event.sequence) for event in records.events] == [(2, 1), (2, 2)]
