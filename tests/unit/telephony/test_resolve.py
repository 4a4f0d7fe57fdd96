"""D6 and RFC 3263: names to checked addresses."""

import asyncio
import random
from collections import Counter

import pytest

from ringback.sip.flow import Flow, TlsPolicy
from ringback.sip.hops import transport_of
from ringback.sip.uri import parse_sip_uri
from ringback.telephony.policy import NetworkPolicy
from ringback.telephony.resolve import Naptr, NotAllowed, Srv, Unresolvable, in_order, resolve


class Book:
    """A resolver that knows what it is given."""

    def __init__(
        self,
        addresses: dict[str, list[str]] | None = None,
        srv: dict[str, list[Srv]] | None = None,
        naptr: dict[str, list[Naptr]] | None = None,
    ) -> None:
        self._addresses = addresses or {}
        self._srv = srv or {}
        self._naptr = naptr or {}
        self.asked: list[str] = []

    async def naptr(self, name: str) -> list[Naptr]:
        self.asked.append(name)
        return self._naptr.get(name, [])

    async def srv(self, name: str) -> list[Srv]:
        self.asked.append(name)
        return self._srv.get(name, [])

    async def addresses(self, host: str) -> list[str]:
        self.asked.append(host)
        return self._addresses.get(host, [])


class Silent(Book):
    """A resolver that never answers."""

    async def addresses(self, host: str) -> list[str]:
        await asyncio.Event().wait()
        return []


async def find(uri: str, book: Book, policy: NetworkPolicy | None = None) -> list[Flow]:
    parsed = parse_sip_uri(uri)
    return await resolve(parsed, transport_of(parsed), book, policy or NetworkPolicy())


async def test_an_address_is_its_own_answer():
    book = Book()

    assert await find("sip:a@8.8.8.8", book) == [Flow("udp", "8.8.8.8", 5060)]
    assert await find("sip:a@8.8.8.8:5080;transport=tcp", book) == [Flow("tcp", "8.8.8.8", 5080)]
    assert book.asked == []


async def test_a_port_means_no_service_records():
    """RFC 3263 §4.2."""
    book = Book({"h.example": ["8.8.8.8", "8.8.4.4"]})

    assert await find("sip:a@h.example:5070", book) == [Flow("udp", "8.8.8.8", 5070), Flow("udp", "8.8.4.4", 5070)]
    assert book.asked == ["h.example"]


async def test_service_records_are_tried_by_priority():
    book = Book(
        {"one": ["8.8.8.1"], "two": ["8.8.8.2"]},
        {"_sip._udp.h.example": [(20, 0, "two", 5062), (10, 0, "one", 5061)]},
    )

    assert await find("sip:a@h.example", book) == [Flow("udp", "8.8.8.1", 5061), Flow("udp", "8.8.8.2", 5062)]


async def test_a_host_that_speaks_tcp_alone_is_called_by_tcp():
    book = Book({"one": ["8.8.8.1"]}, {"_sip._tcp.h.example": [(1, 0, "one", 5061)]})

    assert await find("sip:a@h.example", book) == [Flow("tcp", "8.8.8.1", 5061)]


async def test_a_host_that_speaks_tls_alone_is_called_by_tls_under_the_name_that_was_dialled():
    """RFC 3263 §4.1, RFC 5922."""
    book = Book({"one": ["8.8.8.1"]}, {"_sips._tcp.h.example": [(1, 0, "one", 5061)]})

    assert await find("sip:a@h.example", book) == [Flow("tls", "8.8.8.1", 5061, TlsPolicy("h.example"))]


async def test_pointers_say_by_what_and_in_which_order():
    """RFC 3263 §4.1: the services we do not speak are left out."""
    naptr = [
        (20, 1, "s", "SIP+D2U", "udp.example"),
        (10, 1, "s", "SIP+D2S", "sctp.example"),
        (10, 2, "S", "sip+d2t", "tcp.example"),
    ]
    srv = {"udp.example": [(1, 0, "one", 5060)], "tcp.example": [(1, 0, "one", 5062)]}
    book = Book({"one": ["8.8.8.1"]}, srv, {"h.example": naptr})

    assert await find("sip:a@h.example", book) == [Flow("tcp", "8.8.8.1", 5062)]


@pytest.mark.parametrize("uri", ["sips:a@h.example", "sip:a@h.example;transport=tls"])
async def test_secure_addresses_never_leave_tls(uri: str):
    """F3: whatever else the domain announces."""
    srv = {"_sip._udp.h.example": [(1, 0, "one", 5060)], "_sip._tcp.h.example": [(1, 0, "one", 5060)]}
    naptr: list[Naptr] = [(1, 1, "s", "SIP+D2U", "_sip._udp.h.example")]
    book = Book({"one": ["8.8.8.1"], "h.example": ["8.8.8.2"]}, srv, {"h.example": naptr})

    assert await find(uri, book) == [Flow("tls", "8.8.8.2", 5061, TlsPolicy("h.example"))]


def test_lower_priorities_come_first_and_nobody_is_left_out():
    records = [(2, 9, "c", 1), (1, 0, "b", 1), (0, 0, "a", 1), (2, 0, "d", 1)]

    assert [record[2] for record in in_order(records, lambda: 0.5)] == ["a", "b", "c", "d"]


def test_shares_of_calls_go_as_weights_do():
    chance = random.Random(1)
    records = [(1, 75, "much", 1), (1, 25, "little", 1), (1, 0, "hardly", 1)]
    firsts = Counter(in_order(records, chance.random)[0][2] for _ in range(2000))

    assert 1400 < firsts["much"] < 1600
    assert 400 < firsts["little"] < 600


async def test_without_service_records_the_name_itself_is_called():
    assert await find("sip:a@h.example", Book({"h.example": ["8.8.8.8"]})) == [Flow("udp", "8.8.8.8", 5060)]


async def test_unknown_names_and_silent_servers_are_unresolvable():
    with pytest.raises(Unresolvable):
        await find("sip:a@no.such.invalid", Book())
    with pytest.raises(Unresolvable):
        await asyncio.wait_for(find("sip:a@h.example:5060", Silent()), 10)


@pytest.mark.parametrize(
    "book",
    [
        Book({"h.example": ["127.0.0.1"]}),
        Book({"h.example": ["::ffff:10.0.0.1"]}),
        Book({"inside": ["192.168.1.1"]}, {"_sip._udp.h.example": [(1, 0, "inside", 5060)]}),
        Book({"out": ["8.8.8.8"]}, {"_sip._udp.h.example": [(1, 0, "out", 25)]}),
        Book({}, {"_sip._udp.h.example": [(1, 0, "10.0.0.1", 5060)]}),
    ],
)
async def test_names_that_lead_inside_are_not_allowed(book: Book):
    with pytest.raises(NotAllowed):
        await find("sip:a@h.example", book)


async def test_of_mixed_answers_only_the_allowed_remain_and_at_most_eight():
    book = Book({"h.example": ["127.0.0.1", "8.8.8.8", "10.0.0.1", *(f"8.8.4.{n}" for n in range(20))]})

    found = await find("sip:a@h.example", book)

    assert found[0] == Flow("udp", "8.8.8.8", 5060)
    assert len(found) == 8


async def test_the_same_call_may_go_inside_where_that_is_allowed():
    book = Book({"h.example": ["127.0.0.1"]})

    assert await find("sip:a@h.example", book, NetworkPolicy(allow_private=True)) == [Flow("udp", "127.0.0.1", 5060)]
