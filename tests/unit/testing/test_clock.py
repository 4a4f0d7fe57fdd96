"""A clock that jumps."""

import asyncio

from ringback.testing.clock import MortalClock, VirtualClock


async def test_time_passes_only_when_it_is_told_to_and_stops_at_each_wake_up():
    clock = VirtualClock(wall=5000.0)
    start = clock.monotonic()
    seen: list[float] = []
    for after in (3.0, 1.0, 2.0):
        clock.call_at(start + after, lambda: seen.append(clock.monotonic() - start))

    await clock.run_for(2.5)

    assert seen == [1.0, 2.0]
    assert clock.wall() == 5002.5 and clock.next_timer() == start + 3.0


async def test_what_a_wake_up_starts_is_done_before_time_goes_on():
    clock = VirtualClock()
    seen: list[tuple[str, float]] = []

    async def work() -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        seen.append(("done", clock.monotonic()))

    tasks: set[asyncio.Task[None]] = set()
    at = clock.monotonic() + 1
    clock.call_at(at, lambda: tasks.add(asyncio.ensure_future(work())))
    clock.call_at(at + 1, lambda: seen.append(("later", clock.monotonic())))
    await clock.run_for(5)

    assert seen == [("done", at), ("later", at + 1)]


async def test_a_wake_up_may_ask_for_the_next_one():
    clock = VirtualClock()
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(clock.monotonic())
        clock.call_at(clock.monotonic() + 1, tick)

    clock.call_at(clock.monotonic() + 1, tick)
    await clock.run_for(4.5)

    assert len(ticks) == 4


async def test_a_cancelled_wake_up_never_comes():
    clock = VirtualClock()
    seen: list[str] = []
    timer = clock.call_at(clock.monotonic() + 1, lambda: seen.append("x"))

    timer.cancel()
    timer.cancel()
    await clock.run_for(5)

    assert seen == [] and clock.next_timer() is None


async def test_a_dead_process_is_not_woken_and_the_others_are():
    clock = VirtualClock()
    mine, other = MortalClock(clock), MortalClock(clock)
    seen: list[str] = []
    mine.call_at(clock.monotonic() + 1, lambda: seen.append("mine"))
    other.call_at(clock.monotonic() + 1, lambda: seen.append("other"))

    mine.die()
    mine.call_at(clock.monotonic() + 2, lambda: seen.append("after death"))
    await clock.run_for(5)

    assert seen == ["other"]
