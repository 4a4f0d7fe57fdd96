"""The body of a request to press keys towards a telephone: limits of its fields, texts of its mistakes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from ringback.calls.dtmf import DIGITS
from ringback.model.errors import InvalidRequest

FIELDS = ("sessionId", "tones", "method", "digitDurationMs")
METHODS = ("auto", "telephone-event", "sip-info")
MAX_TONES = 20
DEFAULT_DURATION_MS = 500


@dataclass(frozen=True, slots=True)
class DigitRequest:
    """Keys to press, one after the other.

    Attributes:
        session_id: The telephone that hears them.
        method: ``auto`` takes telephone-event where it was negotiated.
    """

    session_id: str
    tones: str
    method: str = "auto"
    duration_ms: int = DEFAULT_DURATION_MS


def validate_digits(body: Mapping[str, object]) -> DigitRequest:
    """Check a body. Raises ``InvalidRequest`` with the text of the first mistake."""
    for name in body:
        if name not in FIELDS:
            raise InvalidRequest(f'"{name}" is not allowed')
    session_id, tones = body.get("sessionId"), body.get("tones")
    if not session_id or not tones:
        raise InvalidRequest("sessionId and tones are mandatory parameter")
    if not isinstance(session_id, str) or not isinstance(tones, str):
        raise InvalidRequest("sessionId and tones should be of string type")
    if len(tones) > MAX_TONES:
        raise InvalidRequest(f"tones string must be upto {MAX_TONES} characters")
    for tone in tones:
        if tone not in DIGITS:
            raise InvalidRequest(f"{tone!r} is not valid DTMF tone".replace("'", ""))
    method = body.get("method", "auto")
    if method not in METHODS:
        raise InvalidRequest("method must be one of 'sip-info', 'telephone-event', or 'auto'")
    return DigitRequest(session_id, tones, str(method), _duration(body.get("digitDurationMs", DEFAULT_DURATION_MS)))


def _duration(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidRequest("digitDurationMs must be a number")
    if value != value or value in (float("inf"), float("-inf")) or int(value) != value:
        raise InvalidRequest("digitDurationMs must be a finite integer number")
    if not 50 <= value <= 2000:
        raise InvalidRequest("digitDurationMs must be between 50ms and 2000ms")
    return int(value)
