"""Whom a far end is counted as where strangers are limited."""

import pytest

from ringback.sip.flow import Flow


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::6", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::no::address", "::no::address"),
    ],
)
def test_addresses_that_one_customer_has_are_one_source(host: str, source: str):
    """C1, C3, C9: a /64 is what every customer gets, and it is 2**64 addresses."""
    assert Flow("udp", host, 5060).source == source
