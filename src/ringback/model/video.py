"""What is wanted of a telephone's pictures."""

from ringback.model.values import dataclass


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """Size, rate and codecs of what a telephone is sent (wire: ``videoSettings``, ``codecs.video``).

    Attributes:
        width, height: In pixels, the most.
        fps: Frames in a second, the most.
        bitrate_kbps: The most.
        codecs: ``VP8``, ``H264``, best first; empty: both, VP8 before, as browsers send it.
    """

    width: int = 1280
    height: int = 720
    fps: int = 15
    bitrate_kbps: int = 900
    codecs: tuple[str, ...] = ()
