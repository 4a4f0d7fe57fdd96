"""Who may come in, decided at the door and not again: times, tokens, places."""

from dataclasses import dataclass

from ringback.model.ids import ParticipantId
from ringback.model.instant import Instant
from ringback.model.room import RoomSettings, TokenGrants
from ringback.model.values import replace

LEEWAY = 5.0
"""Seconds by which clocks may differ."""


class JoinRefused(Exception):
    """The door stays shut.

    Attributes:
        kind: ``nbf-room``, ``exp-room``, ``nbf-token``, ``exp-token``, ``no-room``, ``meeting-full``, ``not-allowed``.
        msg: A sentence for people.
        may_knock: Whether somebody inside may open.
    """

    def __init__(self, kind: str, msg: str, *, may_knock: bool = False) -> None:
        super().__init__(msg)
        self.kind = kind
        self.msg = msg
        self.may_knock = may_knock


@dataclass(frozen=True, slots=True)
class Joiner:
    """A browser or bot at the door.

    Attributes:
        id: Chosen before, so that its connection can be registered first.
        grants: Its checked token; ``None`` without one.
        user_name: What it asks to be called; a token's name goes first.
        admitted: Somebody inside opened the door to it.
    """

    id: ParticipantId
    grants: TokenGrants | None = None
    user_name: str = ""
    user_data: object = None
    admitted: bool = False


def check_room_times(settings: RoomSettings, now: Instant) -> None:
    """Refuse before ``nbf`` and after ``exp``, for browsers and telephones alike."""
    if settings.nbf is not None and now.wall < settings.nbf - LEEWAY:
        raise JoinRefused("nbf-room", "This room is not open yet.")
    if settings.exp is not None and now.wall > settings.exp:
        raise JoinRefused("exp-room", "This room is no longer available.")


def check_joiner(settings: RoomSettings, joiner: Joiner, now: Instant) -> None:
    """Refuse whoever the room does not let in. Whether there is a place is the meeting's to say.

    The token's signature and times were checked when it was read; here it is held against the room.
    """
    check_room_times(settings, now)
    grants, room = joiner.grants, settings.room
    if must_knock(settings, grants) and not joiner.admitted:
        raise JoinRefused("not-allowed", "Ask to be let in: somebody in this room has to open.", may_knock=True)
    if grants is None:
        if room.privacy == "private" and not joiner.admitted:
            raise JoinRefused("not-allowed", "This room is private: a meeting token is needed to join.")
        return
    if grants.domain != room.domain or (grants.room_name is not None and grants.room_name != room.name):
        raise JoinRefused("not-allowed", "The meeting token is for another room.")


def must_knock(settings: RoomSettings, grants: TokenGrants | None) -> bool:
    """Whether somebody inside has to open: to whoever has no token for a private room, and where a token says so."""
    if grants is None:
        return settings.enable_knocking and settings.room.privacy == "private"
    return grants.knocking


def check_knocker(settings: RoomSettings, joiner: Joiner, now: Instant) -> None:
    """Refuse whoever may not even wait at the door, or need not: it may join."""
    if must_knock(settings, joiner.grants):
        check_joiner(settings, replace(joiner, admitted=True), now)
        return
    check_joiner(settings, joiner, now)
    raise JoinRefused("not-allowed", "You need not ask to be let in: join.")


@dataclass(frozen=True, slots=True)
class Ejection:
    """When a limit removes a participant (Unix seconds) and the error type it is told."""

    at: float
    kind: str


def ejection(settings: RoomSettings, grants: TokenGrants | None, now: Instant) -> Ejection | None:
    """The first limit that will remove somebody who joins now; a token with any of its own displaces the room's."""
    limits = []
    if grants is not None and ({"eject_at_token_exp", "eject_after_elapsed"} & set(grants.properties)):
        if grants.eject_at_token_exp and grants.exp is not None:
            limits.append(Ejection(grants.exp, "exp-token"))
        if grants.eject_after_elapsed is not None:
            limits.append(Ejection(now.wall + grants.eject_after_elapsed, "ejected"))
    else:
        if settings.eject_at_room_exp and settings.exp is not None:
            limits.append(Ejection(settings.exp, "exp-room"))
        if settings.eject_after_elapsed is not None:
            limits.append(Ejection(now.wall + settings.eject_after_elapsed, "ejected"))
    return min(limits, key=lambda limit: limit.at, default=None)
