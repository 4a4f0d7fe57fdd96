"""Who is told what comes in by SIP's sockets."""

from typing import Protocol

from ringback.sip.errors import SipParseError
from ringback.sip.flow import Flow, TlsPolicy
from ringback.sip.message import Message


class Receiver(Protocol):
    """No method raises."""

    def on_datagram(self, data: bytes, flow: Flow) -> None: ...
    def on_message(self, message: Message, flow: Flow) -> None:
        """A message from a stream, already admitted and parsed."""

    def on_broken_stream(self, head: bytes, error: SipParseError, flow: Flow) -> None:
        """A stream that made no sense; an answer may still be sent before it is closed."""

    def on_unreachable(self, flow: Flow, why: str = "") -> None:
        """What was sent there did not arrive, or the connection is gone; ``why`` in words, where they are known."""

    def on_refused(self, flow: Flow, rule: str) -> None:
        """A connection was turned away; for the operator."""

    def admits(self, flow: Flow) -> bool:
        """Whether a source may be heard now (asked for each read of a stream)."""

    def admits_handshake(self, flow: Flow) -> bool:
        """Whether a source may have a TLS handshake now: each costs us a signature."""

    def tls_for(self, name: str, flow: Flow) -> TlsPolicy:
        """How a host has to prove itself to which the far end of ``flow`` sends us."""

    def uses(self, flow: Flow) -> bool:
        """Whether there is a call with that far end, or somebody is reached over this connection."""
