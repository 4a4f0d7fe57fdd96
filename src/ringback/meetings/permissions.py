"""What a participant may send, receive and administer: token before room before domain; owners may do everything.

Daily's ``permissions`` object: ``hasPresence``, ``canSend`` (bool or list), ``canReceive`` (``base``, ``byUserId``,
``byParticipantId``, the most specific wins) and ``canAdmin`` (bool or list).
"""

from collections.abc import Mapping
from typing import cast

from ringback.model.errors import InvalidRequest
from ringback.model.participant import Participant
from ringback.model.room import Permissions, RoomSettings, TokenGrants
from ringback.model.values import replace

SENDABLE = frozenset({"video", "audio", "screenVideo", "screenAudio", "customVideo", "customAudio"})
ADMIN = frozenset({"participants", "streaming", "transcription"})
RECEIVABLE = SENDABLE


def initial(settings: RoomSettings, grants: TokenGrants | None) -> Permissions:
    """What somebody starts with who joins with these grants (``None``: without a token)."""
    if grants is not None and grants.is_owner:
        base = Permissions(can_admin=True)
    else:
        base = Permissions(has_presence=not settings.enable_hidden_participants)
        base = changed(base, settings.permissions or {})
    return changed(base, (grants.permissions if grants else None) or {})


def phone_permissions(settings: RoomSettings, wanted: Mapping[str, object] | None) -> Permissions:
    """What a telephone participant starts with: always shown, hears what ``wanted`` (of its dial-out request) says."""
    return changed(Permissions(), wanted or {})


def changed(permissions: Permissions, change: Mapping[str, object]) -> Permissions:
    """Apply a wire ``permissions`` object: a given field replaces, ``canReceive`` per sub-field.

    Raises:
        InvalidRequest: Something in it is of the wrong type or name.
    """
    for key in change:
        if key not in ("hasPresence", "canSend", "canReceive", "canAdmin"):
            raise InvalidRequest(f'"permissions.{key}" is not allowed')
    result = permissions
    if "hasPresence" in change:
        result = replace(result, has_presence=_bool(change["hasPresence"], "hasPresence"))
    if "canSend" in change:
        result = replace(result, can_send=_kinds(change["canSend"], SENDABLE, "canSend"))
    if "canAdmin" in change:
        result = replace(result, can_admin=_kinds(change["canAdmin"], ADMIN, "canAdmin"))
    if "canReceive" in change:
        result = replace(result, can_receive={**result.can_receive, **_can_receive(change["canReceive"])})
    return result


def may_send(permissions: Permissions, track: str) -> bool:
    return permissions.can_send if isinstance(permissions.can_send, bool) else track in permissions.can_send


def may_administer(participant: Participant, kind: str = "participants") -> bool:
    """Whether it is an owner or an admin of ``kind``."""
    can = participant.permissions.can_admin
    return participant.owner or (can if isinstance(can, bool) else kind in can)


def hears_everybody(permissions: Permissions) -> bool:
    """Whether nothing is kept from it, the common case."""
    receive = permissions.can_receive
    return receive.get("base", True) is True and not receive.get("byUserId") and not receive.get("byParticipantId")


def may_receive(listener: Permissions, source: Participant, track: str) -> bool:
    """Whether ``listener`` may get ``track`` of ``source``: by participant id, else by user id, else base."""
    receive = listener.can_receive
    by_participant = cast(Mapping[str, object], receive.get("byParticipantId") or {})
    by_user = cast(Mapping[str, object], receive.get("byUserId") or {})
    for rule in (by_participant.get(source.id), by_user.get(source.user_id or source.id), receive.get("base", True)):
        allowed = _allowed(rule, track)
        if allowed is not None:
            return allowed
    return True


def _allowed(rule: object, track: str) -> bool | None:
    if isinstance(rule, bool):
        return rule
    if isinstance(rule, Mapping) and isinstance(rule.get(track), bool):
        return bool(rule[track])
    return None


def _bool(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(f'"permissions.{name}" must be a boolean')
    return value


def _kinds(value: object, known: frozenset[str], name: str) -> bool | frozenset[str]:
    if isinstance(value, bool):
        return value
    if not isinstance(value, (list, tuple, frozenset, set)) or not all(isinstance(kind, str) for kind in value):
        raise InvalidRequest(f'"permissions.{name}" must be a boolean or an array')
    kinds = frozenset(value)
    if kinds - known:
        raise InvalidRequest(f'"permissions.{name}" must be one of {", ".join(sorted(known))}')
    return kinds


MAX_RULES = 200


def _can_receive(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise InvalidRequest('"permissions.canReceive" must be an object')
    for key, rule in value.items():
        if key == "base":
            _check_rule(rule)
        elif key in ("byUserId", "byParticipantId"):
            if not isinstance(rule, Mapping) or len(rule) > MAX_RULES:
                raise InvalidRequest(f'"permissions.canReceive.{key}" must be an object of at most {MAX_RULES} entries')
            for each in rule.values():
                _check_rule(each)
        else:
            raise InvalidRequest(f'"permissions.canReceive.{key}" is not allowed')
    return value


def _check_rule(rule: object) -> None:
    if isinstance(rule, bool):
        return
    if not isinstance(rule, Mapping) or set(rule) - RECEIVABLE:
        raise InvalidRequest('"permissions.canReceive" entries must be a boolean or an object of track names')
    for name, value in rule.items():
        fine = isinstance(value, Mapping) if name in ("customVideo", "customAudio") else isinstance(value, bool)
        if not fine and not isinstance(value, bool):
            raise InvalidRequest(f'"permissions.canReceive" entry {name} must be a boolean')
