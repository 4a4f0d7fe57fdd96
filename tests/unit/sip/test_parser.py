"""Bytes to messages: our own vectors, the RFCs' torture messages, and the limits."""

import csv
import warnings
from pathlib import Path

import pytest

from ringback.sip.errors import SipParseError
from ringback.sip.message import Request, Response, reply
from ringback.sip.parser import parse, refusal
from unit.sip.messages import cpu_seconds, request

VECTORS = Path(__file__).parents[2] / "vectors" / "sip"
TORTURE = Path(__file__).parents[4] / "shared" / "torture"
"""The torture messages of RFC 4475 and RFC 5118, where they stand beside the checkout; they are not ours to ship."""


def rows(folder: Path) -> list[dict[str, str]]:
    """The lines of a folder's ``expected.csv``; none where the folder is missing."""
    table = folder / "expected.csv"
    if not table.exists():
        return []
    with table.open(newline="") as lines:
        return [{**row, "path": str(folder / row["file"])} for row in csv.DictReader(lines)]


def verdict(data: bytes) -> str:
    try:
        parse(data)
    except SipParseError:
        return "bad"
    return "ok"


@pytest.mark.parametrize("row", rows(VECTORS), ids=lambda row: row["file"])
def test_each_vector_is_taken_or_refused_as_written_beside_it(row: dict[str, str]):
    """C7, F4, F5, F6, F7."""
    data = Path(row["path"]).read_bytes()

    assert verdict(data) == row["parse"], row["what"]
    if row["parse"] == "bad" and row["status"]:
        with pytest.raises(SipParseError) as refused:
            parse(data)
        assert refused.value.status == int(row["status"])


@pytest.mark.skipif(
    not TORTURE.exists(), reason="the torture messages of RFC 4475 and 5118 are not beside the checkout"
)
@pytest.mark.parametrize("row", rows(TORTURE) or [{"file": "none"}], ids=lambda row: row["file"])
def test_each_torture_message_is_taken_or_refused_as_its_rfc_says(row: dict[str, str]):
    found = verdict(Path(row["path"]).read_bytes())

    assert row["parse"] in (found, "either"), row["what"]


@pytest.mark.parametrize("row", rows(VECTORS) + rows(TORTURE), ids=lambda row: row["file"])
def test_no_message_costs_more_than_20_ms(row: dict[str, str]):
    """C11."""
    data = Path(row["path"]).read_bytes()

    assert cpu_seconds(lambda: verdict(data)) < 0.02


def test_a_message_is_written_as_it_was_read():
    data = (VECTORS / "plain.sip").read_bytes()

    again = parse(data).to_bytes()

    assert again == data


def test_a_line_end_in_any_header_never_reaches_the_wire():
    """The serializer's last check against header injection."""
    for name, value in (("X-A", "1\r\nVia: x"), ("X-A", "1\n"), ("X-A\r\nX-B", "1")):
        with pytest.raises(ValueError, match="line end"):
            Request("OPTIONS", "sip:a@b", [(name, value)]).to_bytes()
    with pytest.raises(ValueError, match="line end"):
        Response(200, "OK\r\nX: 1", []).to_bytes()


def test_a_reply_carries_every_via_in_order_and_adds_a_tag_to_to():
    """§8.2.6.2."""
    invite = parse((VECTORS / "two-vias-one-line.sip").read_bytes())
    assert isinstance(invite, Request)

    ringing, trying = reply(invite, 180, to_tag="t"), reply(invite, 100, to_tag="t")

    assert ringing.headers.all("via") == invite.headers.all("via")
    assert parse(ringing.to_bytes()).to.tag == "t"
    assert parse(trying.to_bytes()).to.tag == ""


def test_the_top_via_says_where_a_request_really_came_from():
    """RFC 3581 §4; §18.2.1."""
    invite = request()

    invite.stamp("203.0.113.7", 61234)

    assert invite.top_via.parameters["received"] == "203.0.113.7"
    assert invite.top_via.parameters["rport"] == "61234"
    assert "received=203.0.113.7" in (parse(reply(invite, 100).to_bytes()).headers.get("via") or "")


def test_only_the_first_via_of_a_line_is_stamped():
    invite = parse((VECTORS / "two-vias-one-line.sip").read_bytes())
    assert isinstance(invite, Request)

    invite.stamp("203.0.113.7", 5060)

    assert invite.headers.all("via") == [
        "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKp;received=203.0.113.7, SIP/2.0/TCP 192.0.2.10;branch=z9hG4bKv1"
    ]


def test_a_refusal_of_what_could_not_be_read_goes_by_its_own_lines():
    data = (VECTORS / "two-from.sip").read_bytes()

    answer = refusal(data, 400, "Bad Request", "t")

    assert answer is not None
    assert answer.startswith(b"SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKv1;rport\r\n")
    assert b"To: <sip:408812345678@rooms.example>;tag=t\r\n" in answer


@pytest.mark.parametrize("name", ["ack-unreadable.sip", "no-via.sip", "status-99.sip"])
def test_an_ack_a_response_and_what_came_from_nowhere_are_never_answered(name: str):
    assert refusal((VECTORS / name).read_bytes(), 400, "Bad Request", "t") is None


@pytest.mark.parametrize(
    "data", [b"", b"\r\n", b"\x00" * 100, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"INVITE", b":\r\n\r\n"]
)
def test_other_protocols_are_refused(data: bytes):
    assert verdict(data) == "bad"
    assert refusal(data, 400, "Bad Request", "t") is None


if not TORTURE.exists():
    warnings.warn(f"no RFC torture messages at {TORTURE}: those tests are skipped", stacklevel=1)
