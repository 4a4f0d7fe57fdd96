from ringback.numbers.trunk import Host, NetworkTable, Trunk

NARROW = Trunk("narrow", networks=("203.0.113.7/32",))
WIDE = Trunk("wide", networks=("203.0.113.0/24", "2001:db8::/32"))
OPEN = Trunk("open", open=True)
LITERAL = Trunk("literal", hosts=(Host("198.51.100.9"), Host("sip.example.com")))


def trunk_of(source: str, trunks: list[Trunk]) -> Trunk | None:
    """Whose a request from that address is."""
    table = NetworkTable(trunks)
    return table.find(source) or table.open


def test_the_narrowest_network_says_whose_a_request_is() -> None:
    trunks = [WIDE, NARROW, LITERAL]

    found = {
        source: trunk_of(source, trunks) for source in ("203.0.113.7", "203.0.113.8", "198.51.100.9", "2001:db8::1")
    }

    assert [trunk.name for trunk in found.values() if trunk] == ["narrow", "wide", "literal", "wide"]


def test_a_stranger_belongs_to_no_trunk_unless_one_is_open() -> None:
    """A15."""
    assert trunk_of("192.0.2.1", [WIDE, NARROW]) is None
    assert trunk_of("192.0.2.1", [OPEN, WIDE]) is OPEN
    assert trunk_of("203.0.113.8", [OPEN, WIDE]) is WIDE


def test_of_two_trunks_with_one_network_the_first_has_it() -> None:
    assert trunk_of("203.0.113.9", [WIDE, Trunk("again", networks=("203.0.113.0/24",))]) is WIDE
    assert trunk_of("nobody.example", [WIDE, Trunk("all", networks=("0.0.0.0/0", "::/0"))]) is None


def test_an_ipv4_address_in_an_ipv6_coat_is_that_address() -> None:
    assert trunk_of("::ffff:203.0.113.8", [WIDE]) is WIDE


def test_a_trunk_that_is_switched_off_owns_nothing() -> None:
    assert trunk_of("192.0.2.1", [Trunk("off", enabled=False, networks=("192.0.2.0/24",))]) is None
