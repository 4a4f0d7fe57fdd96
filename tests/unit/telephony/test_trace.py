"""What is remembered of a call, and what never is."""

from ringback.sip.flow import Flow
from ringback.telephony.trace import Trace, redact

FLOW = Flow("udp", "192.0.2.1", 5060)


def message(method: str, call_id: str, name: str = "Call-ID") -> bytes:
    return f"{method} sip:a@b SIP/2.0\r\n{name}: {call_id}\r\n\r\n".encode()


def test_a_calls_messages_are_kept_in_order_under_its_call_id():
    trace = Trace(lambda: 7.0)
    trace.note(FLOW, message("INVITE", "one"), False)
    trace.note(FLOW, b"SIP/2.0 100 Trying\r\ni : one\r\n\r\n", True)
    trace.note(FLOW, message("BYE", "two"), False)

    said = trace.of("one")

    assert [(line.at, line.out, line.peer, line.text.split(" ")[0]) for line in said] == [
        (7.0, False, "udp:192.0.2.1:5060", "INVITE"),
        (7.0, True, "udp:192.0.2.1:5060", "SIP/2.0"),
    ]
    assert trace.of("two") == []


def test_calls_and_messages_are_bounded():
    trace = Trace(lambda: 0.0, calls=3, messages=2)
    for number in range(5):
        trace.note(FLOW, message("INVITE", str(number)), False)
    for _ in range(9):
        trace.note(FLOW, message("INFO", "4"), False)

    assert [len(trace.of(str(number))) for number in range(5)] == [0, 0, 1, 1, 2]


def test_passwords_keys_and_digits_are_blotted_out():
    """G9."""
    text = redact(
        b'INFO sip:a@b SIP/2.0\r\nAuthorization: Digest username="ann", response="s3cret", cnonce="s3cret"\r\n'
        b"Proxy-Authorization:Digest response=s3cret\r\nContent-Type: application/dtmf-relay\r\n\r\n"
        b"Signal=5\r\nDuration=160\r\na=crypto:1 AES inline:s3cret|2^31\r\n"
    )

    assert "s3cret" not in text
    assert "Signal=*" in text
    assert "a=crypto:1 AES inline:***|2^31" in text
    assert redact(b"INFO sip:a@b SIP/2.0\r\nc: application/dtmf\r\n\r\n5").endswith("\n\n*")


def test_terminals_are_safe_from_what_strangers_write():
    assert "\x1b" not in redact(b"INVITE sip:a@b SIP/2.0\r\nSubject: \x1b[2J\xff\r\n\r\n")
