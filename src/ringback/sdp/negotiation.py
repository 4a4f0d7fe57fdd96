"""Offers and answers for one audio stream, and one of video where that is wanted, from our side (RFC 3264).

Pure functions: bytes in, bytes and facts out. All other streams are refused with port 0.
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from ringback.model.values import dataclass, replace
from ringback.sdp.codecs import (
    BY_RTPMAP,
    CODECS,
    PACKET_TIMES_MS,
    STATIC,
    TELEPHONE_EVENT,
    TELEPHONE_EVENT_TYPES,
    TELEPHONE_EVENTS,
    Codec,
)
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
from ringback.sdp.description import Attribute, Description, Media, address_type, parse, write
from ringback.sdp.dtls import OVER_DTLS, DtlsTerms, answered_offer, dtls_lines, taken_answer
from ringback.sdp.errors import BadSdp, NoCommonCodec, NotProtected
from ringback.sdp.ice import IceTerms, ice_lines, ice_terms, remote_ufrag
from ringback.sdp.video import (
    NegotiatedVideo,
    VideoTerms,
    answer_stream,
    feedback_of,
    limit_of,
    may_offer,
    offer_video,
    own_keys,
    read_stream,
    takeable,
)

PROTOCOLS = CLEAR + PROTECTED + OVER_DTLS
"""Profiles we speak. In all but the first two protection is demanded, and never quietly left out."""

_Guard = CryptoLine | DtlsTerms | None


@dataclass(frozen=True, slots=True)
class NegotiatedCodec:
    """A codec as it runs on the wire.

    Attributes:
        name: As in ``codecs.CODECS``.
        payload_type: What we send with.
        receive_payload_type: What the far end sends with; each side names its own (RFC 3264 §5.1).
        clock_rate: RTP clock.
        ptime_ms: Packet time we send.
    """

    name: str
    payload_type: int
    receive_payload_type: int
    clock_rate: int
    ptime_ms: int = 20


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What an offer and its answer agreed on.

    Attributes:
        remote: Where to send RTP; ``None`` while the far end holds with address 0.0.0.0.
        codec: What we send, and prefer to receive.
        receive: Every codec the far end may send without asking again, ``codec`` among them.
        dtmf_payload_type: telephone-event payload type to send with, ``None`` when not agreed.
        dtmf_receive_payload_type: telephone-event payload type the far end sends with.
        dtmf_clock_rate: Clock in which durations of digits are told, where it is not the codec's.
        send: Whether we may send: ``False`` while the far end has us on hold.
        listen: Whether the far end may send.
        refused: Kinds of streams the far end offered and we did not take (``video``, ``image`` …).
        rtcp_port: Port of the far end's RTCP when it is not the one above its RTP; RTP's own: one for both (RFC 5761).
        keys: What SDP told to protect the stream with.
        dtls: Who has to agree on keys with us. With neither this nor ``keys`` the stream is in the clear.
        ice: Names of ICE, where the far end runs it.
        video: What was agreed on for pictures; ``None``: there are none.
    """

    remote: tuple[str, int] | None
    codec: NegotiatedCodec
    receive: tuple[NegotiatedCodec, ...]
    dtmf_payload_type: int | None = None
    dtmf_receive_payload_type: int | None = None
    dtmf_clock_rate: int | None = None
    send: bool = True
    listen: bool = True
    refused: tuple[str, ...] = ()
    rtcp_port: int | None = None
    keys: Keys | None = None
    dtls: DtlsTerms | None = None
    ice: IceTerms | None = None
    video: NegotiatedVideo | None = None

    @property
    def protected(self) -> bool:
        return self.keys is not None or self.dtls is not None

    @property
    def video_refused(self) -> bool:
        return "video" in self.refused


@dataclass(frozen=True, slots=True)
class _Format:
    payload_type: int
    encoding: str
    clock_rate: int


def make_offer(
    session_id: int,
    version: int,
    host: str,
    port: int,
    codecs: Sequence[str],
    direction: str = "sendrecv",
    ptime_ms: int = 20,
    telephone_events: bool = True,
    protection: Protection = CLEAR_ONLY,
    video: VideoTerms | None = None,
    before: bytes = b"",
) -> bytes:
    """An offer of one audio stream, and of one video stream where ``video`` asks for it.

    Args:
        session_id, version: Numbers of ``o=``; the version rises by one whenever the description changes (§8).
        host, port: Advertised RTP address.
        codecs: Names from ``CODECS``, best first; unknown names and repeats are left out.
        direction: ``sendrecv``, ``sendonly`` (we hold), ``recvonly``, ``inactive``.
        telephone_events: Offer digits beside the sound (RFC 4733).
        protection: Optional protection is offered beside a profile that does not demand it (RFC 8643): a far end that
            knows nothing of it answers in the clear.
        before: Our last description of the same dialog: its streams stay in their places (§8), other ones at port 0.

    Raises:
        NoCommonCodec: ``codecs`` names none that we know.
        NotProtected: Protection is required, and keys may not be told.
    """
    rows = [CODECS[name] for name in dict.fromkeys(codecs) if name in CODECS]
    if not rows:
        raise NoCommonCodec("no codec to offer")
    events = [(TELEPHONE_EVENT_TYPES[clock], clock) for clock in dict.fromkeys(row.clock_rate for row in rows)]
    if not telephone_events:
        events = []
    attributes: list[Attribute] = []
    for row in rows:
        attributes += _codec_attributes(row, row.payload_type)
    for payload_type, clock in events:
        attributes += _event_attributes(payload_type, clock)
    if protection.policy == "required" and not protection.wanted:
        raise NotProtected("keys may not be told over this signalling")
    if protection.offers_dtls:
        attributes += [*dtls_lines(protection.fingerprint, "actpass"), ("rtcp-mux", None)]
    elif protection.sdes:
        attributes += offer_lines(protection)
    if protection.ice:
        attributes += ice_lines(ice_terms(protection.secret, protection.ice), host, port, protection.offers_dtls)
    attributes += [("ptime", str(ptime_ms)), (direction, None)]
    formats = [str(row.payload_type) for row in rows] + [str(payload_type) for payload_type, _ in events]
    media = [Media("audio", port, _offered_protocol(protection), formats, attributes=attributes)]
    if video is not None and may_offer(protection):
        media.append(offer_video(video, own_keys(protection)))
    return write(_description(session_id, version, host, _in_place(before, media), bool(protection.ice)))


def _offered_protocol(protection: Protection) -> str:
    if protection.policy != "required":
        return CLEAR[0]
    return OVER_DTLS[0] if protection.offers_dtls else PROTECTED[0]


def make_answer(
    offer: bytes,
    host: str,
    port: int,
    allowed_codecs: Sequence[str],
    *,
    session_id: int,
    version: int,
    direction: str = "sendrecv",
    protection: Protection = CLEAR_ONLY,
    video: VideoTerms | None = None,
) -> tuple[bytes, Negotiated]:
    """Answer an offer with the caller's best codec among ``allowed_codecs`` and, if offered, digits of its clock.

    Args:
        direction: The most we want; the answer never exceeds what the offer allows (§6.1).
        protection: Where it is optional, whatever keys are offered are taken.
        video: What we want of the first video stream that can be taken; ``None``: none is.

    Raises:
        BadSdp: The offer cannot be read.
        NoCommonCodec: No audio stream of it can be taken.
        NotProtected: Only for want of the protection that the offer, or we, demand.
    """
    offered = parse(offer)
    index, wire, codec, guard = _choose(offered, allowed_codecs, protection)
    stream = offered.media[index]
    event = _event_for(_formats(stream), codec.clock_rate)
    digits = None if event is None else event.payload_type
    ice = _ice(offered, stream, protection)
    remote = _remote(offered, stream, ice)
    send, listen = _mirror(offered.direction(stream), direction)
    agreed = NegotiatedCodec(codec.name, wire, wire, codec.clock_rate, _ptime(stream))
    pictures = None if video is None else _answer_video(offered, video, _beside(guard is not None, protection))
    taken = {index} if pictures is None else {index, pictures[0]}
    negotiated = Negotiated(
        remote=remote,
        codec=agreed,
        receive=(agreed,),
        dtmf_payload_type=digits,
        dtmf_receive_payload_type=digits,
        dtmf_clock_rate=_other_clock(event, codec),
        send=send and (remote is not None or ice is not None),
        listen=listen,
        refused=tuple(media.kind for i, media in enumerate(offered.media) if i not in taken and media.port),
        rtcp_port=_rtcp_port(stream),
        keys=agreed_keys(guard, protection) if isinstance(guard, CryptoLine) else None,
        dtls=guard if isinstance(guard, DtlsTerms) else None,
        ice=ice,
        video=pictures[2] if pictures is not None else None,
    )
    answer = _answer_stream(stream, port, codec, wire, event, _direction(send, listen), agreed.ptime_ms)
    if isinstance(guard, CryptoLine):
        answer.attributes.append(crypto_line(guard.tag, guard.suite, protection))
    elif guard is not None:
        answer.attributes += dtls_lines(protection.fingerprint, "active" if guard.active else "passive")
    if _muxed(stream):
        answer.attributes.append(("rtcp-mux", None))
    if ice is not None:
        answer.attributes += ice_lines(ice, host, port, _muxed(stream))
    media = [answer if i == index else _refused(other) for i, other in enumerate(offered.media)]
    if pictures is not None:
        media[pictures[0]] = pictures[1]
    return write(_description(session_id, version, host, media, ice is not None)), negotiated


def read_answer(our_offer: bytes, answer: bytes, protection: Protection = CLEAR_ONLY) -> Negotiated:
    """What the far end made of our offer, which was made with this ``protection``.

    Payload types are matched by name and clock, not by number: the far end may choose its own.

    Raises:
        BadSdp: The answer cannot be read or does not fit the offer.
        NoCommonCodec: It refused the stream or took no codec of ours.
        NotProtected: It took the stream without the protection that we, or it, demand.
    """
    offered = parse(our_offer)
    answered = parse(answer)
    if len(answered.media) < len(offered.media):
        raise BadSdp("the answer has fewer m= lines than the offer")
    at = next((i for i, media in enumerate(offered.media) if media.kind == "audio" and media.port), 0)
    ours, theirs = offered.media[at], answered.media[at]
    if theirs.kind != ours.kind or theirs.port == 0 or theirs.protocol not in PROTOCOLS:
        raise NoCommonCodec("the stream was refused")
    line = answered_line(ours, theirs) if protection.sdes else None
    dtls = taken_answer(answered, theirs) if protection.offers_dtls else None
    if line is None and dtls is None and (protection.policy == "required" or theirs.protocol not in CLEAR):
        raise NotProtected("the stream was taken without usable keys")
    mine = {(f.encoding, f.clock_rate): f.payload_type for f in _formats(ours)}
    formats = _formats(theirs)
    ptime = _ptime(theirs)
    receive = tuple(
        NegotiatedCodec(BY_RTPMAP[key].name, f.payload_type, mine[key], f.clock_rate, ptime)
        for f in formats
        if (key := (f.encoding, f.clock_rate)) in mine and key in BY_RTPMAP
    )
    if not receive:
        raise NoCommonCodec("no codec in common")
    codec = receive[0]
    event = _event_for([f for f in formats if (f.encoding, f.clock_rate) in mine], codec.clock_rate)
    ice = _ice(answered, theirs, protection) if protection.ice else None
    remote = _remote(answered, theirs, ice)
    send, listen = _mirror(answered.direction(theirs), offered.direction(ours))
    return Negotiated(
        remote=remote,
        codec=codec,
        receive=receive,
        dtmf_payload_type=None if event is None else event.payload_type,
        dtmf_receive_payload_type=None if event is None else mine[TELEPHONE_EVENT, event.clock_rate],
        dtmf_clock_rate=_other_clock(event, codec),
        send=send and (remote is not None or ice is not None),
        listen=listen,
        rtcp_port=_rtcp_port(theirs),
        keys=agreed_keys(line, protection) if line is not None else None,
        dtls=dtls,
        ice=ice,
        video=_answered_video(offered, answered, _beside(line is not None or dtls is not None, protection)),
    )


def video_offered(sdp: bytes) -> bool:
    """Whether a description has a live video stream. Raises ``BadSdp``."""
    return any(media.kind == "video" and media.port for media in parse(sdp).media)


def _beside(is_protected: bool, protection: Protection) -> Protection:
    """How pictures are protected: beside a protected sound they are, or there are none."""
    return own_keys(replace(protection, policy="required") if is_protected else protection)


def _in_place(before: bytes, streams: list[Media]) -> list[Media]:
    """The streams of an offer where they were in our last description; what has no place yet comes behind."""
    if not before:
        return streams
    waiting = list(streams)
    media = []
    for old in parse(before).media:
        # Of several of one kind the live one is ours.
        live = [other for other in parse(before).media if other.kind == old.kind and other.port]
        found = next((new for new in waiting if new.kind == old.kind and (old.port or not live)), None)
        if found is not None:
            waiting.remove(found)
        media.append(found if found is not None else _refused(old))
    return media + waiting


def _answer_video(
    offered: Description, terms: VideoTerms, protection: Protection
) -> tuple[int, Media, NegotiatedVideo] | None:
    """The first video stream that can be taken: its index, our answer to it, and what is agreed on."""
    for index, stream in enumerate(offered.media):
        chosen = takeable(stream, terms, protection)
        if chosen is None:
            continue
        form, key = chosen
        try:
            remote = _remote(offered, stream)
        except BadSdp:
            continue
        send, listen = _mirror(offered.direction(stream), terms.direction)
        answer = answer_stream(stream, terms, form, key, protection, _direction(send, listen))
        asked = feedback_of(stream)
        agreed = NegotiatedVideo(
            sent=form,
            received=form,
            remote=remote,
            send=send and remote is not None,
            listen=listen,
            rtcp_port=_rtcp_port(stream),
            keys=agreed_keys(key, protection) if key is not None else None,
            pli=asked.pli,
            fir=asked.fir,
            nack=asked.nack,
            limit_kbps=limit_of(stream),
        )
        return index, answer, agreed
    return None


def _answered_video(offered: Description, answered: Description, protection: Protection) -> NegotiatedVideo | None:
    """What became of the video stream of our offer; ``None``: there was none, or it was refused."""
    at = next((i for i, media in enumerate(offered.media) if media.kind == "video" and media.port), None)
    if at is None:
        return None
    ours, theirs = offered.media[at], answered.media[at]
    if (read := read_stream(ours, theirs, protection)) is None:
        return None
    try:
        remote = _remote(answered, theirs)
    except BadSdp:
        return None
    send, listen = _mirror(answered.direction(theirs), offered.direction(ours))
    asked = feedback_of(theirs)
    return NegotiatedVideo(
        sent=read[0],
        received=read[1],
        remote=remote,
        send=send and remote is not None,
        listen=listen,
        rtcp_port=_rtcp_port(theirs),
        keys=read[2],
        pli=asked.pli,
        fir=asked.fir,
        nack=asked.nack,
        limit_kbps=limit_of(theirs),
    )


def _choose(offered: Description, allowed: Sequence[str], protection: Protection) -> tuple[int, int, Codec, _Guard]:
    """The first audio stream that has a codec we may take, one that can be protected before one that cannot: its
    index, payload type and codec, in the caller's order, and its keys or how they come about."""
    usable = [(i, *found) for i, media in enumerate(offered.media) if (found := _codec(media, allowed)) is not None]
    if not usable:
        raise NoCommonCodec("no codec in common")
    if protection.wanted:
        for index, wire, codec in usable:
            if (guard := _guard(offered, offered.media[index], protection)) is not None:
                return index, wire, codec, guard
    for index, wire, codec in usable:
        if protection.policy != "required" and offered.media[index].protocol in CLEAR:
            return index, wire, codec, None
    raise NotProtected("the stream cannot be protected as demanded")


def _guard(offered: Description, media: Media, protection: Protection) -> _Guard:
    """How a stream is protected: by what its profile demands, and where that leaves a choice, as we prefer."""
    lines = crypto_lines(media) if protection.sdes and media.protocol not in OVER_DTLS else []
    dtls = answered_offer(offered, media, protection.active) if protection.dtls else None
    if lines and (dtls is None or protection.keying == "sdes"):
        return lines[0]
    return dtls


def _ice(description: Description, media: Media, protection: Protection) -> IceTerms | None:
    """ICE is run where the far end does."""
    remote = remote_ufrag(description, media)
    return ice_terms(protection.secret, remote) if remote and protection.secret else None


def _codec(media: Media, allowed: Sequence[str]) -> tuple[int, Codec] | None:
    """Payload type and codec to take a stream with."""
    if media.kind != "audio" or media.port == 0 or media.protocol not in PROTOCOLS:
        return None
    for wire in _formats(media):
        codec = BY_RTPMAP.get((wire.encoding, wire.clock_rate))
        if codec is not None and codec.name in allowed:
            return wire.payload_type, codec
    return None


def _muxed(media: Media) -> bool:
    return any(name == "rtcp-mux" for name, _ in media.attributes)


def _rtcp_port(media: Media) -> int | None:
    """Where RTCP goes if not to the next port: RFC 5761, RFC 3605. A port that cannot be is passed over."""
    if _muxed(media):
        return media.port
    text = (media.value("rtcp") or "").split(" ")[0]
    port = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    return port if 1024 <= port <= 65535 and port not in (media.port, media.port + 1) else None


def _formats(media: Media) -> tuple[_Format, ...]:
    """The stream's RTP formats in order, static payload types filled in (RFC 3551 §6)."""
    return _read_formats(tuple(media.formats), tuple(media.values("rtpmap")))


@lru_cache(maxsize=256)
def _read_formats(numbers: tuple[str, ...], maps: tuple[str, ...]) -> tuple[_Format, ...]:
    """Remembered, for the calls of one trunk or phone offer the same ones again and again."""
    mapped: dict[int, tuple[str, int]] = {}
    for value in maps:
        number, _, rest = value.partition(" ")
        encoding, _, clock = rest.strip().partition("/")
        clock = clock.partition("/")[0]
        payload_type, rate = _bounded(number, 127), _bounded(clock, 1_000_000)
        if not rate or not encoding:
            raise BadSdp("a=rtpmap is not payload type, name and clock")
        mapped[payload_type] = (encoding.lower(), rate)
    formats = []
    for text in numbers:
        payload_type = _bounded(text, 127)
        encoding, rate = mapped.get(payload_type) or STATIC.get(payload_type, ("", 0))
        formats.append(_Format(payload_type, encoding, rate))
    return tuple(formats)


def _bounded(text: str, highest: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > highest:
        raise BadSdp("a number in the description is missing or out of range")
    return int(text)


def _event_for(formats: Sequence[_Format], clock_rate: int) -> _Format | None:
    """Digits travel on the clock of the codec they accompany (RFC 4733 §2.1): phones may offer one row per clock.

    Some (baresip 1.0, Asterisk before 22) have the row of 8000 alone beside Opus, too, and tell durations in that.
    """
    events = [f for f in formats if f.encoding == TELEPHONE_EVENT]
    return next((f for clock in (clock_rate, 8000) for f in events if f.clock_rate == clock), None)


def _other_clock(event: _Format | None, codec: Codec | NegotiatedCodec) -> int | None:
    return None if event is None or event.clock_rate == codec.clock_rate else event.clock_rate


def _ptime(media: Media) -> int:
    wanted = media.value("ptime")
    highest = media.value("maxptime")
    ptime = _bounded(wanted, 1000) if wanted is not None else 20
    limit = _bounded(highest, 1000) if highest is not None else PACKET_TIMES_MS[-1]
    if ptime not in PACKET_TIMES_MS:
        ptime = 20
    return max((time for time in PACKET_TIMES_MS if time <= min(ptime, limit)), default=PACKET_TIMES_MS[0])


def _remote(description: Description, media: Media, ice: IceTerms | None = None) -> tuple[str, int] | None:
    """Where the writer wants its media; ``None`` for the old way to hold (RFC 3264 §8.4), and where ICE is to find out:
    then what stands here may be nothing yet (RFC 8840 §4.1.1)."""
    text = description.address(media)
    if text is None:
        raise BadSdp("no c= line")
    host = _unicast(text)
    if host is None or (ice is not None and media.port < 1024):
        return None
    if media.port < 1024:
        raise BadSdp("m= does not name a port media can be sent to")
    return host, media.port


@lru_cache(maxsize=1024)
def _unicast(text: str) -> str | None:
    """An address media can be sent to, ``None`` for the unspecified one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise BadSdp("c= is not an IP address") from error
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified:
        return None
    if address.is_multicast or text == "255.255.255.255":
        raise BadSdp("c= does not name an address media can be sent to")
    return str(address)


def _mirror(theirs: str, ours: str) -> tuple[bool, bool]:
    """(we send, we listen) from both sides' directions, each as its writer sees it (§6.1)."""
    send = theirs in ("sendrecv", "recvonly") and ours in ("sendrecv", "sendonly")
    listen = theirs in ("sendrecv", "sendonly") and ours in ("sendrecv", "recvonly")
    return send, listen


def _direction(send: bool, listen: bool) -> str:
    return {(True, True): "sendrecv", (True, False): "sendonly", (False, True): "recvonly"}.get(
        (send, listen), "inactive"
    )


def _answer_stream(
    offered: Media, port: int, codec: Codec, wire: int, event: _Format | None, direction: str, ptime_ms: int
) -> Media:
    """§6.1: the payload types of the offer are used again, so that both ways look alike in a trace."""
    attributes = _codec_attributes(codec, wire)
    formats = [str(wire)]
    if event is not None:
        formats.append(str(event.payload_type))
        attributes += _event_attributes(event.payload_type, event.clock_rate)
    attributes += [("ptime", str(ptime_ms)), (direction, None)]
    if (mid := offered.value("mid")) is not None:
        attributes.append(("mid", mid))
    return Media("audio", port, offered.protocol, formats, attributes=attributes)


def _refused(offered: Media) -> Media:
    """§6: same kind, protocol and at least one format, port 0."""
    return Media(offered.kind, 0, offered.protocol, offered.formats[:1])


def _codec_attributes(codec: Codec, payload_type: int) -> list[Attribute]:
    attributes: list[Attribute] = [("rtpmap", codec.rtpmap(payload_type))]
    if codec.parameters is not None:
        attributes.append(("fmtp", f"{payload_type} {codec.parameters}"))
    return attributes


def _event_attributes(payload_type: int, clock_rate: int) -> list[Attribute]:
    return [
        ("rtpmap", f"{payload_type} {TELEPHONE_EVENT}/{clock_rate}"),
        ("fmtp", f"{payload_type} {TELEPHONE_EVENTS}"),
    ]


def _description(session_id: int, version: int, host: str, media: list[Media], lite: bool = False) -> Description:
    origin = f"- {session_id} {version} IN {address_type(host)} {host}"
    attributes: list[Attribute] = [("ice-lite", None)] if lite else []
    return Description(origin=origin, connection=host, attributes=attributes, media=media)
