"""Which codecs a call offers and takes, and what the media side is told of an agreement."""

from collections.abc import Sequence

from ringback.calls.ports.streams import PhoneCodec, PhoneCrypto, PhoneDtls, PhoneIce, PhoneMedia
from ringback.sdp.crypto import Keys
from ringback.sdp.negotiation import Negotiated, NegotiatedCodec

EVERY = ("PCMU", "PCMA", "OPUS", "G722")
DIAL_IN_DEFAULT = ("OPUS", "G722", "PCMU", "PCMA")
DIAL_OUT_DEFAULT = ("PCMU", "PCMA")


def offered(requested: Sequence[str]) -> tuple[str, ...]:
    """What a dial-out offers: the requested codecs first and the others after them; without a request the two that
    every telephone has."""
    if not requested:
        return DIAL_OUT_DEFAULT
    return tuple(dict.fromkeys([*requested, *EVERY]))


def narrowed(codecs: Sequence[str], trunk: Sequence[str]) -> tuple[str, ...]:
    """What of a call's codecs a trunk takes, in the trunk's order; the trunk's own when they have none in common."""
    if not trunk:
        return tuple(codecs)
    return tuple(name for name in trunk if name in codecs) or tuple(trunk)


def accepted(room: Sequence[str]) -> tuple[str, ...]:
    """What a dial-in may use: what the room names, with all others behind, since falling back beats refusing."""
    return tuple(dict.fromkeys([*room, *DIAL_IN_DEFAULT]))


def phone_media(agreed: Negotiated) -> PhoneMedia:
    return PhoneMedia(
        remote=agreed.remote,
        codec=_codec(agreed.codec),
        receive=tuple(_codec(codec) for codec in agreed.receive),
        dtmf_payload_type=agreed.dtmf_payload_type,
        dtmf_receive_payload_type=agreed.dtmf_receive_payload_type,
        dtmf_clock_rate=agreed.dtmf_clock_rate,
        send=agreed.send,
        listen=agreed.listen,
        rtcp_port=agreed.rtcp_port,
        crypto=_crypto(agreed),
        ice=None if agreed.ice is None else PhoneIce(agreed.ice.ufrag, agreed.ice.password, agreed.ice.remote_ufrag),
    )


def _crypto(agreed: Negotiated) -> PhoneCrypto | PhoneDtls | None:
    if (keys := agreed.keys) is not None:
        return phone_crypto(keys)
    return None if agreed.dtls is None else PhoneDtls(agreed.dtls.fingerprints, agreed.dtls.active)


def phone_crypto(keys: Keys) -> PhoneCrypto:
    return PhoneCrypto(keys.suite, keys.send_key, keys.receive_key, keys.receive_mki)


def _codec(codec: NegotiatedCodec) -> PhoneCodec:
    return PhoneCodec(codec.name, codec.payload_type, codec.receive_payload_type, codec.clock_rate, codec.ptime_ms)
