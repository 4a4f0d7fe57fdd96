"""What can go wrong with a call, each told in one line."""


class CallError(Exception):
    """A call cannot go on, or cannot do what was asked.

    Attributes:
        kind: The server's word for it (``meeting-full``, ``exp-token``, ``forbidden-error`` …); or ours:
            ``connection-error``, ``muted``, ``speech-full``.
    """

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


class JoinRefused(CallError):
    """The room does not let us in; ``kind`` is one of docs/signalling.md's."""


class Refused(CallError):
    """The server said no to one request; the call goes on."""


class Unreachable(CallError):
    """Nothing answers at the address in the sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__("connection-error", sentence)
