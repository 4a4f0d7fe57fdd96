"""Pinless dial-in: a caller is held, its customer's server is told, and a room takes the call: every branch."""

import asyncio
import base64
import copy
import hashlib
import hmac
import json
from typing import Any

import pytest

from ringback.model.dialin import DialinConfig
from ringback.model.end_reason import Ending
from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.ids import DomainId, ParticipantId
from ringback.testing.carrier.fake import FakePhone
from ringback.testing.dialin import name_of
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage

NUMBER = "+15550100"
HOOK = "https://app.example/start"
SECRET = base64.b64encode(b"a secret of the customer's").decode()


async def set_up(stage: Stage, **fields: Any) -> DialinConfig:
    """A configuration whose test request has been forgotten."""
    body = {"type": "pinless_dialin", "room_creation_api": HOOK, "hmac": SECRET, **fields}
    config = await stage.dialin_configs.create(DOMAIN, body)
    await stage.settle()
    stage.server.received.clear()
    return config


def dials(stage: Stage, config: DialinConfig, **invite: Any) -> FakePhone:
    return stage.carrier.call_in(config.address_user, **invite)


def hears(stage: Stage, phone: FakePhone) -> tuple[str, int]:
    leg = stage.media.legs[ParticipantId(phone.call)]
    return (name_of(leg.playing), leg.times) if leg.playing is not None else ("", 0)


def update(stage: Stage, phone: FakePhone, room: str = "hello", **changes: Any) -> dict[str, Any]:
    user = stage.rooms._settings[DOMAIN, room].room.endpoints[0]
    return {"callId": phone.call, "callDomain": DOMAIN, "sipUri": f"sip:{user}@ringback.example", **changes}


def signed_rightly(stage: Stage, at: int = 0) -> bool:
    post = stage.server.received[at]
    text = post.headers["X-Pinless-Timestamp"].encode() + b"." + post.body
    expected = base64.b64encode(hmac.new(base64.b64decode(SECRET), text, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(expected, post.headers["X-Pinless-Signature"])


async def test_a_held_caller_is_told_of_and_brought_into_the_room_that_was_made_for_it():
    async with Stage() as stage:
        config = await set_up(stage)
        phone = dials(stage, config, headers=[("X-Case", "17")])
        await stage.settle()

        assert phone.state == "answered" and hears(stage, phone) == ("music", 5)
        (post,) = stage.server.received
        assert post.url == HOOK and signed_rightly(stage)
        assert json.loads(post.body) == {
            "To": config.address_user,
            "From": "sip:ann@phones.example",
            "callId": phone.call,
            "callDomain": DOMAIN,
            "sipHeaders": {"X-Case": "17"},
        }

        stage.rooms.put("hello", endpoints=1)
        bot = await stage.join("hello", "Bot")
        await stage.dialin.connect(DOMAIN, update(stage, phone))
        await stage.settle()

        assert bot.names()[-3:] == ["participant-joined", "participant-counts-updated", "dialin-connected"]
        connected = bot.last("dialin-connected")
        assert (connected["sessionId"], connected["sipHeaders"]) == (phone.call, {"X-Case": "17"})
        assert connected["sipEndpoint"] == update(stage, phone)["sipUri"]
        assert bot.last("participant-joined")["participant"]["participantType"] == "sip-dial-in"
        assert hears(stage, phone) == ("", 0)
        assert stage.media.legs[ParticipantId(phone.call)].meeting == bot.welcome.meeting
        assert stage.carrier.verbs(phone.call) == ["answer"], "the phone hears of nothing"

        phone.hang_up()
        await stage.settle()
        assert bot.names()[-1] == "dialin-stopped"


async def test_a_call_to_the_number_of_a_configuration_is_held_too():
    async with Stage() as stage:
        stage.routes.owned[NUMBER] = DOMAIN
        await set_up(stage, phone_number=NUMBER)
        phone = stage.carrier.call_in(NUMBER, trunk="carrier", called_number=NUMBER, caller="+15550199")
        await stage.settle()

        told = json.loads(stage.server.received[0].body)
        assert (told["To"], told["From"]) == (NUMBER, "+15550199") and "sipHeaders" not in told
        phone.hang_up()
        await stage.settle()


@pytest.mark.parametrize("form", ["bare", "sip:", "sip:sip:"])
async def test_the_endpoint_is_understood_however_it_is_written(form: str):
    async with Stage() as stage:
        phone = dials(stage, await set_up(stage))
        stage.rooms.put("hello", endpoints=1)
        await stage.join("hello", "Bot")
        bare = update(stage, phone)["sipUri"].removeprefix("sip:")

        await stage.dialin.connect(DOMAIN, update(stage, phone, sipUri=bare if form == "bare" else form + bare))
        await stage.settle()
        assert stage.records.calls[phone.call].room == "hello"


async def test_the_customers_music_is_fetched_and_played_twice():
    async with Stage() as stage:
        stage.jukebox.web["https://app.example/music.mp3"] = "waltz"
        config = await set_up(stage, hold_music_url="https://app.example/music.mp3")
        phone = dials(stage, config)
        await stage.settle()
        assert hears(stage, phone) == ("waltz", 2)

        stage.jukebox.fetched.clear()
        later = dials(stage, config)
        await stage.settle()
        assert hears(stage, later) == ("waltz", 2), "once it came, in place of ours"
        for each in (phone, later):
            each.hang_up()
        await stage.settle()


async def test_music_that_cannot_be_had_leaves_the_caller_with_ours():
    async with Stage() as stage:
        phone = dials(stage, await set_up(stage, hold_music_url="https://app.example/gone.mp3"))
        await stage.settle()
        assert hears(stage, phone) == ("music", 5)
        phone.hang_up()
        await stage.settle()


@pytest.mark.parametrize("speaks", [True, False])
async def test_a_caller_nobody_takes_is_told_so_and_let_go(speaks: bool):
    async with Stage() as stage:
        stage.jukebox.speaks = speaks
        phone = dials(stage, await set_up(stage, timeout_config={"message": "Sorry, all lines are busy."}))
        await stage.settle()

        stage.media.play_out(ParticipantId(phone.call))
        await stage.settle()
        assert hears(stage, phone)[0] == ("<Sorry, all lines are busy.>" if speaks else "no-answer")
        stage.media.play_out(ParticipantId(phone.call))
        await stage.settle()
        assert phone.state == "over"
        assert stage.records.calls[phone.call].end.ending is Ending.NOT_TAKEN
        with pytest.raises(NotFound, match="is held"):
            await stage.dialin.connect(DOMAIN, {"callId": phone.call, "callDomain": DOMAIN, "sipUri": "sip:1@x"})


async def test_a_server_that_fails_is_told_once_more_and_may_take_the_call_all_the_same():
    async with Stage() as stage:
        config = await set_up(stage)
        stage.server.status = 500
        phone = dials(stage, config)
        await stage.wait(1.0)
        assert len(stage.server.received) == 1
        await stage.wait(1.5)
        assert len(stage.server.received) == 2 and signed_rightly(stage, 1)
        await stage.wait(60)
        assert len(stage.server.received) == 2 and phone.state == "answered"

        stage.rooms.put("hello", endpoints=1)
        await stage.join("hello", "Bot")
        await stage.dialin.connect(DOMAIN, update(stage, phone))
        await stage.settle()
        assert stage.records.calls[phone.call].room == "hello"


async def test_an_update_of_a_caller_who_is_gone_or_connected_fails():
    async with Stage() as stage:
        config = await set_up(stage)
        stage.rooms.put("hello", endpoints=2)
        await stage.join("hello", "Bot")
        gone, connected = dials(stage, config), dials(stage, config)
        await stage.settle()
        gone.hang_up()
        await stage.settle()
        with pytest.raises(NotFound, match="call forwarding failed: no call in-1 is held"):
            await stage.dialin.connect(DOMAIN, update(stage, gone))

        await stage.dialin.connect(DOMAIN, update(stage, connected))
        with pytest.raises(NotFound, match="call forwarding failed: no call in-2 is held"):
            await stage.dialin.connect(DOMAIN, update(stage, connected))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"sipUri": "sip:999999999999@ringback.example"}, "not an endpoint of a room of this domain"),
        ({"sipUri": "sip:bob@elsewhere.example"}, "not an endpoint of a room of this domain"),
        ({"callDomain": "another"}, "is held"),
        ({"callId": "in-99"}, "is held"),
    ],
)
async def test_an_update_that_names_the_wrong_things_leaves_the_caller_on_hold(change: dict[str, str], why: str):
    async with Stage() as stage:
        phone = dials(stage, await set_up(stage))
        await stage.settle()
        stage.rooms.put("hello", endpoints=1)
        with pytest.raises(NotFound, match=why):
            await stage.dialin.connect(DOMAIN, {**update(stage, phone), **change})
        with pytest.raises(NotFound, match="is held"):
            await stage.dialin.connect(DomainId("stranger"), update(stage, phone, callDomain="stranger"))
        assert hears(stage, phone) == ("music", 5)
        phone.hang_up()
        await stage.settle()


@pytest.mark.parametrize("missing", ["callId", "callDomain", "sipUri"])
async def test_an_update_needs_all_three_fields(missing: str):
    async with Stage() as stage:
        body = {"callId": "a", "callDomain": "b", "sipUri": "sip:c@d"}
        del body[missing]
        with pytest.raises(InvalidRequest, match=f'"{missing}" is required'):
            await stage.dialin.connect(DOMAIN, body)
        with pytest.raises(InvalidRequest, match="must be a string"):
            await stage.dialin.connect(DOMAIN, {**body, missing: 7})
        with pytest.raises(InvalidRequest, match="not allowed"):
            await stage.dialin.connect(DOMAIN, {**body, "extra": 7})


async def test_an_empty_room_or_a_taken_endpoint_gives_the_caller_back_to_the_music():
    async with Stage() as stage:
        config = await set_up(stage)
        stage.rooms.put("hello", endpoints=1)
        first, second = dials(stage, config), dials(stage, config)
        await stage.settle()
        with pytest.raises(NotFound, match="call forwarding failed: nobody joined"):
            await stage.dialin.connect(DOMAIN, update(stage, first))
        await stage.join("hello", "Bot")
        await stage.dialin.connect(DOMAIN, update(stage, first))
        with pytest.raises(NotFound, match="call forwarding failed: endpoint in use"):
            await stage.dialin.connect(DOMAIN, update(stage, second))
        assert hears(stage, second) == ("music", 5)
        second.hang_up()
        await stage.settle()


async def test_a_caller_who_hangs_up_while_it_is_being_connected_takes_no_place_in_the_room():
    async with Stage() as stage:
        config = await set_up(stage)
        stage.rooms.put("hello", endpoints=1)
        bot = await stage.join("hello", "Bot")
        phone = dials(stage, config)
        await stage.settle()

        connecting = asyncio.ensure_future(stage.dialin.connect(DOMAIN, update(stage, phone)))
        await asyncio.sleep(0)
        phone.hang_up()
        await stage.settle()
        await asyncio.gather(connecting, return_exceptions=True)

        other = dials(stage, config)
        await stage.settle()
        await stage.dialin.connect(DOMAIN, update(stage, other))
        await stage.settle()
        assert bot.last("dialin-connected")["sessionId"] == other.call


async def test_a_stranger_who_dials_a_static_address_that_is_none_learns_nothing():
    async with Stage() as stage:
        phone = stage.carrier.call_in("static-00000000000000000000")
        await stage.settle()
        assert (phone.state, phone.status) == ("refused", 480)


async def test_a_kill_while_a_caller_is_held_ends_its_row_and_hangs_up():
    async with Stage(check=False) as first:
        phone = dials(first, await set_up(first))
        await first.settle()
        left = copy.deepcopy(first.records)

    async with Stage(left) as second:
        row = second.records.calls[phone.call]
        assert row.end is not None and row.end.ending is Ending.SERVER_RESTART
        assert [each.id for each in second.carrier.finished] == [phone.call]
        assert not second.records.event_names()
