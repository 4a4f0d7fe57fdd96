"""What the sockets hear, on its way to the stack: who is heard, who is turned away, what makes no sense."""

from collections.abc import Callable

import structlog

from ringback.calls.ports.clock import Clock
from ringback.sip.agent import Agent
from ringback.sip.errors import SipParseError
from ringback.sip.flow import Flow, TlsPolicy
from ringback.sip.message import Message
from ringback.sip.parser import refusal
from ringback.telephony.door import Door, TurnedAway
from ringback.telephony.mapping import FIRST_OCTETS, StunPort
from ringback.telephony.registrar import Registry
from ringback.telephony.streams import Connection
from ringback.telephony.trace import Trace
from ringback.telephony.trunk_side import TrunkSide
from ringback.telephony.wire import Wire

log = structlog.get_logger(__name__)


class WayIn:
    """Implements ``telephony.receiver.Receiver``.

    Args:
        parse: Reads datagrams.
        tls_for: How a host has to prove itself by TLS, towards the far end of a flow.
        flush: Sends what the stack wants sent.
    """

    def __init__(
        self,
        clock: Clock,
        agent: Agent,
        wire: Wire,
        *,
        door: Door,
        trace: Trace,
        stun: StunPort,
        trunks: TrunkSide,
        registry: Registry,
        parse: Callable[[bytes], Message],
        tls_for: Callable[[str, Flow], TlsPolicy],
        flush: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._agent = agent
        self._wire = wire
        self._door = door
        self._trace = trace
        self._stun = stun
        self._trunks = trunks
        self._registry = registry
        self._parse = parse
        self._tls_for = tls_for
        self._flush = flush
        self._away_tag = b""

    def on_datagram(self, data: bytes, flow: Flow) -> None:
        if not data.strip(b"\r\n\0") or not self._door.admits(flow, data):
            return
        if data[0] < FIRST_OCTETS and self._stun.take(data, flow):
            return
        if away := self._door.turns_away(flow, data):
            self._turn_away(data, away, flow)
            return
        if self._away_tag and data.startswith(b"ACK ") and self._away_tag in data:
            return  # of an INVITE that was refused unread: there is nothing to find it by, and nothing to end
        try:
            message = self._parse(data)
        except SipParseError as error:
            self.on_broken_stream(data, error, flow)
            return
        self._trace.note(flow, data, False)
        self._take(message, flow, len(data))

    def on_message(self, message: Message, flow: Flow) -> None:
        data = message.to_bytes()
        if away := self._door.turns_away(flow, data):
            self._turn_away(data, away, flow)
            return
        self._trace.note(flow, data, False)
        self._take(message, flow)

    def on_broken_stream(self, head: bytes, error: SipParseError, flow: Flow) -> None:
        self._door.note("sip.unreadable", flow, reason=error.reason)
        self._refuse(head, error.status, _PHRASES.get(error.status, "Bad Request"), flow)

    def on_unreachable(self, flow: Flow, why: str = "") -> None:
        self._agent.unreachable(flow, self._clock.monotonic(), why)
        self._trunks.registrations.broken(flow)
        self._flush()

    def on_refused(self, flow: Flow, rule: str) -> None:
        self._door.note("sip.refused", flow, rule=rule)

    def admits(self, flow: Flow) -> bool:
        return self._door.admits(flow)

    def admits_handshake(self, flow: Flow) -> bool:
        return self._door.admits_handshake(flow)

    def tls_for(self, name: str, flow: Flow) -> TlsPolicy:
        return self._tls_for(name, flow)

    def uses(self, flow: Flow) -> bool:
        return self._agent.speaks_with(flow.host) or self._registry.is_home(flow)

    def attach(self, connection: Connection) -> bool:
        """A connection that was accepted elsewhere (a WebSocket) is one of ours now, unless it is one too many."""
        return self._wire.attach(connection)

    def detach(self, connection: Connection) -> None:
        self._wire.detach(connection)

    def _take(self, message: Message, flow: Flow, size: int = 0) -> None:
        if not self._door.looks_at(message, flow):
            return
        try:
            self._agent.receive(message, flow, self._clock.monotonic(), size)
        except SipParseError as error:
            self._door.note("sip.unreadable", flow, reason=error.reason)
        except Exception:
            # A bug of ours costs this message, never the listener.
            log.exception("sip.message_failed", source=flow.host)
        self._flush()

    def _turn_away(self, data: bytes, away: TurnedAway, flow: Flow) -> None:
        self._door.note("sip.refused", flow, rule=away.rule)
        self._refuse(data, away.status, away.reason, flow, away.q850)

    def _refuse(self, data: bytes, status: int, reason: str, flow: Flow, q850: int | None = None) -> None:
        try:
            answer = refusal(data, status, reason, self._stateless_tag(), q850)
        except ValueError:
            return
        if answer is not None and len(answer) <= 2 * len(data):
            self._wire.send(flow, answer)

    def _stateless_tag(self) -> str:
        """Our tag in every refusal that leaves nothing behind: the same for a request that comes again (§8.2.7)."""
        if not self._away_tag:
            self._away_tag = self._agent.chance.token().encode()
        return self._away_tag.decode()


_PHRASES = {
    400: "Bad Request",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Unsupported URI Scheme",
    505: "Version Not Supported",
    513: "Message Too Large",
}
