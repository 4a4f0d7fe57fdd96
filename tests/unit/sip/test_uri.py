"""RFC 3261 §19.1, and what people really put into addresses."""

import pytest

from ringback.sip.errors import SipParseError
from ringback.sip.uri import OtherUri, dialled_user, embedded_headers, escape, parse_sip_uri, parse_uri, unescape


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@example.com",
        "sips:alice:secret@example.com:5061;transport=tcp;lr?X-A=1&X-B=%20",
        "sip:[2001:db8::1]:5070",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        "sip:user;par=u%40example.net@example.com",
        "sip:room_1.0@my-host_2.example.com.",
    ],
)
def test_a_uri_is_written_back_as_it_came(text: str):
    assert str(parse_uri(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "sip:",
        "sip:@example.com",
        "sip:a b@example.com",
        "sip:a@",
        "sip:a@[2001:db8::1",
        "sip:a@[]",
        "sip:a@[::1%eth0]",
        "sip:a@2001:db8::1",
        "sip:a@host:0",
        "sip:a@host:65536",
        "sip:a@host:port",
        "sip:a@host;a=1;A=2",
        "sip:a@ho_st..com",
        "sip:a@host;=1",
        "sip:a@host\r\nX: 1",
        "sip:a%@host",
        "sip:a%zz@host",
        'sip:a"b@host',
        "sip:a@host?x=<y>",
    ],
)
def test_what_is_no_uri_is_refused(text: str):
    with pytest.raises(SipParseError):
        parse_uri(text)


def test_other_schemes_are_kept_as_they_are_but_cannot_be_dialled():
    assert parse_uri("tel:+12125551212;phone-context=x") == OtherUri("tel", "+12125551212;phone-context=x")
    with pytest.raises(SipParseError) as refused:
        parse_sip_uri("tel:+12125551212")
    assert refused.value.status == 416


def test_a_uri_that_is_too_long_has_its_own_status():
    with pytest.raises(SipParseError) as refused:
        parse_uri("sip:" + "a" * 5000 + "@example.com")
    assert refused.value.status == 414


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("sip:123456789012@host", "123456789012"),
        ("sip:sip:123456789012@host", "123456789012"),
        ("sip:SIP:123@host:5060", "123"),
        ("sip:%31%32@host", "12"),
        ("sip:1%002@host", "12"),
        ("sip:bob:secret@host", "bob"),
        ("sip:host", ""),
    ],
)
def test_the_user_that_was_meant_is_found(text: str, user: str):
    assert dialled_user(parse_sip_uri(text)) == user


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Ann%20Bell", "Ann Bell"),
        ("J%C3%B6rg", "Jörg"),
        ("a+b", "a+b"),
        ("a%0d%0aVia:%20x", "aVia: x"),
        ("100%", "100%"),
        ("%zz%4", "%zz%4"),
        ("%250d%250a", "%0d%0a"),
        ("%ff", "�"),
        ("%E2%80%A8x", "x"),
        ("n" * 300, "n" * 300),
    ],
)
def test_a_name_in_the_address_is_decoded_once_and_cannot_break_a_line(written: str, meant: str):
    """Wherever the caller put it: as a header of the URI or as a parameter."""
    if "%zz" not in written and not written.endswith("%"):
        as_parameter = embedded_headers(parse_sip_uri(f"sip:1@host;x-daily_display_name={written};transport=udp"))
        assert as_parameter == {"x-daily_display_name": meant}
    as_header = embedded_headers(parse_sip_uri(f"sip:1@host?X-Daily_Display_Name={written}"))
    assert as_header == {"x-daily_display_name": meant}


def test_escaping_survives_a_round_trip():
    assert unescape(escape("a b;c@d=%é\x00")) == "a b;c@d=%é\x00"
