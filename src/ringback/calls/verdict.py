"""One cause of silence or of bad sound, and the words that causes share."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from enum import StrEnum

from ringback.calls.looks import Counted, Kind, Other, Situation
from ringback.model.values import dataclass


class Whose(StrEnum):
    """Who can do something about it. Values are shown and never renamed."""

    NOBODY = "nobody"
    FAR_END = "far-end"
    NETWORK = "network"
    SERVER = "server"
    PARTICIPANT = "participant"
    APPLICATION = "application"


class Way(StrEnum):
    """Which way sound does not go, or goes badly."""

    IN = "in"
    OUT = "out"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One cause.

    Attributes:
        code: What it is; never renamed.
        words: One sentence.
        to_do: What to do about it; empty where nothing is to be done.
        evidence: The numbers and addresses that say so, JSON-ready.
        silent: Whether it means no sound at all, rather than bad sound.
    """

    code: str
    words: str
    whose: Whose
    way: Way
    to_do: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)
    silent: bool = True


Rule = Callable[[Counted, Situation], Iterator[Verdict]]
"""Looks for one cause."""

HEAVY_LOSS = 0.05
LATE_SHARE = 0.05
FEW = 5
"""Packets or frames below which nothing is concluded."""


def not_connected(other: Other, way: Way) -> Verdict:
    state = other.counted.text("webrtc") or "no connection"
    return Verdict(
        "participant-not-connected", f"{other.name} has no media connection (ICE is {state}).", Whose.NETWORK, way,
        "Its network lets no UDP or TCP through to RINGBACK_MEDIA__UDP_PORT, or RINGBACK_MEDIA__PUBLIC_ADDRESS is "
        "wrong for it.", {"participant": other.name, "webrtc": state},
    )  # fmt: skip


def is_connected(other: Other) -> bool:
    return other.here and (other.kind is not Kind.WEBRTC or other.counted.text("webrtc") == "connected")


def address(situation: Situation) -> str:
    return situation.sdp or "no address"


def names(others: tuple[Other, ...]) -> list[str]:
    return [other.name for other in others][:20]
