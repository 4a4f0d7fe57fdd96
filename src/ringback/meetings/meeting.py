"""One run of a room as a state machine: who is in it, who holds it open, and when it is over.

It starts with the first browser or bot, or with a telephone call where the room lets one, and ends at once when the
last of them left; telephones hold it only as long as their idle timeouts say. A client whose connection broke keeps its
place for ``GRACE`` seconds. Feed it inputs with the time; it answers with effects and says when to wake it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from ringback.meetings.admission import Joiner, JoinRefused, check_joiner, ejection
from ringback.meetings.deadlines import Deadlines
from ringback.meetings.effects import (
    CloseLeg,
    CloseMeeting,
    Effect,
    HangUp,
    MeetingEnds,
    Publish,
    Save,
    SetMuted,
    SetSources,
    SetViewing,
    Tell,
)
from ringback.meetings.hearing import Subscriptions, sources, watchable
from ringback.meetings.permissions import initial, may_send
from ringback.meetings.ports import Seated, Unseated
from ringback.model.end_reason import Ending, EndReason
from ringback.model.events import (
    CountsUpdated,
    MeetingEnded,
    MeetingStarted,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
)
from ringback.model.ids import CallId, MeetingId, ParticipantId
from ringback.model.instant import Instant
from ringback.model.participant import Holder, Participant, PhoneState, Seen, Track
from ringback.model.presence import Presence
from ringback.model.records import MeetingRecord, ParticipantRecord
from ringback.model.room import IdleTimeouts, Permissions, RoomSettings
from ringback.model.values import replace

GRACE = 20.0
"""Seconds a lost connection keeps its participant."""

START_GRACE = 20.0
"""Seconds a telephone that may start a meeting waits for somebody when its room names no time."""


class Life(Enum):
    """Where a meeting is in its life."""

    IDLE = "idle"
    OPEN = "open"
    ENDED = "ended"


class MeetingOver(Exception):
    """The meeting has ended; whoever wanted something of it should look for the next one."""


@dataclass(slots=True)
class Member:
    """A participant and what only the meeting knows of it.

    Attributes:
        eject_kind: Error type it is told when its limit removes it.
        connected: Whether a client's connection stands; telephones are always connected.
        published: mid → track of what a client sends.
        wanted: mid → (source, track) of what a client asked to receive, allowed or not.
        muted: Whether the server keeps its audio from everybody.
        told: What its client counts of its own sound: ``core.Callers.stats`` names them.
    """

    participant: Participant
    eject_kind: str = "ejected"
    connected: bool = True
    published: Mapping[str, str] = field(default_factory=dict)
    wanted: Subscriptions = field(default_factory=dict)
    muted: bool = False
    told: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_client(self) -> bool:
        return self.participant.type is None

    @property
    def silenced(self) -> bool:
        """Whether nobody hears it, for whatever reason: a telephone that the room holds is not heard, either."""
        who = self.participant
        return self.muted or Holder.ROOM in who.held_by or not may_send(who.permissions, "audio")


@dataclass(slots=True)
class Held:
    """A call that exists, participant or not yet, and how long it may hold the meeting.

    Attributes:
        met: Whether a client has been in since the call began: from then on its waiting is one after a conversation.
    """

    idle: IdleTimeouts
    answered: bool = False
    met: bool = False


class Meeting:
    """One run of a room.

    Args:
        id: Its id, chosen by the caller.
        settings: What is in force in the room.
        node, epoch: Process that owns it.

    Attributes:
        told_as: The meeting that rows and events of its calls belong to: itself.
        elsewhere: How many calls of its room were transferred and still go on: they count here.
    """

    def __init__(self, id: MeetingId, settings: RoomSettings, node: str, epoch: int) -> None:
        self.id = id
        self.told_as = id
        self.elsewhere: Callable[[], int] = lambda: 0
        self.settings = settings
        self.life = Life.IDLE
        self.members: dict[ParticipantId, Member] = {}
        self.calls: dict[CallId, Held] = {}
        self._node = node
        self._epoch = epoch
        self._started_at = 0.0
        self._most = 0
        self._clients = 0
        self._closing: EndReason | None = None
        self._counts = (0, 0)
        self._restricted: set[ParticipantId] = set()
        self._banned: set[str] = set()
        self._deadlines: Deadlines[tuple[str, str]] = Deadlines()

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def ended(self) -> bool:
        return self.life is Life.ENDED

    @property
    def has_clients(self) -> bool:
        """Whether a browser or bot is in, its connection lost for less than ``GRACE`` included."""
        return self._clients > 0

    def participants(self) -> Iterator[Participant]:
        return (member.participant for member in self.members.values())

    def shown_to(self, viewer: ParticipantId) -> list[Participant]:
        """Everybody else ``viewer`` is told of."""
        return [other for other in self.participants() if other.id != viewer and not other.hidden]

    def may_take_call(self) -> bool:
        """Whether the room's limit leaves a place for one more call; calls that exist count, endpoints do not."""
        return len(self.calls) + self.elsewhere() < self.settings.max_sip_pstn_sessions

    def is_full(self) -> bool:
        """Whether ``max_participants`` is reached; hidden ones take no place, a call that is still set up does."""
        shown = sum(not other.hidden for other in self.participants())
        coming = sum(ParticipantId(call) not in self.members for call in self.calls)
        return shown + coming >= self.settings.max_participants

    def presence(self, now: Instant) -> list[Presence]:
        return [
            Presence(
                self.settings.room.name,
                who.id,
                who.user_id,
                who.user_name or None,
                self.id,
                who.joined_at,
                max(0.0, now.wall - who.joined_at),
            )
            for who in self.participants()
            if not who.hidden
        ]

    # ── clients ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def join(self, joiner: Joiner, now: Instant) -> list[Effect]:
        """A browser or bot comes in.

        Raises:
            JoinRefused: The room does not let it in.
            MeetingOver: This run has ended.
        """
        if self.life is Life.ENDED or self._closing:
            raise MeetingOver
        check_joiner(self.settings, joiner, now)
        permissions = initial(self.settings, joiner.grants)
        user_id = joiner.grants.user_id if joiner.grants else None
        if user_id is not None and user_id in self._banned:
            raise JoinRefused("not-allowed", "You were removed from this meeting.")
        twins = [who.id for who in self.participants() if who.user_id == user_id] if user_id else []
        twins = twins if self.settings.enforce_unique_user_ids else []
        if self.is_full() and permissions.has_presence and not twins:
            raise JoinRefused("meeting-full", "The meeting is full.")

        limit = ejection(self.settings, joiner.grants, now)
        participant = Participant(
            id=joiner.id,
            joined_at=now.wall,
            user_name=(joiner.grants.user_name if joiner.grants else None) or joiner.user_name,
            user_id=user_id,
            user_data=joiner.user_data,
            owner=bool(joiner.grants and joiner.grants.is_owner),
            will_eject_at=limit.at if limit else None,
            permissions=permissions,
        )
        effects = self._start(now)
        self._clients += 1
        effects += self._admit(Member(participant, eject_kind=limit.kind if limit else "ejected"), now)
        for twin in twins:
            effects += self.eject(twin, now, "ejected", "Somebody joined with the same user id.")
        self._meet()
        return effects

    def leave(self, who: ParticipantId, now: Instant, error: tuple[str, str] | None = None) -> list[Effect]:
        """A client goes, or (``error``: type and sentence) is sent away. Unknown ids are ignored."""
        member = self.members.get(who)
        if member is None or not member.is_client:
            return []
        self._clients -= 1
        effects = self._part(member, now)
        effects.append(Publish(self.id, Unseated(self.id, who, error)))
        return effects + self._settle(now)

    def lost(self, who: ParticipantId, now: Instant) -> list[Effect]:
        """A client's connection broke; it has ``GRACE`` seconds to come back."""
        if (member := self.members.get(who)) and member.is_client:
            member.connected = False
            self._deadlines.set(("lost", who), now.mono + GRACE)
        return []

    def returned(self, who: ParticipantId) -> bool:
        """A client's connection is back. False when it came too late."""
        member = self.members.get(who)
        if member is None:
            return False
        member.connected = True
        self._deadlines.clear(("lost", who))
        return True

    def eject(self, who: ParticipantId, now: Instant, kind: str, msg: str) -> list[Effect]:
        """Send a participant away: a client with an error, a telephone by hanging up."""
        member = self.members.get(who)
        if member is None:
            return []
        if member.is_client:
            return self.leave(who, now, (kind, msg))
        return [HangUp(CallId(who), EndReason(Ending.EJECTED))]

    def ban(self, user_ids: Iterable[str]) -> None:
        """Who has one of these user ids is not let in while this meeting lasts."""
        self._banned.update(user_ids)

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def takes_calls(self, idle: IdleTimeouts) -> bool:
        """Whether a call may begin: somebody is in, or the call may wait for somebody."""
        return self._closing is None and not self.ended and (self.has_clients or idle.allow_room_start)

    def call_begins(self, call: CallId, idle: IdleTimeouts, now: Instant) -> list[Effect]:
        """A call exists from now on. It starts the meeting where ``idle`` allows it.

        Raises:
            MeetingOver: This run has ended, or nobody is in and the call may not start one.
        """
        if not self.takes_calls(idle):
            raise MeetingOver
        effects = self._start(now)
        self.calls[call] = Held(idle, met=self.has_clients)
        return effects

    def phone_joins(self, participant: Participant, now: Instant) -> list[Effect]:
        """The far end of a call is a participant from now on."""
        limit = ejection(self.settings, None, now)
        if limit:
            participant = replace(participant, will_eject_at=limit.at)
        participant = replace(participant, tracks=permitted(participant.tracks, participant.permissions))
        member = Member(participant, eject_kind=limit.kind if limit else "ejected")
        effects = self._admit(member, now)
        if member.silenced:
            effects.append(SetMuted(participant.id, True))
        if participant.id in self._restricted:
            effects += self.rights_of(participant)
        elif not may_send(participant.permissions, "video"):
            effects.append(self._viewing(participant))
        return effects + self._answered(CallId(participant.id), participant.phone_state, now)

    def phone_changes(
        self,
        call: CallId,
        state: PhoneState | None,
        held_by: frozenset[Holder] | None,
        now: Instant,
        video: bool | None = None,
    ) -> list[Effect]:
        """A call was answered, held or resumed, or its pictures came or went."""
        member = self.members.get(ParticipantId(call))
        if member is None:
            return []
        who = member.participant
        state = who.phone_state if state is None else state
        held_by = who.held_by if held_by is None else held_by
        tracks = _with_video(who.tracks, video, may_send(who.permissions, "video"))
        changed = replace(who, phone_state=state, held_by=held_by, tracks=tracks)
        if changed == who:
            return []
        effects = self.update(member, changed)
        if (Holder.ROOM in who.held_by) != (Holder.ROOM in held_by):
            effects += self.rights_of(changed)
            effects.append(SetMuted(who.id, member.silenced))
        return effects + self._answered(call, state, now)

    def phone_sees(self, call: CallId, seen: Seen | None) -> list[Effect]:
        """A telephone is shown something else. Of whom others are not told, they are not told here."""
        member = self.members.get(ParticipantId(call))
        if member is None:
            return []
        if seen is not None:
            known = {who.id for who in self.participants() if not who.hidden}
            tracks = tuple((who, track) for who, track in seen.tracks if who in known)
            seen = replace(seen, tracks=tracks) if tracks else None
        return self.update(member, replace(member.participant, sees=seen))

    def call_ends(self, call: CallId, now: Instant) -> list[Effect]:
        """A call no longer exists; its participant, if it got that far, leaves."""
        if self.calls.pop(call, None) is None:
            return []
        self._deadlines.clear(("idle", call))
        member = self.members.get(ParticipantId(call))
        effects = self._part(member, now) if member else [CloseLeg(ParticipantId(call))]
        return effects + self._settle(now)

    def phone_leaves(self, call: CallId, now: Instant) -> list[Effect]:
        """A call goes on elsewhere: its participant leaves, its leg does not end."""
        if self.calls.pop(call, None) is None:
            return []
        self._deadlines.clear(("idle", call))
        member = self.members.get(ParticipantId(call))
        return (self._part(member, now, keep_leg=True) if member else []) + self._settle(now)

    def sources_of(self, call: CallId) -> list[Effect]:
        """What a telephone is to hear and whether it is heard, said anew: its leg was away."""
        member = self.members.get(ParticipantId(call))
        if member is None:
            return []
        return self.rights_of(member.participant)

    def rights_of(self, phone: Participant) -> list[Effect]:
        """Whom a telephone hears and may be shown."""
        return [SetSources(phone.id, sources(phone, self.participants())), self._viewing(phone)]

    # ── everybody ────────────────────────────────────────────────────────────────────────────────────────────────────

    def update(self, member: Member, changed: Participant) -> list[Effect]:
        """Replace what is known of a participant and tell the others, if it is different and shown."""
        if changed == member.participant:
            return []
        member.participant = changed
        self._note_hearing(changed)
        return [] if changed.hidden else [Tell(ParticipantUpdated(changed))]

    def recount(self) -> list[Effect]:
        """Tell the counts when they changed."""
        hidden = sum(who.hidden for who in self.participants())
        counts = (len(self.members) - hidden, hidden)
        if counts == self._counts:
            return []
        self._counts = counts
        return [Tell(CountsUpdated(*counts))]

    def close(self, reason: EndReason, now: Instant, error: tuple[str, str]) -> list[Effect]:
        """End the meeting now: clients are told ``error``, calls end for ``reason``."""
        if self.life is not Life.OPEN:
            return []
        self._closing = reason
        effects: list[Effect] = []
        for who in [member.participant.id for member in self.members.values() if member.is_client]:
            effects += self.leave(who, now, error)
        return effects or self._settle(now)

    def abandon(self, now: Instant) -> list[Effect]:
        """After a bug, or when nobody came in after all: it is over, and only its rows are still put right."""
        began, self.life = self.life is Life.OPEN, Life.ENDED
        if not began:
            return []
        stays: list[Effect] = [Save(self._stay(who, now.wall)) for who in self.participants()]
        return [*stays, Save(self._record(now.wall)), self._tell_end(now)]

    def wake(self, now: Instant) -> list[Effect]:
        """Do what is due."""
        effects: list[Effect] = []
        for what, who in self._deadlines.due(now.mono):
            if what == "lost":
                effects += self.leave(ParticipantId(who), now)
            elif what == "idle":
                effects.append(HangUp(CallId(who), EndReason(Ending.IDLE_TIMEOUT)))
            elif member := self.members.get(ParticipantId(who)):
                words = "The time for this meeting is over."
                effects += self.eject(member.participant.id, now, member.eject_kind, words)
        return effects

    def next_wake(self) -> float | None:
        return self._deadlines.next()

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _start(self, now: Instant) -> list[Effect]:
        if self.life is not Life.IDLE:
            return []
        self.life = Life.OPEN
        self._started_at = now.wall
        return [Save(self._record(None)), Tell(MeetingStarted(now.wall), ())]

    def _admit(self, member: Member, now: Instant) -> list[Effect]:
        who = member.participant
        self.members[who.id] = member
        self._note_hearing(who)
        self._most = max(self._most, len(self.members))
        if who.will_eject_at is not None:
            self._deadlines.set(("eject", who.id), now.until(who.will_eject_at))
        effects: list[Effect] = [Save(self._stay(who, None))]
        if member.is_client:
            effects.append(Publish(self.id, Seated(self.id, who.id)))
        if not who.hidden:
            effects.append(Tell(ParticipantJoined(who), but=who.id))
        return effects + self.recount() + self._resource(but=who.id)

    def _part(self, member: Member, now: Instant, keep_leg: bool = False) -> list[Effect]:
        who = member.participant
        del self.members[who.id]
        self._restricted.discard(who.id)
        self._deadlines.clear(("eject", who.id))
        self._deadlines.clear(("lost", who.id))
        effects: list[Effect] = [] if keep_leg else [CloseLeg(who.id)]
        effects.append(Save(self._stay(who, now.wall)))
        if not who.hidden:
            effects.append(Tell(ParticipantLeft(who), but=who.id))
        return effects + self.recount() + self._resource(but=who.id)

    def _resource(self, but: ParticipantId) -> list[Effect]:
        """Telephones that may not hear everybody get their list of sources anew when somebody came or went."""
        effects: list[Effect] = []
        for leg in self._restricted:
            if leg != but:
                effects += self.rights_of(self.members[leg].participant)
        return effects

    def _viewing(self, phone: Participant) -> Effect:
        seen = may_send(phone.permissions, "video")
        return SetViewing(phone.id, seen, watchable(phone, self.participants()))

    def _note_hearing(self, who: Participant) -> None:
        """Remember which telephones may not hear everybody: only they cost something when somebody comes or goes."""
        if who.type is not None and sources(who, ()) is not None:
            self._restricted.add(who.id)
        else:
            self._restricted.discard(who.id)

    def _answered(self, call: CallId, state: PhoneState | None, now: Instant) -> list[Effect]:
        held = self.calls.get(call)
        if held is None or state is not PhoneState.ANSWERED or held.answered:
            return []
        held.answered = True
        return self._settle(now)

    def _settle(self, now: Instant) -> list[Effect]:
        """With no client in, let each call hold the meeting for as long as it may; end when nothing holds it."""
        if self.life is not Life.OPEN or self._clients:
            return []
        if not self.calls:
            return self._end(now)
        if self._closing:
            return [HangUp(call, self._closing) for call in self.calls]
        effects: list[Effect] = []
        for call, held in self.calls.items():
            allowed = self._patience(held)
            if allowed is None or ("idle", call) in self._deadlines:
                continue
            if allowed <= 0:
                effects.append(HangUp(call, EndReason(Ending.MEETING_ENDED)))
            else:
                self._deadlines.set(("idle", call), now.mono + allowed)
        return effects

    def _patience(self, held: Held) -> float | None:
        """Seconds a call may hold a meeting without clients; ``None``: it still rings, its waiting has not begun."""
        if held.met:
            return held.idle.max_idle_post_conversation
        if not held.answered:
            return None
        return held.idle.max_idle or START_GRACE

    def _meet(self) -> None:
        """A client is in: no call waits any more."""
        for call, held in self.calls.items():
            held.met = True
            self._deadlines.clear(("idle", call))

    def _end(self, now: Instant) -> list[Effect]:
        assert not self.members, "a meeting ended with somebody in it"
        self.life = Life.ENDED
        return [Save(self._record(now.wall)), self._tell_end(now), CloseMeeting(self.id), MeetingEnds()]

    def _tell_end(self, now: Instant) -> Tell:
        return Tell(MeetingEnded(self._started_at, now.wall), ())

    def _record(self, ended_at: float | None) -> MeetingRecord:
        room = self.settings.room
        return MeetingRecord(
            self.id, room.domain, room.name, self._node, self._epoch, self._started_at, ended_at, self._most
        )

    def _stay(self, who: Participant, left_at: float | None) -> ParticipantRecord:
        room = self.settings.room
        kind = who.type.value if who.type else None
        return ParticipantRecord(
            who.id, room.domain, room.name, self.id, who.user_id, who.user_name or None, kind, who.joined_at, left_at
        )


NOT_ALLOWED = {"byCanSendPermission": True}


def permitted(tracks: Mapping[str, Track], permissions: Permissions) -> Mapping[str, Track]:
    """Tracks as others see them: off where they may not be sent."""
    return {
        name: track if may_send(permissions, name) else replace(track, state="off", reason=NOT_ALLOWED)
        for name, track in tracks.items()
    }


def _with_video(tracks: Mapping[str, Track], on: bool | None, allowed: bool) -> Mapping[str, Track]:
    """A telephone's tracks once its pictures came or went; where it may not send them nobody sees them."""
    old = tracks.get("video", Track())
    if on and not allowed:
        return {**tracks, "video": Track(reason=NOT_ALLOWED, generation=old.generation)}
    if on is None or on == (old.state == "playable"):
        return tracks
    new = Track("playable", generation=old.generation + 1) if on else Track(generation=old.generation)
    return {**tracks, "video": new}
