"""The body of a request to press keys."""

import pytest

from ringback.calls.digit_request import validate_digits
from ringback.model.errors import InvalidRequest

GOOD = {"sessionId": "s", "tones": "123#"}


def test_the_defaults_are_the_documented_ones():
    request = validate_digits(GOOD)

    assert (request.tones, request.method, request.duration_ms) == ("123#", "auto", 500)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"tones": "1"}, "sessionId and tones are mandatory parameter"),
        ({"sessionId": "s", "tones": ""}, "sessionId and tones are mandatory parameter"),
        ({"sessionId": 7, "tones": "1"}, "sessionId and tones should be of string type"),
        ({**GOOD, "tones": "1" * 21}, "tones string must be upto 20 characters"),
        ({**GOOD, "tones": "1a"}, "a is not valid DTMF tone"),
        ({**GOOD, "method": "voice"}, "method must be one of 'sip-info', 'telephone-event', or 'auto'"),
        ({**GOOD, "digitDurationMs": "5"}, "digitDurationMs must be a number"),
        ({**GOOD, "digitDurationMs": True}, "digitDurationMs must be a number"),
        ({**GOOD, "digitDurationMs": 99.5}, "digitDurationMs must be a finite integer number"),
        ({**GOOD, "digitDurationMs": float("inf")}, "digitDurationMs must be a finite integer number"),
        ({**GOOD, "digitDurationMs": 49}, "digitDurationMs must be between 50ms and 2000ms"),
        ({**GOOD, "digitDurationMs": 2001}, "digitDurationMs must be between 50ms and 2000ms"),
        ({**GOOD, "loud": 1}, '"loud" is not allowed'),
    ],
)
def test_every_mistake_has_its_own_text(body: dict[str, object], text: str):
    with pytest.raises(InvalidRequest) as error:
        validate_digits(body)
    assert error.value.info == text
