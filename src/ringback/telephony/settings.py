"""How the SIP side runs, as its user says."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ringback.sip.digest import Credential
from ringback.sip.flow import TlsPolicy
from ringback.sip.session_timer import LEAST, PROPOSED
from ringback.sip.timers import Timing
from ringback.telephony.admission import RateLimits
from ringback.telephony.networks import Advertised
from ringback.telephony.tls import ServerCertificate


@dataclass(frozen=True, slots=True)
class TelephonySettings:
    """How the SIP side runs.

    Attributes:
        host: Where to listen: an IP address, or several with commas between them.
        port: For UDP and TCP; 0 takes any free one.
        certificate: For a TLS listener on ``tls_port``; ``None`` for none.
        tls: How far ends that we call by TLS prove themselves, where nothing is said of that one.
        name_servers: ``host`` or ``host:port`` of DNS servers; empty for the machine's.
        dscp: Class of service of what we send.
        advertised: Our public address and who is told another; ``None`` makes ``advertised_host`` everybody's.
        advertised_host: Host in Via and Contact; empty for the address a far end sees.
        advertised_port: 0 for the port we listen on.
        domain: Host part of our addresses in From; empty for the advertised host and port.
        tcp: Whether TCP is on (TLS too).
        rate_limits: Per source, before parsing; ``None`` switches every per-source limit off.
        allow_private: Calls may go to loopback, private and link-local addresses.
        allow: Networks (CIDR) calls may go to whatever they are.
        known: Networks (CIDR) of trunks and clients, who are told why they are refused.
        credentials: What challenges to our calls are answered with, and for whom.
        patience: Seconds without any answer after which a call has failed.
        client_options: Seconds between questions to registered phones whether they are there; 0 for none.
        lag_limit: Seconds the loop may be late before new calls are turned away with 503; ``None`` for never.
        session_interval, session_least: Seconds; see ``AgentSettings``.
        hold_ack: ACK an answer only at ``confirm``, for whoever must first remember the call.
        mute_scanners: Whether strangers who try addresses and passwords are not heard for a while (with
            ``rate_limits`` only).
        prefix: Goes into every branch: node and boot epoch.
    """

    host: str = "127.0.0.1"
    port: int = 5060
    advertised: Advertised | None = None
    advertised_host: str = ""
    advertised_port: int = 0
    domain: str = ""
    tcp: bool = True
    certificate: ServerCertificate | None = None
    tls_port: int = 5061
    tls: TlsPolicy = field(default_factory=TlsPolicy)
    name_servers: Sequence[str] = ()
    dscp: int = 0
    rate_limits: RateLimits | None = field(default_factory=RateLimits)
    allow_private: bool = False
    allow: Sequence[str] = ()
    known: Sequence[str] = ()
    credentials: Sequence[Credential] = ()
    patience: float = 4.0
    lag_limit: float | None = 0.2
    client_options: float = 0.0
    mute_scanners: bool = True
    prefix: str = ""
    session_interval: int = PROPOSED
    session_least: int = LEAST
    hold_ack: bool = False
    timing: Timing = field(default_factory=Timing)
