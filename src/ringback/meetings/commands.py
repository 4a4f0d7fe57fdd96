"""What a participant in a meeting may do to it: change its own tracks and names, write to others, administer them.

Functions over a ``Meeting``: they check who asks, change what the meeting knows and return effects. Every refusal is a
``RingbackError`` raised before anything changed.
"""

from collections.abc import Iterable, Mapping

from ringback.meetings.effects import Effect, HangUp, SetMuted, SetPublished, SetSubscriptions, Tell
from ringback.meetings.hearing import Subscriptions, allowed, publishable
from ringback.meetings.meeting import NOT_ALLOWED, Meeting, Member, permitted
from ringback.meetings.permissions import changed, may_administer, may_send
from ringback.model.end_reason import Ending, EndReason
from ringback.model.errors import Forbidden, InvalidRequest, NotFound
from ringback.model.events import AppMessage, ParticipantJoined, ParticipantLeft, RemoteRequest
from ringback.model.ids import CallId, ParticipantId
from ringback.model.instant import Instant
from ringback.model.participant import TRACKS, Participant, Track
from ringback.model.room import Permissions
from ringback.model.values import replace

STATES = ("off", "blocked", "playable")
REMOTE_SWITCHES = ("setAudio", "setVideo", "setScreenShare")
UPDATES = (*REMOTE_SWITCHES, "eject", "updatePermissions")


def member(meeting: Meeting, who: ParticipantId) -> Member:
    """The asker itself. Raises ``NotFound`` when it is no longer in."""
    if (found := meeting.members.get(who)) is None:
        raise NotFound("you are no longer in the meeting")
    return found


def set_track(meeting: Meeting, who: ParticipantId, name: str, state: str, why: Mapping[str, bool]) -> list[Effect]:
    """A client says what one of its tracks is: ``off``, ``blocked`` (``why`` has the reason) or ``playable``."""
    asker = member(meeting, who)
    if name not in TRACKS:
        raise InvalidRequest(f'"track" must be one of {", ".join(TRACKS)}')
    if state not in STATES:
        raise InvalidRequest(f'"state" must be one of {", ".join(STATES)}')
    if state == "playable" and not may_send(asker.participant.permissions, name):
        raise Forbidden(f"you may not send {name}")
    old = asker.participant.tracks.get(name, Track())
    reason = why if state == "blocked" else {"byUser": True} if state == "off" else {}
    effects: list[Effect] = []
    if name == "audio" and state == "playable" and asker.muted:
        asker.muted = False
        effects.append(SetMuted(who, False))
    return effects + _put_track(meeting, asker, name, replace(old, state=state, reason=reason))


def set_user_name(meeting: Meeting, who: ParticipantId, name: str) -> list[Effect]:
    asker = member(meeting, who)
    return meeting.update(asker, replace(asker.participant, user_name=name))


def set_user_data(meeting: Meeting, who: ParticipantId, data: object) -> list[Effect]:
    asker = member(meeting, who)
    return meeting.update(asker, replace(asker.participant, user_data=data))


def app_message(
    meeting: Meeting, who: ParticipantId, data: object, to: tuple[ParticipantId, ...] | None
) -> list[Effect]:
    """A message to ``to`` (``None``: everybody else). Whoever is not there gets none."""
    member(meeting, who)
    return [Tell(AppMessage(data, who), to, but=who)]


def negotiate(
    meeting: Meeting, who: ParticipantId, send: Mapping[str, str], receive: Subscriptions
) -> tuple[list[Effect], dict[str, str]]:
    """A client names its m-lines: mid → track it sends, mid → (participant, track) it wants.

    Returns:
        Effects, and by mid why an m-line gets nothing.
    """
    asker = member(meeting, who)
    published, not_sent = publishable(asker.participant, send, meeting.settings.enable_screenshare)
    effects: list[Effect] = []
    if published != asker.published:
        for mid, track in published.items():
            if asker.published.get(mid) != track:
                old = asker.participant.tracks.get(track, Track())
                effects += _put_track(meeting, asker, track, replace(old, generation=old.generation + 1))
        asker.published = published
        effects.append(SetPublished(who, published))
    asker.wanted = receive
    granted, not_received = _subscriptions(meeting, asker)
    effects.append(SetSubscriptions(who, granted))
    return effects, not_sent | not_received


def update_participants(
    meeting: Meeting, by: ParticipantId, updates: Mapping[str, Mapping[str, object]], now: Instant
) -> list[Effect]:
    """An owner or participant admin changes others; ``"*"`` is everybody else who is not named.

    Raises:
        Forbidden: The asker may not.
        InvalidRequest: An update is not understood.
        NotFound: A named participant is not there.
    """
    asker = member(meeting, by)
    if not may_administer(asker.participant):
        raise Forbidden("only owners and participant admins may update participants")
    for who, update in updates.items():
        _check_update(asker.participant, update)
        if who != "*" and who not in meeting.members:
            raise NotFound(f"no participant {who}")
    effects: list[Effect] = []
    for who, update in updates.items():
        if who == "*":
            targets: Iterable[str] = [one for one in meeting.members if one != by and one not in updates]
        else:
            targets = [who]
        for target in targets:
            effects += _update(meeting, ParticipantId(target), by, update, now)
    return effects


def update_permissions(meeting: Meeting, who: ParticipantId, change: Mapping[str, object]) -> list[Effect]:
    """Change what a participant may do, and everything that follows from it: tracks, hearing, being shown."""
    target = meeting.members[who]
    before = target.participant
    after = replace(before, permissions=changed(before.permissions, change))
    tracks = before.tracks if target.is_client else _given_back(before.tracks, after.permissions)
    after = replace(after, tracks=permitted(tracks, after.permissions))
    effects: list[Effect] = []
    told = meeting.update(target, after)
    if before.hidden and not after.hidden:
        told = [Tell(ParticipantJoined(after), but=who)]
    elif after.hidden and not before.hidden:
        told = [Tell(ParticipantLeft(after, "hidden"), but=who)]
    effects += told + meeting.recount()
    if may_send(before.permissions, "audio") != may_send(after.permissions, "audio"):
        effects.append(SetMuted(who, target.silenced))
    if before.permissions.can_receive != after.permissions.can_receive:
        if target.is_client:
            effects.append(SetSubscriptions(who, _subscriptions(meeting, target)[0]))
        else:
            effects += meeting.rights_of(after)
    elif not target.is_client and may_send(before.permissions, "video") != may_send(after.permissions, "video"):
        effects += meeting.rights_of(after)
    return effects


def _given_back(tracks: Mapping[str, Track], permissions: Permissions) -> Mapping[str, Track]:
    """A telephone's tracks: it does not say anew that it sends what it may send again."""
    return {
        name: Track("playable", generation=track.generation + 1)
        if track.reason == NOT_ALLOWED and may_send(permissions, name)
        else track
        for name, track in tracks.items()
    }


def _check_update(asker: Participant, update: Mapping[str, object]) -> None:
    for key, value in update.items():
        if key not in UPDATES:
            raise InvalidRequest(f"unrecognized updateParticipant property {key}")
        if key == "updatePermissions":
            if not isinstance(value, Mapping):
                raise InvalidRequest('"updatePermissions" must be an object')
            if "canAdmin" in value and not asker.owner:
                raise Forbidden("only owners may change canAdmin")
            changed(asker.permissions, value)
        elif not isinstance(value, bool):
            raise InvalidRequest(f'"{key}" must be a boolean')


def _update(
    meeting: Meeting, who: ParticipantId, by: ParticipantId, update: Mapping[str, object], now: Instant
) -> list[Effect]:
    if update.get("eject") is True:
        return meeting.eject(who, now, "ejected", "You were removed from the meeting.")
    target = meeting.members[who]
    effects: list[Effect] = []
    if isinstance(audio := update.get("setAudio"), bool):
        effects += _set_audio(meeting, target, audio)
    asked = {key: bool(update[key]) for key in REMOTE_SWITCHES if key in update}
    if asked and target.is_client:
        effects.append(Tell(RemoteRequest(asked, by), (who,)))
    if isinstance(change := update.get("updatePermissions"), Mapping):
        effects += update_permissions(meeting, who, change)
    return effects


def _set_audio(meeting: Meeting, target: Member, on: bool) -> list[Effect]:
    """Off mutes at the server at once. On unmutes a telephone; a client decides for itself when it speaks again."""
    who = target.participant
    if on == (not target.muted):
        return []
    old = who.tracks.get("audio", Track())
    if on and target.is_client:
        return []
    target.muted = not on
    track = replace(old, state="playable", reason={}) if on else replace(old, state="off", reason=_BY_REMOTE)
    return [SetMuted(who.id, target.silenced), *_put_track(meeting, target, "audio", track)]


_BY_REMOTE = {"byRemoteRequest": True}


def _put_track(meeting: Meeting, target: Member, name: str, track: Track) -> list[Effect]:
    who = target.participant
    return meeting.update(target, replace(who, tracks={**who.tracks, name: track}))


def _subscriptions(meeting: Meeting, listener: Member) -> tuple[dict[str, tuple[ParticipantId, str]], dict[str, str]]:
    members = meeting.members
    named = {source: members[source].participant for source, _ in listener.wanted.values() if source in members}
    return allowed(listener.participant, listener.wanted, named)


def hang_up(meeting: Meeting, by: ParticipantId, call: CallId) -> list[Effect]:
    """An owner or participant admin ends a call. Raises ``NotFound`` for an unknown one."""
    require_admin(meeting, by)
    if call not in meeting.calls:
        raise NotFound(f"no call {call}")
    return [HangUp(call, EndReason(Ending.HANGUP_LOCAL))]


def require_admin(meeting: Meeting, who: ParticipantId) -> Participant:
    """The asker, if it is an owner or participant admin."""
    asker = member(meeting, who).participant
    if not may_administer(asker):
        words = "unable to start dialout (is dialout enabled? are you a room owner or participant admin?)"
        raise Forbidden(words)
    return asker
