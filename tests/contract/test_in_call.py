"""What REST does to those who are in a room: transfers, keys, bans, permissions; and whose room that may be."""

from typing import Any

import pytest

from contract.house import House
from ringback.meetings.admission import Joiner, JoinRefused
from ringback.model.ids import ParticipantId, RoomName
from ringback.model.room import TokenGrants
from ringback.testing.carrier import FakePhone
from ringback.testing.clock import settle

BOB = "sip:bob@phones.example"


async def talking(house: House) -> FakePhone:
    """A phone in the room ``desk``, which it may start."""
    sip = {
        "sip_mode": "dial-in",
        "display_name": "Caller",
        "dialin_config": {"allow_room_start": True, "max_idle_timeout_sec": 60},
    }
    status, room = await house.ask(
        "POST", "/v1/rooms", {"name": "desk", "properties": {"sip": sip, "enable_dialout": True}}
    )
    assert status == 200, room
    user = room["config"]["sip_uri"]["endpoint"].removeprefix("sip:").partition("@")[0]
    phone = house.carrier.call_in(user)
    for _ in range(20_000):  # the store has a thread of its own
        await settle()
        if phone.state == "answered":
            return phone
    raise AssertionError(phone.state)


async def join(house: House, who: str, user_id: str) -> None:
    grants = TokenGrants(house.domain.id, RoomName("desk"), user_id=user_id)
    await house.meetings.join(house.domain.id, RoomName("desk"), Joiner(ParticipantId(who), grants))


async def test_a_transfer_and_a_refer_answer_true(house: House) -> None:
    phone = await talking(house)

    moved = await house.ask("POST", "/v1/rooms/desk/sipCallTransfer", {"sessionId": phone.call, "toEndPoint": BOB})
    again = await house.ask("POST", "/v1/rooms/desk/sipRefer", {"sessionId": phone.call, "toEndPoint": BOB})

    assert moved == (200, {"ok": True})
    assert again == (
        400,
        {"error": "invalid-request-error", "info": "the call is being transferred already"},
    )


@pytest.mark.parametrize("verb", ["sipCallTransfer", "sipRefer"])
@pytest.mark.parametrize(
    ("body", "status", "error", "info"),
    [
        ({}, 400, "invalid-request-error", "missing required field"),
        ({"sessionId": "nobody", "toEndPoint": BOB}, 404, "not-found", "invalid sessionId nobody"),
        ({"sessionId": "x", "toEndPoint": "tel:1"}, 400, "invalid-request-error", "sip"),
        ({"sessionId": "x", "toEndPoint": "sip:a@b\r\nVia: c"}, 400, "invalid-request-error", "Invalid SIP URI"),
        ({"sessionId": "x", "toEndPoint": "sip:" + "a" * 600 + "@b"}, 400, "invalid-request-error", "too long"),
        ({"sessionId": "x", "toEndPoint": "sip:a@b?Route=c"}, 400, "invalid-request-error", "must start with X-"),
    ],
)
async def test_mistakes_are_told_in_words(
    house: House, verb: str, body: dict[str, Any], status: int, error: str, info: str
) -> None:
    await talking(house)

    found, answer = await house.ask("POST", f"/v1/rooms/desk/{verb}", body)

    assert (found, answer["error"]) == (status, error) and info in answer["info"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("sipCallTransfer", {"toEndPoint": BOB}),
        ("sipRefer", {"toEndPoint": BOB}),
        ("dialOut/sendDTMF", {"tones": "1"}),
        ("dialOut/stop", {}),
    ],
)
async def test_a_key_of_another_domain_reaches_no_call(house: House, path: str, body: dict[str, Any]) -> None:
    phone = await talking(house)
    key = await house.other_key()

    status, answer = await house.ask(
        "POST", f"/v1/rooms/desk/{path}", {"sessionId": phone.call, **body}, headers={"Authorization": f"Bearer {key}"}
    )

    assert status == 404 and answer["error"] == "not-found"
    assert phone.state == "answered" and phone.asked_to_call == []


async def test_who_is_banned_by_rest_stays_out(house: House) -> None:
    await talking(house)
    await join(house, "p-1", "eve")

    assert await house.ask("POST", "/v1/rooms/desk/eject", {"user_ids": ["eve"], "ban": True}) == (
        200,
        {"ejectedIds": ["p-1"]},
    )

    with pytest.raises(JoinRefused):
        await join(house, "p-2", "eve")
    await join(house, "p-3", "ann")


async def test_permissions_are_changed_of_those_named_and_of_the_others(house: House) -> None:
    phone = await talking(house)
    await join(house, "p-1", "ann")

    changed = await house.ask(
        "POST",
        "/v1/rooms/desk/update-permissions",
        {"data": {"p-1": {"canSend": ["video"]}, "*": {"canReceive": {"base": False}}}},
    )

    assert changed == (200, {})
    members = next(iter(house.meetings.actors.values())).meeting.members
    assert members[ParticipantId("p-1")].participant.permissions.can_send == frozenset({"video"})
    assert members[ParticipantId("p-1")].participant.permissions.can_receive == {"base": True}
    assert members[ParticipantId(phone.call)].participant.permissions.can_receive == {"base": False}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"data": {}}, 400),
        ({"data": []}, 400),
        ({"data": {"*": True}}, 400),
        ({"data": {"*": {"canFly": True}}}, 400),
        ({"data": {"*": {"canSend": "audio"}}}, 400),
        ({"data": {"*": {}}, "more": 1}, 400),
        ({"data": {str(number): {} for number in range(101)}}, 400),
        ({"data": {"nobody": {"canSend": True}}}, 404),
    ],
)
async def test_permissions_that_are_not_understood_change_nothing(
    house: House, body: dict[str, Any], status: int
) -> None:
    phone = await talking(house)

    found, _ = await house.ask("POST", "/v1/rooms/desk/update-permissions", body)

    assert found == status
    members = next(iter(house.meetings.actors.values())).meeting.members
    assert members[ParticipantId(phone.call)].participant.permissions.can_receive == {"base": True}
