"""Who is in the room, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PHONES = ("sip-dial-in", "sip-dial-out", "pstn-dial-in", "pstn-dial-out")
"""Kinds of participants that are telephones."""


@dataclass(frozen=True, slots=True)
class Participant:
    """Someone or something in the room.

    Attributes:
        id: Its session id; for a telephone also the id of its call.
        kind: One of ``PHONES``; empty for browsers and bots.
        call_state: ``ringing`` or ``answered`` for a telephone, else empty.
        tracks: Its track names and their states (``off``, ``blocked``, ``playable``).
        raw: Everything the server says, as docs/signalling.md has it.
    """

    id: str
    user_name: str = ""
    user_id: str = ""
    owner: bool = False
    kind: str = ""
    call_state: str = ""
    on_hold: bool = False
    tracks: Mapping[str, str] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_phone(self) -> bool:
        return self.kind in PHONES

    @property
    def audio_generation(self) -> int | None:
        """Which stream its microphone is; ``None`` while it has none."""
        track = self.raw.get("tracks", {}).get("audio", {})
        return int(track.get("generation", 0)) if track.get("state") == "playable" else None


def read_participant(raw: Mapping[str, Any]) -> Participant:
    """A participant from the server's words."""
    return Participant(
        id=str(raw.get("session_id", "")),
        user_name=str(raw.get("user_name") or ""),
        user_id=str(raw.get("user_id") or ""),
        owner=bool(raw.get("owner")),
        kind=str(raw.get("participantType") or ""),
        call_state=str(raw.get("callState") or ""),
        on_hold=bool(raw.get("onHold")),
        tracks={name: str(track.get("state", "off")) for name, track in raw.get("tracks", {}).items()},
        raw=raw,
    )
