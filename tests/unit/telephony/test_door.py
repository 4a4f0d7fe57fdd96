"""What the door can tell of a datagram before anything is parsed."""

import pytest

from ringback.sip.flow import Flow
from ringback.telephony.admission import RateLimits
from ringback.telephony.door import Door, called_domain, opens_call
from ringback.testing.clock import VirtualClock

HEAD = b"INVITE sip:1@h SIP/2.0\r\nFrom: <sip:a@h>;tag=a\r\n"


@pytest.mark.parametrize(
    "to",
    [
        b"To: <sip:1@h>;tag=x",
        b"t:<sip:1@h>;tag=x",
        b"TO : <sip:1@h> ; x=1 ; Tag = x",
        b"To: <sip:1@h>\r\n ;tag=x",
    ],
)
def test_an_invite_with_a_tag_in_its_to_is_of_a_call_that_is_up(to: bytes):
    assert not opens_call(HEAD + to + b"\r\nCall-ID: c\r\n\r\n")


@pytest.mark.parametrize(
    "rest",
    [
        b"To: <sip:1@h>\r\nCall-ID: c\r\n\r\n",
        b"To: <sip:1@h>\r\nX-Note: ;tag=x\r\n\r\n",
        b"To: <sip:1@h>\r\n\r\nTo: <sip:1@h>;tag=x\r\n",
        b"\r\n",
        b"",
    ],
)
def test_an_invite_without_one_opens_a_call(rest: bytes):
    assert opens_call(HEAD + rest)


def test_other_requests_open_no_call():
    assert not opens_call(b"BYE sip:1@h SIP/2.0\r\nTo: <sip:1@h>\r\n\r\n")


@pytest.mark.parametrize(
    ("line", "domain"),
    [
        (b"INVITE sip:1@Pbx.example:5060;x=y SIP/2.0", "pbx.example"),
        (b"INVITE sips:pbx.example SIP/2.0", "pbx.example"),
        (b"INVITE sip:1@h?x=1 SIP/2.0", "h"),
        (b"INVITE tel:+1555 SIP/2.0", ""),
        (b"INVITE ", ""),
    ],
)
def test_the_domain_that_is_called_is_told_without_reading_more(line: bytes, domain: str):
    assert called_domain(line + b"\r\nTo: <sip:1@other>\r\n\r\n") == domain


NEW = HEAD + b"To: <sip:1@h>\r\nCall-ID: c\r\n\r\n"
STANDING = HEAD + b"To: <sip:1@h>;tag=x\r\nCall-ID: c\r\n\r\n"
CARRIER = Flow("udp", "192.0.2.9", 5060)


async def test_messages_that_wait_longer_than_the_limit_turn_new_calls_away_until_none_waits():
    clock, waiting = VirtualClock(), True
    door = Door(clock, None, 0.2, ["192.0.2.0/24"], engaged=lambda host: False, behind=lambda: waiting)

    assert door.turns_away(CARRIER, NEW) is None
    await clock.run_for(0.15)
    assert door.turns_away(CARRIER, NEW) is None
    await clock.run_for(0.1)
    away = door.turns_away(CARRIER, NEW)
    assert away is not None
    assert (away.status, away.rule) == (503, "loop lag")
    assert door.turns_away(CARRIER, STANDING) is None

    waiting = False
    assert door.turns_away(CARRIER, NEW) is None
    waiting = True
    assert door.turns_away(CARRIER, NEW) is None


async def test_a_socket_that_is_emptied_now_and_then_is_not_behind():
    clock, waiting = VirtualClock(), [True, True, False] * 20
    door = Door(clock, None, 0.2, [], engaged=lambda host: False, behind=lambda: waiting.pop())
    for _ in range(60):
        await clock.run_for(0.05)
        assert door.turns_away(CARRIER, NEW) is None


def paced(served: bool = False, lag: float | None = None) -> Door:
    """The door of a trunk that may not begin another call now."""
    return Door(
        VirtualClock(),
        None,
        lag,
        [],
        engaged=lambda host: False,
        listed=lambda host: host == CARRIER.host,
        beyond_pace=lambda host: "carrier",
        served=lambda data: served,
    )


def test_a_trunk_beyond_its_pace_is_told_so_before_it_is_read():
    """C1, C5: 480 with a Reason, never 503, and the rule for the operator."""
    away = paced().turns_away(CARRIER, NEW)

    assert away is not None
    assert (away.status, away.q850, away.rule) == (480, 42, "trunk-rate-limited: carrier")
    assert paced().turns_away(CARRIER, STANDING) is None
    assert paced().turns_away(Flow("udp", "198.51.100.1", 5060), NEW) is None


def test_an_invite_that_was_taken_is_not_refused_when_it_is_repeated():
    assert paced(served=True).turns_away(CARRIER, NEW) is None


def test_an_address_we_speak_with_may_say_much_in_its_calls_and_not_everything():
    """C1: one call that is up opens no gate for a flood of goodbyes."""
    door = Door(VirtualClock(), RateLimits(), None, [], engaged=lambda host: True)
    flow = Flow("udp", "198.51.100.1", 5060)

    heard = sum(door.admits(flow, b"BYE sip:1@h SIP/2.0\r\n") for _ in range(10_000))

    assert heard == 4000
    assert door.admits(flow, b"OPTIONS sip:h SIP/2.0\r\n"), "the rest of what it says is counted apart"


def test_all_addresses_of_one_ipv6_customer_share_what_a_stranger_may_say():
    """C1."""
    door = Door(VirtualClock(), RateLimits(burst=40.0), None, [], engaged=lambda host: False)

    heard = sum(door.admits(Flow("udp", f"2001:db8::{number:x}", 5060), b"OPTIONS") for number in range(1, 500))

    assert heard == 40
    assert door.admits(Flow("udp", "2001:db8:0:1::1", 5060), b"OPTIONS")
