"""Where the SIP stack's randomness comes from (``sip.agent.Chance``)."""

import secrets

from ringback.model.ids import CallId

POOL = 4096
"""Random octets fetched at once."""


class SystemChance:
    """Randomness from the operating system. ``prefix`` (node and epoch) starts every token."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = "".join(c for c in prefix if c.isascii() and (c.isalnum() or c in "-_."))
        self._pool = bytearray()

    def token(self) -> str:
        return self._prefix + self._octets(12).hex()

    def fraction(self) -> float:
        return secrets.randbelow(10_000) / 10_000

    def call(self) -> CallId:
        """A UUID of version 4 (RFC 9562 §5.4)."""
        text = self._octets(16).hex()
        variant = "89ab"[int(text[16], 16) & 3]
        return CallId(f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}")

    def _octets(self, count: int) -> bytes:
        """Each is handed out once. They are fetched many at a time: asking costs more than all else here."""
        if len(self._pool) < count:
            self._pool = bytearray(secrets.token_bytes(POOL))
        octets = bytes(self._pool[-count:])
        del self._pool[-count:]
        return octets
