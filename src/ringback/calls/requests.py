"""The body of a dial-out request: every field's type, default and limit, and the texts its mistakes are answered with.

Pure, and shared by REST and signalling. A body the schema allows is never refused for a harmless default
(``waitBeforeExtensionDialSec: 0``, ``video: false``, ``videoSettings`` without ``video``).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ringback.calls.display_name import clean
from ringback.calls.sip_uri import Target, parse_target
from ringback.meetings.permissions import changed
from ringback.model.errors import InvalidRequest, NumberNotAllowed
from ringback.model.room import Permissions
from ringback.model.values import replace
from ringback.model.video import VideoSettings
from ringback.numbers.guard import NO_HELP, is_help

FIELDS = (
    "sipUri",
    "phoneNumber",
    "extension",
    "waitBeforeExtensionDialSec",
    "displayName",
    "userId",
    "callerId",
    "video",
    "videoSettings",
    "codecs",
    "provider",
    "permissions",
    "ringback",
)
OWN_FIELDS = ("ringTimeoutSec", "maxDurationSec", "consentReference")
"""What ``ringback`` may hold: fields that the published request has no place for."""

DEFAULT_RING_TIMEOUT = 60.0
RING_TIMEOUTS = (5, 300)
DURATIONS = (1, 86400)
LONGEST_CONSENT = 200
AUDIO_CODECS = ("OPUS", "G722", "PCMU", "PCMA")
VIDEO_CODECS = ("H264", "VP8")
VIDEO_LIMITS = {"width": 1280, "height": 720, "fps": 30, "videoBitrate": 1000}
PHONE_NUMBER = re.compile(r"\+[1-9][0-9]{0,14}")
EXTENSION = re.compile(r"[0-9A-D*#,w]*")


@dataclass(frozen=True, slots=True)
class DialOutRequest:
    """A dial-out that may be tried.

    Attributes:
        target: SIP address without headers; ``None`` for a telephone number.
        phone_number: E.164, or ``None``.
        sip_headers: ``X-`` headers for the INVITE.
        display_name: Name of the participant; the user part or the number when none was given.
        ring_timeout: Seconds it may ring.
        longest: Seconds it may last once answered; ``None`` for no limit of its own.
        consent: The customer's reference to the callee's consent, empty for none.
        accepted: The body as sent, for the record.
    """

    target: str | None
    phone_number: str | None
    display_name: str
    sip_headers: tuple[tuple[str, str], ...] = ()
    user_id: str | None = None
    caller_id: str | None = None
    extension: str = ""
    wait_before_extension: int = 0
    video: bool = False
    video_settings: VideoSettings = field(default_factory=VideoSettings)
    audio_codecs: tuple[str, ...] = ()
    provider: str = "daily"
    permissions: Mapping[str, object] = field(default_factory=dict)
    ring_timeout: float = DEFAULT_RING_TIMEOUT
    longest: float | None = None
    consent: str = ""
    accepted: Mapping[str, object] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """The E.164 number that is called, by itself or as the user part of an address; empty when none is."""
        number = self.phone_number or (self.target or "").partition(":")[2].partition("@")[0].partition(";")[0]
        return number if PHONE_NUMBER.fullmatch(number) else ""

    @property
    def destination(self) -> str:
        return self.target or self.phone_number or ""


def validate(body: Mapping[str, object]) -> DialOutRequest:
    """Check a body.

    Raises:
        InvalidRequest: With the text of the first mistake.
        NumberNotAllowed: It is a way to call for help.
    """
    if not body:
        raise InvalidRequest("missing required field")
    for name, value in body.items():
        if name not in FIELDS:
            name = _shown(name)
            raise InvalidRequest(f'"{name}" is not allowed [Received {name}={_shown(value)}]')
    target, number = _destination(body)
    caller_id = _text(body, "callerId")
    if caller_id is not None and target is not None:
        raise InvalidRequest("callerId not allowed with sipUri")
    display_name = _text(body, "displayName")
    if display_name is not None and len(display_name) >= 200:
        raise InvalidRequest("displayName length must be less than 200")
    user_id = _text(body, "userId")
    if user_id is not None and len(user_id) > 36:
        raise InvalidRequest("userId length must be less than or equal to 36")
    extension, wait = _extension(body)
    settings = _video_settings(body.get("videoSettings"))
    audio_codecs, video_codecs = _codecs(body.get("codecs"))
    return DialOutRequest(
        target=target.address if target else None,
        phone_number=number,
        sip_headers=target.headers if target else (),
        display_name=clean(display_name or "") or (target.user if target else number or ""),
        user_id=user_id or None,
        caller_id=caller_id,
        extension=extension,
        wait_before_extension=wait,
        video=_video(body),
        video_settings=replace(settings, codecs=video_codecs),
        audio_codecs=audio_codecs,
        provider=_provider(body, target),
        permissions=_permissions(body.get("permissions")),
        accepted=dict(body),
        **_own(body.get("ringback")),
    )


def _destination(body: Mapping[str, object]) -> tuple[Target | None, str | None]:
    sip_uri, number = body.get("sipUri"), body.get("phoneNumber")
    if sip_uri is None and number is None:
        raise InvalidRequest("either a sip uri or phone number must be provided")
    if sip_uri is not None and number is not None:
        raise InvalidRequest("only one of sip uri or phone number must be provided")
    if sip_uri is not None:
        if not isinstance(sip_uri, str):
            raise InvalidRequest("sipUri must be a string")
        _no_help(sip_uri)
        return parse_target(sip_uri), None
    if not isinstance(number, str):
        raise InvalidRequest("phoneNumber must be a string")
    _no_help(number)
    if not PHONE_NUMBER.fullmatch(number):
        raise InvalidRequest("Invalid phone number, must be valid phone number as per E.164")
    return None, number


def _no_help(text: str) -> None:
    """Raises ``NumberNotAllowed`` for emergency services, however they are written."""
    if is_help(text):
        raise NumberNotAllowed(NO_HELP)


def _extension(body: Mapping[str, object]) -> tuple[str, int]:
    extension = _text(body, "extension") or ""
    if len(extension) > 20:
        raise InvalidRequest("extension length must be less than or equal to 20")
    if not EXTENSION.fullmatch(extension):
        raise InvalidRequest("extension must be made of 0-9, A-D, *, #, and , or w for a pause")
    wait = body.get("waitBeforeExtensionDialSec", 0)
    if wait is None:
        wait = 0
    if isinstance(wait, bool) or not isinstance(wait, (int, float)) or wait != wait:
        raise InvalidRequest("waitBeforeExtensionDialSec must be a number")
    if wait in (float("inf"), float("-inf")) or wait != int(wait):
        raise InvalidRequest("waitBeforeExtensionDialSec must be a whole number")
    if not 0 <= wait <= 60:
        raise InvalidRequest("waitBeforeExtensionDialSec must be less than or equal to 60")
    needs_phone = (extension or wait) and body.get("phoneNumber") is None
    if needs_phone or (wait and not extension):
        raise InvalidRequest("waitBeforeExtensionDialSec requires a phoneNumber and extension")
    return extension, int(wait)


def _video(body: Mapping[str, object]) -> bool:
    video = body.get("video")
    if video is not None and not isinstance(video, bool):
        raise InvalidRequest("video must be a boolean value")
    return bool(video)


def _video_settings(settings: object) -> VideoSettings:
    if settings is None:
        return VideoSettings()
    if not isinstance(settings, Mapping):
        raise InvalidRequest("videoSettings must be an object")
    for name, value in settings.items():
        if name not in VIDEO_LIMITS:
            raise InvalidRequest(f'"videoSettings.{name}" is not allowed [Received {name}={_shown(value)}]')
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidRequest(f"videoSettings.{name} must be a positive integer")
        if value > VIDEO_LIMITS[name]:
            unit = " kbps" if name == "videoBitrate" else ""
            raise InvalidRequest(f"videoSettings.{name} must be less than or equal to {VIDEO_LIMITS[name]}{unit}")
    standard = VideoSettings()
    numbers = {name: value for name, value in settings.items() if isinstance(value, int)}
    return VideoSettings(
        numbers.get("width", standard.width),
        numbers.get("height", standard.height),
        numbers.get("fps", standard.fps),
        numbers.get("videoBitrate", standard.bitrate_kbps),
    )


def _codecs(codecs: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of sound and those of pictures."""
    if codecs is None:
        return (), ()
    if not isinstance(codecs, Mapping):
        raise InvalidRequest("codecs must be an object")
    for name in codecs:
        if name not in ("audio", "video"):
            raise InvalidRequest(f'"codecs.{name}" is not allowed [Received {name}={_shown(codecs[name])}]')
    video = _codec_list(codecs.get("video"), "video", VIDEO_CODECS, "H264 or VP8")
    return _codec_list(codecs.get("audio"), "audio", AUDIO_CODECS, "one of OPUS, PCMU, PCMA, G722"), video


def _codec_list(names: object, kind: str, known: Sequence[str], listed: str) -> tuple[str, ...]:
    if names is None:
        return ()
    if not isinstance(names, list):
        raise InvalidRequest(f"{kind} codec must be an array")
    if not names:
        raise InvalidRequest(f"{kind} codec array specified but empty")
    for name in names:
        if not isinstance(name, str):
            raise InvalidRequest(f"{kind} codec must be a string")
        if name not in known:
            raise InvalidRequest(f"{kind} codec must be {listed}")
    return tuple(dict.fromkeys(names))


def _provider(body: Mapping[str, object], target: Target | None) -> str:
    provider = body.get("provider")
    if provider is None:
        return "daily"
    if provider not in ("daily", "signalwire"):
        raise InvalidRequest(f"Error: provider can be set only to 'daily' or 'signalwire', got: {_shown(provider)}")
    # daily-js sets 'signalwire' on calls to numbers by itself, so only the other one can be a mistake.
    if target is None and provider == "daily":
        raise InvalidRequest("provider valid only for sipUri, not phoneNumber")
    return str(provider)


def _permissions(permissions: object) -> Mapping[str, object]:
    if permissions is None:
        return {}
    if not isinstance(permissions, Mapping):
        raise InvalidRequest("permissions must be an object")
    for name in permissions:
        if name != "canReceive":
            raise InvalidRequest(f'"permissions.{name}" is not allowed [Received {name}={_shown(permissions[name])}]')
    given = {name: value for name, value in permissions.items() if value is not None}
    changed(Permissions(), given)
    return given


def _own(fields: object) -> dict[str, Any]:
    if fields is None:
        return {}
    if not isinstance(fields, Mapping):
        raise InvalidRequest("ringback must be an object")
    for name in fields:
        if name not in OWN_FIELDS:
            raise InvalidRequest(f'"ringback.{_shown(name)}" is not allowed [Received {_shown(name)}]')
    consent = fields.get("consentReference")
    if consent is not None and not (
        isinstance(consent, str) and 0 < len(consent) <= LONGEST_CONSENT and consent.isprintable()
    ):
        raise InvalidRequest(f"ringback.consentReference must be 1 to {LONGEST_CONSENT} printable characters")
    ring, longest = _seconds(fields, "ringTimeoutSec", RING_TIMEOUTS), _seconds(fields, "maxDurationSec", DURATIONS)
    return {"ring_timeout": ring or DEFAULT_RING_TIMEOUT, "longest": longest, "consent": consent or ""}


def _seconds(fields: Mapping[str, object], name: str, bounds: tuple[int, int]) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not bounds[0] <= value <= bounds[1]:
        raise InvalidRequest(f"ringback.{name} must be a number from {bounds[0]} to {bounds[1]}")
    return float(value)


def _text(body: Mapping[str, object], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidRequest(f"{name} must be a string")
    return value


def _shown(value: object) -> str:
    """A received value for a message: short, on one line."""
    return clean(str(value))[:100]
