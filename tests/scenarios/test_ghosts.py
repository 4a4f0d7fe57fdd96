"""Thousands of short calls with everybody the pretend carrier knows, on a bad line: none of them leaves a ghost."""

import asyncio
import contextlib
import gc
import logging
import random
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import pytest
import structlog

from ringback.model.end_reason import Ending
from ringback.model.errors import RingbackError
from ringback.model.ids import CallId, RoomName
from ringback.model.records import CallRecord, CallState, Direction
from ringback.numbers.trunk import Host, Trunk
from ringback.testing.carrier import PERSONAS, PretendCall, PretendCarrier
from ringback.testing.rooms import DOMAIN
from ringback.testing.sip_stage import SERVER, SipStage

CARRIER = "10.9.0.1"
BAD_LINE = {"loss": 0.05, "duplicate": 0.02, "reorder": 0.05}
WAVE, ROOMS = 200, 10
LOOK_EVERY = 5
"""Waves between looks at memory."""

REFUSALS = {
    "busy": (Ending.BUSY, 486, 17),
    "declines": (Ending.DECLINED, 603, 21),
    "out-of-order": (Ending.REJECTED, 503, 27),
    "no-such-number": (Ending.REJECTED, 404, 1),
    "broken": (Ending.REJECTED, 500, 41),
    "announces": (Ending.REJECTED, 404, 1),
}
OURS = {Ending.HANGUP_LOCAL, Ending.CANCELLED_LOCAL, Ending.MEETING_ENDED}
OUT = {
    "answered": re.compile(
        r"participant-joined dialout-connected dialout-answered (dialout-held dialout-resumed )*(dialout-held )?"
        r"participant-left dialout-stopped"
    ),
    "rang": re.compile(r"participant-joined dialout-connected participant-left dialout-stopped"),
    "never": re.compile(r"dialout-(error|stopped)"),
}
IN = re.compile(
    r"participant-joined dialin-connected (dialin-held dialin-resumed )*(dialin-held )?participant-left dialin-stopped"
)


async def talks_a_little(call: PretendCall) -> None:
    await call.answer()
    await call.wait(3.0)


async def presses_and_holds(call: PretendCall) -> None:
    await call.answer()
    await call.press("12#")
    await call.hold()
    await call.wait(1.0)
    await call.resume()
    await call.wait(1.0)


async def gives_up(call: PretendCall) -> None:
    await call.wait(0.015)


CALLERS = {"talks a little": talks_a_little, "presses and holds": presses_and_holds, "gives up": gives_up}


class Haunted:
    """A server with rooms, a carrier, and chance.

    Attributes:
        endings: How many calls ended how.
    """

    def __init__(self, stage: SipStage, carrier: PretendCarrier, seed: int) -> None:
        self.stage, self.carrier = stage, carrier
        self.random = random.Random(seed)
        self.endings: Counter[str] = Counter()
        self.made = 0
        self._names = list(PERSONAS)
        self._who: dict[CallId, str] = {}
        self._transferred: set[CallId] = set()
        self._tasks: list[asyncio.Future[None]] = []
        stage.routes.trunks = {"pretend": CARRIER}
        stage.telephony.trunks.set([Trunk("pretend", hosts=(Host(CARRIER),), options_interval=0)])

    async def wave(self, calls: int) -> None:
        """Rooms fill, calls come and go, rooms empty; then every call of it is looked at."""
        stage = self.stage
        guests = [await stage.join(f"room-{at}", f"Guest {at}") for at in range(ROOMS)]
        for _ in range(calls):
            await self._one_more()
            await stage.wait(self.random.random() / 10)
        await stage.wait(self.random.choice([2.0, 30.0]))
        for guest in guests:
            await guest.seat.leave()
        await stage.wait(100.0)
        # Those who were put together outside the room talk for as long as they like.
        standing = {call.sip_call_id for call in self.carrier.calls if call.state != "over"}
        for call in list(self.carrier.calls):
            call.hang_up()
        await stage.wait(100.0)
        self._look_at_all(standing)

    async def _one_more(self) -> None:
        room = self.random.randrange(ROOMS)
        self.made += 1
        if self.random.random() < 0.2:
            name = self.random.choice(list(CALLERS))
            user = self.random.choice(self.stage.endpoints[room])
            self.carrier.call(f"sip:{user}@{SERVER}", CALLERS[name])
            return
        at = self.made % len(self._names)
        ring = {"ringTimeoutSec": self.random.choice([5, 20])}
        body = {"phoneNumber": f"+121255501{at:02}", "userId": str(self.made), "ringback": ring}
        call = await self.stage.calls.start_dial_out(DOMAIN, RoomName(f"room-{room}"), body)
        self._who[call] = self._names[at]
        calls, where = self.stage.calls, RoomName(f"room-{room}")
        if self.random.random() < 0.3:
            tones = {"sessionId": call, "tones": "14#", "digitDurationMs": 100}
            self._later(3.0, lambda: calls.send_dtmf(DOMAIN, where, tones))
        if self.random.random() < 0.2:
            self._later(2.5, lambda: calls.hold(DOMAIN, where, call, True))
            self._later(4.0, lambda: calls.hold(DOMAIN, where, call, False))
        if self.random.random() < 0.1:
            self._transferred.add(call)
            self._later(2.0 + 4 * self.random.random(), lambda: self._transfer(call, where))
        if self.random.random() < 0.5:
            seconds = self.random.random() * self.random.choice([0.1, 2.0, 12.0])
            self._later(seconds, lambda: calls.stop_dial_out(DOMAIN, where, call))

    def _transfer(self, call: CallId, where: RoomName) -> Awaitable[object]:
        """To somebody else by our own call, by the far end's, or into another room."""
        calls, ending = self.stage.calls, self.random.randrange(len(self._names))
        number = f"+121255501{ending:02}"
        if self.random.random() < 0.4:
            return calls.refer(DOMAIN, where, {"sessionId": call, "toEndPoint": f"sip:{number}@{CARRIER}"})
        if self.random.random() < 0.5:
            return calls.transfer(DOMAIN, where, {"sessionId": call, "toEndPoint": number})
        to = f"sip:{self.stage.endpoints[self.random.randrange(ROOMS)][0]}@ringback.example"
        return calls.transfer(DOMAIN, where, {"sessionId": call, "toEndPoint": to})

    def _later(self, seconds: float, verb: Callable[[], Awaitable[object]]) -> None:
        clock = self.stage.clock

        async def say() -> None:
            # What is said of a call that is over, or of one that is not answered yet, is refused.
            with contextlib.suppress(RingbackError):
                await verb()

        clock.call_at(clock.monotonic() + seconds, lambda: self._tasks.append(asyncio.ensure_future(say())))

    # ── looking ──

    def _look_at_all(self, standing: set[str]) -> None:
        stage, carrier = self.stage, self.carrier
        stage.assert_idle_but_timers()
        assert carrier.idle, (carrier.line.agent.leftovers(), carrier)
        assert stage.telephony.idle, stage.telephony.leftovers()
        self._tasks = [task for task in self._tasks if not task.done()]
        assert not self._tasks
        told: dict[str, list[str]] = {}
        for event in stage.records.events:
            about = event.payload.get("sessionId") or event.payload.get("participant", {}).get("session_id")
            told.setdefault(about, []).append(event.name)
        there = {call.sip_call_id: call for call in carrier.calls}
        for row in stage.records.calls.values():
            self._look_at(row, told.get(row.id, []), there.pop(row.sip_call_id, None), standing)
        records, quota = stage.records, stage.quota
        for store in (records.calls, records.participants, records.meetings, records.events, records.transfers):
            store.clear()
        for noted in (quota.asked, quota.settled, quota.answered_grants):
            noted.clear()
        carrier.calls.clear()
        stage.guests.clear()
        self._who.clear()
        self._transferred.clear()

    def _look_at(self, row: CallRecord, told: list[str], there: PretendCall | None, standing: set[str]) -> None:
        about = f"{self._who.get(row.id)} {row} {told} {there!r}"
        assert row.state is CallState.ENDED and row.end is not None and row.ended_at is not None, about
        times = [at for at in (row.created_at, row.ringing_at, row.answered_at, row.ended_at) if at is not None]
        assert times == sorted(times), about
        self.endings[row.end.ending] += 1
        if there is not None:
            assert there.state == "over", about
        if row.direction is Direction.DIAL_OUT and (row.id in self._transferred or row.id not in self._who):
            # In each room it was in it came and went, and each transfer came to an end.
            assert told.count("participant-joined") == told.count("participant-left"), about
            assert told.count("calltransfer-triggered") == told.count("calltransfer-completed"), about
            return
        assert row.sip_call_id not in standing, about
        steps = " ".join(name for name in told if name.startswith(("dialout-", "dialin-", "participant-")))
        steps = re.sub(r"(participant-updated|dialout-warning|dialin-warning) ?", "", steps).strip()
        if row.direction is Direction.DIAL_IN:
            if row.answered_at is not None:
                assert IN.fullmatch(steps), about
        else:
            kind = "answered" if row.answered_at else "rang" if row.ringing_at else "never"
            assert OUT[kind].fullmatch(steps), about
            self._check_truth(row, self._who[row.id], there, about)

    def _check_truth(self, row: CallRecord, who: str, there: PretendCall | None, about: str) -> None:
        """What the row says is what the far end lived through."""
        end = row.end
        assert end is not None
        if end.ending in OURS:
            return
        assert there is not None or end.ending in (Ending.UNREACHABLE, Ending.NO_ANSWER), about
        if who in REFUSALS and end.ending is not Ending.UNREACHABLE and end.ending is not Ending.NO_ANSWER:
            assert (end.ending, end.sip_status, end.q850) == REFUSALS[who], about
        if end.ending is Ending.HANGUP_REMOTE:
            assert there is not None and there.ended_by == "us" and row.answered_at is not None, about
        if row.answered_at is not None and there is not None:
            assert there.answered_at is not None, about


class Quiet(SipStage):
    """A stage that looks at leftovers while others of its timers may run."""

    endpoints: list[tuple[str, ...]]

    def assert_idle_but_timers(self) -> None:
        assert not self.meetings.actors and not self.meetings.by_id, "meetings are left"
        assert not self.meetings.endpoints and not self.meetings.by_call, "calls are left"
        self.media.assert_idle()
        self.quota.assert_idle()
        self.records.assert_idle()


@pytest.fixture(autouse=True)
def hushed() -> Iterator[None]:
    """Nobody reads what three lines a call come to."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.reset_defaults()


async def haunt(calls: int, seed: int) -> Counter[str]:
    """So many calls, wave after wave; memory stays what it was."""
    sizes: list[int] = []
    async with Quiet(seed=seed, remembers=False, **BAD_LINE) as stage:
        stage.endpoints = []
        for at in range(ROOMS):
            room = stage.rooms.put(f"room-{at}", endpoints=4, enable_dialout=True, max_sip_pstn_sessions=60)
            stage.endpoints.append(room.room.endpoints)
        async with PretendCarrier(
            seed=seed, host=CARRIER, clock=stage.clock, network=stage.network, telephone_events=False,
            kept_calls=2 * WAVE, kept_events=1000,
        ) as carrier:  # fmt: skip
            haunted = Haunted(stage, carrier, seed)
            before = len(asyncio.all_tasks())
            while haunted.made < calls:
                await haunted.wave(min(WAVE, calls - haunted.made))
                tasks = len(asyncio.all_tasks())
                assert tasks <= before, "a task is left"
                if haunted.made % (LOOK_EVERY * WAVE) == 0:
                    gc.collect()
                    sizes.append(sys.getallocatedblocks())
    settled = sizes[len(sizes) // 3 :]
    assert max(settled) - min(settled) < 20_000, f"memory grows: {sizes}"
    return haunted.endings


@pytest.mark.timeout(900)
async def test_two_thousand_calls_leave_no_ghost() -> None:
    endings = await haunt(2000, seed=1)

    assert {Ending.BUSY, Ending.DECLINED, Ending.NO_ANSWER, Ending.REJECTED, Ending.HANGUP_REMOTE} <= endings.keys()


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_fifty_thousand_calls_leave_no_ghost() -> None:
    await haunt(50_000, seed=2)
