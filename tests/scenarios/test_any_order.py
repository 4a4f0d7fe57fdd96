"""Whatever happens in whatever order: rules that always hold, and nothing is left behind."""

import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import pytest

from ringback.meetings.admission import JoinRefused
from ringback.model.errors import RingbackError
from ringback.model.records import EventRecord
from ringback.model.room import IdleTimeouts, SipSettings
from ringback.testing.carrier import FakePhone
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Guest, Stage

T = TypeVar("T")

STEPS = 80
IDLE = IdleTimeouts(allow_room_start=True, max_idle=40, max_idle_post_conversation=15)


class Chaos:
    """Does one thing after the other, as chance has it."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.random = random.Random(seed)
        self.settings = stage.rooms.put(
            "hello",
            endpoints=3,
            enable_dialout=True,
            max_sip_pstn_sessions=4,
            max_participants=6,
            dialout=IDLE,
            sip=SipSettings("Caller", 3, dialin=IDLE if seed % 2 else IdleTimeouts()),
            eject_after_elapsed=90 if seed % 3 == 0 else None,
        )
        self.guests: list[Guest] = []
        self.name = self.settings.room.name
        self.deeds: list[Callable[[], Awaitable[None]]] = [
            self.join,
            self.join,
            self.leave,
            self.lose,
            self.come_back,
            self.call_in,
            self.call_in,
            self.dial_out,
            self.dial_out,
            self.far_end_acts,
            self.far_end_acts,
            self.far_end_acts,
            self.stop,
            self.eject,
            self.silence,
            self.change_room,
            self.time_passes,
            self.hold,
            self.time_passes,
        ]

    async def act(self) -> None:
        deed = self.random.choice(self.deeds)
        with contextlib.suppress(JoinRefused, RingbackError):  # refusals are fine, whatever they refuse
            await deed()
        if self.random.random() < 0.7:
            await self.stage.settle()

    async def join(self) -> None:
        self.guests.append(await self.stage.join("hello", "Guest"))

    async def leave(self) -> None:
        if guest := self.one_of(self.guests):
            await guest.seat.leave()

    async def lose(self) -> None:
        if guest := self.one_of(self.guests):
            guest.seat.lost()

    async def come_back(self) -> None:
        if guest := self.one_of(self.guests):
            await guest.seat.back()

    async def call_in(self) -> None:
        codecs = self.random.choice([("PCMU",), ("OPUS", "PCMA"), ("G722",)])
        late = self.random.random() < 0.2
        self.stage.carrier.call_in(self.random.choice(self.settings.room.endpoints), codecs=codecs, late_offer=late)

    async def dial_out(self) -> None:
        await self.stage.calls.start_dial_out(
            DOMAIN, self.name, {"sipUri": f"sip:{self.random.randrange(5)}@phones.example"}
        )

    async def far_end_acts(self) -> None:
        phone = self.one_of([p for p in self.stage.carrier.phones.values() if p.state not in ("over", "refused")])
        if phone is None:
            return
        inbound = phone.call.startswith("in-")
        if phone.state == "answered":
            self.random.choice([phone.hang_up, phone.hold, lambda: phone.hold(False), lambda: phone.press("1")])()
        elif inbound and phone.state == "ringing":
            phone.give_up()
        elif not inbound:
            self.answer_somehow(phone)

    def answer_somehow(self, phone: FakePhone) -> None:
        self.random.choice(
            [phone.ring, lambda: phone.ring(183, early=True), phone.pick_up, lambda: phone.refuse(486, "Busy Here")]
        )()

    async def stop(self) -> None:
        if phone := self.one_of(list(self.stage.carrier.phones.values())):
            await self.stage.calls.stop_dial_out(DOMAIN, self.name, phone.call)

    async def hold(self) -> None:
        if phone := self.one_of(list(self.stage.carrier.phones.values())):
            await self.stage.calls.hold(DOMAIN, self.name, phone.call, self.random.random() < 0.5)

    async def eject(self) -> None:
        present = self.stage.meetings.presence(DOMAIN, self.name)
        if who := self.one_of(present):
            await self.stage.meetings.eject(DOMAIN, self.name, [who.id], [])

    async def silence(self) -> None:
        if leg := self.one_of(list(self.stage.media.legs)):
            self.stage.media_events.leg_silent(leg)

    async def change_room(self) -> None:
        keep = self.settings.room.endpoints[: self.random.randrange(1, 4)]
        await self.stage.meetings.room_changed(*self.stage.rooms.change("hello", endpoints=keep))

    async def time_passes(self) -> None:
        await self.stage.wait(self.random.choice([0.5, 5, 21]))

    def one_of(self, things: Sequence[T]) -> T | None:
        return self.random.choice(things) if things else None


def check_order(events: list[EventRecord]) -> None:
    """Every life in the stored events is told in its order, each step once, and to its end."""
    lives: dict[tuple[str, str], list[str]] = {}
    for event in events:
        who = event.payload.get("sessionId")
        participant = event.payload.get("participant")
        if isinstance(participant, dict):
            who = participant["session_id"]
        if isinstance(who, str):
            lives.setdefault((event.meeting, who), []).append(event.name)
    for (_, who), names in lives.items():
        core = [name for name in names if not name.endswith(("-warning", "-held", "-resumed"))]
        assert core in KNOWN_LIVES, f"{who}: {core}"
        if (held := [name for name in names if name.endswith(("-held", "-resumed"))]) and core:
            assert names.index(held[0]) > names.index("participant-joined"), f"{who}: {names}"
            assert names.index("participant-left") > len(names) - 3, f"{who}: {names}"


KNOWN_LIVES = [
    ["participant-joined", "participant-left"],
    ["participant-joined", "dialin-connected", "participant-left", "dialin-stopped"],
    ["dialin-error"],
    ["participant-joined", "dialout-connected", "participant-left", "dialout-stopped"],
    ["participant-joined", "dialout-connected", "dialout-answered", "participant-left", "dialout-stopped"],
    ["participant-joined", "dialout-connected", "participant-left", "dialout-error"],
    ["dialout-stopped"],
    ["dialout-error"],
]


@pytest.mark.parametrize("seed", range(100))
async def test_any_order_of_events_keeps_the_rules_and_leaves_nothing(seed: int):
    async with Stage(ports=3 if seed % 4 == 0 else 1000) as stage:
        chaos = Chaos(stage, seed)
        for _ in range(STEPS):
            await chaos.act()
            meetings = [actor.meeting for actor in stage.meetings.actors.values()]
            assert len(meetings) <= 1
            for meeting in meetings:
                assert len(meeting.calls) <= 4 and len(meeting.members) <= 6
        await stage.meetings.close_all()
        await stage.settle()

        check_order(stage.records.events)
        for actor_events in group(stage.records.events).values():
            assert [event.sequence for event in actor_events] == list(range(1, len(actor_events) + 1))


def group(events: list[EventRecord]) -> dict[str, list[EventRecord]]:
    """Stored events by meeting."""
    meetings: dict[str, list[EventRecord]] = {}
    for event in events:
        meetings.setdefault(event.meeting, []).append(event)
    return meetings
