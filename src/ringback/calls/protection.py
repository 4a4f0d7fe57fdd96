"""Whether a call's sound is protected by SRTP, how keys come about, and when they may be told (RFC 4568 §7.2)."""

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
        keying: What we offer and prefer: ``sdes``, ``dtls``.
        fingerprint: What ``a=fingerprint`` says of our certificate; empty: no DTLS.
    """

    policy: str = "off"
    without_tls: bool = False
    random: Callable[[int], bytes] = secrets.token_bytes
    keying: str = "sdes"
    fingerprint: str = ""

    def of_call(self, transport: str, trunk: str = "", keying: str = "") -> Protection:
        """For a call whose signalling goes by ``transport``; ``trunk`` and ``keying`` are its trunk's, if it
        has one.

        A trunk's policy was set by somebody who knows that trunk's transport: it holds on any.
        """
        return Protection(
            trunk or self.policy,
            self.random(32),
            bool(trunk) or self._speakable(transport),
            keying or self.keying,
            self.fingerprint,
        )

    def forbids(self, transport: str) -> bool:
        """Whether no call that no trunk carries can be made over ``transport``."""
        return self.policy == "required" and not self._speakable(transport) and not self.fingerprint

    def _speakable(self, transport: str) -> bool:
        return self.without_tls or transport in PRIVATE
