"""Calls of a day and calls by the ten thousand between two of our own stacks: nothing ends, and nothing is left."""

import gc
import sys
import time

import pytest

from ringback import core
from ringback.sip.agent_settings import AgentSettings
from ringback.sip.compiled import CompiledParser, rules
from ringback.testing.pair import Pair

DAY = 86_400.0
BAD_LINK = {"loss": 0.1, "duplicate": 0.1, "reorder": 0.2}


@pytest.mark.parametrize("interval", [90, 900, 1800])
def test_a_call_lasts_a_day_on_session_timers_over_a_bad_link(interval: int):
    """RFC 4028: nobody above is asked anything, whatever is lost, late or doubled, and neither side gives up."""
    settings = AgentSettings(session_interval=interval, unconfirmed_per_source=None)
    pair = Pair(seed=interval, settings=settings, **BAD_LINK)
    call = pair.dial()

    pair.run_for(DAY)

    assert (pair.ann.ended, pair.bob.ended) == ({}, {})
    assert len(pair.ann.up) == len(pair.bob.up) == 1
    assert pair.packets["UPDATE"] >= DAY / (interval / 2) - 1
    assert (pair.bob.offers, pair.ann.answers) == (0, 0), "a refresh changes nothing"
    pair.hang_up(pair.ann, call)
    pair.run_for(120.0)
    assert pair.bob.ended == {"bye": 1} and pair.idle


def test_a_far_end_that_is_gone_is_noticed_within_one_interval():
    """§10: either side, by itself, with a reason that says so."""
    pair = Pair(settings=AgentSettings(session_interval=90, unconfirmed_per_source=None))
    pair.dial()
    pair.run_for(600.0)
    pair.lose_everything()

    pair.run_for(130.0)

    assert set(pair.ann.ended) | set(pair.bob.ended) <= {"gone", "refresh-missed"}
    assert (sum(pair.ann.ended.values()), sum(pair.bob.ended.values())) == (1, 1)
    assert pair.idle


@pytest.mark.parametrize("seed", range(4))
def test_reliable_ringing_and_transfers_come_through_a_bad_link(seed: int):
    """RFC 3262, RFC 3515: a fifth of the packets lost, some doubled, some late; each step is told once, in order."""
    pair = Pair(seed=seed, loss=0.2, duplicate=0.1, reorder=0.2)
    pair.bob.early = True
    calls = [pair.dial(("Require", "100rel")) for _ in range(40)]
    pair.run_for(40.0)
    standing = [call for call in calls if call in pair.ann.up]
    assert len(standing) >= 38
    assert pair.packets["PRACK"] >= 40 and pair.packets["183"] >= 40
    for call in standing:
        pair.refer(pair.ann, call)
    pair.run_for(60.0)
    followed = [pair.ann.transfers[call] for call in standing if call in pair.ann.up]
    assert len(followed) >= 36 and all(told == [202, 100, 180, 200] for told in followed), followed
    for call in calls:
        pair.hang_up(pair.ann, call)
    for late in list(pair.bob.up):
        pair.hang_up(pair.bob, late)
    pair.run_for(160.0)
    assert pair.idle, (pair.ann.agent.leftovers(), pair.bob.agent.leftovers())


def many(transactions: int) -> None:
    """Calls with a hold each, in waves, over a bad link, until both sides have had that many transactions."""
    pair = Pair(seed=5, parser=CompiledParser(core.new_sip_reader(*rules()).read), **BAD_LINK)
    sizes: list[int] = []
    began, told = time.process_time(), 0
    while pair.transactions < transactions:
        wave = [pair.dial() for _ in range(500)]
        pair.run_for(12.0)
        for call in wave:
            pair.offer(pair.ann, call)
        pair.run_for(8.0)
        for call in wave:
            pair.hang_up(pair.ann, call)
        for late in list(pair.bob.up):
            pair.hang_up(pair.bob, late)
        pair.run_for(160.0)
        assert pair.idle, (pair.ann.agent.leftovers(), pair.bob.agent.leftovers())
        gc.collect()
        sizes.append(sys.getallocatedblocks())
        if pair.transactions - told >= 100_000:
            told = pair.transactions
            spent = time.process_time() - began
            print(f"{told} transactions, {spent:.0f} CPU-s, {sizes[-1]} blocks", file=sys.__stderr__, flush=True)
    settled = sizes[len(sizes) // 3 :]
    assert max(settled) - min(settled) < 5000, f"memory grows: {sizes}"
    assert set(pair.ann.ended) | set(pair.bob.ended) <= {"bye", "ack-timeout", "answer", "timeout"}


def test_fifty_thousand_transactions_leave_nothing_behind():
    """Every call has ended, every timer has run out, and memory is what it was."""
    many(50_000)


@pytest.mark.soak
def test_a_million_transactions_leave_nothing_behind():
    many(1_000_000)
