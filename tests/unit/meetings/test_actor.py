"""The serial queue of one meeting, and what a bug in it costs."""

import asyncio

import pytest

from ringback.meetings.effects import Effect
from ringback.model.errors import NotFound, Unavailable
from ringback.model.instant import Instant
from ringback.testing.stage import Stage


def broken(now: Instant) -> list[Effect]:
    raise RuntimeError("a bug, on purpose")


async def test_a_bug_in_one_meeting_costs_that_meeting_and_no_other():
    async with Stage() as stage:
        users = [stage.rooms.put(name, endpoints=1).room.endpoints[0] for name in ("unlucky", "lucky")]
        ann, bob = await stage.join("unlucky", "Ann"), await stage.join("lucky", "Bob")
        hit, spared = [stage.carrier.call_in(user) for user in users]
        await stage.settle()

        stage.meetings.by_id[ann.welcome.meeting].post(broken)
        await stage.settle()

        assert (hit.state, hit.goodbye, spared.state) == ("over", "internal-error", "answered")
        assert ann.sent_away is not None and ann.sent_away[0] == "connection-error"
        assert bob.seated
        assert set(stage.media.meetings) == {bob.welcome.meeting}
        row = stage.records.calls[hit.call]
        assert row.end is not None and row.end.ending == "internal-error"
        with pytest.raises(NotFound):
            await ann.seat.set_user_name("Anna")

        again = await stage.join("unlucky", "Ann")
        retry = stage.carrier.call_in(users[0])
        await stage.settle()
        assert again.welcome.meeting != ann.welcome.meeting and retry.state == "answered"


async def test_who_asked_in_the_same_moment_as_a_bug_is_answered():
    async with Stage() as stage:
        stage.rooms.put("hello")
        ann = await stage.join("hello", "Ann")
        actor = stage.meetings.by_id[ann.welcome.meeting]

        asked = actor.ask(lambda now: ([], "fine"))
        actor.post(broken)
        late = actor.ask(lambda now: ([], "fine"))
        outcomes = await asyncio.gather(asked, late, return_exceptions=True)

        assert isinstance(outcomes[0], Unavailable)
        assert outcomes[1] is not None and outcomes[1] != "fine"


async def test_what_waits_together_is_committed_together():
    async with Stage() as stage:
        users = stage.rooms.put("hello", endpoints=5).room.endpoints
        await stage.join("hello", "Ann")
        before = stage.records.commits

        for user in users:
            stage.carrier.call_in(user)
        await stage.settle()

        assert stage.records.commits - before == 1
        assert len(stage.records.calls) == 5


async def test_events_are_numbered_without_gaps_within_a_meeting():
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        for _ in range(3):
            phone = stage.carrier.call_in(user)
            await stage.settle()
            phone.hang_up()
            await stage.settle()
        await ann.seat.leave()

        numbers = [event.sequence for event in stage.records.events]
        assert numbers == list(range(1, len(numbers) + 1))
        assert {event.meeting for event in stage.records.events} == {ann.welcome.meeting}


async def test_a_meeting_nobody_came_into_leaves_nothing():
    async with Stage() as stage:
        stage.rooms.put("hello", privacy="private")
        for _ in range(3):
            with pytest.raises(Exception, match="private"):
                await stage.join("hello", "Ann")
        await stage.settle()

        stage.assert_idle()
        assert stage.records.meetings == {}
