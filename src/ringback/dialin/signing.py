"""Signatures of what customers' servers are told on the path of a call: as those of webhooks, under other names."""

import base64
import hashlib
import hmac

PINLESS = "X-Pinless"
SIP_TRUNK = "X-Siptrunk"


def headers(prefix: str, secret: str, body: bytes, now: float) -> dict[str, str]:
    """Headers of one POST: ``<prefix>-Timestamp`` in Unix milliseconds, and ``<prefix>-Signature``.

    The signature is base64(HMAC-SHA256(key, ``<timestamp>.<body>``)), the key being the decoded base64 ``secret``.
    """
    timestamp = str(int(now * 1000))
    digest = hmac.digest(base64.b64decode(secret), timestamp.encode() + b"." + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "User-Agent": "Ringback-Webhooks/1",
        f"{prefix}-Timestamp": timestamp,
        f"{prefix}-Signature": base64.b64encode(digest).decode(),
    }
