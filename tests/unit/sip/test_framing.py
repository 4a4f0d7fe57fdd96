"""Messages out of a stream: in one piece, byte by byte, broken, or never finished."""

from pathlib import Path

import pytest

from ringback.sip.errors import SipParseError
from ringback.sip.framing import Framer

PLAIN = (Path(__file__).parents[2] / "vectors" / "sip" / "plain.sip").read_bytes()


def test_messages_are_found_however_the_stream_is_cut():
    stream = b"\r\n" + PLAIN + b"\r\n\r\n" + PLAIN + PLAIN
    for size in (1, 7, 500, len(stream)):
        framer = Framer(0.0)
        found = []
        for at in range(0, len(stream), size):
            found += framer.feed(stream[at : at + size], 1.0)

        assert [message.body for message in found] == [PLAIN[-129:]] * 3


def test_two_line_ends_are_a_ping():
    """RFC 5626 §3.5.1."""
    framer = Framer(0.0)

    assert framer.feed(b"\r\n\r\n", 1.0) == []
    assert framer.pings == 1
    assert framer.feed(b"\r", 2.0) + framer.feed(b"\n\r", 2.0) + framer.feed(b"\n", 2.0) == []
    assert framer.pings == 2


@pytest.mark.parametrize("name", ["no-content-length", "content-length-hex", "two-content-length", "bare-line-feed"])
def test_a_stream_that_cannot_be_cut_is_given_up(name: str):
    """F7."""
    data = (Path(__file__).parents[2] / "vectors" / "sip" / f"{name}.sip").read_bytes()

    with pytest.raises(SipParseError):
        Framer(0.0).feed(data, 0.0)


def test_headers_without_end_are_given_up_at_the_limit():
    framer = Framer(0.0)
    framer.feed(b"INVITE sip:a@b SIP/2.0\r\n", 0.0)

    with pytest.raises(SipParseError) as refused:
        framer.feed(b"X: " + b"y" * 20_000, 0.0)
    assert refused.value.status == 513


def test_patience_is_for_the_first_message_and_for_each_that_was_begun():
    """C9: say nothing, or one octet a second, and the connection is closed after 10 s."""
    framer = Framer(0.0, patience=10.0, idle=600.0)
    assert framer.closes_at() == 10.0
    framer.feed(PLAIN, 5.0)
    assert framer.closes_at() == 605.0

    for second in range(8):
        framer.feed(PLAIN[second : second + 1], 100.0 + second)

    assert framer.closes_at() == 110.0


def test_octets_in_one_read_are_parsed_once_each():
    """C9, C11: a head that comes octet by octet is searched from where the last search ended."""
    framer = Framer(0.0)
    head = b"OPTIONS sip:a@b SIP/2.0\r\n" + b"X: " + b"y" * 16_000

    for octet in head:
        framer.feed(bytes([octet]), 0.0)

    assert framer.closes_at() == 10.0
