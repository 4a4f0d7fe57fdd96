"""How the streams of a phone leg run, after an offer/answer: values that the media side is handed."""

from dataclasses import field

from ringback.model.values import dataclass


@dataclass(frozen=True, slots=True)
class PhoneCodec:
    """A codec on the phone's wire.

    Attributes:
        name: ``PCMU``, ``PCMA``, ``G722``, ``OPUS``.
        payload_type: RTP payload type we send with.
        receive_payload_type: Payload type the far end sends with (they may differ).
        clock_rate: RTP clock (G.722: 8000, though sampled at 16000; RFC 3551 §4.5.2).
        ptime_ms: Packet time we send.
    """

    name: str
    payload_type: int
    receive_payload_type: int
    clock_rate: int
    ptime_ms: int = 20


@dataclass(frozen=True, slots=True)
class PhoneCrypto:
    """Keys of a protected stream, agreed in SDP (RFC 4568). A side whose key stays keeps its packet count (ROC).

    Attributes:
        suite: As in ``a=crypto``: a name of ``sdp.crypto.SUITES``.
        send_key, receive_key: Master key and salt of each direction, in one, as long as the suite says. Never shown.
        receive_mki: Master key identifier that each packet of the far end carries, usually empty.
    """

    suite: str
    send_key: bytes = field(repr=False)
    receive_key: bytes = field(repr=False)
    receive_mki: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class PhoneDtls:
    """Keys that are agreed on over the leg's own port (RFC 5764), and stay while neither certificate nor role changes.

    Attributes:
        fingerprints: Hash (``sha-256`` …) and digest of the far end's certificate; one that fits is enough.
        active: We begin.
    """

    fingerprints: tuple[tuple[str, bytes], ...]
    active: bool


@dataclass(frozen=True, slots=True)
class PhoneIce:
    """ICE with a far end that offered it: it checks our address, and names its own (RFC 8445 "lite").

    Attributes:
        ufrag, password: Ours. Never shown.
        remote_ufrag: The far end's.
    """

    ufrag: str
    password: str = field(repr=False)
    remote_ufrag: str


@dataclass(frozen=True, slots=True)
class PhonePolish:
    """What a phone's sound goes through before anybody hears it; it is encoded anew for all then.

    Attributes:
        echo: What it returns of what it is sent is kept back.
        noise: Noise is taken out of its speech (RNNoise).
        gain: It is brought to one loudness with others, slowly.
    """

    echo: bool = False
    noise: bool = False
    gain: bool = False


@dataclass(frozen=True, slots=True)
class PhoneMedia:
    """How a phone leg's stream runs, after an offer/answer.

    Attributes:
        remote: RTP address to send to; ``None`` while unknown or on hold by 0.0.0.0.
        codec: What we send, and prefer to receive.
        receive: Every codec (by payload type) the far end may send without asking again.
        dtmf_payload_type: telephone-event payload type towards the far end, if negotiated (RFC 4733).
        dtmf_receive_payload_type: telephone-event payload type the far end sends with.
        dtmf_clock_rate: Clock in which the durations of its events and ours are told; ``None``: the codec's.
        dtmf_tones: Keys that we press are tones in what we say.
        dtmf_detect: Keys are looked for in what is heard, where no ``dtmf_receive_payload_type`` is agreed on.
        send, listen: Direction as seen from us, for hold.
        trusted: The far end is known, or we called it: it is sent everything before it has sent anything itself
            (others at most 50 packets in 2 s, so that nobody can be flooded through us).
        signalling_host: IP address the far end signals from, empty when unknown: RTP from there counts however late it
            begins, as with a phone behind a NAT whose SDP names an address that nobody else can reach.
        hold_fire: ``remote`` is no address to send to on the far end's word: nothing is sent before it has been heard.
        rtcp_port: Port of the far end's RTCP when it is not the one above its RTP; RTP's own: one port for both (mux).
        networks: Networks (CIDR) that a trunk's media may come from, other than where it signals from.
        crypto: Keys of SRTP and SRTCP, or how they come about; ``None``: the stream is in the clear. Otherwise nothing
            is sent or taken without protection.
        ice: The far end finds out itself where it reaches us and where we are to send.
        polish: What its sound goes through.
    """

    remote: tuple[str, int] | None
    codec: PhoneCodec
    receive: tuple[PhoneCodec, ...] = ()
    dtmf_payload_type: int | None = None
    dtmf_receive_payload_type: int | None = None
    dtmf_clock_rate: int | None = None
    dtmf_tones: bool = False
    dtmf_detect: bool = False
    send: bool = True
    listen: bool = True
    trusted: bool = False
    signalling_host: str = ""
    hold_fire: bool = False
    rtcp_port: int | None = None
    networks: tuple[str, ...] = ()
    crypto: PhoneCrypto | PhoneDtls | None = None
    ice: PhoneIce | None = None
    polish: PhonePolish = PhonePolish()


@dataclass(frozen=True, slots=True)
class PhoneVideo:
    """How a phone leg's pictures run, after an offer/answer.

    Attributes:
        remote, send, listen, trusted, signalling_host, hold_fire, rtcp_port, networks, crypto: As of ``PhoneMedia``.
        codec: ``VP8`` or ``H264``, both ways.
        mode: H.264's packetization-mode.
        pli, fir: Which RTCP the far end takes to be asked for a whole picture; neither: it is asked by INFO.
        nack: Lost packets are asked for and sent again, both ways.
        bitrate_bps: The most it is sent.
        width, height, fps: Of a picture that is made for it because none can be passed on; even.
    """

    remote: tuple[str, int] | None
    codec: str
    payload_type: int
    receive_payload_type: int
    mode: int = 0
    send: bool = True
    listen: bool = True
    trusted: bool = False
    signalling_host: str = ""
    hold_fire: bool = False
    rtcp_port: int | None = None
    networks: tuple[str, ...] = ()
    crypto: PhoneCrypto | None = None
    pli: bool = False
    fir: bool = False
    nack: bool = False
    bitrate_bps: int = 900_000
    width: int = 1280
    height: int = 720
    fps: int = 15
