"""Whether an address may be called, told at once to whoever asks for the call."""

from collections.abc import Callable, Sequence

from ringback.model.errors import Forbidden, InvalidRequest
from ringback.sip.errors import SipParseError
from ringback.sip.flow import DEFAULT_PORTS
from ringback.sip.hops import transport_of
from ringback.sip.uri import SipUri, parse_sip_uri, undoubled
from ringback.telephony.policy import NetworkPolicy, is_disguised_ip, parse_ip

LONGEST_URI = 2048


class Dialable:
    """Checks addresses.

    Args:
        policy: What may be called by its IP address.
        ours: Transports that we call by.
        is_client: Whether an address is one of our accounts'.
        is_trunk: Whether a host is a trunk's.
    """

    def __init__(
        self,
        policy: NetworkPolicy,
        ours: Sequence[str],
        *,
        is_client: Callable[[SipUri], bool],
        is_trunk: Callable[[str], bool],
    ) -> None:
        self._policy = policy
        self._ours = ours
        self._is_client = is_client
        self._is_trunk = is_trunk

    def check(self, target: str) -> SipUri:
        """The address without what is no part of it. Raises ``InvalidRequest``, ``Forbidden``."""
        uri = _read(target)
        if not self._is_client(uri):
            transport = transport_of(uri)
            self._check_form(uri, transport)
            self._check_place(uri, transport)
        return uri.bare()

    def _check_form(self, uri: SipUri, transport: str) -> None:
        if transport not in self._ours:
            raise InvalidRequest(f"sipUri asks for a transport that is not available here: use {', '.join(self._ours)}")
        if uri.scheme == "sips" and uri.parameter("transport") == "udp":
            raise InvalidRequest("sipUri asks for sips by udp, which cannot be: leave the transport out")
        for name in ("maddr", "method", "ttl"):
            if uri.parameter(name) is not None:
                raise InvalidRequest(f"sipUri must not have the parameter {name}")

    def _check_place(self, uri: SipUri, transport: str) -> None:
        if is_disguised_ip(uri.host):
            raise Forbidden("destination-not-allowed: write the host of sipUri as a name or a plain IP address")
        literal = parse_ip(uri.host) is not None and not self._is_trunk(uri.host)
        if literal and not self._policy.allows(uri.host, uri.port or DEFAULT_PORTS[transport]):
            raise Forbidden(
                "destination-not-allowed: sipUri names a private or reserved address;"
                " RINGBACK_DIALOUT__ALLOW_PRIVATE allows it"
            )


def _read(target: str) -> SipUri:
    text = undoubled(target.strip())
    if len(text) > LONGEST_URI:
        raise InvalidRequest(f"sipUri is longer than {LONGEST_URI} characters")
    try:
        return parse_sip_uri(text)
    except SipParseError as error:
        raise InvalidRequest(f"sipUri cannot be dialled: {error.reason}") from error
