"""Pressing keys towards telephones: over REST, by clients, as an extension."""

import pytest

from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.ids import CallId, ParticipantId, RoomName
from ringback.sdp.negotiation import make_offer
from ringback.testing.carrier import FakePhone
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Stage

HELLO = RoomName("hello")
NO_EVENTS = b"\r\n".join(
    line
    for line in make_offer(7, 1, "198.51.100.7", 14000, ("PCMU",)).replace(b" 0 101", b" 0").split(b"\r\n")
    if b"101 " not in line
)


async def talking(stage: Stage, offer: bytes | None = None) -> FakePhone:
    user = stage.rooms.put("hello", endpoints=1, enable_dialout=True).room.endpoints[0]
    await stage.join("hello", "Ann")
    phone = stage.carrier.call_in(user, offer=offer)
    await stage.settle()
    return phone


async def press(stage: Stage, phone: FakePhone, tones: str, **body: object) -> None:
    await stage.calls.send_dtmf(DOMAIN, HELLO, {"sessionId": phone.call, "tones": tones, **body})


async def test_events_are_the_way_where_they_were_agreed_and_info_where_not():
    async with Stage() as stage:
        phone = await talking(stage)
        await press(stage, phone, "12#")
        assert stage.media.legs[ParticipantId(phone.call)].digits == [("12#", 500, 100)]
        assert phone.info_digits == ""

    async with Stage() as stage:
        phone = await talking(stage, NO_EVENTS)
        await press(stage, phone, "12#", digitDurationMs=100)
        await stage.wait(1)
        assert stage.media.legs[ParticipantId(phone.call)].digits == [] and phone.info_digits == "12#"
        with pytest.raises(InvalidRequest, match="did not agree on telephone-event"):
            await press(stage, phone, "1", method="telephone-event")


async def test_info_goes_key_by_key_and_a_second_request_behind_the_first():
    async with Stage() as stage:
        phone = await talking(stage)

        await press(stage, phone, "123", method="sip-info", digitDurationMs=400)
        await press(stage, phone, "A", method="telephone-event")
        assert phone.info_digits == "1"
        await stage.wait(0.5)
        assert phone.info_digits == "12"
        await stage.wait(0.9)
        assert phone.info_digits == "123" and stage.media.legs[ParticipantId(phone.call)].digits == []

        await stage.wait(0.1)
        assert stage.media.legs[ParticipantId(phone.call)].digits == [("A", 500, 100)]


async def test_keys_wait_for_the_answer_in_vain():
    async with Stage() as stage:
        await talking(stage)
        call = await stage.dial_out("hello")
        stage.carrier.phone_of(call).ring()
        await stage.settle()

        with pytest.raises(InvalidRequest, match="not answered"):
            await stage.calls.send_dtmf(DOMAIN, HELLO, {"sessionId": call, "tones": "1"})
        with pytest.raises(NotFound):
            await stage.calls.send_dtmf(DOMAIN, HELLO, {"sessionId": CallId("nobody"), "tones": "1"})
        with pytest.raises(NotFound, match="not hosting"):
            await stage.calls.send_dtmf(DOMAIN, RoomName("empty"), {"sessionId": call, "tones": "1"})


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "sessionId and tones are mandatory parameter"),
        ({"tones": "1"}, "sessionId and tones are mandatory parameter"),
        ({"sessionId": "x", "tones": ""}, "sessionId and tones are mandatory parameter"),
        ({"sessionId": 7, "tones": "1"}, "sessionId and tones should be of string type"),
        ({"sessionId": "x", "tones": "1" * 21}, "tones string must be upto 20 characters"),
        ({"sessionId": "x", "tones": "1a"}, "a is not valid DTMF tone"),
        ({"sessionId": "x", "tones": "1", "method": "in-band"}, "method must be one of"),
        ({"sessionId": "x", "tones": "1", "digitDurationMs": "500"}, "digitDurationMs must be a number"),
        ({"sessionId": "x", "tones": "1", "digitDurationMs": 50.5}, "digitDurationMs must be a finite integer number"),
        ({"sessionId": "x", "tones": "1", "digitDurationMs": 49}, "digitDurationMs must be between 50ms and 2000ms"),
        ({"sessionId": "x", "tones": "1", "digitDurationMs": 2001}, "digitDurationMs must be between 50ms and 2000ms"),
        ({"sessionId": "x", "tones": "1", "digits": "1"}, '"digits" is not allowed'),
    ],
)
async def test_a_body_past_a_limit_is_refused_in_words(body: dict[str, object], text: str):
    async with Stage() as stage:
        await talking(stage)

        with pytest.raises(InvalidRequest, match=text):
            await stage.calls.send_dtmf(DOMAIN, HELLO, body)


@pytest.mark.parametrize("duration", [50, 2000, 50.0])
async def test_bodies_at_their_limits_are_taken(duration: float):
    async with Stage() as stage:
        phone = await talking(stage)

        await press(stage, phone, "0123456789ABCD*#0123", digitDurationMs=duration)

        assert stage.media.legs[ParticipantId(phone.call)].digits == [("0123456789ABCD*#0123", int(duration), 100)]


async def test_hanging_up_forgets_the_keys_that_wait():
    async with Stage() as stage:
        phone = await talking(stage)
        await press(stage, phone, "123456", method="sip-info")

        phone.hang_up()
        await stage.wait(10)

        assert phone.info_digits == "1"


async def test_keys_that_are_sent_again_under_their_idempotency_key_are_pressed_once() -> None:
    async with Stage() as stage:
        stage.rooms.put("hello", endpoints=1)
        await stage.join("hello", "Ann")
        phone = stage.carrier.call_in("000001000000")
        await stage.settle()
        body = {"sessionId": phone.call, "tones": "12", "method": "sip-info", "digitDurationMs": 100}

        for _ in range(3):
            await stage.calls.send_dtmf(DOMAIN, RoomName("hello"), body, idempotency_key="once")
        with pytest.raises(InvalidRequest, match="another body"):
            await stage.calls.send_dtmf(DOMAIN, RoomName("hello"), {**body, "tones": "34"}, idempotency_key="once")
        await stage.wait(5)

        assert phone.info_digits == "12"
        (kept,) = stage.records.commands.values()
        assert kept.request["tones"] != "12", "digits may be a card's"
        phone.hang_up()
        await stage.settle()
