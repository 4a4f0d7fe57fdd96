"""The one error that bytes from a stranger can cause."""


class SipParseError(ValueError):
    """A message, or a part of one, that breaks RFC 3261 §25 or one of our limits.

    Args:
        reason: A few words, fit for a log and for the reason phrase.
        status: What to answer if it was a request and enough of it could be read: 400, 414, 416, 505, 513.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
