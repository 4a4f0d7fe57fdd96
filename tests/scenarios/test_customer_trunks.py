"""Calls over customers' trunks: a room each, answered once the customer's server says so; on a clock that jumps."""

import asyncio
import json
import random
from dataclasses import replace
from typing import Any

from ringback.calls.ports.carrier import IncomingInvite
from ringback.dialin.sip_trunks import SipTrunks
from ringback.dialin.trunk_desk import TrunkCalls
from ringback.model.errors import NotFound
from ringback.model.ids import DomainId, RoomName
from ringback.model.room import IdleTimeouts, Room, SipSettings
from ringback.model.sip_trunk import SipTrunk
from ringback.testing.carrier.fake import FakePhone
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage

TRUNK = SipTrunk("trunk-1", DOMAIN, "support", "acme-support", webhook_url="https://app.example/", secret="c2VjcmV0")


class MemoryTrunks:
    async def all(self) -> list[SipTrunk]:
        return [replace(TRUNK, is_open=True)]

    async def put(self, trunk: SipTrunk) -> None: ...
    async def delete(self, id: str) -> None: ...


class Maker:
    """Makes rooms on a stage as ``Rooms`` would."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.made: list[dict[str, Any]] = []
        self.gone: list[str] = []

    async def create(self, domain: DomainId, body: Any) -> Room:
        self.made.append(body["properties"])
        idle = body["properties"]["sip"]["dialin_config"]
        sip = SipSettings("Caller", 1, dialin=IdleTimeouts(idle["allow_room_start"], idle["max_idle_timeout_sec"]))
        room = self.stage.rooms.put(f"made-{len(self.made)}", endpoints=1, sip=sip).room
        return replace(room, properties=body["properties"])

    async def describe(self, room: Room) -> dict[str, object]:
        return {"url": f"https://rooms.example/{room.name}"}

    async def delete(self, domain: DomainId, name: str) -> None:
        if name in self.gone:
            raise NotFound(name)
        self.gone.append(name)


async def open_trunk(stage: Stage) -> Maker:
    domains: Any = None
    trunks = SipTrunks(MemoryTrunks(), domains, stage.server, stage.clock, random.Random(1))
    await trunks.start()
    maker = Maker(stage)
    stage.calls.take_over_trunk = TrunkCalls(stage.calls, stage.meetings, trunks, maker).take
    return maker


def call(stage: Stage) -> FakePhone:
    """A call to the trunk's address."""
    events = stage.carrier.events
    assert events is not None
    taken: list[IncomingInvite] = []

    class Catcher:
        def incoming(self, invite: IncomingInvite) -> None:
            taken.append(replace(invite, sip_trunk=TRUNK.id))

    catcher: Any = Catcher()
    stage.carrier.events = catcher
    phone = stage.carrier.call_in("+15550100", headers=[("X-Case", "17")])
    stage.carrier.events = events
    events.incoming(taken[0])
    return phone


async def test_a_call_rings_until_the_customer_says_yes_and_is_in_a_room_of_its_own():
    async with Stage() as stage:
        maker = await open_trunk(stage)
        phone = call(stage)
        await stage.settle()

        assert stage.carrier.verbs(phone.call) == ["ring", "answer"]
        (post,) = stage.server.received
        told = json.loads(post.body)
        assert told["type"] == "sip_trunk.incoming" and set(told) >= {"version", "id", "event_ts"}
        assert told["trunk"] == {"id": "trunk-1", "trunk_name": "support", "description": None}
        assert told["room"]["url"] == "https://rooms.example/made-1"
        assert told["call"] == {
            "id": phone.call,
            "from": "sip:ann@phones.example",
            "to": "+15550100",
            "sip_headers": {"X-Case": "17"},
        }
        assert {"X-Siptrunk-Timestamp", "X-Siptrunk-Signature"} <= set(post.headers)
        assert maker.made[0]["exp"] == int(stage.clock.wall()) + 3600
        assert stage.records.calls[phone.call].room == "made-1"

        bot = await stage.join("made-1", "Bot")
        assert phone.call in {str(who) for who in stage.meetings.actors[DOMAIN, RoomName("made-1")].meeting.members}
        phone.hang_up()
        await stage.settle()
        assert bot.names()[-1] == "dialin-stopped"


async def test_a_server_that_fails_is_asked_again_within_twelve_seconds_then_the_call_is_refused():
    async with Stage() as stage:
        maker = await open_trunk(stage)
        stage.server.status = 500
        phone = call(stage)
        await stage.wait(11.9)
        assert phone.state in ("ringing", "refused") and len(stage.server.received) == 12
        await stage.wait(1.0)

        assert (phone.state, phone.status) == ("refused", 480)
        assert maker.gone == ["made-1"]
        assert len({json.loads(post.body)["id"] for post in stage.server.received}) == 1, "one question, asked again"


async def test_a_yes_at_the_second_attempt_is_a_yes():
    async with Stage() as stage:
        await open_trunk(stage)
        stage.server.answers = [503]
        phone = call(stage)
        await stage.wait(1.1)
        assert phone.state == "answered"
        phone.hang_up()
        await stage.settle()


async def test_a_server_that_never_answers_costs_the_caller_twelve_seconds():
    async with Stage() as stage:
        maker = await open_trunk(stage)

        stage.server.hold = asyncio.Event()
        phone = call(stage)
        await stage.wait(11.9)
        assert phone.state == "ringing"
        await stage.wait(0.2)
        assert (phone.state, phone.status) == ("refused", 480)
        assert maker.gone == ["made-1"]


async def test_a_caller_who_gives_up_is_not_let_in_and_its_room_goes():
    async with Stage() as stage:
        maker = await open_trunk(stage)
        stage.server.status = 500
        phone = call(stage)
        await stage.settle()
        phone.give_up()
        await stage.wait(1.1)
        assert maker.gone == ["made-1"] and "answer" not in stage.carrier.verbs(phone.call)
