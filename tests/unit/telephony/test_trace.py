"""What is remembered of a call, and for how long."""

import pytest

from ringback.model.traces import Remembered
from ringback.sip.flow import Flow
from ringback.telephony.trace import HEAD, MOST_OCTETS, Trace

FLOW = Flow("udp", "192.0.2.1", 5060)


def message(method: str, call_id: str, name: str = "Call-ID") -> bytes:
    return f"{method} sip:a@b SIP/2.0\r\n{name}: {call_id}\r\n\r\n".encode()


def test_a_calls_messages_are_kept_in_order_under_its_call_id():
    trace = Trace(lambda: 7.0)
    trace.note(FLOW, message("INVITE", "one"), False)
    trace.note(FLOW, b"SIP/2.0 100 Trying\r\ni : one\r\n\r\n", True)
    trace.note(FLOW, message("BYE", "two"), False)

    said = trace.of("one").said

    assert [(line.at, line.out, line.transport, line.peer, line.text.split(" ")[0]) for line in said] == [
        (7.0, False, "udp", "192.0.2.1:5060", "INVITE"),
        (7.0, True, "udp", "192.0.2.1:5060", "SIP/2.0"),
    ]
    assert trace.of("two") == Remembered()


def test_calls_and_messages_are_bounded():
    trace = Trace(lambda: 0.0, calls=3, messages=2)
    for number in range(5):
        trace.note(FLOW, message("INVITE", str(number)), False)
    for _ in range(9):
        trace.note(FLOW, message("INFO", "4"), False)

    assert [len(trace.of(str(number)).said) for number in range(5)] == [0, 0, 1, 1, 2]
    assert trace.of("4").dropped == 8


def test_how_a_long_call_was_set_up_stays_known_and_what_is_missing_is_counted():
    trace = Trace(lambda: 0.0, messages=6)
    for number in range(10):
        trace.note(FLOW, message("INVITE", "long") + str(number).encode(), False)

    found = trace.of("long")

    assert [one.text[-1] for one in found.said] == ["0", "1", "6", "7", "8", "9"]
    assert found.dropped == 4


def test_a_call_of_huge_messages_takes_no_more_room_than_its_share():
    trace = Trace(lambda: 0.0)
    for _ in range(60):
        trace.note(FLOW, message("INVITE", "big") + b"x" * 60_000, False)

    found = trace.of("big")

    assert sum(len(one.text) for one in found.said) <= MOST_OCTETS
    assert all(len(one.text) <= HEAD for one in found.said)
    assert len(found.said) + found.dropped == 60


def test_ended_calls_stay_known_for_a_day():
    now = 0.0
    trace = Trace(lambda: now)
    trace.note(FLOW, message("INVITE", "early"), True)
    now = 3600.0
    trace.note(FLOW, message("INVITE", "late"), True)

    now = 24 * 3600.0 - 1
    assert len(trace.of("early").said) == 1
    now = 24 * 3600.0
    assert trace.of("early") == Remembered() and len(trace.of("late").said) == 1


def test_a_flood_of_strangers_who_knock_pushes_out_no_call_that_happened():
    trace = Trace(lambda: 0.0, calls=3)
    trace.note(FLOW, message("INVITE", "dialled"), True)
    trace.note(FLOW, message("INVITE", "answered"), False)
    trace.note(FLOW, b"SIP/2.0 180 Ringing\r\nCall-ID: answered\r\n\r\n", True)
    for number in range(50):
        trace.note(FLOW, message("INVITE", str(number)), False)
        trace.note(FLOW, f"SIP/2.0 480 No\r\nCall-ID: {number}\r\n\r\n".encode(), True)

    assert len(trace.of("dialled").said) == 1
    assert len(trace.of("answered").said) == 2
    assert [len(trace.of(str(number)).said) for number in (46, 47, 48, 49)] == [0, 2, 2, 2]


def test_calls_that_a_fork_made_under_one_call_id_are_told_apart_by_our_tag():
    """RFC 3261 §16.7: one INVITE that rings two of our rooms is two calls; neither is shown the other's messages."""
    trace = Trace(lambda: 0.0)
    for room in ("a", "b"):
        names = f"Via: SIP/2.0/UDP x;rport;branch=z9hG4bK{room}\r\nFrom: <sip:x@y>;tag=caller\r\nCall-ID: fork\r\n"
        trace.note(FLOW, f"INVITE sip:{room}@z SIP/2.0\r\n{names}To: <sip:z>\r\n\r\n".encode(), False)
        trace.note(FLOW, f"SIP/2.0 100 Trying {room}\r\n{names}To: <sip:z>\r\n\r\n".encode(), True)
        trace.note(FLOW, f"SIP/2.0 486 Busy {room}\r\n{names}To: <sip:z>;tag=our-{room}\r\n\r\n".encode(), True)

    assert [one.text.split("\n")[0] for one in trace.of("fork", "our-a").said] == [
        "INVITE sip:a@z SIP/2.0",
        "SIP/2.0 100 Trying a",
        "SIP/2.0 486 Busy a",
    ]
    assert len(trace.of("fork").said) == 6
    assert trace.of("fork", "another").said == ()


@pytest.mark.parametrize("line", [b"Call-ID: one@host", b"Call-ID:one@host ", b"i: one@host", b"CALL-ID : one@host"])
def test_a_call_is_found_however_its_id_is_written_and_whatever_its_body_says(line: bytes):
    trace = Trace(lambda: 0.0)
    head = b"INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n" + line + b"\r\nCSeq: 1 INVITE\r\n"

    trace.note(Flow("udp", "192.0.2.1", 5060), head + b"\r\nv=0\r\nCall-ID: another@host\r\n", False)

    assert len(trace.of("one@host").said) == 1
    assert not trace.of("another@host").said
