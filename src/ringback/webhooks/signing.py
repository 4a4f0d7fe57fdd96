"""The headers of a delivery: when it was sent, and a signature over that and the body."""

import base64
import binascii
import hashlib
import hmac


def headers(secret: str, basic_auth: str, body: bytes, now: float) -> dict[str, str]:
    """Headers for one POST.

    The signature is base64(HMAC-SHA256(key, ``<timestamp>.<body>``)), the key being the decoded ``hmac`` and the
    timestamp Unix milliseconds, so that a receiver can refuse what was sent long ago.
    """
    timestamp = str(int(now * 1000))
    digest = hmac.digest(decode(secret), timestamp.encode() + b"." + body, hashlib.sha256)
    found = {
        "Content-Type": "application/json",
        "User-Agent": "Ringback-Webhooks/1",
        "X-Webhook-Timestamp": timestamp,
        "X-Webhook-Signature": base64.b64encode(digest).decode(),
    }
    if basic_auth:
        found["Authorization"] = f"Basic {basic_auth}"
    return found


def decode(secret: str) -> bytes:
    """The key in a base64 secret. Raises ``ValueError``."""
    try:
        key = base64.b64decode(secret, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if not key:
        raise ValueError("empty")
    return key
