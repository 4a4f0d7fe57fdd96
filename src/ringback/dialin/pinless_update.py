"""The body of ``pinlessCallUpdate``, read."""

from collections.abc import Mapping

from ringback.calls.display_name import clean
from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.ids import CallId, DomainId

FAILED = "call forwarding failed: "
"""What a customer reads whose ``pinlessCallUpdate`` comes to nothing."""


def read_update(body: Mapping[str, object], domain: DomainId) -> tuple[CallId, str]:
    """The call that is meant, and the address that it goes to. Raises ``InvalidRequest``, ``NotFound``."""
    for key in body:
        if key not in ("callId", "callDomain", "sipUri"):
            raise InvalidRequest(f'"{clean(key)[:64]}" is not allowed')
    texts = []
    for key in ("callId", "callDomain", "sipUri"):
        value = body.get(key)
        if value is None:
            raise InvalidRequest(f'"{key}" is required')
        if not isinstance(value, str) or not value or len(value) > 512:
            raise InvalidRequest(f'"{key}" must be a string')
        texts.append(value)
    call, call_domain, uri = texts
    if call_domain != domain:
        raise NotFound(f"{FAILED}no call {clean(call)[:64]} is held")
    while uri.startswith("sip:"):
        uri = uri.removeprefix("sip:")
    return CallId(call), f"sip:{uri}"
