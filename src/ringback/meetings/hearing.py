"""Who hears and sees whom, worked out from permissions: sources of a telephone's mix, subscriptions of a client."""

from collections.abc import Iterable, Mapping

from ringback.meetings.permissions import hears_everybody, may_receive, may_send
from ringback.model.ids import ParticipantId
from ringback.model.participant import TRACKS, Holder, Participant

PICTURES = ("video", "screenVideo")
"""Tracks that can be seen."""

Subscriptions = Mapping[str, tuple[ParticipantId, str]]


def sources(listener: Participant, everybody: Iterable[Participant]) -> frozenset[ParticipantId] | None:
    """Whose audio a telephone hears; ``None`` for everybody else, which is the rule and costs nothing to keep up.

    One that the room has put on hold hears nobody.
    """
    if Holder.ROOM in listener.held_by:
        return frozenset()
    if hears_everybody(listener.permissions):
        return None
    return frozenset(
        other.id for other in everybody if other.id != listener.id and may_receive(listener.permissions, other, "audio")
    )


def watchable(viewer: Participant, everybody: Iterable[Participant]) -> frozenset[tuple[ParticipantId, str]] | None:
    """Whose cameras and screens a telephone may be shown; ``None`` for everybody's, as with sound."""
    if Holder.ROOM in viewer.held_by:
        return frozenset()
    if hears_everybody(viewer.permissions):
        return None
    others = [other for other in everybody if other.id != viewer.id]
    return frozenset(
        (other.id, track) for other in others for track in PICTURES if may_receive(viewer.permissions, other, track)
    )


def allowed(
    listener: Participant, wanted: Subscriptions, participants: Mapping[ParticipantId, Participant]
) -> tuple[dict[str, tuple[ParticipantId, str]], dict[str, str]]:
    """Split what a client wants to receive into what it gets and, by mid, why not."""
    granted: dict[str, tuple[ParticipantId, str]] = {}
    refused: dict[str, str] = {}
    for mid, (source, track) in wanted.items():
        other = participants.get(source)
        if other is None or other.hidden or source == listener.id:
            refused[mid] = "no-such-participant"
        elif track not in TRACKS:
            refused[mid] = "no-such-track"
        elif not may_receive(listener.permissions, other, track):
            refused[mid] = "not-allowed"
        else:
            granted[mid] = (source, track)
    return granted, refused


def publishable(
    sender: Participant, send: Mapping[str, str], screenshare: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """Split what a client wants to send (mid → track) into what it may and, by mid, why not."""
    granted: dict[str, str] = {}
    refused: dict[str, str] = {}
    for mid, track in send.items():
        if track not in TRACKS:
            refused[mid] = "no-such-track"
        elif not may_send(sender.permissions, track) or (track.startswith("screen") and not screenshare):
            refused[mid] = "not-allowed"
        elif track in granted.values():
            refused[mid] = "already-sent"
        else:
            granted[mid] = track
    return granted, refused
