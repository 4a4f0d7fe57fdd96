"""Clients on the signalling WebSocket, without a socket: joining, talking, misbehaving, losing and finding the way."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ringback.access.errors import TokenRefused
from ringback.meetings.meeting import GRACE
from ringback.model.events import LayerLimit
from ringback.model.ids import DomainId, ParticipantId, RoomName
from ringback.model.room import TokenGrants
from ringback.signalling.clients import Clients
from ringback.signalling.connection import JOIN_WITHIN, MAX_BAD_FRAMES, POLICY, Connection, Desk
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage

Frame = dict[str, Any]


class PaperTokens:
    """Tokens that say what they are: ``owner:hello``, ``guest:hello``, or refused with a kind."""

    async def check_token(self, token: str, *, now: float, ignore_nbf: bool = False) -> TokenGrants:
        kind, _, room = token.partition(":")
        if kind not in ("owner", "guest", "knocker"):
            raise TokenRefused(kind, f"the token is refused: {kind}")
        return TokenGrants(
            DOMAIN, RoomName(room), is_owner=kind == "owner", user_name=kind.title(), knocking=kind == "knocker"
        )


class PaperSocket:
    """A WebSocket made of two lists."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.closed: tuple[int, str] | None = None
        self._incoming: asyncio.Queue[str | None] = asyncio.Queue()
        self._number = 0

    async def receive(self) -> str | None:
        return await self._incoming.get()

    async def send(self, texts: Sequence[str]) -> None:
        self.frames += map(json.loads, texts)

    async def close(self, code: int, reason: str = "") -> None:
        self.closed = (code, reason)
        self._incoming.put_nowait(None)

    def say(self, text: str) -> None:
        """One frame, as it is."""
        self._incoming.put_nowait(text)

    def ask(self, kind: str, **fields: Any) -> int:
        """A request; returns its id."""
        self._number += 1
        self.say(json.dumps({"id": self._number, "type": kind, **fields}))
        return self._number

    def break_off(self) -> None:
        """The network is gone."""
        self._incoming.put_nowait(None)

    def reply(self, id: int | None) -> Frame:
        return next(frame for frame in self.frames if frame["type"] == "reply" and frame["id"] == id)

    def events(self) -> list[str]:
        return [frame["event"] for frame in self.frames if frame["type"] == "event"]


class Hall:
    """A stage with a signalling desk."""

    def __init__(self, stage: Stage, tasks: asyncio.TaskGroup) -> None:
        self.stage = stage
        self.clients = Clients()
        self._tasks = tasks
        stage.bus.subscribe(self.clients.handle)

        async def domain_of(host: str) -> DomainId:
            return DOMAIN

        self._desk = Desk(
            stage.meetings, PaperTokens(), stage.calls, self.clients, stage.clock, domain_of, stage.meetings.new_id
        )

    def connect(self) -> PaperSocket:
        socket = PaperSocket()
        self._tasks.create_task(Connection(socket, self._desk, "ringback.example", "192.0.2.1").serve())
        return socket

    async def join(self, room: str = "hello", token: str | None = None, **fields: Any) -> tuple[PaperSocket, Frame]:
        socket = self.connect()
        id = socket.ask("join", room=room, token=token, **fields)
        await self.stage.settle()
        return socket, socket.reply(id)

    async def ask(self, socket: PaperSocket, kind: str, **fields: Any) -> Frame:
        id = socket.ask(kind, **fields)
        await self.stage.settle()
        return socket.reply(id)


@asynccontextmanager
async def hall() -> AsyncIterator[Hall]:
    """A desk in a stage with the room ``hello``; leaving it disconnects everybody and expects nothing to remain."""
    async with Stage() as stage, asyncio.TaskGroup() as tasks:
        stage.rooms.put("hello", endpoints=1, enable_dialout=True)
        it = Hall(stage, tasks)
        yield it
        await stage.meetings.close_all()
        await stage.wait(JOIN_WITHIN + GRACE)
        assert len(it.clients) == 0


async def test_a_join_shows_the_room_the_others_and_oneself():
    async with hall() as it:
        await it.join(userName="Ann")

        _, joined = await it.join("https://ringback.example/hello?t=owner:hello", userName="ignored")

        assert joined["ok"] and joined["local"]["owner"] and joined["local"]["user_name"] == "Owner"
        assert [other["user_name"] for other in joined["participants"]] == ["Ann"]
        assert joined["room"]["domainConfig"]["max_app_message_size"] == 4096
        assert joined["grace_s"] == GRACE and joined["seq"] == 0


@pytest.mark.parametrize(
    ("room", "token", "kind"),
    [
        ("nowhere", None, "no-room"),
        ("private", None, "not-allowed"),
        ("hello", "nbf-token:", "nbf-token"),
        ("hello", "exp-token:", "exp-token"),
        ("hello", "invalid-token:", "not-allowed"),
        ("hello", "owner:other", "not-allowed"),
        ("over", None, "exp-room"),
        ("early", None, "nbf-room"),
    ],
)
async def test_every_refusal_at_the_door_has_its_type(room: str, token: str | None, kind: str):
    async with hall() as it:
        it.stage.rooms.put("private", privacy="private")
        it.stage.rooms.put("over", exp=it.stage.clock.wall() - 100)
        it.stage.rooms.put("early", nbf=it.stage.clock.wall() + 100)

        socket, refused = await it.join(room, token)

        assert refused["ok"] is False and refused["error"]["type"] == kind and refused["error"]["msg"]
        assert (await it.ask(socket, "join", room="hello"))["ok"], "a refused client may try again"


async def test_events_are_numbered_for_each_client_and_come_after_its_join():
    async with hall() as it:
        ann, _ = await it.join(userName="Ann")
        bob, _ = await it.join(userName="Bob")
        await it.ask(bob, "set-user-name", userName="Robert")

        assert ann.frames[0]["type"] == "reply"
        assert ann.events() == [
            "participant-counts-updated",
            "dialin-ready",
            "participant-joined",
            "participant-counts-updated",
            "participant-updated",
        ]
        assert [frame["seq"] for frame in ann.frames if frame["type"] == "event"] == [1, 2, 3, 4, 5]
        assert bob.events() == ["participant-counts-updated", "participant-updated"]


async def test_messages_go_to_whom_they_are_for_and_not_back():
    async with hall() as it:
        (ann, _), (bob, joined), (eve, _) = [await it.join(userName=name) for name in ("Ann", "Bob", "Eve")]

        await it.ask(ann, "app-message", data={"n": 1})
        await it.ask(ann, "app-message", data={"n": 2}, to=joined["session_id"])
        big = await it.ask(ann, "app-message", data="a" * 4100)

        def got(socket: PaperSocket) -> list[int]:
            return [f["payload"]["data"]["n"] for f in socket.frames if f.get("event") == "app-message"]

        assert (got(ann), got(bob), got(eve)) == ([], [1, 2], [1])
        assert big["error"]["msg"] == "Message data too large. Max size is 4096"


async def test_who_comes_back_in_time_is_the_same_participant_and_missed_nothing():
    async with hall() as it:
        ann, joined = await it.join(userName="Ann")
        bob, _ = await it.join(userName="Bob")
        seq = max(frame["seq"] for frame in ann.frames if frame["type"] == "event")
        ann.break_off()
        await it.stage.wait(GRACE - 1)
        await it.ask(bob, "set-user-name", userName="Robert")
        assert "participant-left" not in bob.events()

        again = it.connect()
        resume = {"session_id": joined["session_id"], "secret": joined["resume_secret"], "seq": seq}
        answer = await it.ask(again, "join", resume=resume)

        assert answer["ok"] and answer["session_id"] == joined["session_id"] and "resync" not in answer
        assert again.events() == ["participant-updated"]
        await it.stage.wait(60)
        assert "participant-left" not in bob.events()


@pytest.mark.parametrize("change", [{"secret": "wrong"}, {"secret": ""}, {"session_id": "nobody"}, {"session_id": ""}])
async def test_only_the_one_who_left_can_come_back(change: dict[str, str]):
    async with hall() as it:
        ann, joined = await it.join(userName="Ann")
        resume = {"session_id": joined["session_id"], "secret": joined["resume_secret"], "seq": 0, **change}

        answer = await it.ask(it.connect(), "join", resume=resume)

        assert answer["error"]["type"] == "connection-error"
        assert ann.closed is None


async def test_who_comes_back_too_late_has_to_join_again():
    async with hall() as it:
        ann, joined = await it.join(userName="Ann")
        bob, _ = await it.join(userName="Bob")
        ann.break_off()
        await it.stage.wait(GRACE + 1)

        resume = {"session_id": joined["session_id"], "secret": joined["resume_secret"], "seq": 0}
        answer = await it.ask(it.connect(), "join", resume=resume)

        assert bob.events().count("participant-left") == 1
        assert answer["error"]["type"] == "connection-error"


async def test_a_second_connection_takes_over_from_the_first():
    async with hall() as it:
        ann, joined = await it.join(userName="Ann")

        again = it.connect()
        resume = {"session_id": joined["session_id"], "secret": joined["resume_secret"], "seq": 99}
        answer = await it.ask(again, "join", resume=resume)
        await it.stage.settle()

        assert answer["resync"] is True
        assert ann.closed is not None and again.closed is None
        await it.stage.wait(GRACE + 1)
        assert (await it.ask(again, "ping"))["ok"], "the old connection's end is not the client's"


async def test_who_missed_events_is_told_again_what_its_layers_are_to_be():
    async with hall() as it:
        _, joined = await it.join(userName="Ann")
        asked = it.stage.media_events.encoding_asked
        asked(ParticipantId(joined["session_id"]), "video", (LayerLimit(2, 855_000),))
        asked(ParticipantId(joined["session_id"]), "video", ())
        asked(ParticipantId(joined["session_id"]), "video", (LayerLimit(1, 300_000, 15),))
        await it.stage.settle()

        resume = {"session_id": joined["session_id"], "secret": joined["resume_secret"], "seq": 99}
        answer = await it.ask(it.connect(), "join", resume=resume)

        layers = [{"layer": 1, "maxBitrate": 300_000, "maxFramerate": 15}]
        assert answer["send_layers"] == [{"track": "video", "layers": layers}]


async def test_a_socket_that_never_joins_is_closed():
    async with hall() as it:
        socket = it.connect()

        await it.stage.wait(JOIN_WITHIN + 1)

        assert socket.closed == (POLICY, "join first")


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '{"id":1}',
        '{"id":"x","type":"ping"}',
        '{"id":1,"type":7}',
        '{"id":NaN,"type":"ping"}',
        "[" * 5000,
        '{"id":1,"type":"ping","x":' + "[" * 40 + "]" * 40 + "}",
        "\x00\ud7ff",
    ],
)
async def test_garbage_is_answered_and_after_ten_of_it_the_socket_is_closed(garbage: str):
    async with hall() as it:
        ann, _ = await it.join(userName="Ann")
        bad = it.connect()

        for _ in range(MAX_BAD_FRAMES - 1):
            bad.say(garbage)
        await it.stage.settle()
        assert bad.closed is None
        assert all(frame["ok"] is False and frame["id"] is None for frame in bad.frames)
        bad.say(garbage)
        await it.stage.settle()

        assert bad.closed is not None and bad.closed[0] == POLICY
        assert (await it.ask(ann, "ping"))["ok"], "nobody else is disturbed"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("dance", {}),
        ("track", {"track": "audio"}),
        ("track", {"track": "audio", "state": "loud"}),
        ("app-message", {"data": 1, "to": 7}),
        ("app-message", {"data": 1, "to": [7]}),
        ("set-user-name", {"userName": 7}),
        ("set-user-name", {"userName": "a" * 300}),
        ("set-user-data", {"userData": "a" * 5000}),
        ("update-participants", {"participants": []}),
        ("update-participants", {"participants": {"*": 7}}),
        ("offer", {"sdp": 7}),
        ("offer", {"sdp": "v=0", "send": [7]}),
        ("offer", {"sdp": "v=0", "send": [{"mid": "0"}]}),
        ("offer", {"sdp": "v=0", "receive": [{"mid": "0", "track": "audio"}] * 501}),
        ("offer", {"sdp": "nonsense"}),
        ("dialout-stop", {}),
        ("join", {"room": "hello"}),
    ],
)
async def test_a_request_that_makes_no_sense_gets_one_refusal_and_costs_nothing_else(kind: str, fields: Frame):
    async with hall() as it:
        ann, _ = await it.join(token="owner:hello")

        refused = await it.ask(ann, kind, **fields)

        assert refused["ok"] is False and refused["error"]["msg"]
        assert (await it.ask(ann, "ping"))["ok"]


async def test_a_client_that_talks_too_fast_is_told_so_and_then_closed():
    async with hall() as it:
        ann, _ = await it.join(userName="Ann")
        bob, _ = await it.join(userName="Bob")

        for _ in range(300):
            ann.ask("ping")
        await it.stage.settle()

        assert any(frame.get("error", {}).get("type") == "rate-limit-error" for frame in ann.frames)
        assert ann.closed is not None and ann.closed[0] == POLICY
        assert (await it.ask(bob, "ping"))["ok"]


async def test_an_ejected_client_is_told_why_and_closed():
    async with hall() as it:
        owner, _ = await it.join(token="owner:hello")
        bob, joined = await it.join(userName="Bob")

        await it.ask(owner, "update-participants", participants={joined["session_id"]: {"eject": True}})

        (error,) = [frame["payload"] for frame in bob.frames if frame.get("event") == "error"]
        assert error["error"]["type"] == "ejected" and error["errorMsg"] == error["error"]["msg"]
        assert bob.closed is not None


async def test_guests_neither_dial_nor_hang_up_nor_send_keys():
    async with hall() as it:
        guest, _ = await it.join(token="guest:hello")

        for kind, fields in (
            ("dialout-start", {"options": {"sipUri": "sip:bob@phones.example"}}),
            ("dialout-stop", {"sessionId": "x"}),
            ("send-dtmf", {"sessionId": "x", "tones": "1"}),
            ("hold", {"sessionId": "x"}),
            ("sip-call-transfer", {"sessionId": "x", "toEndPoint": "sip:bob@phones.example"}),
            ("sip-call-transfer", {"sessionId": "x", "toEndPoint": "sip:bob@phones.example", "useSipRefer": True}),
            ("warm-transfer", {"sessionId": "x", "toEndPoint": "sip:bob@phones.example"}),
            ("warm-transfer", {"sessionId": "x", "action": "accept"}),
            ("update-participants", {"participants": {"*": {"eject": True}}}),
        ):
            refused = await it.ask(guest, kind, **fields)
            assert refused["error"]["type"] == "forbidden-error", kind
        assert it.stage.carrier.sent == []


async def test_an_owner_dials_a_phone_sends_it_keys_and_hangs_up():
    async with hall() as it:
        owner, _ = await it.join(token="owner:hello")
        options = {"sipUri": "sip:bob@phones.example", "displayName": "Bob"}

        started = await it.ask(owner, "dialout-start", options=options, idempotencyKey="k")
        repeated = await it.ask(owner, "dialout-start", options=options, idempotencyKey="k")
        call = started["sessionId"]
        assert started["session"] == {"sessionId": call} and repeated["sessionId"] == call
        early = await it.ask(owner, "send-dtmf", sessionId=call, tones="1")
        it.stage.carrier.phone_of(call).pick_up()
        await it.stage.settle()
        sent = await it.ask(owner, "send-dtmf", sessionId=call, tones="12#", digitDurationMs=100)
        assert (early["ok"], sent["ok"]) == (False, True)
        assert it.stage.media.legs[call].digits == [("12#", 100, 100)]
        assert (await it.ask(owner, "hold", sessionId=call))["ok"] and it.stage.carrier.phone_of(call).holding
        assert (await it.ask(owner, "hold", sessionId=call, hold="no"))["ok"] is False

        stopped = await it.ask(owner, "dialout-stop", sessionId=call)

        assert stopped["ok"] and owner.events()[-1] == "dialout-stopped"
        assert it.stage.carrier.phone_of(call).state == "over"


async def test_an_owner_transfers_a_phone_by_dialling_and_by_refer():
    async with hall() as it:
        owner, _ = await it.join(token="owner:hello")
        calls = []
        for number in range(2):
            started = await it.ask(owner, "dialout-start", options={"sipUri": f"sip:bob{number}@phones.example"})
            calls.append(started["sessionId"])
            it.stage.carrier.phone_of(calls[-1]).pick_up()
            await it.stage.settle()
        fields = {"toEndPoint": "sip:carol@phones.example"}

        moved = await it.ask(owner, "sip-call-transfer", sessionId=calls[0], **fields)
        referred = await it.ask(owner, "sip-call-transfer", sessionId=calls[1], useSipRefer=True, **fields)
        wrong = await it.ask(owner, "sip-call-transfer", sessionId=calls[1], useSipRefer="yes", **fields)
        await it.stage.settle()

        assert moved["ok"] and referred["ok"] and "useSipRefer" in wrong["error"]["msg"]
        assert owner.events().count("calltransfer-initiated") == 2
        assert it.stage.carrier.phone_of(calls[1]).asked_to_call == [("sip:carol@phones.example", None)]


async def test_offers_are_answered_with_what_is_refused():
    async with hall() as it:
        ann, _ = await it.join(userName="Ann")
        bob, joined = await it.join(userName="Bob")
        receive = [
            {"mid": "1", "session_id": joined["session_id"], "track": "audio"},
            {"mid": "2", "session_id": "nobody", "track": "audio"},
        ]

        answer = await it.ask(ann, "offer", sdp="v=0\r\n", send=[{"mid": "0", "track": "audio"}], receive=receive)

        assert answer["sdp"].startswith("v=0")
        assert answer["refused"] == [{"mid": "2", "reason": "no-such-participant"}]
        assert bob.frames[-1]["payload"]["participant"]["tracks"]["audio"]["generation"] == 1


async def test_the_client_is_gone_when_it_says_so():
    async with hall() as it:
        ann, _ = await it.join(userName="Ann")
        bob, _ = await it.join(userName="Bob")

        assert (await it.ask(ann, "leave"))["ok"]

        assert ann.closed == (1000, "left")
        assert bob.events()[-2:] == ["participant-left", "participant-counts-updated"]
        assert len(it.clients) == 1


async def test_an_owner_transfers_warmly_in_its_own_room_alone():
    async with hall() as it:
        it.stage.rooms.put("sales", endpoints=1, enable_dialout=True)
        owner, _ = await it.join(token="owner:hello")
        stranger, _ = await it.join("sales", token="owner:sales")
        phone = it.stage.carrier.call_in(
            it.stage.meetings.actors[DOMAIN, RoomName("hello")].meeting.settings.room.endpoints[0]
        )
        await it.stage.settle()
        target = {"sessionId": phone.call, "toEndPoint": "sip:bob@phones.example", "idempotencyKey": "k"}

        refused = await it.ask(stranger, "warm-transfer", **{**target, "idempotencyKey": "another"})
        assert refused["error"]["type"] == "not-found"
        begun = await it.ask(owner, "warm-transfer", **target)
        again = await it.ask(owner, "warm-transfer", **target)
        assert begun["ok"] and begun["sessionId"] == again["sessionId"]
        callee = it.stage.carrier.phone_of(begun["sessionId"])
        callee.pick_up()
        await it.stage.settle()
        for asks, action, done in ((stranger, "merge", False), (owner, "sing", False), (owner, "merge", True)):
            assert (await it.ask(asks, "warm-transfer", sessionId=phone.call, action=action))["ok"] is done
        assert (await it.ask(owner, "warm-transfer", sessionId=phone.call, action="return"))["ok"]
        await it.stage.settle()
        assert callee.state == "over" and phone.state == "answered"
        assert owner.events()[-1] == "calltransfer-completed"
