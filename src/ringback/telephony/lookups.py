"""Addresses of far ends, from what is dialled: by our policy and by the transports we have."""

from collections.abc import Callable

from ringback.sip.flow import Flow, TlsPolicy
from ringback.sip.hops import transport_of
from ringback.sip.uri import SipUri
from ringback.telephony.policy import NetworkPolicy
from ringback.telephony.resolve import OURS, Names, literal_targets, resolve


class Lookups:
    """Finds flows.

    Args:
        names: Resolver.
        policy: What may be called, where nothing else is said.
        tls: How far ends prove themselves, where nothing else is said.
        tcp: Whether we call by TCP and TLS too.
        families: IP versions that we can send to.
        fraction: 0 ≤ x < 1, for a choice by weight.

    Attributes:
        ours: Transports that we call by.
    """

    def __init__(
        self,
        names: Names,
        policy: NetworkPolicy,
        tls: TlsPolicy,
        *,
        tcp: bool,
        families: Callable[[], frozenset[int]],
        fraction: Callable[[], float],
    ) -> None:
        self.names = names
        self.ours = OURS if tcp else ("udp",)
        self._policy = policy
        self._tls = tls
        self._families = families
        self._fraction = fraction

    def literal(self, uri: SipUri, transport: str) -> list[Flow] | None:
        """Where a URI with an IP address leads; ``None`` when it has a name. Raises ``NotAllowed``."""
        return literal_targets(uri, transport, self._policy, self._tls)

    async def find(
        self, uri: SipUri, transport: str, policy: NetworkPolicy | None = None, tls: TlsPolicy | None = None
    ) -> list[Flow]:
        """Raises ``Unresolvable``, ``NotAllowed``."""
        return await resolve(
            uri,
            transport if transport in self.ours else transport_of(uri),
            self.names,
            policy or self._policy,
            self._families(),
            tls=tls or self._tls,
            ours=self.ours,
            fraction=self._fraction,
        )
