"""The start of a response, as NOTIFY carries it (RFC 3420)."""

import pytest

from ringback.sip.sipfrag import read_sipfrag, write_sipfrag


@pytest.mark.parametrize(
    ("status", "reason", "wanted"),
    [
        (100, "", b"SIP/2.0 100 Trying\r\n"),
        (200, "Fine", b"SIP/2.0 200 Fine\r\n"),
        (486, "Busy\r\nX-Evil: 1", b"SIP/2.0 486 BusyX-Evil: 1\r\n"),
        (299, "", b"SIP/2.0 299 Unknown\r\n"),
    ],
)
def test_a_status_line_is_written_whatever_the_reason_holds(status: int, reason: str, wanted: bytes):
    assert write_sipfrag(status, reason) == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"SIP/2.0 200 OK\r\n", (200, "OK")),
        (b"SIP/2.0 180", (180, "")),
        (b"\r\n \nSIP/2.0 603 Decline\nServer: x\n", (603, "Decline")),
        (b"sip/2.0\t486\tBusy \xff Here\r\n", (486, "Busy \ufffd Here")),
        (b"SIP/2.0 99 Odd", None),
        (b"SIP/2.0 700 Odd", None),
        (b"SIP/3.0 200 OK", None),
        (b"200 OK", None),
        (b"", None),
        (b" " * 5000 + b"SIP/2.0 200 OK", None),
    ],
)
def test_a_status_line_is_found_where_there_is_one(body: bytes, wanted: tuple[int, str] | None):
    assert read_sipfrag(body) == wanted
