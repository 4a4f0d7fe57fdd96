"""The audio codecs we can negotiate, one row each. A new codec is one more row."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Codec:
    """How a codec is named in SDP.

    Attributes:
        name: Our name for it, as rooms and commands spell it.
        encoding: Encoding name in ``a=rtpmap`` (compared without case).
        clock_rate: RTP clock. G.722's is 8000 though it samples at 16000 (RFC 3551 §4.5.2).
        channels: Channels written in ``a=rtpmap``; Opus always says 2 (RFC 7587 §7).
        payload_type: The static one, or the one we offer.
        parameters: Our ``a=fmtp``, if any.
    """

    name: str
    encoding: str
    clock_rate: int
    channels: int
    payload_type: int
    parameters: str | None = None

    def rtpmap(self, payload_type: int) -> str:
        channels = f"/{self.channels}" if self.channels > 1 else ""
        return f"{payload_type} {self.encoding}/{self.clock_rate}{channels}"


CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec("PCMU", "PCMU", 8000, 1, 0),
        Codec("PCMA", "PCMA", 8000, 1, 8),
        Codec("G722", "G722", 8000, 1, 9),
        Codec("OPUS", "opus", 48000, 2, 111, "useinbandfec=1"),
    )
}

BY_RTPMAP: dict[tuple[str, int], Codec] = {(c.encoding.lower(), c.clock_rate): c for c in CODECS.values()}

STATIC: dict[int, tuple[str, int]] = {
    0: ("pcmu", 8000),
    3: ("gsm", 8000),
    4: ("g723", 8000),
    8: ("pcma", 8000),
    9: ("g722", 8000),
    13: ("cn", 8000),
    18: ("g729", 8000),
}
"""Payload types that need no ``a=rtpmap`` (RFC 3551 §6): encoding name in lower case, and clock."""

TELEPHONE_EVENT = "telephone-event"
TELEPHONE_EVENT_TYPES: dict[int, int] = {8000: 101, 48000: 110}
"""Payload type we offer for RFC 4733 digits, by the clock rate of the codec they travel with."""

TELEPHONE_EVENTS = "0-15"
"""Digits, ``*``, ``#``, ``A``–``D`` (RFC 4733 §3.2)."""

PACKET_TIMES_MS = (10, 20, 30, 40, 50, 60)
"""Packet times we send; 20 unless the far end asks for another of them."""
