"""Coverage-guided fuzzing of all that reads a stranger's octets.

``python fuzz/fuzz_sip.py TARGET [libFuzzer's options]``, as in ``… message -max_total_time=60``. Targets: ``message``
(a datagram, up to the calls it would start), ``stream`` (a connection's octets in pieces), ``sdp`` (a description as
offer and as answer), ``twins`` (the compiled reader beside the reference: both read alike, or both refuse). It begins
with the messages of ``tests/vectors/sip``. Whatever is neither a value nor the one documented error is a finding: it
stops, and leaves the octets in a file named ``crash-…``; they belong into ``tests/vectors/sip`` with the repair.
"""

import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ringback.sip", "ringback.sdp"]):
    from ringback import core
    from ringback.model.ids import CallId
    from ringback.sdp.crypto import CLEAR_ONLY, Protection
    from ringback.sdp.description import parse as parse_sdp
    from ringback.sdp.description import write as write_sdp
    from ringback.sdp.errors import BadSdp, NoCommonCodec
    from ringback.sdp.negotiation import make_answer, make_offer, read_answer
    from ringback.sip.agent import Agent, AgentSettings
    from ringback.sip.compiled import CompiledParser, rules
    from ringback.sip.errors import SipParseError
    from ringback.sip.events import Incoming, Reoffered
    from ringback.sip.flow import Flow
    from ringback.sip.framing import Framer
    from ringback.sip.headers import parse_authorization
    from ringback.sip.inbound import InboundCall
    from ringback.sip.message import Message, Request
    from ringback.sip.parser import parse, refusal
    from ringback.sip.uri import SipUri, dialled_user, embedded_headers

VECTORS = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "sip"
LONGEST = "8192"
CODECS = ["OPUS", "G722", "PCMU", "PCMA"]
COMPILED = CompiledParser(core.new_sip_reader(*rules()).read)
OFFER = make_offer(1, 1, "192.0.2.1", 20000, CODECS)
KEYS = Protection("optional", b"sixteen octets or more")
KEYED = make_offer(1, 1, "192.0.2.1", 20000, CODECS, protection=KEYS)
CALLER = Flow("udp", "192.0.2.9", 5060)
HEAD = (
    b"%s sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\n"
    b"From: <sip:a@192.0.2.9>;tag=a\r\nTo: <sip:1@192.0.2.1>%s\r\nCall-ID: c\r\nCSeq: %d %s\r\n"
    b"Contact: <sip:a@192.0.2.9:5060>\r\n%s\r\n\r\n"
)
CALL = HEAD % (b"INVITE", b"1", b"", 1, b"INVITE", b"Supported: timer, 100rel, replaces")
WITHIN = (
    (b"INVITE", b"Session-Expires: 90;refresher=uac\r\nMin-SE: 90\r\nContent-Type: application/sdp"),
    (b"UPDATE", b"Session-Expires: 90\r\nSupported: timer"),
    (b"PRACK", b"RAck: 1 1 INVITE"),
    (b"INFO", b"Content-Type: application/dtmf-relay\r\n\r\nSignal=5\r\nDuration=160"),
    (b"REFER", b"Refer-To: <sip:2@192.0.2.3?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\nReferred-By: <sip:a@b>"),
    (b"NOTIFY", b"Event: refer;id=2\r\nSubscription-State: terminated;reason=noresource\r\n\r\nSIP/2.0 200 OK"),
    (b"MESSAGE", b"Content-Type: text/plain"),
    (b"BYE", b'Reason: Q.850;cause=16;text="x"'),
)
"""Requests in the dialog that is up, to begin with."""


class Counting:
    """``sip.agent.Chance`` without chance."""

    def __init__(self) -> None:
        self._number = 0

    def token(self) -> str:
        self._number += 1
        return f"t{self._number:023d}"

    def fraction(self) -> float:
        return 0.5

    def call(self) -> CallId:
        return CallId(self.token())


def our_tag() -> bytes:
    """The tag that the stack gives itself in the call that is up."""
    agent = Agent(AgentSettings(), Counting(), advertised=lambda flow: ("192.0.2.1", 5060))
    agent.receive(parse(CALL), CALLER, 0.0)
    (tag,) = {effect.dialog.local_tag for effect in agent.take() if isinstance(effect, Incoming)}
    return b";tag=" + tag.encode()


TAG = our_tag()
ACK = HEAD % (b"ACK", b"2", TAG, 1, b"ACK", b"Content-Length: 0")


def message(data: bytes) -> None:
    """A datagram to a stack with one call up, that answers every other call, and all that follows in 200 seconds."""
    try:
        found = parse(data)
    except SipParseError as error:
        refusal(data, error.status, "Bad Request", "t")
        return
    agent = Agent(AgentSettings(), Counting(), advertised=lambda flow: ("192.0.2.1", 5060))
    for number, each in enumerate((parse(CALL), parse(ACK), found)):
        try:
            agent.receive(each, CALLER, number / 10)
        except SipParseError:
            assert each is found, "the call that is up"
        for effect in agent.take():
            call = agent.calls.get(effect.call) if isinstance(effect, Incoming | Reoffered) else None
            if isinstance(effect, Reoffered) and call is not None:
                call.answer_offer(OFFER, 200, number / 10)
            elif isinstance(call, InboundCall):
                call.answer(OFFER, number / 10)
    credentials(found)
    while (due := agent.next_wake()) is not None and due < 200:
        agent.wake(due)
        agent.take()


def credentials(found: Message) -> None:
    """Parts that are only read where somebody asks for them."""
    try:
        for name in ("authorization", "proxy-authorization", "www-authenticate"):
            for value in found.headers.all(name):
                parse_authorization(value)
        if isinstance(found, Request) and isinstance(found.uri, SipUri):
            dialled_user(found.uri)
            embedded_headers(found.uri)
    except SipParseError:
        pass


def twins(data: bytes) -> None:
    """What the one takes the other takes, and reads alike."""
    assert _read(COMPILED, data) == _read(parse, data)


def _read(reader: Callable[[bytes], Message], data: bytes) -> object:
    try:
        found = reader(data)
        said = found.top_via, found.from_, found.to, found.cseq, found.call_id, found.headers.rows, found.to_bytes()
        return (*said, found.uri, found.contacts) if isinstance(found, Request) else said
    except SipParseError as error:
        return error.status, error.reason


def stream(data: bytes) -> None:
    """A connection; the first octet says how large its pieces are."""
    framer, size = Framer(0.0), 1 + (data[0] if data else 0)
    try:
        for at in range(1, len(data), size):
            framer.feed(data[at : at + size], 0.0)
            framer.closes_at()
    except SipParseError as error:
        refusal(framer.head, error.status, "Bad Request", "t")


def sdp(data: bytes) -> None:
    """A description as itself, as an offer and as an answer, in clear and with keys."""
    with contextlib.suppress(BadSdp):
        parse_sdp(write_sdp(parse_sdp(data)))
    for protection, offer in ((CLEAR_ONLY, OFFER), (KEYS, KEYED)):
        with contextlib.suppress(BadSdp, NoCommonCodec):
            make_answer(data, "192.0.2.1", 20000, CODECS, session_id=1, version=1, protection=protection)
        with contextlib.suppress(BadSdp, NoCommonCodec):
            read_answer(offer, data, protection)


TARGETS: dict[str, Callable[[bytes], None]] = {"message": message, "stream": stream, "sdp": sdp, "twins": twins}


def seeds(target: str, folder: Path) -> None:
    """Our vectors, or what of them a target reads."""
    for vector in sorted(VECTORS.glob("*.sip")):
        data = vector.read_bytes()
        if target == "sdp":
            data = data.partition(b"\r\n\r\n")[2]
        (folder / vector.name).write_bytes(b"\x40" + data if target == "stream" else data)
    if target in ("message", "twins"):
        for number, (method, rest) in enumerate(WITHIN):
            request = HEAD % (method, b"w%d" % number, TAG, 2, method, rest)
            (folder / f"within-{number}").write_bytes(request)


def main() -> None:
    target, options = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        seeds(target, Path(folder))
        atheris.Setup([sys.argv[0], f"-max_len={LONGEST}", *options, folder], TARGETS[target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
