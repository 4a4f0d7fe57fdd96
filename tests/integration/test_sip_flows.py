"""Ways between two ends on real sockets: connections that come and go, keep-alives, IP versions, marks, addresses."""

import asyncio
import socket

import pytest

from integration.name_server import NameServer
from integration.sip_phone import OFFER, Phone, ask, running
from integration.test_sip_sockets import OPTIONS
from ringback.telephony import streams
from ringback.telephony.networks import Advertised, keep_public_address
from ringback.telephony.stun import NoAnswer, binding_request, mapped, mapped_address, public_address

HEAD = (
    "{0} sip:123@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:{1};branch=z9hG4bK{0}\r\nMax-Forwards: 70\r\n"
    "From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:123@127.0.0.1>{2}\r\nCall-ID: gone\r\nCSeq: {3} {0}\r\n"
    "Contact: <{4}>\r\nContent-Length: 0\r\n\r\n"
)


async def exchange(port: int, data: str) -> bytes:
    """Send one request over a connection of its own; the last head that comes back, and the connection is gone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data.encode())
    answer = b""
    while not data.startswith("ACK") and not answer.startswith((b"SIP/2.0 2", b"SIP/2.0 4", b"SIP/2.0 5")):
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_carrier_that_opens_a_connection_for_every_request_has_its_call() -> None:
    """B2's correction: it is the dialog that counts, and the address."""
    async with running() as ann:
        ann.incoming = lambda invite: ann.telephony.answer(invite.call, OFFER)  # type: ignore[attr-defined]
        contact = "sip:a@127.0.0.1:9;transport=tcp"
        answer = await exchange(ann.port, HEAD.format("INVITE", 9, "", 1, contact))
        tag = ";tag=" + answer.split(b"To: ")[1].split(b";tag=")[1].split(b"\r\n")[0].decode()
        await exchange(ann.port, HEAD.format("ACK", 9, tag, 1, contact))
        await ann.told("acknowledged")
        assert (await exchange(ann.port, HEAD.format("BYE", 9, tag, 2, contact))).startswith(b"SIP/2.0 200")
        assert (await ann.told("ended"))[1] == "bye"


async def test_an_answer_finds_its_caller_whose_connection_is_gone() -> None:
    """RFC 3261 §18.2.2: at its own address, and the port that Via names."""
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not (head := await reader.readuntil(b"\r\n\r\n")).startswith(b"SIP/2.0 200"):
            pass
        got.put_nowait(head)
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with running() as ann, server:
        _, writer = await asyncio.open_connection("127.0.0.1", ann.port)
        contact = "sip:a@127.0.0.1:9;transport=tcp"
        writer.write(
            HEAD.format("INVITE", port, "", 1, contact).replace("TCP 127.0.0.1", "TCP carrier.example").encode()
        )
        invite = await ann.told("incoming")
        writer.transport.abort()
        async with asyncio.timeout(20):
            while ann.telephony._wire._streams._open:  # type: ignore[attr-defined] # noqa: ASYNC110
                await asyncio.sleep(0.01)

        ann.telephony.answer(invite.call, OFFER)

        assert b"\r\nCall-ID: gone\r\n" in await asyncio.wait_for(got.get(), 20)
        tag = ";tag=" + invite.dialog.local_tag
        await exchange(ann.port, HEAD.format("ACK", port, tag, 1, contact))
        await ann.told("acknowledged")


async def test_a_caller_whose_connection_is_gone_is_found_by_the_name_in_its_contact() -> None:
    """RFC 3261 §12.2.1.1: a new connection to the remote target, whose name was looked up in good time."""
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    contact = f"sip:a@node7.carrier.example:{server.sockets[0].getsockname()[1]};transport=tcp"
    async with (
        NameServer({("node7.carrier.example", "A"): ["127.0.0.1"]}) as dns,
        running(name_servers=[dns.address]) as ann,
        server,
    ):
        calls = []
        ann.incoming = lambda invite: (calls.append(invite.call), ann.telephony.answer(invite.call, OFFER))  # type: ignore[attr-defined]
        answer = await exchange(ann.port, HEAD.format("INVITE", 9, "", 1, contact))
        tag = ";tag=" + answer.split(b"To: ")[1].split(b";tag=")[1].split(b"\r\n")[0].decode()
        await exchange(ann.port, HEAD.format("ACK", 9, tag, 1, contact))
        await ann.told("acknowledged")
        async with asyncio.timeout(20):
            call = ann.telephony._agent.calls[calls[0]]
            while ann.telephony._wire._streams._open or call.dialog.located is None:  # type: ignore[attr-defined,union-attr] # noqa: ASYNC110
                await asyncio.sleep(0.01)

        ann.telephony.bye(calls[0])

        assert (await asyncio.wait_for(got.get(), 20)).startswith(b"BYE sip:a@node7.carrier.example:")


async def test_a_connection_with_a_call_is_kept_alive_and_given_up_when_pongs_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RFC 5626 §4.4.1."""
    monkeypatch.setattr(streams, "KEEP_ALIVE", 0.1)
    monkeypatch.setattr(streams, "PONG_SECONDS", 0.2)
    seen: list[bytes] = []
    gone = asyncio.Event()

    async def callee(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        invite = await reader.readuntil(b"\r\n\r\n")
        rows = [row for row in invite.split(b"\r\n") if row.startswith((b"Via", b"From", b"Call-ID", b"CSeq"))]
        rows += [row + b";tag=x" for row in invite.split(b"\r\n") if row.startswith(b"To")]
        writer.write(b"\r\n".join([b"SIP/2.0 180 Ringing", *rows, b"Content-Length: 0", b"", b""]))
        buffer = b""
        while data := await reader.read(1000):
            buffer += data
            while buffer.endswith(b"\r\n\r\n"):
                seen.append(b"ping")
                buffer = b""
                if len(seen) <= 2:
                    writer.write(b"\r\n")
        gone.set()
        writer.close()

    server = await asyncio.start_server(callee, "127.0.0.1", 0)
    async with running() as ann, server:
        ann.dial(f"sip:123@127.0.0.1:{server.sockets[0].getsockname()[1]};transport=tcp")
        await ann.told("progress")
        await asyncio.wait_for(gone.wait(), 20)

    assert len(seen) >= 3


async def test_both_ip_versions_are_heard_at_once_and_each_is_told_an_address_it_can_use() -> None:
    async with running(host="127.0.0.1,::1") as bob:
        assert await ask(bob.port, OPTIONS % (1, 1)) == [200]
        for transport in ("udp", "tcp"):
            async with running(host="::1") as ann:
                ann.dial(f"sip:1@[::1]:{bob.port};transport={transport}")
                invite = await bob.told("incoming")
                bob.telephony.answer(invite.call, OFFER)
                await ann.told("answered")
                said = [one.text for one in bob.telephony.trace(invite.sip_call_id).said if one.out]
                assert f"@[::1]:{bob.port}" in said[-1].partition("\nContact: ")[2].partition("\n")[0]
                bob.telephony.bye(invite.call)
                await ann.told("ended")


async def test_calls_go_out_by_the_ip_version_that_fits() -> None:
    async with running(host="127.0.0.1,::1") as ann, running(host="::1") as six, running() as four:
        for phone, host in ((six, "[::1]"), (four, "127.0.0.1")):
            ann.dial(f"sip:1@{host}:{phone.port}")
            phone.telephony.reject((await phone.told("incoming")).call, 486)
            assert (await ann.told("failed"))[1].status == 486


async def test_what_is_signalled_is_marked() -> None:
    """RFC 4594 §3.2: CS3 is 24, in the upper six bits of the byte."""
    async with running(host="127.0.0.1,::1", dscp=24) as ann:
        four, six = (one._socket for one in ann.telephony._wire._datagrams)  # type: ignore[attr-defined]
        assert four.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 24 << 2
        assert six.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) == 24 << 2
        _, writer = await asyncio.open_connection("127.0.0.1", ann.port)
        writer.write(OPTIONS % (1, 1))
        async with asyncio.timeout(20):
            while not (found := list(ann.telephony._wire._streams._open.values())):  # type: ignore[attr-defined] # noqa: ASYNC110
                await asyncio.sleep(0.01)
        accepted = found[0]._transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 24 << 2
        writer.close()


async def told_contact(bob: Phone, host: str) -> str:
    """The Contact that a caller from ``host`` is answered with."""
    async with running(host=host) as ann:
        ann.dial(f"sip:1@127.0.0.1:{bob.port}")
        invite = await bob.told("incoming")
        bob.telephony.ring(invite.call)
        await ann.told("progress")
        said = [one.text for one in bob.telephony.trace(invite.sip_call_id).said if one.out]
        bob.telephony.reject(invite.call, 486)
        await ann.told("failed")
        return said[-1].partition("\nContact: ")[2].partition("\n")[0]


async def test_peers_inside_and_outside_are_told_different_addresses_at_once() -> None:
    async with running(host="0.0.0.0", advertised=Advertised("203.0.113.5", ["127.0.0.2/32"])) as bob:
        assert f"@127.0.0.1:{bob.port}" in await told_contact(bob, "127.0.0.2")
        assert f"@203.0.113.5:{bob.port}" in await told_contact(bob, "127.0.0.3")
        assert bob.telephony.host_towards("127.0.0.2") != "203.0.113.5"
        assert bob.telephony.host_towards("") == "203.0.113.5"


class StunServer(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        mapped = bytes(a ^ b for a, b in zip(socket.inet_aton("203.0.113.77"), data[4:8], strict=True))
        answer = b"\x01\x01\x00\x0c" + data[4:20] + b"\x00\x20\x00\x08\x00\x01\xaa\xaa" + mapped
        assert mapped_address(answer, data[8:20]) == "203.0.113.77"
        self.transport.sendto(b"garbage", address)  # type: ignore[attr-defined]
        self.transport.sendto(answer, address)  # type: ignore[attr-defined]


async def test_a_stun_server_is_asked_and_believed() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(StunServer, ("127.0.0.1", 0))
    assert await public_address("127.0.0.1", transport.get_extra_info("sockname")[1]) == "203.0.113.77"
    transport.close()


async def test_a_stun_server_that_is_not_there_is_one_line() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        with pytest.raises(NoAnswer, match=r"^no answer$"):
            await public_address("127.0.0.1", port)
    with pytest.raises(NoAnswer, match="nobody listens there"):
        await public_address("127.0.0.1", port)


async def test_a_phones_keep_alive_on_udp_is_answered_and_a_router_that_changes_our_port_is_found_out() -> None:
    """RFC 5626 §3.5.2; the port is asked for from the very socket that SIP listens on."""
    loop = asyncio.get_running_loop()
    async with running() as us:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.setblocking(False)
            phone.bind(("127.0.0.1", 0))
            await loop.sock_sendto(phone, binding_request(bytes(range(12))), ("127.0.0.1", us.port))
            async with asyncio.timeout(20):
                answer = await loop.sock_recv(phone, 2000)
            assert mapped(answer, bytes(range(12))) == phone.getsockname()
        async with running() as other:
            assert await us.telephony.stun.ask("127.0.0.1", other.port) == ("127.0.0.1", us.port)
        transport, _ = await loop.create_datagram_endpoint(StunServer, ("127.0.0.1", 0))
        assert await us.telephony.stun.ask(*transport.get_extra_info("sockname")) == ("203.0.113.77", 0xAAAA ^ 0x2112)
        transport.close()


async def test_a_router_that_shows_another_port_is_told_once_and_loudly(capsys: pytest.CaptureFixture[str]) -> None:
    ports = iter([5060, 41287, 41287, 5060])

    async def ask(host: str, port: int) -> str:
        return "203.0.113.77"

    async def by_port(host: str, port: int) -> tuple[str, int]:
        return "203.0.113.77", next(ports)

    async def sleep(seconds: float) -> None:
        """No time passes."""

    with pytest.raises(RuntimeError):
        await keep_public_address(Advertised(), ("s", 1), ask=ask, sleep=sleep, ask_by_port=by_port, port=5060)

    said = [line for line in capsys.readouterr().out.splitlines() if "sip.port-remapped" in line]
    assert len(said) == 1
    assert "seen=41287" in said[0] and "RINGBACK_SIP__PUBLIC_PORT" in said[0]
