"""Descriptions in bodies of several parts, as carriers send them beside ISUP (C13)."""

import pytest

from ringback.sip.bodies import UnsupportedBody, description
from ringback.sip.message import Request

SDP = b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\n"


def message(content_type: str, body: bytes, **headers: str) -> Request:
    rows = [("Content-Type", content_type), *((name.replace("_", "-"), value) for name, value in headers.items())]
    return Request("INVITE", "sip:a@b", rows, body)


def parts(*contents: bytes, boundary: bytes = b"b1") -> bytes:
    return (
        b"".join(b"--" + boundary + b"\r\n" + content + b"\r\n" for content in contents) + b"--" + boundary + b"--\r\n"
    )


SDP_PART = b"Content-Type: application/sdp\r\n\r\n" + SDP
ISUP_PART = b"Content-Type: application/isup;version=itu\r\nContent-Disposition: signal\r\n\r\n\x01\x00\xff\r\n\r\nx"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/sdp", SDP),
        ("Application / SDP ; charset=utf-8", SDP),
        ("multipart/mixed;boundary=b1", parts(ISUP_PART, SDP_PART)),
        ('multipart/mixed; boundary="b1"', b"preamble\r\n" + parts(SDP_PART, ISUP_PART)),
        (
            "multipart/mixed;boundary=b2",
            parts(b"Content-Type: multipart/alternative;boundary=b1\r\n\r\n" + parts(SDP_PART), boundary=b"b2"),
        ),
    ],
)
def test_the_description_is_found(content_type: str, body: bytes):
    assert description(message(content_type, body)) == SDP


def test_no_body_is_no_description():
    assert description(message("application/sdp", b"")) is None


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", SDP),
        ("text/plain", SDP),
        ("multipart/mixed", parts(SDP_PART)),
        ("multipart/mixed;boundary=b1", parts(ISUP_PART)),
        ("multipart/mixed;boundary=b1", parts(*[ISUP_PART] * 8, SDP_PART)),
        ("multipart/mixed;boundary=b1", parts() + parts(SDP_PART)),
        ("multipart/mixed;boundary=b1", parts(b"Content-Encoding: gzip\r\n" + SDP_PART)),
        (
            "multipart/mixed;boundary=a",
            parts(
                b"Content-Type: multipart/mixed;boundary=b\r\n\r\n"
                + parts(
                    b"Content-Type: multipart/mixed;boundary=c\r\n\r\n" + parts(SDP_PART, boundary=b"c"), boundary=b"b"
                ),
                boundary=b"a",
            ),
        ),
    ],
)
def test_bodies_without_one_or_beyond_the_limits_are_refused(content_type: str, body: bytes):
    with pytest.raises(UnsupportedBody):
        description(message(content_type, body))


def test_compressed_bodies_are_refused():
    with pytest.raises(UnsupportedBody):
        description(message("application/sdp", SDP, Content_Encoding="gzip"))
