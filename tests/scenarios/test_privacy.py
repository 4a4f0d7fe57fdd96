"""What a log of a day tells about the people in it: nothing that names them or opens a door."""

import io
import json

import pytest

from ringback import logs
from ringback.testing.stage import Stage

NUMBER = "+15551234567"
HOSTILE = "Eve\r\n09:00:00 error    server.hacked\x1b[31m"


@pytest.fixture
def log() -> io.StringIO:
    """Everything that is logged meanwhile, as JSON lines."""
    stream = io.StringIO()
    logs.configure("json", "debug", stream)
    return stream


async def test_no_number_address_or_key_press_of_a_call_reaches_the_log(log: io.StringIO):
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1, enable_dialout=True).room.endpoints[0]
        await stage.join("hello", "Ann")
        caller = stage.carrier.call_in(
            user, from_uri=f"sip:{NUMBER}@carrier.example", headers=[("X-Secret-Case", "4711-0815")]
        )
        await stage.settle()
        for digit in "4929":
            caller.press(digit)
        dialled = await stage.dial_out("hello", f"sip:{NUMBER}@carrier.example", displayName="Bob Builder")
        stage.carrier.phone_of(dialled).refuse(486, "Busy Here")
        refused = stage.carrier.call_in(user, from_uri=f"sip:{NUMBER}@carrier.example")
        await stage.settle()

        text = log.getvalue()
        assert "call.answered" in text and "call.ended" in text and "call.refused" in text
        for private in (NUMBER, NUMBER[1:], "4711-0815", "Bob Builder", "4929", user):
            assert private not in text, f"{private} is in the log"
        assert refused.status == 486


async def test_text_of_strangers_cannot_leave_its_line(log: io.StringIO):
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        await stage.join("hello", HOSTILE)
        stage.carrier.call_in(user, from_uri=f"sip:{HOSTILE}@x", headers=[("X-Daily_Display_Name", HOSTILE)])
        stage.carrier.call_in(HOSTILE, from_uri=HOSTILE)
        await stage.settle()

        lines = log.getvalue().splitlines()
        assert lines and all(isinstance(json.loads(line), dict) for line in lines)
        assert not any(char < " " for line in lines for char in line)


async def test_every_step_of_a_calls_life_is_one_line(log: io.StringIO):
    async with Stage() as stage:
        user = stage.rooms.put("hello", endpoints=1).room.endpoints[0]
        await stage.join("hello", "Ann")
        phone = stage.carrier.call_in(user)
        await stage.settle()
        phone.hold()
        phone.hang_up()
        await stage.settle()

    events = [json.loads(line)["event"] for line in log.getvalue().splitlines()]
    assert events == ["meeting.started", "call.answered", "call.held", "call.ended", "meeting.ended"]
