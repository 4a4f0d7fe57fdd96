"""``GET /v1/ringback/calls/{id}/trace``."""

from pathlib import Path

from contract.house import House, a_house
from ringback.model.traces import Remembered, Said

DIAL_OUT = {"sipUri": "sip:bob@192.0.2.1", "displayName": "Bob"}


async def dialled(house: House) -> str:
    """A call that was made; its id."""
    properties = {"enable_dialout": True, "dialout_config": {"allow_room_start": True}}
    assert (await house.ask("POST", "/v1/rooms", {"name": "sales", "properties": properties}))[0] == 200
    _, answer = await house.ask("POST", "/v1/rooms/sales/dialOut/start", DIAL_OUT)
    return str(answer["sessionId"])


async def test_messages_come_in_order_with_their_first_lines(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        call = await dialled(house)
        record = await house.database.reports.call(house.domain.id, call)
        assert record is not None and record.dialog is not None
        house.traces[(record.sip_call_id, record.dialog.local_tag)] = Remembered(
            (
                Said(1.0, True, "udp", "192.0.2.1:5060", "INVITE sip:bob@192.0.2.1 SIP/2.0\nTo: x\n\n"),
                Said(1.25, False, "tcp", "[2001:db8::1]:5060", "SIP/2.0 486 Busy Here\n\n"),
            ),
            dropped=3,
        )

        status, answer = await house.ask("GET", f"/v1/ringback/calls/{call}/trace")

        assert status == 200
        assert answer == {
            "messages": [
                {
                    "at": "1970-01-01T00:00:01.000Z",
                    "direction": "out",
                    "peer": "192.0.2.1:5060",
                    "transport": "udp",
                    "summary": "INVITE sip:bob@192.0.2.1 SIP/2.0",
                    "text": "INVITE sip:bob@192.0.2.1 SIP/2.0\nTo: x\n\n",
                },
                {
                    "at": "1970-01-01T00:00:01.250Z",
                    "direction": "in",
                    "peer": "[2001:db8::1]:5060",
                    "transport": "tcp",
                    "summary": "SIP/2.0 486 Busy Here",
                    "text": "SIP/2.0 486 Busy Here\n\n",
                },
            ],
            "dropped": 3,
        }


async def test_a_call_whose_messages_are_forgotten_has_none(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        call = await dialled(house)

        assert await house.ask("GET", f"/v1/ringback/calls/{call}/trace") == (200, {"messages": [], "dropped": 0})


async def test_calls_of_other_domains_and_of_nobody_are_not_found(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        call = await dialled(house)
        other = {"Authorization": f"Bearer {await house.other_key()}"}

        theirs = await house.ask("GET", f"/v1/ringback/calls/{call}/trace", headers=other)
        nobodys = await house.ask("GET", "/v1/ringback/calls/no-such-call/trace")

        assert theirs == (404, {"error": "not-found", "info": f"call {call} not found"})
        assert nobodys == (404, {"error": "not-found", "info": "call no-such-call not found"})
        assert (await house.stranger.get(f"/v1/ringback/calls/{call}/trace")).status_code == 400
