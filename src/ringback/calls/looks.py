"""What a diagnosis looks at: a call's media as it was agreed on, its counters at two moments, and who else is there."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from ringback.calls.ports.streams import PhoneMedia, PhoneVideo
from ringback.model.end_reason import EndReason
from ringback.model.participant import Holder
from ringback.model.records import CallState
from ringback.model.values import dataclass

Stats = Mapping[str, float | int | str]


class Kind(StrEnum):
    """How somebody in the room is connected."""

    WEBRTC = "webrtc"
    PHONE = "phone"
    INSIDE = "inside"


@dataclass(frozen=True, slots=True)
class Counted:
    """Counters of one leg, or of the engine, before and now. What was not known before counts from nothing."""

    before: Stats = field(default_factory=dict)
    now: Stats = field(default_factory=dict)

    def since(self, name: str) -> float:
        """How much was added meanwhile."""
        return max(0.0, _number(self.now.get(name)) - _number(self.before.get(name)))

    def total(self, name: str) -> float:
        return _number(self.now.get(name))

    def text(self, name: str) -> str:
        value = self.now.get(name)
        return value if isinstance(value, str) else ""

    def share(self, part: str, *rest: str) -> float:
        """What part of all was ``part``, 0 to 1."""
        whole = self.since(part) + sum(self.since(name) for name in rest)
        return self.since(part) / whole if whole else 0.0

    @property
    def frames(self) -> float:
        """Frames of sound whose loudness is known."""
        return self.since("frames_speech") + self.since("frames_quiet") + self.since("frames_silent")


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


@dataclass(frozen=True, slots=True)
class Other:
    """Somebody else in the room.

    Attributes:
        name: As shown, or its id.
        here: Whether its connection to us stands (a lost one is kept a while).
        sends: Whether it has a microphone track.
        microphone: ``playable``, ``off`` or ``blocked``, as it says of its microphone.
        muted: Whether the server keeps its sound from everybody.
        may_send: Whether its permissions let it speak.
        held: Whether it is on hold.
        heard: Whether the call may hear it.
        hears: Whether it takes the call's sound.
        may_hear: Whether its permissions let it.
    """

    name: str
    kind: Kind
    counted: Counted = Counted()
    here: bool = True
    sends: bool = True
    microphone: str = "playable"
    muted: bool = False
    may_send: bool = True
    held: bool = False
    heard: bool = True
    hears: bool = True
    may_hear: bool = True


@dataclass(frozen=True, slots=True)
class Looking:
    """What is known of a call's pictures, where they were wanted.

    Attributes:
        media: As agreed on; ``None``: there are none.
        has_port: Whether there is an RTP port for them.
        codecs: Those that we offer or take.
        may_send: Whether its permissions let the room see it.
        cameras: Who else in the room has a camera or a screen on.
        seen: Those of them whom the call may see.
    """

    media: PhoneVideo | None = None
    has_port: bool = True
    codecs: tuple[str, ...] = ()
    may_send: bool = True
    cameras: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """What a call's row says of its pictures besides counters, where they were wanted.

    Attributes:
        agreed: Their codec; ``none``, or ``no-port``.
        sent, listened: Whether it was ever agreed on that we send, and that we take them.
        fps: Pictures in a second that were agreed on; 0 where that is not known.
        stopped: Seconds between its last picture and its end, where it was to send some then.
    """

    agreed: str
    sent: bool = True
    listened: bool = True
    fps: int = 0
    stopped: float | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """A call at the moment of the second look.

    Attributes:
        seconds: Between the two looks.
        talked: Seconds since it was answered.
        has_port: Whether it has an RTP port.
        media: As agreed on; ``None`` before.
        sdp: Address of its RTP in its own description, ``host:port``; empty for none.
        unacknowledged: Whether the far end still owes an ACK to our answer.
        told: Host that we said we are at.
        others: Everybody else; ``None`` when that is not known any more.
        muted, may_send: As of ``Other``, of the call itself.
        pictures: ``None``: it was to have none.
        seen: The same of a call that is over.
    """

    state: CallState
    seconds: float
    talked: float = 0.0
    has_port: bool = True
    media: PhoneMedia | None = None
    sdp: str = ""
    unacknowledged: bool = False
    told: str = ""
    held_by: frozenset[Holder] = frozenset()
    muted: bool = False
    may_send: bool = True
    others: tuple[Other, ...] | None = None
    end: EndReason | None = None
    pictures: Looking | None = None
    seen: Ended | None = None
