"""A trunk: a SIP peer we are configured to exchange telephone calls with, as a value."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Transport(StrEnum):
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class Srtp(StrEnum):
    """Whether sound is encrypted. ``REQUIRED`` refuses a call rather than send it in the clear."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class SrtpKeys(StrEnum):
    """How keys of encrypted sound come about: told in SDP, or agreed on beside the sound. What we offer; a caller is
    taken either way."""

    SDES = "sdes"
    DTLS = "dtls"


class Dtmf(StrEnum):
    """How keys are sent. ``AUTO``: telephone-event when agreed, else SIP INFO. ``IN_BAND``: as tones, and looked for in
    the sound too where the far end offers no telephone-event."""

    AUTO = "auto"
    TELEPHONE_EVENT = "telephone-event"
    SIP_INFO = "sip-info"
    IN_BAND = "in-band"


class NumberFormat(StrEnum):
    """How a telephone number is written on the wire: ``+4930…``, ``4930…`` or ``030…``."""

    E164 = "e164"
    PLAIN = "plain"
    NATIONAL = "national"


class IdentityHeader(StrEnum):
    """What carries the caller's number beside ``From``."""

    NONE = "none"
    ASSERTED = "p-asserted-identity"
    REMOTE_PARTY = "remote-party-id"


class CalledFrom(StrEnum):
    """Where an incoming INVITE says which number was called."""

    REQUEST_URI = "request-uri"
    TO = "to"
    CALLED_PARTY = "p-called-party-id"
    DIVERSION = "diversion"


class Redirects(StrEnum):
    """What a 3xx leads to: nothing, hosts of the same trunk only, or any address that dial-out policy allows."""

    OFF = "off"
    SAME_TRUNK = "same-trunk"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Host:
    """Where a trunk is reached. A lower priority is tried first; equals share by weight.

    Attributes:
        port: ``None``: SRV records, then the transport's own port.
    """

    host: str
    port: int | None = None
    priority: int = 10
    weight: int = 10


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """Whom TLS believes.

    Attributes:
        verify: ``False`` takes any certificate; told loudly wherever the trunk is shown.
        name: Name the certificate must carry; empty for the host as configured (never an SRV target).
        ca_file: PEM file of authorities that are trusted instead of the system's.
        pin: ``sha256:`` and the digest (hex) of the only acceptable certificate or of its public key.
        certificate, key: PEM files of what we show to a peer that asks.
    """

    verify: bool = True
    name: str = ""
    ca_file: str = ""
    pin: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and a password. ``realm`` limits which challenge is answered; empty for any of the trunk's hosts."""

    username: str
    password: str = field(repr=False)
    realm: str = ""


@dataclass(frozen=True, slots=True)
class Registration:
    """How we register with the trunk as a client does.

    Attributes:
        user: User part of the address we register; empty for the credentials' name.
        domain: Its host part and the registrar; empty for the first host.
        expires: Seconds we ask for.
    """

    user: str = ""
    domain: str = ""
    expires: int = 3600


@dataclass(frozen=True, slots=True)
class Identity:
    """How our caller is written.

    Attributes:
        format: Of the caller's number.
        header: What carries it beside ``From``.
        user_phone: Add ``;user=phone`` to the identity's URIs and the Request-URI.
        from_user: Fixed user part of ``From`` (carriers that want the account's name there); empty for the caller.
        from_domain: Host part of ``From``; empty for ours.
        withhold: Ask for privacy (RFC 3323): anonymous ``From`` and ``Privacy: id``.
    """

    format: NumberFormat = NumberFormat.E164
    header: IdentityHeader = IdentityHeader.NONE
    user_phone: bool = False
    from_user: str = ""
    from_domain: str = ""
    withhold: bool = False


@dataclass(frozen=True, slots=True)
class Emergency:
    """What a trunk needs before it may carry a call for help: how to call back, and where to send somebody.

    Attributes:
        callback: Number that is shown, and rings somebody who can be asked; E.164.
        location: Where the callers are, as it is registered with the carrier for that number: ``country``, ``region``,
            ``city``, ``street``, ``house_number``, ``unit``, ``postal_code``, ``name``.
    """

    callback: str
    location: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One step of rewriting a number; the first that matches ends the list unless ``goes_on``.

    Attributes:
        match: Pattern: digits, ``+``, ``x`` for any digit, ``[2-9]`` or ``[135]`` for one of several, ``*`` at the end
            for any rest.
        strip: Characters taken off the front.
        prepend: Put in front afterwards.
        replace: The whole result instead; empty for none.
        deny: Refuse the number.
        goes_on: Continue with the next rule after this one.
    """

    match: str
    strip: int = 0
    prepend: str = ""
    replace: str = ""
    deny: bool = False
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Trunk:
    """See the module. ``numbers.trunk_body`` reads and writes it.

    Attributes:
        name: Ours, ``[a-z0-9-]``.
        enabled: Whether calls may use it.
        hosts: Where calls go out; none: calls only come in.
        priority, weight: Order among trunks that can carry a call.
        domains: Names of domains that may use it; empty for all.
        networks: Where its requests come from (CIDR), beside literal addresses among ``hosts``.
        media_networks: Where its sound comes from and goes to; empty for anywhere policy allows.
        credentials: What its challenges are answered with.
        inbound_credentials: What a request from elsewhere has to prove to be this trunk's.
        open: Takes calls from anywhere, said outright.
        register: Register there as a client; ``None`` for no.
        outbound_proxy: ``sip:`` URI everything goes through; empty for none.
        codecs: Names it may use, best first; empty for any.
        max_calls: Calls at once, both ways; ``None`` for any number.
        calls_per_second: Calls begun each way; outbound ones wait for their turn, inbound ones get 480.
        number_format: How called numbers are written to it, and read when they come without a plus.
        country: Country code for national numbers, digits.
        trusted: Its word about callers is believed.
        caller_ids: Numbers that may be shown over it, E.164, beside the domain's own; the first is the default.
        outbound_rules, inbound_rules: What happens to called numbers, in order.
        options_interval: Seconds between health checks; 0 for none.
        allow_premium: Premium and satellite numbers may be called.
        emergency: Emergency services of ``country`` may be called; ``None``: not.
        profile: Name of a ``numbers.profiles`` row its defaults came from, or empty.
    """

    name: str
    enabled: bool = True
    hosts: tuple[Host, ...] = ()
    priority: int = 10
    weight: int = 10
    domains: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    media_networks: tuple[str, ...] = ()
    transport: Transport = Transport.UDP
    tls: TlsPolicy = TlsPolicy()
    credentials: Credentials | None = None
    inbound_credentials: Credentials | None = None
    open: bool = False
    register: Registration | None = None
    outbound_proxy: str = ""
    codecs: tuple[str, ...] = ()
    srtp: Srtp = Srtp.OFF
    srtp_keys: SrtpKeys = SrtpKeys.SDES
    dtmf: Dtmf = Dtmf.AUTO
    max_calls: int | None = None
    calls_per_second: float | None = None
    number_format: NumberFormat = NumberFormat.E164
    country: str = ""
    identity: Identity = Identity()
    trusted: bool = False
    caller_ids: tuple[str, ...] = ()
    called_from: CalledFrom = CalledFrom.REQUEST_URI
    outbound_rules: tuple[Rule, ...] = ()
    inbound_rules: tuple[Rule, ...] = ()
    redirects: Redirects = Redirects.OFF
    options_interval: float = 60.0
    allow_premium: bool = False
    emergency: Emergency | None = None
    profile: str = ""

    def addresses(self) -> tuple[Network, ...]:
        """Networks its requests come from."""
        literal = (host.host for host in self.hosts if is_address(host.host))
        return tuple(ipaddress.ip_network(text, strict=False) for text in (*self.networks, *literal))


def key_of(host: Host) -> str:
    """A host as it is shown and remembered: ``host`` or ``host:port``."""
    shown = f"[{host.host}]" if ":" in host.host else host.host
    return shown if host.port is None else f"{shown}:{host.port}"


def is_address(text: str) -> bool:
    """Whether a host is an IP address rather than a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_in(address: str, networks: Iterable[Network]) -> bool:
    """Whether an IP address lies in one of some networks. Text that is no address lies in none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in networks)


class NetworkTable:
    """Whose an address is: one look per length of prefix, however many trunks there are, since strangers ask as well.

    The narrowest network wins; of two trunks with the same one, the first.

    Attributes:
        open: The trunk of those who are in nobody's network: the first that is open.
    """

    def __init__(self, trunks: Sequence[Trunk]) -> None:
        self.open = next((trunk for trunk in trunks if trunk.enabled and trunk.open), None)
        self._tables: dict[tuple[int, int], dict[int, Trunk]] = {}
        for trunk in trunks:
            for network in trunk.addresses() if trunk.enabled else ():
                shift = network.max_prefixlen - network.prefixlen
                table = self._tables.setdefault((network.version, shift), {})
                table.setdefault(int(network.network_address) >> shift, trunk)
        self._keys = sorted(self._tables)

    def find(self, address: str) -> Trunk | None:
        """The trunk of an IP address. Text that is no address is nobody's."""
        family, number = _parsed(address)
        for version, shift in self._keys:
            if version == family and (trunk := self._tables[version, shift].get(number >> shift)) is not None:
                return trunk
        return None


@lru_cache(maxsize=4096)
def _parsed(address: str) -> tuple[int, int]:
    """Version and number of an IP address, IPv4 in an IPv6 coat as IPv4; version 0 for text that is none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return 0, 0
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found.version, int(found)
