"""Requests as they are kept: digits that may be a PIN or a card's are told by a fingerprint, never written down.

A repeat under an idempotency key has to be known for the same request, so what stands for the digits is equal only for
equal ones.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256

SECRET = ("extension", "tones")
MARK = "•"

Fingerprint = Callable[[str], str]


def unkeyed(text: str) -> str:
    """For what never leaves memory; what rests needs a fingerprint with a key, since digits are soon guessed."""
    return sha256(text.encode()).hexdigest()


def concealed(body: Mapping[str, object], fingerprint: Fingerprint) -> dict[str, object]:
    """A request to be kept."""
    kept = dict(body)
    for name in SECRET:
        digits = kept.get(name)
        if isinstance(digits, str) and digits:
            kept[name] = f"{MARK * len(digits)} {fingerprint(digits)[:16]}"
    return kept


def shown(request: Mapping[str, object]) -> dict[str, object]:
    """A kept request for people: of digits only how many they are."""
    return {
        name: MARK * len(value.partition(" ")[0]) if name in SECRET and isinstance(value, str) else value
        for name, value in request.items()
    }
