"""Who has no token for a private room knocks, waits, and is let in or not by those inside."""

from typing import Any

import pytest

from ringback.meetings.knocking import KNOCKS_FOR, MOST_WAITING
from ringback.signalling.connection import JOIN_WITHIN, POLICY
from ringback.webhooks.bodies import body_of
from scenarios.test_signalling import Frame, Hall, PaperSocket, hall

FULL = {"level": "full"}


def private(it: Hall, **properties: Any) -> None:
    it.stage.rooms.put("private", privacy="private", enable_knocking=True, **properties)


async def knock(it: Hall, name: str = "Eve", **fields: Any) -> tuple[PaperSocket, Frame]:
    socket = it.connect()
    return socket, await it.ask(socket, "knock", room="private", userName=name, **fields)


def told(socket: PaperSocket, event: str) -> list[Any]:
    return [frame["payload"] for frame in socket.frames if frame.get("event") == event]


def hooks(it: Hall) -> list[tuple[str, str]]:
    """Webhooks about the door: type and name."""
    bodies = [body_of(event) for event in it.stage.records.events if "waiting" in event.name]
    payloads = [event.payload["participant"]["name"] for event in it.stage.records.events if "waiting" in event.name]
    return [(body.type, name) for body, name in zip(bodies, payloads, strict=True) if body is not None]


async def test_who_is_let_in_joins_under_the_id_and_the_name_that_was_shown() -> None:
    async with hall() as it:
        private(it)
        owner, _ = await it.join("private", "owner:private")
        guest, _ = await it.join("private", "guest:private")
        eve, refused = await it.join("private", userName="Eve")
        assert refused["error"]["type"] == "not-allowed" and refused["error"]["mayKnock"] is True

        waits = await it.ask(eve, "knock", room="private", userName="Eve\u202e")
        [added] = told(owner, "waiting-participant-added")
        assert (added["participant"]["id"], added["participant"]["name"]) == (waits["session_id"], "Eve")
        assert added["participant"]["awaitingAccess"] == FULL
        assert told(guest, "waiting-participant-added") == [], "who cannot open is not told"
        decided = await it.ask(
            owner, "update-waiting-participants", participants={waits["session_id"]: {"grantRequestedAccess": True}}
        )
        assert decided["ids"] == [waits["session_id"]]

        assert told(eve, "access-state-updated") == [{"access": FULL, "granted": True}]
        joined = await it.ask(eve, "join", room="private", userName="Mallory")
        assert (joined["session_id"], joined["local"]["user_name"]) == (waits["session_id"], "Eve")
        assert len(told(owner, "waiting-participant-removed")) == 1
        assert hooks(it) == [("waiting-participant.joined", "Eve"), ("waiting-participant.left", "Eve")]


async def test_who_is_not_let_in_stays_out_and_may_knock_again() -> None:
    async with hall() as it:
        private(it)
        owner, _ = await it.join("private", "owner:private")
        eve, _ = await knock(it)
        await it.ask(owner, "update-waiting-participants", participants={"*": {"grantRequestedAccess": False}})

        assert told(eve, "access-state-updated") == [{"access": {"level": "lobby"}, "granted": False}]
        assert (await it.ask(eve, "join", room="private"))["error"]["type"] == "not-allowed"
        assert (await it.ask(eve, "knock", room="private", userName="Eve"))["ok"]


async def test_who_waited_before_anybody_came_is_shown_to_who_comes() -> None:
    async with hall() as it:
        private(it)
        await knock(it, "Eve")
        first, welcome = await it.join("private", "owner:private")
        assert [one["name"] for one in welcome["waiting"]] == ["Eve"]
        _, second = await it.join("private", "owner:private")

        assert [one["name"] for one in second["waiting"]] == ["Eve"]
        assert (await it.join("private", "guest:private"))[1]["waiting"] == []
        assert len(told(first, "waiting-participant-added")) == 1
        assert hooks(it) == [("waiting-participant.joined", "Eve")]


async def test_who_goes_away_waits_no_longer() -> None:
    async with hall() as it:
        private(it)
        owner, _ = await it.join("private", "owner:private")
        eve, waits = await knock(it)
        eve.break_off()
        await it.stage.settle()

        assert len(told(owner, "waiting-participant-removed")) == 1
        late = await it.ask(
            owner, "update-waiting-participants", participants={waits["session_id"]: {"grantRequestedAccess": True}}
        )
        assert late["error"]["type"] == "not-found"


async def test_nobody_waits_for_ever_and_who_was_let_in_does_not_dawdle() -> None:
    async with hall() as it:
        private(it)
        eve, _ = await knock(it)
        await it.stage.wait(KNOCKS_FOR - 1)
        assert eve.closed is None
        await it.stage.wait(1 + JOIN_WITHIN + 1)

        assert told(eve, "access-state-updated")[0]["granted"] is False
        assert eve.closed is not None and eve.closed[0] == POLICY


async def test_a_token_may_say_that_its_holder_knocks() -> None:
    async with hall() as it:
        _, refused = await it.join("hello", "knocker:hello")
        assert refused["error"]["mayKnock"] is True
        socket = it.connect()
        assert (await it.ask(socket, "knock", room="hello", token="knocker:hello"))["ok"]


@pytest.mark.parametrize(
    ("room", "token", "kind"),
    [
        ("hello", None, "not-allowed"),
        ("closed", None, "not-allowed"),
        ("nowhere", None, "no-room"),
        ("private", "owner:private", "not-allowed"),
        ("private", "owner:hello", "not-allowed"),
    ],
)
async def test_where_there_is_no_door_nobody_knocks(room: str, token: str | None, kind: str) -> None:
    async with hall() as it:
        private(it)
        it.stage.rooms.put("closed", privacy="private")
        socket = it.connect()

        refused = await it.ask(socket, "knock", room=room, token=token)

        assert refused["ok"] is False and refused["error"]["type"] == kind


async def test_only_who_may_open_opens_and_only_so_many_wait() -> None:
    async with hall() as it:
        private(it)
        guest, _ = await it.join("private", "guest:private")
        for number in range(MOST_WAITING):
            assert (await knock(it, f"Nr {number}"))[1]["ok"]
        assert (await knock(it))[1]["error"]["type"] == "meeting-full"

        opened = await it.ask(guest, "update-waiting-participants", participants={"*": {"grantRequestedAccess": True}})
        assert opened["error"]["type"] == "forbidden-error"
        owner, _ = await it.join("private", "owner:private")
        wrong = await it.ask(owner, "update-waiting-participants", participants={"*": {"grantRequestedAccess": 1}})
        assert wrong["error"]["type"] == "invalid-request-error"
        all_in = await it.ask(owner, "update-waiting-participants", participants={"*": {"grantRequestedAccess": True}})
        assert len(all_in["ids"]) == MOST_WAITING
