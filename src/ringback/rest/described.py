"""What the operations of telephony take and answer, as JSON Schema; limits are those that the checks use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ringback.calls.digit_request import DEFAULT_DURATION_MS, MAX_TONES, METHODS
from ringback.calls.requests import (
    AUDIO_CODECS,
    DURATIONS,
    LONGEST_CONSENT,
    RING_TIMEOUTS,
    VIDEO_CODECS,
    VIDEO_LIMITS,
)
from ringback.calls.transfer_request import BRIEF_TIMEOUT, LONGEST_BRIEF, SHORTEST_BRIEF
from ringback.model.records import TransferState

Schema = Mapping[str, Any]

DEFAULT_VIDEO = {"width": 1280, "height": 720, "fps": 15, "videoBitrate": 900}


@dataclass(frozen=True, slots=True)
class Described:
    """One operation.

    Attributes:
        body, answer: Schemas; ``None``: any object, anything.
        query: Parameters by name.
        schemas: Named schemas that the others point to.
        other_answers: Schemas of statuses beside those of all operations.
        takes_key: Whether it takes an ``Idempotency-Key``.
    """

    operation_id: str = ""
    tag: str = ""
    summary: str = ""
    body: Schema | None = None
    answer: Schema | None = None
    query: Mapping[str, Schema] = field(default_factory=dict)
    schemas: tuple[tuple[str, Schema], ...] = ()
    other_answers: Mapping[str, Schema] = field(default_factory=dict)
    takes_key: bool = False


def _object(required: tuple[str, ...] = (), /, **properties: Schema) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


def _named(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Schema = {"type": "string"}
TRULY: Schema = {"type": "boolean"}
MAYBE: Schema = {"type": "string", "nullable": True}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": 100, "default": 100}


def _codecs(names: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": {"type": "string", "enum": list(names)}}


def _list(item: Schema) -> dict[str, Any]:
    return _object(("total_count", "data"), total_count=WHOLE, data={"type": "array", "items": item})


RECEIVE: Schema = {
    "type": "object",
    "properties": {"base": {}, "byUserId": {"type": "object"}, "byParticipantId": {"type": "object"}},
    "additionalProperties": False,
}
DIAL_OUT = _object(
    sipUri=TEXT,
    phoneNumber=TEXT,
    extension={"type": "string", "maxLength": 20},
    waitBeforeExtensionDialSec={"type": "integer", "minimum": 0, "maximum": 60, "default": 0},
    displayName={"type": "string", "maxLength": 199},
    userId={"type": "string", "maxLength": 36},
    callerId=TEXT,
    video={"type": "boolean", "default": False},
    videoSettings=_object(
        **{
            name: {"type": "integer", "minimum": 1, "maximum": most, "default": DEFAULT_VIDEO[name]}
            for name, most in VIDEO_LIMITS.items()
        }
    ),
    codecs=_object(audio=_codecs(AUDIO_CODECS), video=_codecs(VIDEO_CODECS)),
    provider={"type": "string", "enum": ["daily", "signalwire"]},
    permissions=_object(canReceive=RECEIVE),
    ringback=_object(
        ringTimeoutSec={"type": "number", "minimum": RING_TIMEOUTS[0], "maximum": RING_TIMEOUTS[1], "default": 60},
        maxDurationSec={"type": "number", "minimum": DURATIONS[0], "maximum": DURATIONS[1]},
        consentReference={"type": "string", "minLength": 1, "maxLength": LONGEST_CONSENT},
    ),
)
SESSION = {"type": "string"}
OK: Schema = _object(("ok",), ok={"type": "string", "enum": ["true"]})
TRUE: Schema = _object(("ok",), ok={"type": "boolean", "enum": [True]})
EXTENSION = {"type": "string", "minLength": 1, "maxLength": 20}
WAIT = {"type": "integer", "minimum": 0, "maximum": 60, "default": 0}
REFUSED = _object(
    ("errors",),
    errors={
        "type": "array",
        "items": _object(("detail", "status", "title", "code"), detail=TEXT, status=TEXT, title=TEXT, code=TEXT),
    },
)
OFFERED = _object(("number", "region"), number=TEXT, region=TEXT)
PURCHASED = _object(
    ("id", "name", "number", "type", "created_date", "status", "verified"),
    id=TEXT,
    name=MAYBE,
    number=TEXT,
    type={"type": "string", "enum": ["purchased_phone_number"]},
    created_date=TEXT,
    status=TEXT,
    verified=TRULY,
)
OWN_NUMBER = _object(
    ("id", "number", "room"), id=TEXT, number=TEXT, room=MAYBE, name=MAYBE, trunk=MAYBE, created_at=TEXT
)
SEVEN_DIGITS: Schema = {"type": "string", "pattern": "^[0-9]{3,7}$"}

TRANSFER: Schema = _object(
    ("id", "session_id", "to_endpoint", "kind", "state", "complete_status", "created_at", "ended_at"),
    id=TEXT,
    room=TEXT,
    meeting_id=TEXT,
    session_id=TEXT,
    to_session_id=MAYBE,
    from_endpoint=TEXT,
    to_endpoint=TEXT,
    kind={"type": "string", "enum": ["transfer", "refer", "warm-transfer"]},
    state={"type": "string", "enum": [state.value for state in TransferState]},
    complete_status=MAYBE,
    refer_sip_response_code={"type": "integer", "nullable": True},
    notify_sip_response_code={"type": "integer", "nullable": True},
    created_at=TEXT,
    ended_at=MAYBE,
)

DESCRIBED: dict[tuple[str, str], Described] = {
    ("POST", "/rooms/{name}/dialOut/start"): Described(
        "RoomDialOutStart",
        "rooms",
        "rooms/:name/dialOut/start",
        body=_named("dialout-properties"),
        answer=_object(("ok", "sessionId"), ok={"type": "string", "enum": ["true"]}, sessionId=SESSION),
        schemas=(("dialout-properties", DIAL_OUT),),
        takes_key=True,
    ),
    ("POST", "/rooms/{name}/dialOut/stop"): Described(
        "RoomDialOutStop",
        "rooms",
        "rooms/:name/dialOut/stop",
        body=_object(("sessionId",), sessionId=SESSION),
        answer=OK,
    ),
    ("POST", "/rooms/{name}/dialOut/sendDTMF"): Described(
        "RoomDialOutSendDTMF",
        "rooms",
        "rooms/:name/dialOut/sendDTMF",
        body=_object(
            ("sessionId", "tones"),
            sessionId=SESSION,
            tones={"type": "string", "minLength": 1, "maxLength": MAX_TONES, "pattern": "^[0-9A-D*#]+$"},
            digitDurationMs={"type": "integer", "minimum": 50, "maximum": 2000, "default": DEFAULT_DURATION_MS},
            method={"type": "string", "enum": list(METHODS), "default": "auto"},
        ),
        answer=OK,
        takes_key=True,
    ),
    ("POST", "/rooms/{name}/dialOut/check"): Described(
        "RoomDialOutCheck",
        "rooms",
        "rooms/:name/dialOut/check",
        body=_named("dialout-properties"),
        answer=_object(
            ("allowed", "number", "callerId", "trunks", "refusals"),
            allowed=TRULY,
            number=MAYBE,
            callerId=MAYBE,
            trunks={"type": "array", "items": TEXT},
            refusals={
                "type": "array",
                "items": _object(("status", "error", "info"), status=WHOLE, error=TEXT, info=TEXT),
            },
        ),
    ),
    ("POST", "/rooms/{name}/sipCallTransfer"): Described(
        "SipCallTransfer",
        "rooms",
        "rooms/:name/sipCallTransfer",
        body=_object(
            ("sessionId", "toEndPoint"),
            sessionId=SESSION,
            toEndPoint=TEXT,
            callerId=TEXT,
            extension=EXTENSION,
            waitBeforeExtensionDialSec=WAIT,
        ),
        answer=TRUE,
        takes_key=True,
    ),
    ("POST", "/rooms/{name}/sipRefer"): Described(
        "SipRefer",
        "rooms",
        "rooms/:name/sipRefer",
        body=_object(("sessionId", "toEndPoint"), sessionId=SESSION, toEndPoint=TEXT),
        answer=TRUE,
        takes_key=True,
    ),
    ("GET", "/ringback/calls/{call}/transfers"): Described(answer=_list(TRANSFER)),
    ("POST", "/ringback/calls/{call}/warm-transfer"): Described(
        body=_object(
            ("toEndPoint",),
            toEndPoint=TEXT,
            callerId=TEXT,
            extension=EXTENSION,
            waitBeforeExtensionDialSec=WAIT,
            acceptKey={"type": "string", "nullable": True, "pattern": "^[0-9A-D*#]$", "default": "1"},
            briefTimeoutSec={
                "type": "integer",
                "minimum": SHORTEST_BRIEF,
                "maximum": LONGEST_BRIEF,
                "default": BRIEF_TIMEOUT,
            },
            holdMusic={"type": "boolean", "default": True},
        ),
        answer=_object(("ok", "sessionId"), ok=TRULY, sessionId=TEXT),
        takes_key=True,
    ),
    ("GET", "/ringback/calls/{call}/warm-transfer"): Described(answer=TRANSFER),
    ("POST", "/ringback/calls/{call}/warm-transfer/accept"): Described(
        body=_object((), useSipRefer={"type": "boolean", "default": False}), answer=TRUE
    ),
    ("POST", "/ringback/calls/{call}/warm-transfer/merge"): Described(body=_object(), answer=TRUE),
    ("POST", "/ringback/calls/{call}/warm-transfer/return"): Described(body=_object(), answer=TRUE),
    ("GET", "/list-available-numbers"): Described(
        "ListAvailableNumbers",
        "phone-numbers",
        "/list-available-numbers",
        query={
            "areacode": {"type": "string", "pattern": "^[0-9]{1,7}$"},
            "region": TEXT,
            "city": TEXT,
            "contains": SEVEN_DIGITS,
            "starts_with": SEVEN_DIGITS,
            "ends_with": SEVEN_DIGITS,
        },
        answer=_list(OFFERED),
    ),
    ("POST", "/buy-phone-number"): Described(
        "BuyPhoneNumber",
        "phone-numbers",
        "/buy-phone-number",
        body=_object(number=MAYBE),
        answer=_object(("id", "number"), id=TEXT, number=TEXT),
        other_answers={"422": REFUSED},
    ),
    ("GET", "/purchased-phone-numbers"): Described(
        "PurchasedPhoneNumbers",
        "phone-numbers",
        "/purchased-phone-numbers",
        query={
            "limit": LIMIT,
            "starting_after": TEXT,
            "ending_before": TEXT,
            "filter_name": TEXT,
            "filter_number": TEXT,
        },
        answer=_list(PURCHASED),
    ),
    ("DELETE", "/release-phone-number/{id}"): Described(
        "ReleasePhoneNumber",
        "phone-numbers",
        "/release-phone-number/:id",
        answer=_object(("status",), status={"type": "string", "enum": ["ok"]}, deleted=TRULY, id=TEXT),
        other_answers={"422": REFUSED},
    ),
    ("GET", "/ringback/numbers"): Described(
        answer=_object(("data",), data={"type": "array", "items": OWN_NUMBER}),
    ),
    ("POST", "/ringback/numbers"): Described(
        body=_object(("number", "room"), number=TEXT, room=TEXT, name={"type": "string", "maxLength": 100}),
        answer=OWN_NUMBER,
    ),
    ("GET", "/ringback/audit"): Described(
        query={"limit": LIMIT, "starting_after": TEXT, "rule": TEXT, "domain": TEXT},
        answer=_list({"type": "object"}),
    ),
    ("GET", "/ringback/dialout-policy"): Described(query={"domain": TEXT}, answer={"type": "object"}),
}
