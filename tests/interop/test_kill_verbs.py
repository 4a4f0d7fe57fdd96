"""SIGKILL at each step of each verb that moves a call: telephones are hung up on, rows and webhooks end truthfully."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from interop.peers.baresip import Baresip
from interop.peers.server import Server, listens
from interop.peers.waiting import free_port, until
from interop.test_webhooks import SECRET, Receiver

pytestmark = pytest.mark.needs("baresip")

STARTS = {"allow_room_start": True, "max_idle_timeout_sec": 120, "max_idle_timeout_post_conversation_sec": 120}
SIP = {"sip_mode": "dial-in", "display_name": "Caller", "num_endpoints": 2, "dialin_config": STARTS}


@dataclass(slots=True)
class Scene:
    """A caller, an agent who is called into the room where a story wants one, and a target that only rings."""

    server: Server
    receiver: Receiver
    caller: Baresip
    agent: Baresip
    target: Baresip
    uri: str
    session: str = ""

    def phones(self) -> tuple[Baresip, ...]:
        return self.caller, self.agent, self.target

    async def rest(self, path: str, body: Any = None) -> dict[str, Any]:
        answer = await self.server.rest("POST", path, body)
        assert answer.status == 200, answer
        return dict(answer.body)

    async def calls(self) -> list[dict[str, Any]]:
        return list((await self.server.rest("GET", "/ringback/calls")).body["data"])

    async def states(self, *wanted: str) -> None:
        """Wait until the calls, oldest first, are in these states."""

        async def there() -> bool:
            return [call["state"] for call in reversed(await self.calls())] == list(wanted)

        await until(there, f"calls are {wanted}")

    async def transfer_is(self, state: str) -> None:
        """Wait until the caller's transfer has got so far."""

        async def there() -> bool:
            rows = (await self.server.rest("GET", f"/ringback/calls/{self.session}/transfers")).body["data"]
            return bool(rows) and rows[-1]["state"] == state

        await until(there, f"the transfer is {state}")

    async def dial_in(self) -> None:
        await self.caller.dial(self.uri)
        await self.states("answered")
        self.session = (await self.calls())[0]["id"]

    async def transfer(self, verb: str = "sipCallTransfer", to: str | None = None) -> None:
        await self.dial_in()
        await self.rest(f"/rooms/night/{verb}", {"sessionId": self.session, "toEndPoint": to or self.target.uri})


async def dial_in_answered(it: Scene) -> None:
    await it.dial_in()


async def dial_out_ringing(it: Scene) -> None:
    it.session = await it.server.dial_out("night", it.target.uri)
    await it.states("ringing")


async def dial_out_answered(it: Scene) -> None:
    it.session = await it.server.dial_out("night", it.agent.uri)
    await it.states("answered")


async def digits_half_sent(it: Scene) -> None:
    await it.dial_in()
    await it.rest("/rooms/night/dialOut/sendDTMF", {"sessionId": it.session, "tones": "12345678901234567890"})
    await asyncio.sleep(1)


async def transfer_just_asked_for(it: Scene) -> None:
    await it.transfer()


async def transfer_ringing(it: Scene) -> None:
    await it.transfer()
    await it.transfer_is("ringing")


async def transfer_answered(it: Scene) -> None:
    await transfer_ringing(it)
    await it.target.command("accept")
    await it.transfer_is("answered")


async def transfer_refused(it: Scene) -> None:
    await transfer_ringing(it)
    await it.target.command("hangup")
    await it.transfer_is("completed")


async def moved_to_another_room(it: Scene) -> None:
    room = await it.server.room("day", sip=SIP)
    await it.transfer(to=room["config"]["sip_uri"]["endpoint"])
    await it.transfer_is("completed")


async def refer_just_asked_for(it: Scene) -> None:
    await it.transfer("sipRefer")


async def refer_accepted(it: Scene) -> None:
    await it.transfer("sipRefer")
    await it.target.event("CALL_INCOMING")
    await it.transfer_is("initiated")


async def warm_ringing(it: Scene) -> None:
    await it.dial_in()
    await it.server.dial_out("night", it.agent.uri)
    await it.states("answered", "answered")
    await it.rest(f"/ringback/calls/{it.session}/warm-transfer", {"toEndPoint": it.target.uri})
    await it.transfer_is("ringing")


async def warm_briefing(it: Scene) -> None:
    await warm_ringing(it)
    await it.target.command("accept")
    await it.transfer_is("briefing")


async def warm_merged(it: Scene) -> None:
    await warm_briefing(it)
    await it.rest(f"/ringback/calls/{it.session}/warm-transfer/merge")
    await it.transfer_is("merged")


async def warm_accepted(it: Scene) -> None:
    await warm_briefing(it)
    await it.rest(f"/ringback/calls/{it.session}/warm-transfer/accept")
    await it.transfer_is("answered")


async def warm_returned(it: Scene) -> None:
    await warm_briefing(it)
    await it.rest(f"/ringback/calls/{it.session}/warm-transfer/return")
    await it.transfer_is("completed")


Step = Callable[[Scene], Awaitable[None]]

STEPS: dict[Step, tuple[str, ...]] = {
    dial_in_answered: (),
    dial_out_ringing: (),
    dial_out_answered: (),
    digits_half_sent: (),
    transfer_just_asked_for: ("failed",),
    transfer_ringing: ("failed",),
    transfer_answered: ("completed",),
    transfer_refused: ("busy",),
    moved_to_another_room: ("completed",),
    refer_just_asked_for: ("failed",),
    refer_accepted: ("failed",),
    warm_ringing: ("failed",),
    warm_briefing: ("failed",),
    warm_merged: ("completed",),
    warm_accepted: ("completed",),
    warm_returned: ("canceled",),
}
"""How its transfer has ended for everybody after a kill at that step."""


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    port = free_port()
    async with (
        Receiver(tmp_path / "app", port) as receiver,
        Server(tmp_path / "server", {"WEBHOOKS__ALLOW_PRIVATE": "true"}) as server,
        Baresip(tmp_path / "caller", name="caller") as caller,
        Baresip(tmp_path / "agent", name="agent") as agent,
        Baresip(tmp_path / "target", name="target", answer="manual") as target,
    ):
        await until(lambda: listens(port), "the receiver listens")
        hook = {"url": receiver.url, "hmac": SECRET, "retryType": "exponential"}
        assert (await server.rest("POST", "/webhooks", hook)).status == 200
        room = await server.room("night", sip=SIP, dialout_config=STARTS)
        yield Scene(server, receiver, caller, agent, target, str(room["config"]["sip_uri"]["endpoint"]))


QUICK = (
    digits_half_sent,
    transfer_ringing,
    transfer_answered,
    transfer_refused,
    moved_to_another_room,
    refer_accepted,
    warm_briefing,
    warm_accepted,
)
"""The rest is for the long run: in memory all of them are killed after each of their units of work anyway."""


@pytest.mark.parametrize(
    "step",
    [pytest.param(step, marks=() if step in QUICK else pytest.mark.soak, id=step.__name__) for step in STEPS],
)
async def test_a_kill_leaves_nobody_hanging_and_owes_nothing(step: Step, scene: Scene) -> None:
    await step(scene)
    # A call that is refused, or was hung up on, before is no concern of the kill.
    talking = {call["id"] for call in await scene.calls() if call["state"] != "ended"}

    await scene.server.kill()
    await scene.server.restart()

    rows = await scene.calls()
    assert {row["state"] for row in rows} == {"ended"}, rows
    assert {row["end"]["reason"] for row in rows if row["id"] in talking} == {"server-restart"}
    # Whom a phone calls on our word is in a call of that phone.
    ours = (scene.caller, scene.agent) if step in (refer_just_asked_for, refer_accepted) else scene.phones()
    for phone in ours:
        if "CALL_ESTABLISHED" in phone.said() or "CALL_INCOMING" in phone.said():
            await phone.event("CALL_CLOSED")
    if scene.session:
        found = (await scene.server.rest("GET", f"/ringback/calls/{scene.session}/transfers")).body["data"]
        assert tuple(row["complete_status"] for row in found) == STEPS[step]
    await until(lambda: settled(scene), "webhooks tell the end of all", 20)
    told = once(scene)
    assert [each["complete_status"] for each in told if each["type"] == "calltransfer.completed"] == [*STEPS[step]]

    scene.caller.forget()
    await scene.caller.dial(scene.uri)


def once(it: Scene) -> list[dict[str, Any]]:
    """What the application was told, each event once: delivery is at least once, and repeats are alike."""
    return list({json.dumps(each): each for each in it.receiver.told()}.values())


def settled(it: Scene) -> bool:
    """Whether all that was told to have begun was told to have ended, and not twice."""
    counts = Counter(each["type"] for each in once(it))
    pairs = (
        ("meeting.started", "meeting.ended"),
        ("participant.joined", "participant.left"),
        ("dialin.connected", "dialin.stopped"),
        ("calltransfer.triggered", "calltransfer.completed"),
    )
    dialled = counts["dialout.connected"] <= counts["dialout.stopped"] + counts["dialout.error"]
    return dialled and all(counts[began] == counts[ended] for began, ended in pairs) and counts["meeting.started"] > 0
