"""What the media side reported, kept for tests to look at."""

from dataclasses import dataclass, field

from ringback.model.events import LayerLimit
from ringback.model.ids import MeetingId, ParticipantId
from ringback.model.participant import Seen


@dataclass
class Seen:
    """A ``MediaEvents`` that remembers: each list in order of arrival."""

    states: list[tuple[str, str]] = field(default_factory=list)
    started: list[tuple[str, str]] = field(default_factory=list)
    digits: list[tuple[str, str, int]] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    speakers: list[tuple[str, str]] = field(default_factory=list)
    played_out: list[tuple[str, str]] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    unprotected: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    seen: list[tuple[str, Seen | None]] = field(default_factory=list)

    def webrtc_state(self, leg: ParticipantId, state: str) -> None:
        self.states.append((leg, state))

    def media_started(self, leg: ParticipantId, track: str) -> None:
        self.started.append((leg, track))

    def digit(
        self, leg: ParticipantId, digit: str, duration_ms: int, volume: int, method: str = "telephone-event"
    ) -> None:
        self.digits.append((leg, digit, duration_ms))
        self.methods.append(method)

    def played(self, leg: ParticipantId, sound_id: str) -> None:
        self.played_out.append((leg, sound_id))

    def active_speaker(self, meeting: MeetingId, leg: ParticipantId) -> None:
        self.speakers.append((meeting, leg))

    def picture_lost(self, leg: ParticipantId) -> None: ...

    def pictures_shown(self, leg: ParticipantId, seen: Seen | None, way: str = "") -> None:
        self.seen.append((leg, seen))

    def encoding_asked(self, leg: ParticipantId, track: str, layers: tuple[LayerLimit, ...]) -> None: ...

    def leg_silent(self, leg: ParticipantId) -> None:
        self.silent.append(leg)

    def leg_unprotected(self, leg: ParticipantId, reason: str) -> None:
        self.unprotected.append((leg, reason))

    def leg_failed(self, leg: ParticipantId, reason: str) -> None:
        self.failed.append((leg, reason))
