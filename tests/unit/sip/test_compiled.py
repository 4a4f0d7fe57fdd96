"""The compiled reader and the reference: what the one takes, the other takes too, and reads alike."""

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringback import core
from ringback.sip.compiled import CompiledParser, rules
from ringback.sip.compiled import message as message_of
from ringback.sip.errors import SipParseError
from ringback.sip.message import Message, Request
from ringback.sip.parser import parse
from unit.sip.messages import answer, request
from unit.sip.test_fuzz import CORPUS, mutate

READER = core.new_sip_reader(*rules())
COMPILED = CompiledParser(READER.read)

CARRIER = b"""\
INVITE sip:0123456789@198.51.100.1:5060;user=phone SIP/2.0
Record-Route: <sip:192.0.2.9;lr;r2=on>,<sip:192.0.2.9;transport=tcp;lr>
Via: SIP/2.0/UDP sbc1.carrier.example:5060;branch=z9hG4bK3a;rport
v: SIP/2.0/tcp 192.0.2.77;branch=z9hG4bK3b;received=192.0.2.78
From: "Ann (Home)" <sip:+15551234567@carrier.example;user=phone>;tag=7f3a;isup-oli=0
t: <sip:0123456789@198.51.100.1>
Call-ID: 843017637@192.0.2.9
CSeq: 102 INVITE
Max-Forwards: 67
Contact: <sip:+15551234567@192.0.2.9:5060;transport=udp>;expires=60
Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE
Supported: timer,100rel
Session-Expires: 1800;refresher=uac
P-Asserted-Identity: "Ann" <sip:+15551234567@carrier.example>
User-Agent:  SBC 9.2 (x86)
Subject :
X-Trace: a=b;c="d,e"
Content-Type: application/sdp
Content-Length: 5

v=0
more""".replace(b"\n", b"\r\n")

PLAIN = [
    CARRIER,
    request().to_bytes(),
    request("BYE", to_tag="bob", cseq=2).to_bytes(),
    request("ACK", to_tag="bob").to_bytes(),
    answer(request(), 100).to_bytes(),
    answer(request(), 200).to_bytes(),
]


def everything(message: Message) -> dict[str, Any]:
    """All that can be asked of a message."""
    said = {name: getattr(message, name) for name in ("top_via", "from_", "to", "cseq", "call_id", "body")}
    said |= {"start": message.start_line(), "rows": message.headers.rows, "index": message.headers.index}
    said |= {"type": type(message), "octets": message.to_bytes()}
    if isinstance(message, Request):
        said |= {"uri": message.uri, "contacts": message.contacts, "method": message.method, "target": message.target}
    return said


def verdict(read: Any, data: bytes) -> Any:
    try:
        return everything(read(data))
    except SipParseError as error:
        return error.status, error.reason


def compare(data: bytes) -> bool:
    """Whether the compiled reader took it; it agrees with the reference either way."""
    found = READER.read(data)
    if found is not None:
        try:
            message_of(found)
        except SipParseError:
            found = None
        else:
            parse(data)
    assert verdict(COMPILED, data) == verdict(parse, data)
    return found is not None


@pytest.mark.parametrize("data", PLAIN, ids=lambda data: data[:12].decode())
def test_what_carriers_and_telephones_send_every_day_is_read_by_the_compiled_reader(data: bytes):
    assert compare(data)


@pytest.mark.parametrize("data", CORPUS)
def test_vectors_and_torture_are_taken_or_refused_alike(data: bytes):
    compare(data)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Max-Forwards: 67", b"Max-Forwards: 256"),
        (b"CSeq: 102 INVITE", b"CSeq: 2147483648 INVITE"),
        (b"CSeq: 102 INVITE", b"CSeq: 102 BYE"),
        (b"Contact: <sip:+15551234567@192.0.2.9:5060;transport=udp>;expires=60", b"Contact: *"),
        (b"Contact: ", b"X-Contact: "),
        (b"Supported: timer,100rel", b"m: <sip:a@192.0.2.9>"),
        (b"Supported: timer,100rel", b"f: <sip:a@192.0.2.9>;tag=2"),
        (b"Supported: timer,100rel", b"Supported: timer,\r\n 100rel"),
        (b"v: SIP/2.0/tcp 192.0.2.77;branch=z9hG4bK3b", b"v: SIP/2.0/tcp -a.example;branch=z9hG4bK3b"),
        (b"v: SIP/2.0/tcp 192.0.2.77;branch=z9hG4bK3b", b"v: SIP/2.0/tcp [2001:db8::1]:5060 ;branch=z9hG4bK3b"),
        (b";tag=7f3a;isup", b";tag=7f3a;TAG=8;isup"),
        (b'"Ann (Home)"', b'"Ann \\"Home\\""'),
        (b'"Ann (Home)"', b"Ann [Home]"),
        (b"Content-Length: 5", b"Content-Length: 500"),
        (b"Content-Length: 5", b"Content-Length: 00000000000000000005"),
        (b"Content-Length: 5\r\n", b""),
        (b"Call-ID: 843017637@192.0.2.9", b"Call-ID: " + b"a" * 257),
        (b";user=phone SIP/2.0", b"?Route=%3Csip:a%3E SIP/2.0"),
        (b"sip:0123456789@198.51.100.1:5060", b"sip:0123456789@198.51.100.1:70000"),
        (b"t: <sip:0123456789@198.51.100.1>", b"t: sip:0123456789@198.51.100.1;tag=a=b"),
        (b"t: <sip:0123456789@198.51.100.1>", b"t: tel:+15551234567"),
        (b"X-Trace", b"X\xc3\xa9Trace"),
        (b"a=b;c", b"\xc3\xa9=b;c"),
    ],
)
def test_one_change_to_a_plain_message_is_judged_alike(old: bytes, new: bytes):
    assert old in CARRIER
    compare(CARRIER.replace(old, new, 1))


def test_mutations_of_all_of_them_are_judged_alike():
    chance, taken = random.Random(1), 0
    for _ in range(3000):
        taken += compare(mutate(chance.choice(PLAIN), chance))
        compare(mutate(chance.choice(CORPUS), chance))
    assert taken > 100, "too few were left plain for the comparison to mean much"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, len(CARRIER) - 1), st.binary(min_size=1, max_size=3))
def test_any_octets_anywhere_in_a_plain_message_are_judged_alike(at: int, octets: bytes):
    compare(CARRIER[:at] + octets + CARRIER[at + len(octets) :])
    compare(CARRIER[:at] + octets + CARRIER[at:])


def test_names_that_strangers_invent_do_not_stay():
    for number in range(2000):
        found = READER.read(CARRIER.replace(b"X-Trace", b"X-%d" % number))
        assert found is not None and found[3][f"x-{number}"] == ['a=b;c="d,e"']
