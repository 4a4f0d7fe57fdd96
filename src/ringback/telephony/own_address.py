"""What we are called by: in Via and Contact, in descriptions, and in From."""

from ringback.sdp.description import heard_at, readdressed
from ringback.sip.flow import Flow
from ringback.sip.uri import format_host_port
from ringback.telephony.networks import Advertised
from ringback.telephony.settings import TelephonySettings
from ringback.telephony.wire import Wire


class OwnAddress:
    """Our address as each far end is told it."""

    def __init__(self, settings: TelephonySettings, wire: Wire) -> None:
        self._wire = wire
        self._told = settings.advertised or Advertised(settings.advertised_host)
        self._port = settings.advertised_port
        self._domain = settings.domain

    def towards(self, flow: Flow) -> tuple[str, int]:
        """Host and port that the far end of a flow reaches us at."""
        host, port = self._wire.local(flow)
        told = self._told.host_for(flow.host, host)
        # A router forwards for the world; who is told our own address is told our own port.
        outside = flow.transport in ("udp", "tcp") and not (self._told.public and told == host)
        return told, (self._port or port) if outside else port

    def here(self) -> tuple[str, int]:
        """Host and port as somebody on this machine sees them."""
        return self.towards(Flow("udp", "127.0.0.1", 5060))

    def listening(self) -> str:
        """``host:port`` that everybody may be told."""
        host, port = self._wire.local(Flow("udp", "127.0.0.1", 5060))
        return format_host_port(self._told.host_for("", host), self._port or port)

    def host_towards(self, peer: str) -> str:
        """Host that a far end at an IP address is told; ``peer`` is empty when its address is not known."""
        host, _ = self._wire.local(Flow("udp", peer or "127.0.0.1", 5060))
        return self._told.host_for(peer, host)

    def domain(self) -> str:
        """Host part of our addresses in From."""
        return self._domain or self.listening()

    def described(self, flow: Flow, body: bytes) -> bytes:
        """An offer for a name is made before anybody knows which IP version the name leads to."""
        if len(self._wire.families) < 2 or not body or (":" in heard_at(body)) == (":" in flow.host):
            return body
        return readdressed(body, self.host_towards(flow.host))
