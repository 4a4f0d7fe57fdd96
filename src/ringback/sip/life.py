"""Where a call stands, and what it can wait for."""

from enum import Enum, auto


class Phase(Enum):
    """Where a call stands. ``LEAVING``: our BYE is on its way. ``OVER`` is final."""

    SETTING_UP = auto()
    UP = auto()
    LEAVING = auto()
    OVER = auto()


class Alarm(Enum):
    """What a call can wait for besides its transactions."""

    RESEND_2XX = auto()
    ACK_MISSING = auto()
    RETRY_OFFER = auto()
    OFFER_UNANSWERED = auto()
    REFRESH = auto()
    EXPIRED = auto()
    SILENCE = auto()
    TRYING = auto()
    RINGING_TOO_LONG = auto()
    CANCEL_UNANSWERED = auto()
    CANCEL_IGNORED = auto()
    RESEND_1XX = auto()
    PRACK_MISSING = auto()
    REFER_UNANSWERED = auto()
    REFER_UNTOLD = auto()
