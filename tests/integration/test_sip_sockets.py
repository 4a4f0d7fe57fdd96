"""SIP over real sockets on loopback: calls by UDP and TCP, dead ports, garbage, slow and greedy connections."""

import asyncio
import contextlib
import random
import socket

import pytest

from integration.sip_phone import OFFER, OPTIONS, ask, running
from ringback.sdp.negotiation import make_answer
from ringback.sip.flow import Flow
from ringback.telephony import streams, wire
from unit.sip.test_fuzz import CORPUS, mutate
from unit.sip.test_parser import VECTORS


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_is_made_answered_held_and_hung_up(transport: str):
    async with running() as ann, running() as bob:
        here = ann.dial(f"sip:123@{bob.address};transport={transport}")
        invite = await bob.told("incoming")
        bob.telephony.ring(invite.call)
        assert (await ann.told("progress"))[1] == 180
        answer, _ = make_answer(invite.offer, "127.0.0.1", 14002, ["PCMU"], session_id=1, version=1)
        bob.telephony.answer(invite.call, answer)
        assert await ann.told("answered") == (here, answer)
        await bob.told("acknowledged")
        bob.telephony.offer(invite.call, OFFER.replace(b"sendrecv", b"sendonly"))
        assert b"sendonly" in (await ann.told("reoffered"))[1]
        ann.telephony.answer_offer(here, answer)
        assert await bob.told("reoffer_answered") == (invite.call, answer)
        await ann.told("acknowledged")
        bob.telephony.bye(invite.call)
        assert (await ann.told("ended"))[:2] == (here, "bye")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("times", [1, 3])
async def test_a_port_where_nobody_listens_is_told_at_once_each_time(transport: str, times: int):
    """ICMP by UDP, a refused connection by TCP; and the listener hears others afterwards."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        dead = free.getsockname()[1]
    async with running() as ann:
        for _ in range(times):
            started = asyncio.get_running_loop().time()
            ann.dial(f"sip:123@127.0.0.1:{dead};transport={transport}")
            _, failure = await ann.told("failed")
            assert (failure.status, failure.cause) == (0, "transport")
            assert asyncio.get_running_loop().time() - started < 2.0
        assert await ask(ann.port, OPTIONS % (1, 1)) == [200]


async def test_a_name_that_does_not_exist_is_told_within_5_seconds():
    async with running() as ann:
        started = asyncio.get_running_loop().time()
        ann.dial("sip:123@no.such.host.invalid")
        _, failure = await ann.told("failed")

        assert (failure.status, failure.cause) == (0, "resolve")
        assert asyncio.get_running_loop().time() - started < 5.0


async def test_a_far_end_that_swallows_everything_is_told_within_5_seconds():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        async with running() as ann:
            started = asyncio.get_running_loop().time()
            ann.dial(f"sip:123@127.0.0.1:{deaf.getsockname()[1]}")
            _, failure = await ann.told("failed")

            assert (failure.status, failure.cause) == (0, "timeout")
            assert asyncio.get_running_loop().time() - started < 5.0


async def test_a_port_in_use_is_named():
    async with running() as ann:
        with pytest.raises(OSError, match=rf"cannot listen for SIP on 127\.0\.0\.1:{ann.port}"):
            async with running(port=ann.port):
                pass


async def test_garbage_disturbs_nobody():
    chance = random.Random(5)
    async with running() as ann:
        ann.incoming = lambda invite: ann.telephony.reject(invite.call, 480)  # type: ignore[attr-defined]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(300):
                sock.sendto(mutate(chance.choice(CORPUS), chance)[:60_000], ("127.0.0.1", ann.port))
                sock.sendto(chance.randbytes(chance.randint(0, 1500)), ("127.0.0.1", ann.port))
        for number in range(5):
            _, writer = await asyncio.open_connection("127.0.0.1", ann.port)
            writer.write(chance.randbytes(3000))
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            writer.close()
            assert await ask(ann.port, OPTIONS % (number, number)) == [200]


async def test_requests_in_one_stream_are_each_answered_and_pings_get_pongs():
    async with running() as ann:
        reader, writer = await asyncio.open_connection("127.0.0.1", ann.port)
        first, second = (OPTIONS % (n, n) for n in (1, 2))
        writer.write(b"\r\n\r\n" + first + second[:50])
        assert await asyncio.wait_for(reader.readexactly(2), 20) == b"\r\n"
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).startswith(b"SIP/2.0 200")
        writer.write(second[50:])
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).startswith(b"SIP/2.0 200")
        writer.close()


@pytest.mark.parametrize("name", ["no-content-length", "two-content-length", "content-length-plus"])
async def test_a_stream_that_makes_no_sense_is_answered_400_and_closed(name: str):
    """F7."""
    async with running() as ann:
        reader, writer = await asyncio.open_connection("127.0.0.1", ann.port)
        writer.write((VECTORS / f"{name}.sip").read_bytes())

        answer = await asyncio.wait_for(reader.read(), 20)

        assert answer.startswith(b"SIP/2.0 400 ")
        writer.close()


async def test_a_connection_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch):
    """C9, with a patience a test can wait for."""
    patient = streams.Framer
    monkeypatch.setattr(streams, "Framer", lambda now: patient(now, patience=0.2))
    async with running() as ann:
        reader, writer = await asyncio.open_connection("127.0.0.1", ann.port)

        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()


async def test_who_asks_and_never_takes_the_answers_is_cut_off():
    """C9: what waits for a stranger is little, for a stranger may have many connections."""
    async with running() as ann:
        connections = ann.telephony._wire._streams._open  # type: ignore[attr-defined]
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", ann.port))
            deaf.setblocking(False)
            loop = asyncio.get_running_loop()
            most = 0
            with contextlib.suppress(OSError):
                for number in range(4000):
                    long = (OPTIONS % (number, number)).replace(b"From: <", b'From: "' + b"c" * 8000 + b'" <')
                    await loop.sock_sendall(deaf, long)
                    waiting = [one._transport.get_write_buffer_size() for one in connections.values()]
                    most = max(most, *waiting, 0)
            assert not connections
            assert most < 200_000


async def test_a_quiet_connection_stays_while_it_leads_to_somebody(monkeypatch: pytest.MonkeyPatch):
    """A call may last for hours without a word, and a phone that registered waits to be called."""
    patient = streams.Framer
    monkeypatch.setattr(streams, "Framer", lambda now: patient(now, idle=0.2))
    monkeypatch.setattr(streams, "LOOK_AGAIN", 0.1)
    async with running() as ann:
        (used, writer), (unused, other) = [await asyncio.open_connection("127.0.0.1", ann.port) for _ in range(2)]
        port = writer.get_extra_info("sockname")[1]
        ann.telephony.way_in.uses = lambda flow: flow.port == port  # type: ignore[method-assign]
        for number, one in enumerate((writer, other)):
            one.write(OPTIONS % (number, number))
        for reader in (used, unused):
            await reader.readuntil(b"\r\n\r\n")

        assert await asyncio.wait_for(unused.read(), 20) == b""
        writer.write(OPTIONS % (3, 3))
        assert (await asyncio.wait_for(used.readuntil(b"\r\n\r\n"), 20)).startswith(b"SIP/2.0 200")
        for one in (writer, other):
            one.close()


async def test_one_source_may_hold_only_so_many_connections():
    """C9."""
    sockets = wire.Sockets("127.0.0.1", 0, connections_per_source=3)
    async with running() as ann:
        await sockets.start(ann.telephony.way_in)
        streams = [await asyncio.open_connection("127.0.0.1", sockets.port) for _ in range(4)]

        assert await asyncio.wait_for(streams[3][0].read(), 20) == b""
        streams[0][1].write(OPTIONS % (1, 1))
        for _, writer in streams:
            writer.close()
        await sockets.stop()


async def test_when_there_are_too_many_connections_the_quietest_without_a_call_goes():
    """C9."""
    sockets = wire.Sockets("127.0.0.1", 0, connections=3)
    async with running() as ann:
        ann.telephony.way_in.uses = lambda flow: flow.port == first  # type: ignore[method-assign]
        await sockets.start(ann.telephony.way_in)
        streams = [await asyncio.open_connection("127.0.0.1", sockets.port)]
        first = streams[0][1].get_extra_info("sockname")[1]
        for _ in range(3):
            streams.append(await asyncio.open_connection("127.0.0.1", sockets.port))

        assert await asyncio.wait_for(streams[1][0].read(), 20) == b""
        for _, writer in streams:
            writer.close()
        await sockets.stop()


LONG = OFFER + b"a=x-padding:" + 1300 * b"x" + b"\r\n"


async def test_what_is_too_long_for_a_datagram_goes_by_tcp():
    """C8; RFC 3261 §18.1.1."""
    async with running() as ann, running() as bob:
        ann.dial(f"sip:1@{bob.address}", LONG)
        invite = await bob.told("incoming")
        bob.telephony.reject(invite.call, 486)

        assert invite.dialog.transport == "tcp"
        assert (await ann.told("failed"))[1].status == 486


async def test_what_is_too_long_goes_by_udp_to_whoever_has_no_tcp():
    """C8."""
    async with running() as ann, running(tcp=False) as bob:
        ann.dial(f"sip:1@{bob.address}", LONG)
        invite = await bob.told("incoming")
        bob.telephony.reject(invite.call, 486)

        assert invite.dialog.transport == "udp"
        assert (await ann.told("failed"))[1].status == 486


@pytest.mark.parametrize(("octets", "status"), [(17_000, b"513"), (40_000, b"513")])
async def test_a_stream_with_a_message_that_is_too_long_is_answered_and_closed(octets: int, status: bytes):
    """C7."""
    async with running() as ann:
        reader, writer = await asyncio.open_connection("127.0.0.1", ann.port)
        head, _, _ = (OPTIONS % (1, 1)).partition(b"Content-Length")
        long = b"X-A: " + octets * b"a" + b"\r\n" if octets < 32_000 else b""
        writer.write(head + long + b"Content-Length: %d\r\n\r\n" % (0 if long else octets))

        answer = await asyncio.wait_for(reader.read(), 20)

        assert answer.startswith(b"SIP/2.0 " + status)
        writer.close()


async def test_a_late_loop_turns_new_calls_away_on_streams_too():
    """C2."""
    async with running(lag_limit=0.0) as ann:
        ann.telephony._door._lag, ann.telephony._door._measured = 1.0, asyncio.get_running_loop().time() + 60
        reader, writer = await asyncio.open_connection("127.0.0.1", ann.port)
        invite = (OPTIONS % (1, 1)).replace(b"OPTIONS", b"INVITE")
        writer.write(invite.replace(b"Content-Length", b"Contact: <sip:a@127.0.0.1:9>\r\nContent-Length"))
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        writer.write(OPTIONS % (2, 2))
        other = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        writer.close()

    assert answer.startswith(b"SIP/2.0 503 ")
    assert b"Retry-After" not in answer
    assert other.startswith(b"SIP/2.0 200 ")


async def test_answers_go_where_the_request_came_from_whatever_via_says():
    """C15: Via and Contact may name a victim."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
        victim.setblocking(False)
        victim.bind(("127.0.0.1", 0))
        named = (OPTIONS % (3, 3)).replace(b"127.0.0.1:9", b"127.0.0.1:%d" % victim.getsockname()[1])
        named = named.replace(b";rport", b"")
        async with running() as ann:
            assert await ask(ann.port, named) == [200]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(loop.sock_recv(victim, 100), 0.2)


async def test_a_caller_whose_connection_is_gone_is_hung_up_on_where_its_contact_says():
    """RFC 3261 §12.2.1.1: the connection was a way, not an address."""
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    contact = server.sockets[0].getsockname()[1]
    async with running() as ann, server:
        reader, writer = await asyncio.open_connection("127.0.0.1", ann.port)
        head = (
            "{0} sip:123@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:{1};branch=z9hG4bK{0}\r\nMax-Forwards: 70\r\n"
            "From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:123@127.0.0.1>{2}\r\nCall-ID: gone\r\nCSeq: 1 {0}\r\n"
            "Contact: <sip:a@127.0.0.1:{1};transport=tcp>\r\nContent-Length: 0\r\n\r\n"
        )
        writer.write(head.format("INVITE", contact, "").encode())
        call = (await ann.told("incoming")).call
        ann.telephony.answer(call, OFFER)
        await reader.readuntil(b"\r\n\r\n")
        answer = await reader.readuntil(b"\r\n\r\n")
        tag = answer.split(b"To: ")[1].split(b";tag=")[1].split(b"\r\n")[0].decode()
        writer.write(head.format("ACK", contact, f";tag={tag}").encode())
        await ann.told("acknowledged")
        writer.transport.abort()
        async with asyncio.timeout(20):
            while ann.telephony._wire.is_open(Flow("tcp", *writer.get_extra_info("sockname")[:2])):  # noqa: ASYNC110
                await asyncio.sleep(0)

        ann.telephony.bye(call)

        assert (await asyncio.wait_for(got.get(), 20)).startswith(b"BYE sip:a@127.0.0.1:")
