"""Whether a call's sound is protected by SRTP with keys in SDP, and when such keys may be told (RFC 4568 §7.2)."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from ringback.sdp.crypto import Protection

PRIVATE = ("tls", "wss")
"""Transports on which nobody reads along."""


@dataclass(frozen=True, slots=True)
class ProtectionRules:
    """What holds for all calls that no trunk carries, and how keys are made.

    Attributes:
        policy: ``off``, ``optional``, ``required``.
        without_tls: Keys may be told where everybody on the way can read them.
        random: That many octets nobody can guess.
    """

    policy: str = "off"
    without_tls: bool = False
    random: Callable[[int], bytes] = secrets.token_bytes

    def of_call(self, transport: str, trunk: str = "") -> Protection:
        """For a call whose signalling goes by ``transport``; ``trunk`` is its trunk's own policy, if it has a trunk.

        A trunk's policy was set by somebody who knows that trunk's transport: it holds on any.
        """
        return Protection(trunk or self.policy, self.random(32), bool(trunk) or self._speakable(transport))

    def forbids(self, transport: str) -> bool:
        """Whether no call that no trunk carries can be made over ``transport``."""
        return self.policy == "required" and not self._speakable(transport)

    def _speakable(self, transport: str) -> bool:
        return self.without_tls or transport in PRIVATE
