"""Transfers of every kind among everything else that happens, in any order: nobody is lost, nothing is left."""

import contextlib
import random
from collections import Counter
from functools import partial

import pytest

from ringback.meetings.admission import JoinRefused
from ringback.model.errors import RingbackError
from ringback.model.ids import RoomName
from ringback.model.records import CallState
from ringback.model.room import IdleTimeouts, SipSettings
from ringback.testing.carrier import FakePhone
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Guest, Stage

STEPS = 60
ROOMS = ("hello", "sales")


class Chaos:
    """Two rooms, and somebody who does anything at any moment."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.random = random.Random(seed)
        waits = IdleTimeouts(allow_room_start=seed % 3 == 0, max_idle=30, max_idle_post_conversation=30 * (seed % 2))
        self.rooms = [
            stage.rooms.put(
                name,
                endpoints=2,
                enable_dialout=True,
                enable_phone_transfer=True,
                max_sip_pstn_sessions=4,
                sip=SipSettings("Caller", 2, dialin=waits),
                dialout=waits,
            )
            for name in ROOMS
        ]
        self.guests: list[Guest] = []

    async def act(self) -> None:
        deeds = [self.join, self.leave, self.call_in, self.dial_out, self.transfer, self.transfer, self.refer]
        deeds += [self.far_end, self.far_end, self.far_end, self.phone_refers, self.replace, self.stop, self.eject]
        deeds += [self.time_passes, self.warm, self.warm, self.decide, self.decide]
        with contextlib.suppress(JoinRefused, RingbackError):
            await self.random.choice(deeds)()
        if self.random.random() < 0.6:
            await self.stage.settle()

    def room(self) -> RoomName:
        return RoomName(self.random.choice(ROOMS))

    def endpoint(self) -> str:
        return self.random.choice(self.random.choice(self.rooms).room.endpoints)

    def phone(self, *states: str) -> FakePhone | None:
        found = [phone for phone in self.stage.carrier.phones.values() if phone.state in states]
        return self.random.choice(found) if found else None

    def somewhere(self) -> str:
        if self.random.random() < 0.4:
            return f"sip:{self.endpoint()}@ringback.example"
        return f"sip:{self.random.randrange(9)}@phones.example"

    async def join(self) -> None:
        self.guests.append(await self.stage.join(self.room(), "Guest"))

    async def leave(self) -> None:
        if self.guests:
            await self.guests.pop().seat.leave()

    async def call_in(self) -> None:
        self.stage.carrier.call_in(self.endpoint())

    async def dial_out(self) -> None:
        uri = f"sip:{self.random.randrange(9)}@phones.example"
        await self.stage.calls.start_dial_out(DOMAIN, self.room(), {"sipUri": uri})

    async def transfer(self) -> None:
        if phone := self.phone("answered"):
            body = {"sessionId": phone.call, "toEndPoint": self.somewhere()}
            await self.stage.calls.transfer(DOMAIN, self.room(), body)

    async def warm(self) -> None:
        if phone := self.phone("answered"):
            await self.stage.calls.warm_transfer(DOMAIN, phone.call, {"toEndPoint": self.somewhere()})

    async def decide(self) -> None:
        """Of a warm transfer that is under way."""
        warm = self.stage.calls.warm
        if phone := self.phone("answered"):
            by_refer = partial(warm.accept, by_refer=True)
            await self.random.choice([warm.accept, warm.merge, warm.give_back, by_refer])(DOMAIN, phone.call)

    async def refer(self) -> None:
        self.stage.carrier.refer_answer = self.random.choice([202, 202, 202, 501])
        if phone := self.phone("answered"):
            body = {"sessionId": phone.call, "toEndPoint": "sip:carol@phones.example"}
            await self.stage.calls.refer(DOMAIN, self.room(), body)

    async def phone_refers(self) -> None:
        if phone := self.phone("answered"):
            phone.refer(self.somewhere())

    async def replace(self) -> None:
        if phone := self.phone("answered"):
            self.stage.carrier.call_in(self.endpoint(), replaces=phone.call)

    async def far_end(self) -> None:
        phone = self.phone("calling", "ringing", "answered")
        if phone is None:
            return
        if phone.state == "answered":
            follow = (
                [lambda status=status: phone.follow(status) for status in (180, 200, 486)]
                if phone.asked_to_call
                else []
            )
            self.random.choice(
                [phone.hang_up, phone.hold, lambda: phone.hold(False), lambda: phone.press("1"), *follow]
            )()
        elif not phone.call.startswith("in-"):
            self.random.choice([phone.ring, phone.pick_up, phone.pick_up, lambda: phone.refuse(486, "Busy Here")])()

    async def stop(self) -> None:
        if phone := self.phone("calling", "ringing", "answered"):
            await self.stage.calls.stop_dial_out(DOMAIN, self.room(), phone.call)

    async def eject(self) -> None:
        name = self.room()
        if present := self.stage.meetings.presence(DOMAIN, name):
            await self.stage.meetings.eject(DOMAIN, name, [self.random.choice(present).id], [])

    async def time_passes(self) -> None:
        await self.stage.wait(self.random.choice([0.5, 5, 40]))


@pytest.mark.parametrize("seed", range(60))
async def test_transfers_in_any_order_lose_nobody_and_leave_nothing(seed: int):
    async with Stage() as stage:
        chaos = Chaos(stage, seed)
        for _ in range(STEPS):
            await chaos.act()
        await stage.settle()
        for actor in [*stage.meetings.actors.values(), *stage.meetings.bridges.values()]:
            for call, machine in actor.calls.items():
                assert stage.meetings.by_call[call] is actor, "a call is known where it is"
                assert getattr(machine, "record", None) is None or machine.record.state is not CallState.ENDED  # type: ignore[attr-defined]
        await stage.meetings.close_all()
        await stage.settle()

        told = Counter(event.name for event in stage.records.events)
        assert told["calltransfer-completed"] == told["calltransfer-triggered"]
        assert not stage.meetings.bridges and not stage.meetings.lines
        assert not stage.calls.leftovers()
