"""What a room is called from outside."""

from ringback.model.domain import Domain
from ringback.model.ids import DomainId, EndpointUser, RoomId, RoomName
from ringback.model.room import Room
from ringback.rooms.addresses import Addresses, sip_address

DOMAIN = Domain(DomainId("d"), "acme", 0.0)


def room(*users: str) -> Room:
    return Room(RoomId("r"), DOMAIN.id, RoomName("desk"), "public", 0.0, {}, tuple(map(EndpointUser, users)))


def test_an_address_has_its_scheme_unless_bare() -> None:
    assert sip_address("123", "sip.example:5062") == "sip:123@sip.example:5062"
    assert sip_address("123", "sip.example", bare=True) == "123@sip.example"


def test_one_endpoint_has_no_list_of_others() -> None:
    assert Addresses("http://h", "s").sip_uri(room("1")) == {"endpoint": "sip:1@s"}
    assert Addresses("http://h", "s", True).sip_uri(room("1", "2", "3")) == {
        "endpoint": "1@s",
        "extra_endpoints": ["2@s", "3@s"],
    }
    assert Addresses("http://h", "s").sip_uri(room()) is None


def test_the_first_domain_is_at_the_host_and_others_below_it() -> None:
    addresses = Addresses("https://rooms.example:8443", "s")

    assert addresses.room_url(room(), DOMAIN) == "https://rooms.example:8443/desk"
    assert addresses.room_url(room(), DOMAIN, first=False) == "https://acme.rooms.example:8443/desk"
