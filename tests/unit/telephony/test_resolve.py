"""D6 and RFC 3263: names to checked addresses."""

import asyncio

import pytest

from ringback.sip.flow import Flow
from ringback.sip.uri import parse_sip_uri
from ringback.telephony.policy import NetworkPolicy
from ringback.telephony.resolve import Naptr, NotAllowed, Srv, Unresolvable, resolve


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
    transport = parsed.parameter("transport") or "udp"
    return await resolve(parsed, transport, book, policy or NetworkPolicy())


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
