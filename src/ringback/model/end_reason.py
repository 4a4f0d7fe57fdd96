"""Why a call ended and whose fault it was: one value for the event, the webhook, the log, the row and the metric."""

from enum import StrEnum

from ringback.model.values import dataclass


class Fault(StrEnum):
    """Who made the call end other than as everybody wished."""

    NOBODY = "nobody"
    CALLER = "caller"
    REMOTE = "remote"
    NETWORK = "network"
    OURS = "ours"
    UNKNOWN = "unknown"


class Ending(StrEnum):
    """What ended a call. Values are stored and shown: they are never renamed."""

    HANGUP_REMOTE = "hangup-remote"
    HANGUP_LOCAL = "hangup-local"
    CANCELLED_REMOTE = "cancelled-remote"
    CANCELLED_LOCAL = "cancelled-local"
    MEETING_ENDED = "meeting-ended"
    EJECTED = "ejected"
    SIP_DISABLED = "sip-disabled"
    BUSY = "busy"
    DECLINED = "declined"
    NO_ANSWER = "no-answer"
    REJECTED = "rejected"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNTRUSTED = "untrusted"
    UNRESOLVABLE = "unresolvable"
    NOT_REGISTERED = "not-registered"
    NO_COMMON_CODEC = "no-common-codec"
    NOT_PROTECTED = "not-protected"
    MEDIA_TIMEOUT = "media-timeout"
    IDLE_TIMEOUT = "idle-timeout"
    ACK_TIMEOUT = "ack-timeout"
    PROTOCOL_ERROR = "protocol-error"
    REFRESH_MISSED = "refresh-missed"
    DIALOG_GONE = "dialog-gone"
    LIMIT_REACHED = "limit-reached"
    DURATION_LIMIT = "duration-limit"
    QUOTA_EXHAUSTED = "quota-exhausted"
    WRONG_CODE = "wrong-code"
    NOT_LET_IN = "not-let-in"
    NOBODY_CAME = "nobody-came"
    NOT_TAKEN = "not-taken"
    TRANSFERRED = "transferred"
    PEER_ENDED = "peer-ended"
    SERVER_RESTART = "server-restart"
    SERVER_DRAIN = "server-drain"
    STORE_FAILED = "store-failed"
    INTERNAL_ERROR = "internal-error"


@dataclass(frozen=True, slots=True)
class EndReason:
    """How a call ended.

    Attributes:
        ending: What happened.
        fault: Whose fault it was.
        sip_status: Final SIP status that told us or that we sent, if one did (486, 603, …).
        sip_reason: The reason phrase that came with it, control characters removed.
        q850: Q.850 cause of a ``Reason`` header (RFC 3326) that came, or that we sent when we hung up.
    """

    ending: Ending
    fault: Fault = Fault.NOBODY
    sip_status: int | None = None
    sip_reason: str | None = None
    q850: int | None = None

    def sentence(self) -> str:
        """The reason in words, for ``errorMsg`` and for people: ``"busy (486 Busy Here)"``."""
        words = self.ending.value.replace("-", " ")
        if self.sip_status is None:
            return words
        return f"{words} ({self.sip_status} {self.sip_reason or ''})".replace(" )", ")")
