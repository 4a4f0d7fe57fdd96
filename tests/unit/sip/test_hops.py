"""Where URIs lead by themselves (RFC 3261 §19.1.2, RFC 5630)."""

import pytest

from ringback.sip.flow import Flow
from ringback.sip.hops import is_address, is_hidden, named_hop, plain_address
from ringback.sip.uri import parse_sip_uri

HEARD = Flow("udp", "203.0.113.5", 5060)


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("sip:a@203.0.113.9", Flow("udp", "203.0.113.9", 5060)),
        ("sip:a@203.0.113.9:5070;transport=TCP", Flow("tcp", "203.0.113.9", 5070)),
        ("sips:a@203.0.113.9", Flow("tls", "203.0.113.9", 5061)),
        ("sip:a@[2001:DB8:0:0::1]", Flow("udp", "2001:db8::1", 5060)),
        ("sip:a@edge.example", None),
        ("sip:a@203.0.113.9;transport=sctp", None),
        ("sip:a@203.0.113.9;transport=ws", None),
    ],
)
def test_an_address_by_a_transport_of_ours_can_be_sent_to(uri: str, wanted: Flow | None):
    assert named_hop(parse_sip_uri(uri), HEARD) == wanted


def test_addresses_are_told_from_names_and_spelt_one_way():
    assert [plain_address(host) for host in ("10.0.0.1", "2001:DB8::0:1", "host.example", "", "10.0.0.256")] == [
        "10.0.0.1",
        "2001:db8::1",
        "",
        "",
        "",
    ]
    assert is_address("::1") and not is_address("localhost")


def test_a_private_address_named_by_somebody_heard_from_a_public_one_is_hidden():
    assert is_hidden("192.168.1.7", "8.8.8.8")
    assert not is_hidden("192.168.1.7", "192.168.1.1") and not is_hidden("8.8.4.4", "8.8.8.8")
