"""A far end the test plays by hand: it sends what it is told to and keeps what it gets."""

from collections.abc import Sequence

from ringback.sip.errors import SipParseError
from ringback.sip.flow import Flow
from ringback.sip.message import Message, Request, Response, Row, reply
from ringback.sip.parser import parse
from ringback.testing.link import Network

OFFER = (
    b"v=0\r\no=- 7 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
    b"m=audio 14000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


class Puppet:
    """Listens at an address of the network.

    Attributes:
        heard: Every message it got, in order.
        claims: The address it writes into its messages, its own unless it is changed.
        forgiving: Whether what it cannot read is no failure (refusals copy what they refuse).
    """

    def __init__(self, network: Network, host: str = "10.0.0.9", port: int = 5060) -> None:
        self.network = network
        self.host = host
        self.claims = host
        self.forgiving = False
        self.port = port
        self.heard: list[Message] = []
        self.unreachable: list[Flow] = []
        self._branches = 0
        network.listen(host, port, self)

    # ── Receiver ──

    def on_datagram(self, data: bytes, flow: Flow) -> None:
        try:
            self.heard.append(parse(data))
        except SipParseError:
            if not self.forgiving:
                raise

    def on_message(self, message: Message, flow: Flow) -> None:
        self.heard.append(message)

    def on_broken_stream(self, head: bytes, error: SipParseError, flow: Flow) -> None:
        raise AssertionError("the stack wrote something unreadable")

    def on_unreachable(self, flow: Flow) -> None:
        self.unreachable.append(flow)

    def admits(self, flow: Flow) -> bool:
        return True

    # ── what the test does with it ──

    def send(self, message: Message | bytes, to: str) -> None:
        data = message if isinstance(message, bytes) else message.to_bytes()
        self.network.carry((self.host, self.port), Flow("udp", to, 5060), data)

    def request(
        self,
        method: str,
        to: str,
        *,
        uri: str = "",
        user: str = "123",
        branch: str = "",
        from_tag: str = "puppet",
        to_tag: str = "",
        cseq: int = 1,
        call_id: str = "puppet-call",
        rows: Sequence[Row] = (),
        body: bytes = b"",
    ) -> Request:
        """Make and send a request to the stack at ``to``."""
        self._branches += 1
        via = f"SIP/2.0/UDP {self.claims}:{self.port};branch={branch or f'z9hG4bKp{self._branches}'};rport"
        head: list[Row] = [
            ("Via", via),
            ("Max-Forwards", "70"),
            ("From", f"<sip:puppet@{self.claims}>;tag={from_tag}"),
            ("To", f"<sip:{user}@{to}>" + (f";tag={to_tag}" if to_tag else "")),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
            ("Contact", f"<sip:puppet@{self.claims}:{self.port}>"),
        ]
        if body and not any(name == "Content-Type" for name, _ in rows):
            head.append(("Content-Type", "application/sdp"))
        made = Request(method, uri or f"sip:{user}@{to}", [*head, *rows], body)
        self.send(made, to)
        return made

    def answer(
        self,
        request: Request,
        status: int,
        to: str,
        *,
        tag: str = "puppet",
        rows: Sequence[Row] = (),
        body: bytes = b"",
    ) -> Response:
        """Answer a request of the stack at ``to``."""
        extra: list[Row] = [("Contact", f"<sip:puppet@{self.claims}:{self.port}>"), *rows]
        if body:
            extra.append(("Content-Type", "application/sdp"))
        made = reply(request, status, to_tag=tag, rows=extra, body=body)
        self.send(made, to)
        return made

    def got(self, kind: str | int) -> list[Message]:
        """Requests of a method, or responses of a status."""
        return [
            message
            for message in self.heard
            if (isinstance(message, Request) and message.method == kind)
            or (isinstance(message, Response) and message.status == kind)
        ]

    def last_request(self, method: str) -> Request:
        found = self.got(method)[-1]
        assert isinstance(found, Request)
        return found

    def last_response(self) -> Response:
        return [message for message in self.heard if isinstance(message, Response)][-1]

    def statuses(self) -> list[int]:
        return [message.status for message in self.heard if isinstance(message, Response)]
