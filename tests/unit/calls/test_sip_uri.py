"""Addresses that customers ask us to dial; security cases D1 to D4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.calls.sip_uri import MAX_HEADERS, literal_host, parse_target
from ringback.model.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "address", "user"),
    [
        ("sip:bob@pbx.example", "sip:bob@pbx.example", "bob"),
        ("SIP:bob@pbx.example:5070;transport=tcp", "sip:bob@pbx.example:5070;transport=tcp", "bob"),
        ("sip:sip:bob@pbx.example", "sip:bob@pbx.example", "bob"),
        ("bob@pbx.example", "sip:bob@pbx.example", "bob"),
        ("sip:pbx.example", "sip:pbx.example", "pbx.example"),
        ("sip:J%C3%BCrgen@pbx.example", "sip:J%C3%BCrgen@pbx.example", "Jürgen"),
        ("sip:+15551234567;ext=7@pbx.example", "sip:+15551234567;ext=7@pbx.example", "+15551234567"),
        ("sip:bob@[2001:db8::1]:5060", "sip:bob@[2001:db8::1]:5060", "bob"),
    ],
)
def test_an_address_comes_apart(text: str, address: str, user: str):
    target = parse_target(text)

    assert (target.address, target.user, target.headers) == (address, user, ())


@pytest.mark.parametrize("text", ["sips:bob@x", "SIPS:bob@x", "sip:sips:bob@x"])
def test_secure_addresses_are_addresses(text: str):
    assert parse_target(text).address == "sips:bob@x"


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("sip:a@192.0.2.1:5070", "192.0.2.1"),
        ("sips:a@[2001:db8::1]", "2001:db8::1"),
        ("sip:a@pbx.example", ""),
        ("nonsense", ""),
    ],
)
def test_the_address_in_an_address_is_found(text: str, host: str):
    assert literal_host(text) == host


@pytest.mark.parametrize("text", ["", "tel:+1555", "http://x@y", "bob", "bob@", "@host", "mailto:a@b"])
def test_what_is_no_sip_address_is_refused_in_dailys_words(text: str):
    with pytest.raises(InvalidRequest, match="must start with 'sip:'"):
        parse_target(text)


@pytest.mark.parametrize(
    "text", ["sip:", "sip:bob@", "sip:a b@c", "sip:<x>@y", "sip:a@b@c", "sip:ü@host", "sip:a\r\n@b"]
)
def test_a_broken_sip_address_is_refused(text: str):
    with pytest.raises(InvalidRequest):
        parse_target(text)


def test_x_headers_are_taken_in_order_and_decoded_once():
    """D3."""
    target = parse_target("sip:bob@pbx.example?X-Case=17&x-lang=de%20AT&X-Plus=a+b&X-Twice=%250d%250a&X-Empty=&X-None")

    assert target.headers == (
        ("X-Case", "17"),
        ("x-lang", "de AT"),
        ("X-Plus", "a+b"),
        ("X-Twice", "%0d%0a"),
        ("X-Empty", ""),
        ("X-None", ""),
    )


@pytest.mark.parametrize(
    "query",
    [
        "X-A=1%0d%0aVia:%20evil",
        "X-A=1\r\nVia: evil",
        "X-A=1%0a",
        "X-A=%00",
        "X-A=%7f",
        "X-A=a%0d%0a%20folded",
        "X-A=%E2%80%A8",
        "X-A=%C2%85",
        "X-A=%ff",
        "X-A%0d%0aVia=1",
        "Route=%3Csip:evil%3E",
        "From=x",
        "Replaces=x",
        "Body=x",
        "X-A:B=1",
        "X-A B=1",
        "X-=1",
        "x=1",
        "=1",
        "&",
        "X-A=1&X-A=2",
        "X-A=1&x-a=2",
        "X-" + "A" * 65 + "=1",
        "X-A=" + "a" * 2048,
        "&".join(f"X-{number}=1" for number in range(MAX_HEADERS + 1)),
    ],
)
def test_headers_that_could_change_the_invite_are_refused(query: str):
    """D1, D2."""
    with pytest.raises(InvalidRequest):
        parse_target("sip:bob@pbx.example?" + query)


@given(st.text(max_size=200))
def test_any_text_is_a_target_or_one_documented_error(text: str):
    try:
        target = parse_target("sip:bob@host?X-A=" + text)
    except InvalidRequest:
        return
    for name, value in target.headers:
        assert name[:2].lower() == "x-"
        assert not any(ord(char) < 32 or ord(char) == 127 for char in name + value)
