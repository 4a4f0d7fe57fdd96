"""Meeting token properties and the short claims they travel as, both ways. Pure.

Claims are read by their short and by their long names. ``IDLE`` names those that nothing acts on yet.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ringback.model.errors import InvalidRequest
from ringback.model.ids import DomainId, RoomName
from ringback.model.room import TokenGrants
from ringback.rooms import shapes
from ringback.rooms.checks import (
    Check,
    Rules,
    anything,
    boolean,
    epoch,
    future_epoch,
    not_allowed,
    number,
    one_of,
    refusal,
    text,
    url,
)
from ringback.rooms.names import NAME
from ringback.rooms.properties import LANGUAGES

LONGEST_USER_ID = 36


def _room_name(name: str, value: object, _rules: Rules) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value) or len(value) > 128:
        raise refusal(name, "must be the name of a room", value)
    return value


@dataclass(frozen=True, slots=True)
class Claim:
    """One token property.

    Attributes:
        name: Long name.
        claim: Short name in the JWT.
        check: For minting.
        idle: Whether nothing acts on it yet.
    """

    name: str
    claim: str
    check: Check
    idle: bool = False


CLAIMS = (
    Claim("room_name", "r", _room_name),
    Claim("nbf", "nbf", epoch),
    Claim("exp", "exp", future_epoch),
    Claim("is_owner", "o", boolean),
    Claim("user_name", "u", text(255, empty=True)),
    Claim("user_id", "ud", text(LONGEST_USER_ID, empty=True)),
    Claim("eject_at_token_exp", "ejt", boolean),
    Claim("eject_after_elapsed", "eje", number(1, 10 * 365 * 86400)),
    Claim("enable_screenshare", "ss", boolean, idle=True),
    Claim("start_video_off", "vo", boolean),
    Claim("start_audio_off", "ao", boolean),
    Claim("enable_recording", "er", shapes.enable_recording, idle=True),
    Claim("start_cloud_recording", "sr", boolean, idle=True),
    Claim("start_cloud_recording_opts", "sro", shapes.recording_options, idle=True),
    Claim("auto_start_transcription", "ast", boolean, idle=True),
    Claim("knocking", "k", boolean),
    Claim("enable_recording_ui", "erui", boolean, idle=True),
    Claim("enable_prejoin_ui", "epui", boolean, idle=True),
    Claim("enable_live_captions_ui", "elcui", boolean, idle=True),
    Claim("enable_terse_logging", "etl", boolean, idle=True),
    Claim("close_tab_on_exit", "ctoe", boolean, idle=True),
    Claim("redirect_on_meeting_exit", "rome", url(), idle=True),
    Claim("lang", "uil", one_of(*LANGUAGES), idle=True),
    Claim("permissions", "p", shapes.permissions),
    Claim("intercom_join_alert", "ij", anything, idle=True),
    Claim("meeting_join_hook", "mjh", url(255), idle=True),
)

BY_NAME: Mapping[str, Claim] = {claim.name: claim for claim in CLAIMS}
BY_CLAIM: Mapping[str, Claim] = {**{claim.name: claim for claim in CLAIMS}, **{claim.claim: claim for claim in CLAIMS}}

SEND_SHORT = {
    "v": "video",
    "a": "audio",
    "sv": "screenVideo",
    "sa": "screenAudio",
    "cv": "customVideo",
    "ca": "customAudio",
}
ADMIN_SHORT = {"p": "participants", "s": "streaming", "t": "transcription"}
PERMISSION_SHORT = {"hp": "hasPresence", "cs": "canSend", "cr": "canReceive", "ca": "canAdmin"}
RECEIVE_SHORT = {"b": "base", "u": "byUserId", "p": "byParticipantId"}


def check_properties(sent: object, rules: Rules) -> dict[str, object]:
    """Validate ``properties`` of a token to be minted; ``null`` counts as left out.

    Raises:
        InvalidRequest: In Daily's words.
    """
    if sent is None:
        return {}
    if not isinstance(sent, dict):
        raise InvalidRequest('"properties" must be an object')
    found: dict[str, object] = {}
    for name, value in sent.items():
        claim = BY_NAME.get(name)
        if claim is None:
            raise not_allowed(name, value)
        if value is not None:
            found[name] = claim.check(name, value, rules)
    return found


def to_claims(properties: Mapping[str, object]) -> dict[str, object]:
    """Long names → the JWT's payload."""
    payload: dict[str, object] = {}
    for name, value in properties.items():
        if name == "permissions" and isinstance(value, Mapping):
            value = _shorten(value)
        payload[BY_NAME[name].claim] = value
    return payload


def from_claims(payload: Mapping[str, object], rules: Rules) -> dict[str, object]:
    """A JWT's payload → long names, each value checked. Claims nobody knows are left out.

    ``nbf`` and ``exp`` are only checked to be numbers: whether they hold is the caller's question.

    Raises:
        InvalidRequest: A known claim has a value it cannot have.
    """
    found: dict[str, object] = {}
    for name, value in payload.items():
        claim = BY_CLAIM.get(name)
        if claim is None or value is None:
            continue
        check = epoch if claim.name == "exp" else claim.check
        if claim.name == "permissions":
            value = _lengthen(value)
        found[claim.name] = check(claim.name, value, rules)
    return found


def grants(domain: DomainId, properties: Mapping[str, object]) -> TokenGrants:
    """The typed view of checked properties."""

    def take(name: str, kind: Callable[[object], object]) -> object:
        value = properties.get(name)
        return None if value is None else kind(value)

    values = {
        "room_name": take("room_name", lambda value: RoomName(str(value))),
        **{name: properties.get(name) for name in ("user_name", "user_id", "nbf", "exp", "eject_after_elapsed")},
        **{name: properties.get(name) for name in ("start_audio_off", "start_video_off", "enable_screenshare")},
        "permissions": properties.get("permissions"),
    }
    return TokenGrants(
        domain=domain,
        is_owner=properties.get("is_owner") is True,
        eject_at_token_exp=properties.get("eject_at_token_exp") is True,
        knocking=properties.get("knocking") is True,
        properties=dict(properties),
        **values,  # type: ignore[arg-type]
    )


def _shorten(permissions: Mapping[str, object]) -> dict[str, object]:
    short = _flipped(PERMISSION_SHORT)
    receive_short = _flipped(RECEIVE_SHORT)
    payload: dict[str, object] = {}
    for name, value in permissions.items():
        if name == "canReceive" and isinstance(value, Mapping):
            value = {receive_short[key]: each for key, each in value.items()}
        payload[short[name]] = value
    return payload


def _flipped(names: Mapping[str, str]) -> dict[str, str]:
    return {long: short for short, long in names.items()}


def _lengthen(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    found: dict[str, object] = {}
    for key, each in value.items():
        name = PERMISSION_SHORT.get(str(key), str(key))
        if name == "canSend":
            each = _kinds(each, SEND_SHORT)
        elif name == "canAdmin":
            each = _kinds(each, ADMIN_SHORT)
        elif name == "canReceive" and isinstance(each, Mapping):
            each = {RECEIVE_SHORT.get(inner, inner): rest for inner, rest in each.items()}
        found[name] = each
    return found


def _kinds(value: object, names: Mapping[str, str]) -> object:
    """A boolean, an array or ``"v,a"``; each item short or long."""
    if isinstance(value, str):
        value = [item.strip() for item in value.split(",") if item.strip()]
    if isinstance(value, list):
        return [names.get(item, item) if isinstance(item, str) else item for item in value]
    return value
