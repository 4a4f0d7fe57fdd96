"""Offers and answers for one video stream, from our side: VP8 and H.264 (RFC 3264, 7741, 6184, 4585, 5104).

Pure, and without errors of its own: a stream that cannot be agreed on is refused, and the sound goes on without it.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import field

from ringback.model.values import dataclass, replace
from ringback.sdp.crypto import (
    CLEAR,
    CLEAR_ONLY,
    PROTECTED,
    CryptoLine,
    Keys,
    Protection,
    agreed_keys,
    answered_line,
    crypto_line,
    crypto_lines,
    offer_lines,
)
from ringback.sdp.description import Attribute, Media

CODECS = ("VP8", "H264")
CLOCK_RATE = 90_000

BASELINE = "42e01f"
"""Constrained baseline, level 3.1: 1280x720 at 30 frames in a second."""

_PROFILE = re.compile(r"[0-9A-Fa-f]{6}")


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """One way to send pictures.

    Attributes:
        name: ``VP8`` or ``H264``.
        mode: H.264's packetization-mode, 0 or 1.
        profile: H.264's profile-level-id.
    """

    name: str
    payload_type: int
    mode: int = 0
    profile: str = ""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What may be asked for by RTCP: packets that were lost (generic NACK), and key frames by PLI and FIR."""

    nack: bool
    pli: bool
    fir: bool


OFFERED: Mapping[str, tuple[VideoFormat, ...]] = {
    "VP8": (VideoFormat("VP8", 96),),
    "H264": (VideoFormat("H264", 97, 1, BASELINE), VideoFormat("H264", 98, 0, BASELINE)),
}


@dataclass(frozen=True, slots=True)
class VideoTerms:
    """What we want of a video stream.

    Attributes:
        port: Our RTP port; the host is the sound's.
        codecs: Names of ``CODECS`` that may be used, best first.
        bitrate_kbps: The most we want, and send.
        fps: Frames in a second, likewise.
        direction: As of the sound; ``inactive`` on hold.
        agreed: What holds already, and is offered again.
    """

    port: int
    codecs: tuple[str, ...] = CODECS
    bitrate_kbps: int = 900
    fps: int = 15
    direction: str = "sendrecv"
    agreed: VideoFormat | None = None


@dataclass(frozen=True, slots=True)
class NegotiatedVideo:
    """What an offer and its answer agreed on.

    Attributes:
        sent: How we send; its payload type is the far end's.
        received: How the far end sends; its payload type is ours.
        remote, send, listen, rtcp_port, keys: As of ``negotiation.Negotiated``.
        pli, fir: Whether key frames are asked for by RTCP, either way.
        nack: Whether lost packets are, either way.
        limit_kbps: The most the far end takes, if it said.
    """

    sent: VideoFormat
    received: VideoFormat
    remote: tuple[str, int] | None
    send: bool = True
    listen: bool = True
    rtcp_port: int | None = None
    keys: Keys | None = field(default=None, repr=False)
    pli: bool = False
    fir: bool = False
    nack: bool = False
    limit_kbps: int | None = None


def own_keys(protection: Protection) -> Protection:
    """Protection of the video beside a protected sound: each stream has keys of its own (RFC 4568 §6.1)."""
    if protection.policy == "off":
        return CLEAR_ONLY
    return replace(protection, secret=hmac.digest(protection.secret, b"video", "sha512"), fingerprint="", ice="")


def may_offer(protection: Protection) -> bool:
    """Whether pictures can be offered beside a sound of this protection: never unprotected beside a protected one, and
    their keys are told in SDP."""
    return protection.sdes or not (protection.policy == "required" or protection.offers_dtls)


def offer_video(terms: VideoTerms, protection: Protection = CLEAR_ONLY) -> Media:
    """The stream of our offer, keys in it where protection is wanted."""
    chosen = [one for name in terms.codecs for one in OFFERED.get(name, ())]
    formats = [terms.agreed] if terms.agreed is not None else chosen
    protocol = "RTP/SAVP" if protection.policy == "required" else "RTP/AVP"
    attributes = [line for one in formats for line in _format_lines(one)] + _feedback_lines()
    if protection.sdes:
        attributes += offer_lines(protection)
    attributes += [("framerate", str(terms.fps)), (terms.direction, None)]
    numbers = [str(one.payload_type) for one in formats]
    return Media("video", terms.port, protocol, numbers, attributes=attributes, other=_bandwidth(terms))


def takeable(stream: Media, terms: VideoTerms, protection: Protection) -> tuple[VideoFormat, CryptoLine | None] | None:
    """How an offered stream can be taken; ``None``: not at all.

    Of several codecs our best counts, not the far end's: what browsers send need not be made anew for it.
    """
    if stream.kind != "video" or stream.port < 1024 or stream.protocol not in CLEAR + PROTECTED:
        return None
    formats = [one for name in terms.codecs for one in _formats(stream) if one.name == name]
    # Of H.264's modes the one that lets a slice be cut.
    best = max(formats, key=lambda one: (-terms.codecs.index(one.name), one.mode), default=None)
    if best is None:
        return None
    lines = crypto_lines(stream) if protection.sdes else []
    if not lines and (protection.policy == "required" or stream.protocol in PROTECTED):
        return None
    return best, lines[0] if lines else None


def answer_stream(
    stream: Media, terms: VideoTerms, chosen: VideoFormat, key: CryptoLine | None, protection: Protection, way: str
) -> Media:
    """Our answer to a stream that can be taken; ``way`` is its direction as we see it."""
    feedback: list[Attribute] = []
    asked = feedback_of(stream)
    number = str(chosen.payload_type)
    if asked.nack:
        feedback.append(("rtcp-fb", f"{number} nack"))
    if asked.pli:
        feedback.append(("rtcp-fb", f"{number} nack pli"))
    if asked.fir:
        feedback.append(("rtcp-fb", f"{number} ccm fir"))
    attributes = _format_lines(chosen) + feedback
    if key is not None:
        attributes.append(crypto_line(key.tag, key.suite, protection))
    attributes += [("framerate", str(terms.fps)), (way, None)]
    if (mid := stream.value("mid")) is not None:
        attributes.append(("mid", mid))
    if stream.has("rtcp-mux"):
        attributes.append(("rtcp-mux", None))
    return Media("video", terms.port, stream.protocol, [number], attributes=attributes, other=_bandwidth(terms))


def read_stream(
    ours: Media, theirs: Media, protection: Protection
) -> tuple[VideoFormat, VideoFormat, Keys | None] | None:
    """How the far end took our stream: what we send, what we receive, and the keys; ``None``: it did not."""
    if theirs.kind != "video" or theirs.port < 1024 or theirs.protocol not in CLEAR + PROTECTED:
        return None
    line = answered_line(ours, theirs) if protection.sdes else None
    if line is None and (protection.policy == "required" or theirs.protocol in PROTECTED):
        return None
    mine = {(one.name, one.mode): one for one in _formats(ours)}
    for sent in _formats(theirs):
        # A far end that leaves the mode out means the one whose payload type it names.
        named = next((one for one in mine.values() if one.payload_type == sent.payload_type), None)
        received = mine.get((sent.name, sent.mode)) or (named if named and named.name == sent.name else None)
        if received is not None:
            return replace(sent, mode=received.mode), received, agreed_keys(line, protection) if line else None
    return None


def feedback_of(stream: Media) -> Feedback:
    """What is named (RFC 4585 §4.2, RFC 5104 §7.1); also in a stream that is no AVPF, as many do."""
    named = {" ".join(value.split()[1:]) for value in stream.values("rtcp-fb")}
    return Feedback("nack" in named, "nack pli" in named, "ccm fir" in named)


def limit_of(stream: Media) -> int | None:
    """The bandwidth that a stream's writer takes, in kbit/s (``b=AS``, ``b=TIAS``); ``None`` when it does not say."""
    for kind, value in stream.other:
        name, _, number = value.partition(":")
        if kind == "b" and name in ("AS", "TIAS") and number.isascii() and number.isdigit() and len(number) < 10:
            return max(1, int(number) if name == "AS" else int(number) // 1000)
    return None


def _formats(stream: Media) -> list[VideoFormat]:
    """What of a stream we know, in its order. H.264 beyond baseline is left out: not everybody takes it."""
    maps = {number: rest.split("/") for number, rest in _numbered(stream, "rtpmap")}
    parameters = {number: _parameters(rest) for number, rest in _numbered(stream, "fmtp")}
    known = []
    for number in stream.formats:
        name, *clock = maps.get(number, [""])
        if not (number.isascii() and number.isdigit() and len(number) < 4 and int(number) < 128):
            continue
        if clock[:1] != [str(CLOCK_RATE)] or name.strip().upper() not in CODECS:
            continue
        given = parameters.get(number, {})
        mode, profile = given.get("packetization-mode", "0"), given.get("profile-level-id", "42000a")
        if name.strip().upper() == "VP8":
            known.append(VideoFormat("VP8", int(number)))
        elif mode in ("0", "1") and _PROFILE.fullmatch(profile) and profile.startswith("42"):
            known.append(VideoFormat("H264", int(number), int(mode), profile.lower()))
    return known


def _numbered(stream: Media, name: str) -> list[tuple[str, str]]:
    """Payload type and the rest of each such attribute."""
    return [(number, rest) for number, _, rest in (value.partition(" ") for value in stream.values(name))]


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _format_lines(one: VideoFormat) -> list[Attribute]:
    lines: list[Attribute] = [("rtpmap", f"{one.payload_type} {one.name}/{CLOCK_RATE}")]
    if one.name == "H264":
        text = f"{one.payload_type} profile-level-id={one.profile};packetization-mode={one.mode}"
        lines.append(("fmtp", text))
    return lines


def _feedback_lines() -> list[Attribute]:
    return [("rtcp-fb", "* nack"), ("rtcp-fb", "* nack pli"), ("rtcp-fb", "* ccm fir")]


def _bandwidth(terms: VideoTerms) -> list[tuple[str, str]]:
    """RFC 8866 §5.8 and RFC 3890: with and without what the packets cost."""
    return [("b", f"AS:{terms.bitrate_kbps}"), ("b", f"TIAS:{terms.bitrate_kbps * 1000}")]
