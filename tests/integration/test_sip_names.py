"""Names to far ends over a real name server: RFC 3263 end to end, policy on answers, and how long they are kept."""

import asyncio
from pathlib import Path

import pytest

from integration.certificates import Authority
from integration.name_server import NameServer
from integration.sip_phone import Phone, running
from ringback.sip.flow import TlsPolicy
from ringback.telephony.names import DnsNames

HOST = "example.calls.webex.com"


def ports(phone: Phone) -> tuple[int, int]:
    return phone.port, int(phone.telephony._wire.tls_port)  # type: ignore[attr-defined]


async def test_a_host_that_is_announced_by_a_secure_service_record_alone_is_called_by_tls(tmp_path: Path) -> None:
    """RFC 3263 §4; the certificate is for the domain that was dialled, not for the host behind it."""
    authority = Authority(tmp_path)
    async with running(certificate=authority.server(HOST), tls_port=0) as far:
        zone = {
            (f"_sips._tcp.{HOST}", "SRV"): [f"10 5 {ports(far)[1]} edge.webex.com."],
            ("edge.webex.com", "A"): ["127.0.0.1"],
        }
        async with (
            NameServer(zone) as dns,
            running(name_servers=[dns.address], tls=TlsPolicy(ca_file=str(authority.file))) as ann,
        ):
            ann.dial(f"sip:user@{HOST}")
            invite = await far.told("incoming")
            far.telephony.reject(invite.call, 486)
            assert (await ann.told("failed"))[1].status == 486

    assert invite.dialog.transport == "tls"
    assert (invite.user, invite.host) == ("user", HOST)


async def test_a_service_record_gives_its_host_no_right_to_the_name(tmp_path: Path) -> None:
    """F1: a certificate for what the record led to is one for somebody else."""
    authority = Authority(tmp_path)
    async with running(certificate=authority.server("edge.webex.com"), tls_port=0) as far:
        zone = {
            (f"_sips._tcp.{HOST}", "SRV"): [f"10 5 {ports(far)[1]} edge.webex.com."],
            ("edge.webex.com", "A"): ["127.0.0.1"],
        }
        async with (
            NameServer(zone) as dns,
            running(name_servers=[dns.address], tls=TlsPolicy(ca_file=str(authority.file))) as ann,
        ):
            ann.dial(f"sips:user@{HOST}")
            _, failed = await ann.told("failed")

    assert failed.reason == f"tls: certificate is for edge.webex.com, not {HOST}"


async def test_a_pointer_says_by_which_transport_a_domain_wants_to_be_called() -> None:
    async with running() as far:
        zone = {
            ("pbx.example", "NAPTR"): [
                '20 10 "s" "SIP+D2U" "" _sip._udp.pbx.example.',
                '10 10 "s" "SIP+D2T" "" tcp.pbx.example.',
            ],
            ("tcp.pbx.example", "SRV"): [f"1 1 {far.port} host.pbx.example."],
            ("_sip._udp.pbx.example", "SRV"): ["1 1 9 host.pbx.example."],
            ("host.pbx.example", "A"): ["127.0.0.1"],
        }
        async with NameServer(zone) as dns, running(name_servers=[dns.address]) as ann:
            ann.dial("sip:user@pbx.example")
            invite = await far.told("incoming")
            far.telephony.reject(invite.call, 486)

    assert invite.dialog.transport == "tcp"


async def test_where_one_server_is_dead_the_next_by_priority_answers() -> None:
    async with running() as far:
        zone = {
            ("_sip._udp.pbx.example", "SRV"): [f"2 1 {far.port} b.pbx.example.", "1 1 9 a.pbx.example."],
            ("a.pbx.example", "A"): ["127.0.0.9"],
            ("b.pbx.example", "A"): ["127.0.0.1"],
        }
        async with NameServer(zone) as dns, running(name_servers=[dns.address]) as ann:
            ann.dial("sip:user@pbx.example")
            invite = await far.told("incoming")
            far.telephony.reject(invite.call, 486)
            assert (await ann.told("failed"))[1].status == 486


@pytest.mark.parametrize("target", ["sip:x@no.such.example", "sips:x@no.such.example", "sip:x@no.such.example:5070"])
async def test_a_name_that_nobody_has_is_told_at_once(target: str) -> None:
    started = asyncio.get_running_loop().time()
    async with NameServer({}) as dns, running(name_servers=[dns.address]) as ann:
        ann.dial(target)
        _, failed = await ann.told("failed")

    assert (failed.cause, failed.reason) == ("resolve", "no address for no.such.example")
    assert asyncio.get_running_loop().time() - started < 5.0


async def test_a_name_server_that_says_nothing_costs_no_more_than_5_seconds() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
    silent = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    started = loop.time()
    async with running(name_servers=[silent]) as ann:
        ann.dial("sip:x@pbx.example")
        _, failed = await ann.told("failed")
    transport.close()

    assert failed.cause == "resolve"
    assert loop.time() - started < 5.0


async def test_a_name_that_leads_inside_is_not_called() -> None:
    """D5, D6: by its address, by a service record's port, and by an address of ours in a coat of IPv6."""
    zone = {
        ("inside.example", "A"): ["10.1.2.3", "169.254.169.254"],
        ("_sip._udp.redis.example", "SRV"): ["1 1 25 out.example."],
        ("out.example", "A"): ["8.8.8.8"],
        ("coat.example", "AAAA"): ["::ffff:127.0.0.1", "64:ff9b::7f00:1"],
    }
    async with NameServer(zone) as dns, running(name_servers=[dns.address], allow_private=False) as ann:
        for host in ("inside.example", "redis.example", "coat.example"):
            ann.dial(f"sip:x@{host}")
            _, failed = await ann.told("failed")
            assert (failed.cause, failed.reason) == ("policy", "the address is not allowed"), host


async def test_what_was_checked_is_what_is_called_however_often_the_name_changes() -> None:
    """D6, rebinding: between the check and the packet nobody is asked again."""
    async with running() as far:
        zone = {("pbx.example", "A"): ["127.0.0.1"]}
        async with NameServer(zone, ttl=1) as dns, running(name_servers=[dns.address]) as ann:
            ann.dial(f"sip:x@pbx.example:{far.port}")
            invite = await far.told("incoming")
            zone["pbx.example", "A"] = ["127.0.0.9"]
            far.telephony.answer(invite.call, invite.offer)
            await far.told("acknowledged")

            assert dns.asked.count(("pbx.example", "A")) == 1


async def test_answers_are_remembered_for_as_long_as_they_are_good() -> None:
    now = 0.0
    async with NameServer({("a.example", "A"): ["192.0.2.1"]}, ttl=30) as dns:
        names = DnsNames(lambda: now, [dns.address])
        assert await names.addresses("a.example") == ["192.0.2.1"]
        now = 29.0
        await names.addresses("A.example.")
        assert len(dns.asked) == 2, "one question for each IP version"
        now = 31.0
        await names.addresses("a.example")
        assert len(dns.asked) == 4


async def test_that_there_is_nothing_is_remembered_for_a_short_while() -> None:
    now = 0.0
    zone: dict[tuple[str, str], list[str]] = {}
    async with NameServer(zone) as dns:
        names = DnsNames(lambda: now, [dns.address])
        assert await names.srv("_sip._udp.b.example") == []
        zone["_sip._udp.b.example", "SRV"] = ["1 2 5070 host.b.example."]
        now = 14.0
        assert await names.srv("_sip._udp.b.example") == []
        now = 16.0
        assert await names.srv("_sip._udp.b.example") == [(1, 2, "host.b.example", 5070)]


async def test_many_who_want_to_know_ask_once_and_few_names_are_remembered() -> None:
    async with NameServer({("a.example", "A"): ["192.0.2.1"]}) as dns:
        names = DnsNames(lambda: 0.0, [dns.address], most=5)
        await asyncio.gather(*(names.addresses("a.example") for _ in range(20)))
        assert dns.asked.count(("a.example", "A")) == 1

        for number in range(10):
            await names.addresses(f"n{number}.example")
        assert len(names._kept) == 5


@pytest.mark.parametrize(("kind", "address", "version"), [("AAAA", "::1", "IP6"), ("A", "127.0.0.1", "IP4")])
async def test_an_offer_names_an_address_of_the_ip_version_that_a_name_leads_to(
    kind: str, address: str, version: str
) -> None:
    """The offer is made before anybody knows which it is."""
    async with running(host="127.0.0.1,::1") as far:
        zone = {("pbx.example", kind): [address]}
        async with NameServer(zone) as dns, running(host="127.0.0.1,::1", name_servers=[dns.address]) as ann:
            ann.dial(f"sip:user@pbx.example:{far.port}")
            invite = await far.told("incoming")
            far.telephony.reject(invite.call, 486)
            await ann.told("failed")

    assert invite.offer.count(f"IN {version} {address}\r\n".encode()) == 2
