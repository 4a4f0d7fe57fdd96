"""What happened to the pictures of one call, noted for whoever asks later: steps of its timeline, and a summary."""

from ringback.calls.ports.streams import PhoneVideo
from ringback.calls.timeline import Timeline
from ringback.model.instant import Instant

MOST_WAYS = 20
"""Changes of how a phone is given pictures that are steps of the timeline; more are only counted."""

WAYS = {"forward": "forwarded", "make": "composed", "none": "off"}
"""What the media side calls a way, and what people are told; of any other word there is no picture, and it says why."""

DIRECTIONS = {(True, True): "sendrecv", (True, False): "sendonly", (False, True): "recvonly"}
"""(We send, we listen) as SDP says it."""


STEPS = frozenset(
    {
        "video-added",
        "video-removed",
        "video-held",
        "video-resumed",
        "first-picture-in",
        "first-picture-out",
        "video-way",
    }
)
"""Names of steps of pictures; never renamed."""


class PictureNotes:
    """Of one call.

    Steps are named ``video-added``, ``video-removed``, ``video-held``, ``video-resumed``, ``first-picture-in``,
    ``first-picture-out`` and ``video-way``, whose ``way`` is ``forwarded``, ``composed``, ``none`` with a ``why``
    (``nobody``: nobody has a picture; ``waiting``: for a key frame; ``no-maker``, ``maker-down``), or ``off``.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._runs = False
        self._held = False
        self._direction = (False, False)
        self._widest = (False, False)
        self._media: PhoneVideo | None = None
        self._way = "none"
        self._ways = 0
        self._first_in = self._first_out = False
        self.asked_by_info = 0
        self.wanted_by_info = 0

    def agreed(self, media: PhoneVideo | None, now: Instant) -> None:
        """This was agreed on; ``None``: there are none (any more)."""
        runs = media is not None
        if media is None:
            if self._runs:
                self._timeline.note("video-removed", now)
            self._runs = self._held = False
            self._direction = (False, False)
            return
        self._media = media
        self._direction = (media.send and media.remote is not None, media.listen)
        self._widest = (self._widest[0] or self._direction[0], self._widest[1] or self._direction[1])
        if not self._runs:
            self._timeline.note("video-added", now, codec=media.codec, direction=_words(self._direction))
        held = not any(self._direction)
        if self._runs and held is not self._held:
            details = {} if held else {"direction": _words(self._direction)}
            self._timeline.note("video-held" if held else "video-resumed", now, **details)
        self._runs, self._held = runs, held

    def came(self, now: Instant) -> None:
        """A picture of the far end arrived, perhaps the first one."""
        if not self._first_in:
            self._first_in = True
            self._timeline.note("first-picture-in", now)

    def shown(self, way: str, now: Instant) -> None:
        """The far end is given pictures in this way from now on, as the media side calls it."""
        if not way or way == self._way:
            return
        self._way = way
        self._ways += 1
        if way in ("forward", "make") and not self._first_out:
            self._first_out = True
            self._timeline.note("first-picture-out", now)
        if self._ways <= MOST_WAYS:
            details = {"way": WAYS[way]} if way in WAYS else {"way": "none", "why": way}
            self._timeline.note("video-way", now, **details)

    def summary(self, has_port: bool) -> dict[str, object]:
        """What ``CallRecord.sound`` says of pictures besides the counters of the media side.

        Args:
            has_port: Whether there was a port for them.
        """
        if self._media is None:
            return {"video_agreed": "none" if has_port else "no-port"}
        media = self._media
        remote = {} if media.remote is None else {"video_sdp_address": f"{media.remote[0]}:{media.remote[1]}"}
        return {
            "video_agreed": media.codec,
            "video_direction": _words(self._widest),
            "video_at_the_end": _words(self._direction) if self._runs else "removed",
            "video_limits": f"{media.width}x{media.height}",
            "video_fps": media.fps,
            "video_kbps": media.bitrate_bps // 1000,
            "video_way_changes": self._ways,
            "video_key_frames_asked_by_info": self.asked_by_info,
            "video_key_frames_wanted_by_info": self.wanted_by_info,
            **remote,
        }


def _words(direction: tuple[bool, bool]) -> str:
    return DIRECTIONS.get(direction, "inactive")
