"""Keys that both ends agree on beside the sound: ``a=fingerprint`` and ``a=setup`` (RFC 5763, 8122; RFC 4145 §4)."""

import re

from ringback.model.values import dataclass
from ringback.sdp.description import Attribute, Description, Media

OVER_DTLS = ("UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF")
"""Profiles in which DTLS is demanded (RFC 5764 §9). Beside others its attributes offer it (RFC 8643)."""

HASHES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
"""Octets of each hash that still proves something."""

FINGERPRINTS = 8
"""``a=fingerprint`` lines of a stream that are looked at."""

_FINGERPRINT = re.compile(r"([A-Za-z0-9-]{1,16}) +([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){19,63})")


@dataclass(frozen=True, slots=True)
class DtlsTerms:
    """What is known of the far end before it shakes hands.

    Attributes:
        fingerprints: Hash and digest of its certificate; one that fits is enough.
        active: Whether we begin.
    """

    fingerprints: tuple[tuple[str, bytes], ...]
    active: bool


def fingerprints(description: Description, media: Media) -> tuple[tuple[str, bytes], ...]:
    """What can be used of a stream's ``a=fingerprint``, or of the session's where the stream has none (RFC 8122 §5)."""
    own = media.values("fingerprint") or [
        value for name, value in description.attributes if name == "fingerprint" and value is not None
    ]
    found = (_read(value) for value in own[:FINGERPRINTS])
    return tuple(each for each in found if each is not None)


def setup(description: Description, media: Media) -> str:
    """``active``, ``passive``, ``actpass``; empty where there is none or nobody is to begin."""
    session = next((value for name, value in description.attributes if name == "setup"), None)
    value = (media.value("setup") or session or "").strip()
    return value if value in ("active", "passive", "actpass") else ""


def answered_offer(description: Description, media: Media, active: bool) -> DtlsTerms | None:
    """What we make of an offer; ``None``: it offers no DTLS that we can take.

    Who may begin leaves that to us (§5 of RFC 5763 would have us begin): behind a NAT it reaches us and we not it.

    Args:
        active: Where both may begin, we do: as it was agreed before.
    """
    found, role = fingerprints(description, media), setup(description, media)
    if not found or not role:
        return None
    return DtlsTerms(found, active=role == "passive" or (role == "actpass" and active))


def taken_answer(description: Description, media: Media) -> DtlsTerms | None:
    """What an answer to an offer of ours took; ``None``: it took no DTLS. One without ``a=setup`` begins itself."""
    found = fingerprints(description, media)
    return DtlsTerms(found, active=setup(description, media) == "passive") if found else None


def dtls_lines(fingerprint: str, role: str) -> list[Attribute]:
    """Attributes of our side; ``fingerprint`` as ``sha-256 AB:CD…``, ``role`` as in ``a=setup``."""
    return [("fingerprint", fingerprint), ("setup", role)]


def _read(value: str) -> tuple[str, bytes] | None:
    if (match := _FINGERPRINT.fullmatch(value.strip())) is None:
        return None
    name, digits = match[1].lower(), match[2].replace(":", "")
    octets = bytes.fromhex(digits)
    return (name, octets) if HASHES.get(name) == len(octets) else None
