"""D5: which addresses calls may go to."""

import pytest

from ringback.telephony.policy import NetworkPolicy, is_disguised_ip, is_speaking, parse_ip

FORBIDDEN = [
    "127.0.0.1",
    "127.255.0.9",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "198.18.0.1",
    "192.0.0.8",
    "::1",
    "fe80::1",
    "fc00::1",
    "fd12::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "240.0.0.1",
]
NEVER = ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "example.com", "", "127.1", "0x7f000001"]


@pytest.mark.parametrize("host", FORBIDDEN)
def test_addresses_of_our_own_networks_need_leave(host: str):
    assert not NetworkPolicy().allows(host, 5060)
    assert NetworkPolicy(allow_private=True).allows(host, 5060)


@pytest.mark.parametrize("host", NEVER)
def test_some_addresses_are_never_called(host: str):
    assert not NetworkPolicy(allow_private=True, allow=["0.0.0.0/0", "::/0"]).allows(host, 5060)


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_the_internet_is_called_but_not_on_system_ports(host: str):
    """D6."""
    assert NetworkPolicy().allows(host, 5060)
    assert not NetworkPolicy().allows(host, 25)


def test_single_networks_can_be_allowed():
    policy = NetworkPolicy(allow=["10.1.0.0/16"])

    assert policy.allows("10.1.2.3", 5060)
    assert policy.allows("::ffff:10.1.2.3", 5060)
    assert not policy.allows("10.2.0.1", 5060)
    assert policy.lists("10.1.0.1")
    assert not policy.lists("8.8.8.8")


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "0x7f.1", "1.2.3.4.5", "127.0.0.01"]
)
def test_numbers_dressed_as_names_are_seen_through(host: str):
    assert is_disguised_ip(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "example.com", "1and1.example", "0x.example", "3com.com"])
def test_plain_addresses_and_names_are_no_disguise(host: str):
    assert not is_disguised_ip(host)


def test_ipv4_in_an_ipv6_coat_is_that_ipv4_address():
    """A14."""
    assert str(parse_ip("::ffff:192.0.2.1")) == "192.0.2.1"
    assert str(parse_ip("64:ff9b::c000:201")) == "192.0.2.1"


@pytest.mark.parametrize(
    ("stats", "speaking"),
    [
        ({"last_heard_ms": 0}, True),
        ({"last_heard_ms": 1999}, True),
        ({"last_heard_ms": 2000}, False),
        ({"packets_received": 0}, False),
        ({}, False),
    ],
)
def test_a_far_end_speaks_while_its_last_packet_is_younger_than_two_seconds(stats: dict[str, object], speaking: bool):
    assert is_speaking(stats) is speaking
