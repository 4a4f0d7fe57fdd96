"""Seals secrets at rest with AES-256-GCM under a key derived from ``RINGBACK_SECRET``."""

import hashlib
import hmac
import secrets as random

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ringback.store.errors import StoreError

NONCE_OCTETS = 12
VERSION = b"\x01"


class Sealer:
    """Seals and opens small secrets, and makes the fingerprints that find them.

    Args:
        secret: The operator's secret. Another one cannot open what this one sealed.
    """

    def __init__(self, secret: str) -> None:
        self._aead = AESGCM(_derive(secret, b"ringback seal 1"))
        self._fingerprint_key = _derive(secret, b"ringback fingerprint 1")

    def seal(self, plain: str, purpose: str) -> bytes:
        """Seal ``plain``; it opens only for the same ``purpose`` (such as a row's id)."""
        nonce = random.token_bytes(NONCE_OCTETS)
        return VERSION + nonce + self._aead.encrypt(nonce, plain.encode(), purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> str:
        """What was sealed.

        Raises:
            StoreError: It was sealed with another secret, or changed.
        """
        nonce, body = sealed[1 : 1 + NONCE_OCTETS], sealed[1 + NONCE_OCTETS :]
        try:
            if sealed[:1] != VERSION:
                raise InvalidTag
            return self._aead.decrypt(nonce, body, purpose.encode()).decode()
        except (InvalidTag, ValueError):
            raise StoreError(
                "RINGBACK_SECRET is not the one this database was sealed with; set it to that one again"
            ) from None

    def fingerprint(self, plain: str) -> str:
        """64 hex digits that find a secret without telling it, not even by guessing, without ``RINGBACK_SECRET``."""
        return hmac.digest(self._fingerprint_key, plain.encode(), hashlib.sha256).hex()


def _derive(secret: str, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=use).derive(secret.encode())
