"""Keys of a protected stream in a session description: ``a=crypto`` (RFC 4568; suites of RFC 4568, 6188 and 7714).

Pure: the secret that our keys come from is handed in, so that an offer made twice says the same keys.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ringback.sdp.description import Attribute, Media

SUITES: dict[str, int] = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
    "AES_256_CM_HMAC_SHA1_80": 46,
    "AES_256_CM_HMAC_SHA1_32": 46,
}
"""Octets of master key and salt of each suite we take."""

OFFERED = ("AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_32")
"""What we offer, best understood first; more would not fit a datagram."""

LINES = 16
"""``a=crypto`` lines of a stream that are looked at."""

POLICIES = ("off", "optional", "required")

KEYINGS = ("sdes", "dtls")
"""How keys come about: told in SDP (RFC 4568), or agreed on beside the sound (RFC 5763)."""

CLEAR = ("RTP/AVP", "RTP/AVPF")
PROTECTED = ("RTP/SAVP", "RTP/SAVPF")

_LINE = re.compile(r"(\d{1,9}) ([A-Za-z0-9_]{1,64}) +inline:(\S{1,256})(?: +(.+))?")
_MKI = re.compile(r"(\d{1,20}):(\d{1,3})")
_HARMLESS = ("WSH",)
"""Session parameters that change nothing for us. Any other makes a line unusable: some take protection away."""


@dataclass(frozen=True, slots=True)
class Protection:
    """Whether a stream of ours is protected.

    Attributes:
        policy: ``off`` (never), ``optional`` (where the far end does it, too), ``required`` (or no stream at all).
        secret: At least 16 random octets of this call alone, which all its keys come from; never shown.
        speakable: Whether keys may be told over this call's signalling at all. Where they may not, and protection is
            required, they are agreed on by DTLS, or there is no stream.
        keying: What we offer, and take where a far end offers both: a value of ``KEYINGS``.
        fingerprint: What ``a=fingerprint`` says of our certificate; empty: no DTLS.
        active: We begin with DTLS where both might, as was agreed before.
        ice: Name of a far end that runs ICE in this call, so that later offers of ours go on with it.
    """

    policy: str = "off"
    secret: bytes = field(default=b"", repr=False)
    speakable: bool = True
    keying: str = "sdes"
    fingerprint: str = ""
    active: bool = False
    ice: str = ""

    def __post_init__(self) -> None:
        assert self.policy in POLICIES, f"{self.policy!r} is no policy"
        assert self.keying in KEYINGS, f"{self.keying!r} is no way to come by keys"
        assert self.policy == "off" or len(self.secret) >= 16, "keys are made of a secret"

    @property
    def wanted(self) -> bool:
        """Whether protection is offered and taken, one way or another."""
        return self.sdes or self.dtls

    @property
    def sdes(self) -> bool:
        """Whether keys are told and taken in SDP."""
        return self.policy != "off" and self.speakable

    @property
    def dtls(self) -> bool:
        """Whether keys are agreed on beside the sound, where the far end can."""
        return self.policy != "off" and bool(self.fingerprint)

    @property
    def offers_dtls(self) -> bool:
        """Whether our offer is for DTLS: an offer has one way to come by keys."""
        return self.dtls and (self.keying == "dtls" or (self.policy == "required" and not self.sdes))

    def key(self, suite: str) -> bytes:
        """Our master key and salt for a suite: always the same, and each suite another (RFC 4568 §6.1)."""
        return hmac.digest(self.secret, suite.encode(), "sha512")[: SUITES[suite]]


CLEAR_ONLY = Protection()


@dataclass(frozen=True, slots=True)
class Keys:
    """What an offer and its answer agreed on.

    Attributes:
        suite: A name of ``SUITES``.
        send_key, receive_key: Master key and salt in one.
        receive_mki: Key identifier in each packet of the far end, usually empty.
    """

    suite: str
    send_key: bytes = field(repr=False)
    receive_key: bytes = field(repr=False)
    receive_mki: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class CryptoLine:
    """One usable ``a=crypto`` of a far end."""

    tag: int
    suite: str
    key: bytes = field(repr=False)
    mki: bytes = field(default=b"", repr=False)


def crypto_lines(media: Media) -> list[CryptoLine]:
    """What of a stream's ``a=crypto`` can be used, in its order.

    Lines of unknown suites, keys of a wrong length, several keys in one, and parameters that take protection away are
    as if they were not there (§5.1.2).
    """
    lines = (_read(value) for value in media.values("crypto")[:LINES])
    return [line for line in lines if line is not None]


def offer_lines(protection: Protection) -> list[Attribute]:
    """``a=crypto`` lines of our offer."""
    return [crypto_line(tag, suite, protection) for tag, suite in enumerate(OFFERED, 1)]


def crypto_line(tag: int, suite: str, protection: Protection) -> Attribute:
    """``a=crypto`` with our key."""
    return "crypto", f"{tag} {suite} inline:{base64.b64encode(protection.key(suite)).decode()}"


def agreed_keys(ours: CryptoLine, protection: Protection) -> Keys:
    """The keys of both directions, given the far end's line."""
    return Keys(ours.suite, protection.key(ours.suite), ours.key, ours.mki)


def answered_line(offered: Media, answered: Media) -> CryptoLine | None:
    """The line of an answer that takes one of our offer's by its tag and suite (§5.1.3); ``None``: there is no such."""
    tags = {line.tag: line.suite for line in crypto_lines(offered)}
    lines = [line for line in crypto_lines(answered) if tags.get(line.tag) == line.suite]
    return lines[0] if len(lines) == 1 else None


def _read(value: str) -> CryptoLine | None:
    if (match := _LINE.fullmatch(value.strip())) is None:
        return None
    tag, suite, inline, parameters = match.groups()
    if suite not in SUITES or ";" in inline or not _harmless((parameters or "").split()):
        return None
    text, *more = inline.split("|")
    mki = _mki(more)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return CryptoLine(int(tag), suite, key, mki) if mki is not None and len(key) == SUITES[suite] else None


def _mki(parts: Sequence[str]) -> bytes | None:
    """``[lifetime][|mki:length]`` behind a key (§6.1): the identifier, empty for none; ``None``: unreadable."""
    for part in parts:
        if (match := _MKI.fullmatch(part)) is not None:
            number, length = int(match[1]), int(match[2])
            return number.to_bytes(length) if 1 <= length <= 128 and number < 1 << 8 * length else None
    return b""


def _harmless(parameters: Sequence[str]) -> bool:
    return all(p.partition("=")[0] in _HARMLESS for p in parameters)
