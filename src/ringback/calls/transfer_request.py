"""The body of a request to transfer a call: fields, limits, and the texts of their mistakes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from ringback.calls.display_name import clean
from ringback.calls.requests import DialOutRequest, validate
from ringback.calls.sip_uri import parse_target
from ringback.model.errors import InvalidRequest, NumberNotAllowed
from ringback.numbers.guard import NO_HELP, address_refusal, is_help

CALL_FIELDS = ("sessionId", "toEndPoint", "callerId", "extension", "waitBeforeExtensionDialSec", "ringback")
REFER_FIELDS = ("sessionId", "toEndPoint")
WARM_FIELDS = ("toEndPoint", *CALL_FIELDS[2:], "acceptKey", "briefTimeoutSec", "holdMusic")

KEYS = "0123456789*#ABCD"
BRIEF_TIMEOUT, SHORTEST_BRIEF, LONGEST_BRIEF = 300, 10, 3600
"""Seconds somebody has to accept once answered."""


@dataclass(frozen=True, slots=True)
class WarmRequest:
    """A warm transfer that may be tried.

    Attributes:
        to, dial: See ``TransferRequest``.
        accept_key: The key with which whom it goes to accepts; ``None``: by command alone.
        brief_timeout: Seconds to accept once answered.
        music: Whether the caller hears music meanwhile.
    """

    to: str
    dial: DialOutRequest
    accept_key: str | None
    brief_timeout: float
    music: bool


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """A transfer that may be tried.

    Attributes:
        session_id: The call that goes elsewhere.
        to: Where to, as asked for: an address or a number.
        dial: The call to make for it; of a REFER only its address is of use.
    """

    session_id: str
    to: str
    dial: DialOutRequest


def validate_transfer(body: Mapping[str, object]) -> TransferRequest:
    """Check the body of ``sipCallTransfer``. Raises ``InvalidRequest`` with the text of the first mistake."""
    session_id, to = _required(body, "sipCallTransfer", CALL_FIELDS)
    if to.startswith("+"):
        dial: dict[str, object] = {"phoneNumber": to}
    elif to[:4].lower() == "sip:":
        if body.get("callerId") is not None:
            raise InvalidRequest("callerId is only valid when transferring to a PSTN number")
        dial = {"sipUri": to}
    elif is_help(to):
        raise NumberNotAllowed(NO_HELP)
    else:
        raise InvalidRequest(f'toEndPoint: {clean(to)[:100]} must starts with either "sip:" or "+"')
    if body.get("extension") == "":
        raise InvalidRequest("extension length must be at least 1")
    dial |= {name: body[name] for name in CALL_FIELDS[2:] if body.get(name) is not None}
    return TransferRequest(session_id, to, validate(dial))


def validate_refer(body: Mapping[str, object]) -> TransferRequest:
    """Check the body of ``sipRefer``.

    Raises ``InvalidRequest`` with the text of the first mistake, ``NumberNotAllowed`` for emergency services.
    """
    session_id, to = _required(body, "sipRefer", REFER_FIELDS)
    if is_help(to):
        raise NumberNotAllowed(NO_HELP)
    if to[:4].lower() != "sip:":
        raise InvalidRequest('"toEndPoint" must be a "sip" address')
    if parse_target(to).headers:
        raise InvalidRequest('"toEndPoint" of sipRefer must have no headers')
    # Nobody calls for help on our word, at whose cost ever.
    user, _, rest = to[4:].rpartition("@")
    if refusal := address_refusal(unquote(user), rest.lower()):
        raise NumberNotAllowed(refusal)
    return TransferRequest(session_id, to, validate({"sipUri": to}))


def validate_warm(call: str, body: Mapping[str, object]) -> WarmRequest:
    """Check the body of a warm transfer. Raises ``InvalidRequest`` with the text of the first mistake."""
    for name, value in body.items():
        if name not in WARM_FIELDS:
            raise InvalidRequest(f'"{clean(name)[:100]}" is not allowed [Received {clean(f"{name}={value}")[:200]}]')
    to = body.get("toEndPoint")
    if not isinstance(to, str) or not to:
        raise InvalidRequest("toEndPoint is required and must be a string")
    key, music = body.get("acceptKey", "1"), body.get("holdMusic", True)
    if key is not None and not (isinstance(key, str) and len(key) == 1 and key in KEYS):
        raise InvalidRequest(f"acceptKey must be null or one of {KEYS}")
    if not isinstance(music, bool):
        raise InvalidRequest("holdMusic must be a boolean value")
    timeout = body.get("briefTimeoutSec", BRIEF_TIMEOUT)
    if isinstance(timeout, bool) or not isinstance(timeout, int) or not SHORTEST_BRIEF <= timeout <= LONGEST_BRIEF:
        raise InvalidRequest(f"briefTimeoutSec must be an integer from {SHORTEST_BRIEF} to {LONGEST_BRIEF}")
    transfer = {name: body[name] for name in CALL_FIELDS if name in body}
    asked = validate_transfer({**transfer, "sessionId": call})
    return WarmRequest(asked.to, asked.dial, key, float(timeout), music)


def _required(body: Mapping[str, object], verb: str, fields: tuple[str, ...]) -> tuple[str, str]:
    for name, value in body.items():
        if name not in fields:
            raise InvalidRequest(f'"{clean(name)[:100]}" is not allowed [Received {clean(f"{name}={value}")[:200]}]')
    session_id, to = body.get("sessionId"), body.get("toEndPoint")
    if not session_id or not to:
        raise InvalidRequest(f"{verb}() requires a sessionId and toEndPoint")
    for name, value in (("sessionId", session_id), ("toEndPoint", to)):
        if not isinstance(value, str):
            raise InvalidRequest(f"{name} must be a string")
    return str(session_id), str(to).strip()
