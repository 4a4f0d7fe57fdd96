"""Whether a call to a customer's trunk comes from whom the customer named.

Unlike the operator's trunks these vouch for nothing: their networks are neither spared limits nor may be sent to.
"""

import secrets
from collections.abc import Callable
from ipaddress import IPv4Network, ip_address

from ringback.model.sip_trunk import SipTrunk
from ringback.sip.digest import Authenticator, digest
from ringback.sip.errors import SipParseError
from ringback.sip.flow import Flow
from ringback.sip.message import Request, Row
from ringback.telephony.logins import Logins


class CustomerTrunks:
    """Admission to the trunks of customers.

    Attributes:
        by_host: Finds a trunk by the host of a Request-URI.
    """

    def __init__(self) -> None:
        self.by_host: Callable[[str], SipTrunk | None] = lambda host: None
        self._authenticator = Authenticator(secrets.token_bytes(32), "ringback", "sip-trunks", self._secret_of)
        self._logins = Logins()

    def trunk_of(self, request: Request) -> SipTrunk | None:
        """Whose trunk a request is for."""
        return self.by_host(request.sip_uri.host)

    def admits(self, trunk: SipTrunk, request: Request, flow: Flow, now: float) -> bool | list[Row]:
        """Whether a call may come in; a list: the headers of a challenge it has to answer first."""
        if not trunk.enabled or (trunk.allowed_ips and not _is_in(flow.host, trunk.allowed_ips)):
            return False
        if not trunk.username:
            return True
        try:
            verdict = self._logins.check(
                trunk.label,
                flow,
                now,
                lambda: self._authenticator.check(request, flow.host, now, realm=trunk.label),
            )
        except SipParseError:
            return self._authenticator.challenge(flow.host, now, realm=trunk.label)
        if verdict.ok:
            return verdict.username == trunk.username
        return self._authenticator.challenge(flow.host, now, stale=verdict.stale, realm=trunk.label)

    def _secret_of(self, realm: str, username: str, algorithm: str) -> str | None:
        trunk = self.by_host(f"{realm}.siptrunk.")
        if trunk is None or not trunk.username or trunk.username != username:
            return None
        return digest(algorithm, username, realm, trunk.password)


def _is_in(host: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in IPv4Network(network) for network in networks)
