"""Any octets give a message or the one documented error, quickly; and never an exception further up."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringback.sip.errors import SipParseError
from ringback.sip.framing import Framer
from ringback.sip.headers import parse_authorization
from ringback.sip.message import Request
from ringback.sip.parser import parse, refusal
from ringback.sip.uri import SipUri, dialled_user, embedded_headers, parse_uri
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Station
from unit.sip.messages import cpu_seconds
from unit.sip.puppet import Puppet
from unit.sip.test_parser import TORTURE, VECTORS

CORPUS = [path.read_bytes() for path in sorted([*VECTORS.glob("*.sip"), *TORTURE.glob("rfc*/*")])]
PIECES = [
    b"\r\n", b"\r\n ", b"\n", b"\r", b"\x00", b'"', b"\\", b"<", b">", b",", b";", b";;", b"=", b"%", b"%0d%0a", b"%00",
    b"[", b"]", b"@", b":", b"?", b"&", b"sip:", b"sips:", b"tel:", b"SIP/2.0", b"z9hG4bK", b"branch=", b"tag=",
    b"\xff",
    b"\xc3\xa9", b"\xe2\x80\xa8", b"99999999999999999999", b"-1", b"4294967296", b"Via: ", b"v:", b"From: ", b"To: ",
    b"Call-ID: ", b"CSeq: ", b"Contact: *", b"l: 0", b"Content-Length: 5", b"(", b")", b"\t", b" " * 50, b"a" * 300,
]  # fmt: skip


def read(data: bytes) -> None:
    """What the listener does with a datagram, and what it asks of the result."""
    try:
        message = parse(data)
    except SipParseError as error:
        assert error.status in (400, 414, 416, 505, 513)
        refusal(data, error.status, "Bad Request", "t")
        return
    message.to_bytes()
    if isinstance(message, Request) and isinstance(message.uri, SipUri):
        dialled_user(message.uri)
        for text in (*embedded_headers(message.uri), *embedded_headers(message.uri).values()):
            assert not any(c < " " for c in text)
            text.encode("utf-8")


def mutate(data: bytes, chance: random.Random) -> bytes:
    """A few cuts, doublings, swaps and insertions."""
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.randint(0, 40))
        kind = chance.randrange(5)
        if kind == 0:
            data = data[:at] + data[end:]
        elif kind == 1:
            data = data[:at] + chance.choice(PIECES) + data[at:]
        elif kind == 2:
            data = data[:end] + data[at:end] * chance.randint(1, 20) + data[end:]
        elif kind == 3:
            data = data[:at] + chance.choice(PIECES) + data[end:]
        else:
            data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
    return data


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=2000))
def test_octets_of_any_kind_are_read_or_refused(data: bytes):
    read(data)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join))
def test_the_grammars_own_pieces_in_any_order_are_read_or_refused(middle: bytes):
    read(b"INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n" + middle + b"\r\n\r\n")
    read(b"INVITE sip:" + middle + b" SIP/2.0\r\n\r\n")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_a_uri_or_is_refused(text: str):
    for start in ("", "sip:", "sip:a@", "sip:a@h;", "sip:a@h?"):
        try:
            uri = parse_uri(start + text)
        except SipParseError:
            continue
        assert parse_uri(str(uri)) == uri


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_credentials_or_is_refused(text: str):
    try:
        parse_authorization("Digest " + text)
    except SipParseError:
        return


@pytest.mark.parametrize("seed", range(20))
def test_damaged_messages_are_read_or_refused_in_20_ms_each(seed: int):
    """F9, C11."""
    chance = random.Random(seed)
    for _ in range(100):
        data = mutate(chance.choice(CORPUS), chance)
        assert cpu_seconds(lambda data=data: read(data)) < 0.02, data  # type: ignore[misc]


@pytest.mark.parametrize(
    "data",
    [
        b'INVITE sip:a@b SIP/2.0\r\nFrom: "' + b"\\" * 15_000 + b"\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\nVia: " + b"," * 15_000 + b"\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h" + b";a" * 7_000 + b"\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\nContact: " + b"<sip:a@b>," * 1_500 + b"\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\nFrom: " + b"a " * 7_000 + b"\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\nFrom:" + b"\r\n " * 5_000 + b"x\r\n\r\n",
        b"INVITE sip:" + b"a." * 2_000 + b" SIP/2.0\r\n\r\n",
        b"INVITE sip:a@" + b"a-" * 2_000 + b"! SIP/2.0\r\n\r\n",
        b"INVITE sip:a@h" + b";a=b" * 1_000 + b" SIP/2.0\r\n\r\n",
        b"INVITE sip:" + b"%" * 4_000 + b" SIP/2.0\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(1_500)) + b"\r\n",
        b"INVITE sip:a@b SIP/2.0\r\nFrom: " + b'"' * 15_001 + b"\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\nVia: SIP" + b" " * 15_000 + b"\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\nFrom: <sip:a@b>" + b" ; " * 5_000 + b"\r\n\r\n",
    ],
    ids=range(14),
)
def test_nothing_takes_more_than_linear_time(data: bytes):
    """C11."""
    assert cpu_seconds(lambda: read(data)) < 0.02


@pytest.mark.parametrize("seed", range(5))
def test_streams_of_damaged_messages_end_in_messages_or_the_error(seed: int):
    chance = random.Random(seed)
    for _ in range(60):
        framer = Framer(0.0)
        data = mutate(chance.choice(CORPUS), chance)
        try:
            while data:
                size = chance.randint(1, 400)
                framer.feed(data[:size], 0.0)
                data = data[size:]
        except SipParseError:
            continue


@pytest.mark.parametrize("seed", range(4))
async def test_a_stack_fed_with_damaged_messages_goes_on_answering(clock: VirtualClock, network: Network, seed: int):
    """F9: nothing reaches the loop, and whoever calls next is served."""
    chance = random.Random(seed)
    ann = await Station(network, "10.0.0.1").start()
    ann.on["incoming"] = lambda invite: ann.telephony.reject(invite.call, 480)
    puppet = Puppet(network)
    puppet.forgiving = True
    for _ in range(150):
        puppet.send(mutate(chance.choice(CORPUS), chance), "10.0.0.1")
    await clock.run_for(1.0)
    puppet.heard.clear()

    puppet.request("OPTIONS", "10.0.0.1", call_id="after")
    await clock.run_for(0.1)

    assert puppet.statuses()[-1] == 200
    await clock.run_for(400.0)
    assert ann.telephony.idle, ann.telephony.leftovers()


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(2))
def test_damaged_messages_for_minutes(part: int):
    """F9, longer: two million damaged messages, each read or refused, each in time."""
    chance = random.Random(f"soak {part}")
    for _ in range(1_000_000):
        data = mutate(chance.choice(CORPUS), chance)
        assert cpu_seconds(lambda data=data: read(data)) < 0.02, data  # type: ignore[misc]
