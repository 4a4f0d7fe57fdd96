"""The pictures of one call: what is offered for them, what was agreed on, and what the media side is told of it."""

from ringback.calls.codecs import phone_crypto
from ringback.calls.ports.streams import PhoneMedia, PhoneVideo
from ringback.model.values import replace
from ringback.model.video import VideoSettings
from ringback.sdp.video import CODECS, NegotiatedVideo, VideoTerms

NONE_TAKEN = "the far end takes no video that we have: the call goes on with audio only"
NO_PORT = "no port is free for video: the call goes on with audio only"


LARGEST = 1920
"""Pixels across or down of a picture that is made."""
FASTEST = 60


class Pictures:
    """What a call knows of its pictures. Pure, like the call itself.

    Attributes:
        settings: What is wanted; ``None``: no pictures.
        port: Our RTP port for them; ``None``: none is open, so there are none.
        agreed: What the last offer and answer agreed on.
        media: What the media side was told last.
        refused: Whether somebody was told that there are none.
    """

    def __init__(self, settings: VideoSettings | None = None) -> None:
        self.settings = settings
        self.port: int | None = None
        self.agreed: NegotiatedVideo | None = None
        self.media: PhoneVideo | None = None
        self.refused = False

    def terms(self, held: bool, offer: bool) -> VideoTerms | None:
        """What an offer or answer of ours says of them; ``None``: nothing, or that there are none.

        What holds is offered again as it is: a payload type keeps its meaning for a call's life (RFC 3264 §8.3.2).
        """
        if self.settings is None or self.port is None:
            return None
        wanted = self.settings
        return VideoTerms(
            self.port,
            tuple(dict.fromkeys([*wanted.codecs, *CODECS])),
            wanted.bitrate_kbps,
            wanted.fps,
            "inactive" if held else "sendrecv",
            self.agreed.received if offer and self.agreed is not None else None,
        )

    def agree(self, agreed: NegotiatedVideo | None, sound: PhoneMedia, *, hold_fire: bool, trusted: bool) -> bool:
        """Take what was agreed on; the rest is as of the sound beside it. ``False``: nothing is to be done."""
        if self.port is None or self.settings is None:
            return False
        had, self.agreed = self.media is not None, agreed
        if agreed is None:
            self.media = None
            return had
        limit = min(self.settings.bitrate_kbps, agreed.limit_kbps or self.settings.bitrate_kbps)
        self.media = PhoneVideo(
            remote=agreed.remote,
            codec=agreed.sent.name,
            mode=agreed.sent.mode,
            payload_type=agreed.sent.payload_type,
            receive_payload_type=agreed.received.payload_type,
            send=agreed.send,
            listen=agreed.listen and sound.listen,
            trusted=trusted,
            signalling_host=sound.signalling_host,
            hold_fire=hold_fire,
            rtcp_port=agreed.rtcp_port,
            networks=sound.networks,
            crypto=None if agreed.keys is None else phone_crypto(agreed.keys),
            pli=agreed.pli,
            fir=agreed.fir,
            nack=agreed.nack,
            bitrate_bps=limit * 1000,
            width=min(self.settings.width, LARGEST) & ~1,
            height=min(self.settings.height, LARGEST) & ~1,
            fps=min(self.settings.fps, FASTEST),
        )
        return True

    def running(self, silent: bool) -> PhoneVideo | None:
        """What the media side is told; ``silent``: send nothing yet."""
        return replace(self.media, send=False) if silent and self.media is not None else self.media

    @property
    def shown(self) -> bool:
        """Whether the room sees the far end."""
        return self.media is not None and self.media.listen

    @property
    def codec(self) -> str:
        return self.agreed.sent.name if self.agreed is not None else ""

    def warning(self) -> str:
        """What is to be said, once, of pictures that were wanted; empty: nothing."""
        if self.settings is None or self.refused:
            return ""
        if self.agreed is not None and self.port is not None:
            return ""
        self.refused = True
        return NO_PORT if self.port is None else NONE_TAKEN
