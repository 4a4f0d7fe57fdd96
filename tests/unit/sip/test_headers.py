"""Typed header values, RFC 3261 §20."""

import pytest

from ringback.sip.errors import SipParseError
from ringback.sip.grammar import quote, split_commas, unquote
from ringback.sip.headers import (
    Address,
    parse_address,
    parse_addresses,
    parse_authorization,
    parse_cseq,
    parse_via,
    parse_vias,
    q850_cause,
)
from ringback.sip.uri import parse_uri


def test_a_quoted_name_may_hold_everything_that_separates_elsewhere():
    address = parse_address(r'"Bell, \"A\" <x>; " <sip:a@b;p=1>;tag=t')

    assert address == Address(parse_uri("sip:a@b;p=1"), 'Bell, "A" <x>; ', {"tag": "t"})
    assert str(address) == r'"Bell, \"A\" <x>; " <sip:a@b;p=1>;tag=t'


def test_without_brackets_parameters_belong_to_the_header():
    """§20.10."""
    address = parse_address("sip:a@b;tag=t")

    assert (str(address.uri), address.tag) == ("sip:a@b", "t")


def test_unquoted_names_in_any_script_are_taken():
    assert parse_address("Jörg Müller <sip:a@b>").name == "Jörg Müller"


@pytest.mark.parametrize(
    "text",
    [
        '"open <sip:a@b>',
        '"a" sip:a@b',
        "<sip:a@b",
        "< sip:a@b >",
        "Bell, A <sip:a@b>",
        "sip:a@b?X=1",
        "<sip:a@b>;tag=1;tag=2",
        "<sip:a@b>;;tag=1",
        "<sip:a@b>tag=1",
        '<sip:a@b>;x="open',
        "",
    ],
)
def test_an_address_with_two_readings_is_refused(text: str):
    with pytest.raises(SipParseError):
        parse_address(text)


def test_commas_inside_quotes_and_brackets_do_not_split():
    values = [r'"a,b\"," <sip:1,2@h>, <sip:c@h>;q=0.5', "sip:d@h"]

    assert [str(address.uri) for address in parse_addresses(values)] == ["sip:1,2@h", "sip:c@h", "sip:d@h"]


@pytest.mark.parametrize("text", ["a,,b", ",a", "a,", '"a,b', "<a,b", "a>b,c"])
def test_lists_with_holes_or_open_ends_are_refused(text: str):
    with pytest.raises(SipParseError):
        split_commas(text)


def test_a_via_may_be_spread_out():
    via = parse_via("SIP  / 2.0  / TCP     spindle.example.com:5080   ; branch  =   z9hG4bK9ikj8")

    assert (via.transport, via.host, via.port, via.branch) == ("TCP", "spindle.example.com", 5080, "z9hG4bK9ikj8")
    assert str(via) == "SIP/2.0/TCP spindle.example.com:5080;branch=z9hG4bK9ikj8"


def test_vias_on_one_line_and_on_several_are_the_same():
    one = parse_vias(["SIP/2.0/UDP a;branch=1, SIP/2.0/UDP [::1]:5;branch=2"])

    assert one == parse_vias(["SIP/2.0/UDP a;branch=1", "SIP/2.0/UDP [::1]:5;branch=2"])
    assert one[1].sent_by == "[::1]:5"


@pytest.mark.parametrize("text", ["1", "INVITE", "-1 INVITE", "2147483648 INVITE", "1 INV ITE", "1.0 INVITE"])
def test_an_impossible_cseq_is_refused(text: str):
    with pytest.raises(SipParseError):
        parse_cseq(text)


def test_leading_zeros_of_cseq_are_nothing():
    assert parse_cseq("0009 INVITE").number == 9


def test_credentials_are_read_with_their_quotes_undone():
    given = parse_authorization(r'Digest username="a\"b", realm="x, y", nc=00000001,uri="sip:h"')

    assert given.scheme == "digest"
    assert given.parameters == {"username": 'a"b', "realm": "x, y", "nc": "00000001", "uri": "sip:h"}


@pytest.mark.parametrize("text", ['Digest a="1",a="2"', 'Digest a="open', "Digest =", "", 'Digest a="1" b="2"'])
def test_credentials_with_two_readings_are_refused(text: str):
    with pytest.raises(SipParseError):
        parse_authorization(text)


def test_the_telephone_networks_cause_is_found_among_others():
    """RFC 3326."""
    assert q850_cause(['SIP;cause=200, Q.850;cause=17;text="User busy"']) == (17, "User busy")
    assert q850_cause(["Q.850 ;cause=16"]) == (16, "")
    assert q850_cause(["Q.850;cause=x", '"broken', "SIP;cause=487"]) == (None, "")


def test_quoting_is_undone_by_unquoting_and_refuses_line_ends():
    assert unquote(quote('a"b\\c')) == 'a"b\\c'
    with pytest.raises(ValueError, match="control"):
        quote("a\r\nVia: x")
