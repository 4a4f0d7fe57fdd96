"""``ringback.one_cpu``: Python's threads share a processor, and leave one that others want."""

import asyncio
import os
import threading

import pytest

from ringback.one_cpu import Spent, crowded, next_of, stay_together

MS = 1_000_000


def test_a_thread_that_waits_longer_than_it_runs_is_crowded():
    assert crowded(Spent(0, 0), Spent(100 * MS, 150 * MS))


def test_a_busy_thread_that_seldom_waits_stays_where_it_is():
    assert not crowded(Spent(0, 0), Spent(1900 * MS, 400 * MS))


def test_waiting_that_nobody_notices_is_no_reason_to_move():
    assert not crowded(Spent(50 * MS, 0), Spent(51 * MS, 10 * MS))


def test_only_what_happened_since_the_last_look_counts():
    assert not crowded(Spent(10 * MS, 900 * MS), Spent(500 * MS, 930 * MS))


def test_processors_take_turns():
    assert [next_of((1, 4, 6), current) for current in (1, 4, 6)] == [4, 6, 1]


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs Linux and two processors"
)
async def test_all_python_threads_are_on_one_processor_and_free_again_afterwards():
    allowed = os.sched_getaffinity(0)
    end = threading.Event()
    other = threading.Thread(target=end.wait)
    other.start()
    try:
        task = asyncio.create_task(stay_together())
        await asyncio.sleep(0)
        here, there = os.sched_getaffinity(0), os.sched_getaffinity(other.native_id or 0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        after = os.sched_getaffinity(other.native_id or 0)
    finally:
        end.set()
        other.join()
    assert here == there
    assert len(here) == 1
    assert os.sched_getaffinity(0) == after == allowed
