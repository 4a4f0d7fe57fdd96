"""How the ways a call can fail or end on the SIP side become an ``EndReason``."""

from collections.abc import Mapping

from ringback.calls.ports.carrier import Failure
from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.values import replace

BY_STATUS = {
    404: (Ending.REJECTED, Fault.REMOTE),
    408: (Ending.NO_ANSWER, Fault.REMOTE),
    480: (Ending.NO_ANSWER, Fault.REMOTE),
    486: (Ending.BUSY, Fault.REMOTE),
    487: (Ending.NO_ANSWER, Fault.REMOTE),
    488: (Ending.NO_COMMON_CODEC, Fault.REMOTE),
    600: (Ending.BUSY, Fault.REMOTE),
    603: (Ending.DECLINED, Fault.REMOTE),
    606: (Ending.NO_COMMON_CODEC, Fault.REMOTE),
}

BY_CAUSE = {
    "transport": (Ending.UNREACHABLE, Fault.NETWORK),
    "tls": (Ending.UNTRUSTED, Fault.REMOTE),
    "resolve": (Ending.UNRESOLVABLE, Fault.CALLER),
    "policy": (Ending.REFUSED, Fault.CALLER),
    "unregistered": (Ending.NOT_REGISTERED, Fault.REMOTE),
}


BY_SILENCE = {"timeout": 408, "transport": 503, "tls": 503, "resolve": 503}
"""What no answer at all counts as, for programs that look at the status: RFC 3261 §8.1.3.1."""


def of_failure(failure: Failure, rang: bool, demanded: bool = False) -> EndReason:
    """Why our INVITE came to nothing. A timeout after ringing is nobody answering, before it an unreachable host.

    Args:
        demanded: Whether our offer had encrypted sound alone. Who takes none says 488 or 606 as if it lacked a codec
            (RFC 4568 §7.1.2), and G.711 is lacked by nobody.
    """
    if demanded and failure.status in (488, 606):
        ending, fault = Ending.NOT_PROTECTED, Fault.REMOTE
    elif failure.cause == "timeout":
        ending, fault = (Ending.NO_ANSWER, Fault.REMOTE) if rang else (Ending.UNREACHABLE, Fault.NETWORK)
    elif failure.cause in BY_CAUSE:
        ending, fault = BY_CAUSE[failure.cause]
    else:
        ending, fault = BY_STATUS.get(failure.status, (Ending.REJECTED, Fault.REMOTE))
    status = failure.status or BY_SILENCE.get(failure.cause)
    return EndReason(ending, fault, status, failure.reason or None, failure.q850)


BY_DIALOG_END = {
    "bye": (Ending.HANGUP_REMOTE, Fault.NOBODY),
    "ack-timeout": (Ending.ACK_TIMEOUT, Fault.NETWORK),
    "protocol-error": (Ending.PROTOCOL_ERROR, Fault.REMOTE),
    "refresh-missed": (Ending.REFRESH_MISSED, Fault.REMOTE),
    "gone": (Ending.DIALOG_GONE, Fault.REMOTE),
}


def of_dialog_end(cause: str, q850: int | None) -> EndReason:
    """Why a call that stood is over, as ``CarrierEvents.ended`` names it."""
    ending, fault = BY_DIALOG_END.get(cause, (Ending.PROTOCOL_ERROR, Fault.UNKNOWN))
    return EndReason(ending, fault, q850=q850)


BY_ENDING = {
    Ending.BUSY: "busy",
    Ending.NO_ANSWER: "no-answer",
    Ending.CANCELLED_LOCAL: "canceled",
    Ending.CANCELLED_REMOTE: "canceled",
}


def transfer_status(end: EndReason | None) -> str:
    """How a transfer ended whose target was never reached, in Daily's words."""
    return BY_ENDING.get(end.ending, "failed") if end is not None else "failed"


Q850: Mapping[str, int] = {
    Ending.HANGUP_LOCAL: 16,
    Ending.CANCELLED_LOCAL: 16,
    Ending.MEETING_ENDED: 16,
    Ending.EJECTED: 16,
    Ending.TRANSFERRED: 16,
    Ending.PEER_ENDED: 16,
    Ending.WRONG_CODE: 21,
    Ending.NOT_LET_IN: 21,
    Ending.NOBODY_CAME: 19,
    Ending.NOT_TAKEN: 19,
    Ending.SIP_DISABLED: 31,
    Ending.IDLE_TIMEOUT: 31,
    Ending.NO_ANSWER: 19,
    Ending.NO_COMMON_CODEC: 88,
    Ending.NOT_PROTECTED: 88,
    Ending.MEDIA_TIMEOUT: 102,
    Ending.ACK_TIMEOUT: 102,
    Ending.REFRESH_MISSED: 102,
    Ending.PROTOCOL_ERROR: 111,
    Ending.LIMIT_REACHED: 42,
    Ending.DURATION_LIMIT: 31,
    Ending.QUOTA_EXHAUSTED: 31,
    Ending.SERVER_RESTART: 41,
    Ending.SERVER_DRAIN: 41,
    Ending.STORE_FAILED: 41,
    Ending.INTERNAL_ERROR: 41,
}
"""What the telephone network calls the reasons for which we hang up (Q.850, RFC 3326)."""


def told(reason: EndReason) -> EndReason:
    """A reason for which we hang up, with the cause that we tell the far end."""
    return replace(reason, q850=Q850.get(reason.ending, reason.q850))
