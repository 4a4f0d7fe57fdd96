"""What the telephone network calls the reasons for which calls fail: causes of Q.850 (RFC 3398 §8.2.6.1, RFC 6432)."""

from ringback.sip.headers import reasons

BY_STATUS = {
    401: 21,
    403: 21,
    404: 1,
    405: 63,
    407: 21,
    408: 102,
    410: 22,
    415: 79,
    416: 127,
    420: 127,
    480: 18,
    481: 41,
    482: 25,
    483: 25,
    484: 28,
    486: 17,
    488: 88,
    491: 41,
    500: 41,
    503: 41,
    504: 102,
    600: 17,
    603: 21,
    604: 1,
    606: 88,
}
"""SIP status of a refusal → cause, for gateways that would otherwise guess one."""

NORMAL = 16
"""Normal call clearing."""

ELSEWHERE = 26
"""Non-selected user clearing: another telephone was answered."""

NO_ANSWER = 19
"""Alerting, and nobody answered."""

TEMPORARY_FAILURE = 41
"""The far end knows nothing of the call any more."""

TIMED_OUT = 102
"""Recovery on timer expiry: something that was due did not come."""

CONGESTION = 42
"""Switching equipment congestion: more calls than are taken at once."""

AS_SIP = {17: 486, 18: 408, 19: 480, 21: 603, 41: 500, 42: 480, 88: 488, 102: 504, 111: 500}
"""Cause for which a call that stood is hung up → SIP status that says the same; 200 for all others."""


def hung_up(words: str, q850: int | None = None) -> tuple[tuple[str, str], ...]:
    """What a BYE says of its reason: something always, for a far end that is told nothing shows an error."""
    cause = NORMAL if q850 is None else q850
    return reasons(words, AS_SIP.get(cause, 200), cause)


def given_up(words: str, q850: int | None = None) -> tuple[tuple[str, str], ...]:
    """What a CANCEL says of its reason. 200 alone means that another telephone was answered: no call was missed."""
    cause = NORMAL if q850 is None else q850
    return reasons(words, 200 if cause == ELSEWHERE else 487, cause)
