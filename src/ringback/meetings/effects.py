"""What a meeting or a call wants done. Pure parts return these; the actor commits rows first, then acts on the outside.

Three kinds: rows and events (committed together), messages between the meeting and its calls (handled at once), and
``Outside`` effects, each of which knows the verb it stands for.
"""

from collections.abc import Mapping
from typing import Protocol

from ringback.calls.ports.streams import PhoneMedia, PhoneVideo
from ringback.meetings.ports import Message, World
from ringback.model.end_reason import EndReason
from ringback.model.events import Event
from ringback.model.ids import CallId, MeetingId, ParticipantId
from ringback.model.instant import Instant
from ringback.model.participant import Holder, Participant, PhoneState
from ringback.model.records import Row
from ringback.model.sound import Sound
from ringback.model.tones import Tone
from ringback.model.values import dataclass


class Effect:
    """Something to be done."""

    __slots__ = ()


# ── rows and events ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Tell(Effect):
    """Tell an event to ``to`` (``None``: everybody in the meeting) except ``but``."""

    event: Event
    to: tuple[ParticipantId, ...] | None = None
    but: ParticipantId | None = None


@dataclass(frozen=True, slots=True)
class Save(Effect):
    """Write a row."""

    row: Row


# ── between a meeting and its calls ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class HangUp(Effect):
    """Meeting to call: end, for this reason."""

    call: CallId
    reason: EndReason


@dataclass(frozen=True, slots=True)
class PhoneJoins(Effect):
    """Call to meeting: the far end is a participant from now on."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class PhoneChanges(Effect):
    """Call to meeting: the call was answered, held or resumed, or its pictures came or went; ``None`` for what stays as
    it is."""

    call: CallId
    phone_state: PhoneState | None = None
    held_by: frozenset[Holder] | None = None
    video: bool | None = None


@dataclass(frozen=True, slots=True)
class CallEnds(Effect):
    """Call to meeting: the call no longer exists; its participant, if it has one, leaves."""

    call: CallId


@dataclass(frozen=True, slots=True)
class MeetingEnds(Effect):
    """Meeting to actor: everybody is gone; take it from the register."""


# ── on the outside ───────────────────────────────────────────────────────────────────────────────────────────────────


class Outside(Effect):
    """Done after the commit."""

    __slots__ = ()

    @property
    def needs_row(self) -> CallId | None:
        """The call that must not go on when its row could not be written."""
        return None

    def apply(self, world: World) -> None:
        """Say the verb."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Publish(Outside):
    key: str
    message: Message

    def apply(self, world: World) -> None:
        world.bus.publish(self.key, self.message)


@dataclass(frozen=True, slots=True)
class CloseMeeting(Outside):
    meeting: MeetingId

    def apply(self, world: World) -> None:
        world.media.close_meeting(self.meeting)


@dataclass(frozen=True, slots=True)
class SetPhone(Outside):
    leg: ParticipantId
    media: PhoneMedia

    def apply(self, world: World) -> None:
        world.media.set_phone(self.leg, self.media)


@dataclass(frozen=True, slots=True)
class SetPhoneVideo(Outside):
    leg: ParticipantId
    video: PhoneVideo | None

    def apply(self, world: World) -> None:
        world.media.set_phone_video(self.leg, self.video)


@dataclass(frozen=True, slots=True)
class WantPicture(Outside):
    """A telephone needs a whole picture of what it is shown."""

    leg: ParticipantId

    def apply(self, world: World) -> None:
        world.media.want_picture(self.leg)


@dataclass(frozen=True, slots=True)
class CloseLeg(Outside):
    leg: ParticipantId

    def apply(self, world: World) -> None:
        world.media.close_leg(self.leg)


@dataclass(frozen=True, slots=True)
class SetSources(Outside):
    leg: ParticipantId
    sources: frozenset[ParticipantId] | None

    def apply(self, world: World) -> None:
        world.media.set_sources(self.leg, self.sources)


@dataclass(frozen=True, slots=True)
class SetViewing(Outside):
    """Whom a telephone may be shown (``None``: everybody), and whether others are shown it."""

    leg: ParticipantId
    seen: bool
    tracks: frozenset[tuple[ParticipantId, str]] | None

    def apply(self, world: World) -> None:
        world.media.set_viewing(self.leg, self.seen, self.tracks)


@dataclass(frozen=True, slots=True)
class SetMuted(Outside):
    leg: ParticipantId
    muted: bool

    def apply(self, world: World) -> None:
        world.media.set_muted(self.leg, self.muted)


@dataclass(frozen=True, slots=True)
class SetName(Outside):
    """What is written on somebody's picture."""

    leg: ParticipantId
    name: str

    def apply(self, world: World) -> None:
        world.media.set_name(self.leg, self.name)


@dataclass(frozen=True, slots=True)
class SetPublished(Outside):
    leg: ParticipantId
    tracks: Mapping[str, str]

    def apply(self, world: World) -> None:
        world.media.set_published(self.leg, self.tracks)


@dataclass(frozen=True, slots=True)
class SetSubscriptions(Outside):
    leg: ParticipantId
    tracks: Mapping[str, tuple[ParticipantId, str]]

    def apply(self, world: World) -> None:
        world.media.set_subscriptions(self.leg, self.tracks)


@dataclass(frozen=True, slots=True)
class SendDigits(Outside):
    leg: ParticipantId
    digits: str
    duration_ms: int
    gap_ms: int

    def apply(self, world: World) -> None:
        world.media.send_digits(self.leg, self.digits, self.duration_ms, self.gap_ms)


@dataclass(frozen=True, slots=True)
class MovePhone(Outside):
    """A telephone's sound goes to another meeting, where it hears everybody."""

    leg: ParticipantId
    meeting: MeetingId

    def apply(self, world: World) -> None:
        world.media.move_phone(self.leg, self.meeting)


@dataclass(frozen=True, slots=True)
class PlayTone(Outside):
    """Let a phone sound like this to those who hear it, until its own sound comes."""

    leg: ParticipantId
    tone: Tone

    def apply(self, world: World) -> None:
        world.media.play_tone(self.leg, self.tone)


@dataclass(frozen=True, slots=True)
class StopTone(Outside):
    leg: ParticipantId

    def apply(self, world: World) -> None:
        world.media.stop_tone(self.leg)


@dataclass(frozen=True, slots=True)
class Play(Outside):
    """A telephone hears this sound instead of its meeting."""

    leg: ParticipantId
    sound: Sound
    times: int = 1

    def apply(self, world: World) -> None:
        world.media.play(self.leg, self.sound, times=self.times)


@dataclass(frozen=True, slots=True)
class StopPlaying(Outside):
    leg: ParticipantId

    def apply(self, world: World) -> None:
        world.media.stop_playing(self.leg)


class Machine(Protocol):
    """A pure part with a life of its own: feed it, send what comes out, wake it when it asked to be woken."""

    def wake(self, now: Instant) -> list[Effect]: ...
    def next_wake(self) -> float | None:
        """Monotonic time of the next thing that is due, ``None`` for never."""


class CallMachine(Machine, Protocol):
    """A call as the meeting's actor sees it.

    Attributes:
        endpoint: User part that was dialled; empty for dial-out.
    """

    endpoint: str

    def hang_up(self, reason: EndReason, now: Instant) -> list[Effect]: ...
