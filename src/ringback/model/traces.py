"""What was said in a call on the wire, as people are shown it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Said:
    """One SIP message.

    Attributes:
        at: Unix seconds.
        out: Whether we sent it.
        transport: ``udp``, ``tcp``, ``tls``, ``ws`` or ``wss``.
        peer: The far end, ``host:port``.
        text: The message; passwords, proofs of them, keys and digits are blotted out. Lines end in ``\\n``; it has no
            other control characters.
        rule: Which rule of ours refused something with it; empty for none.
    """

    at: float
    out: bool
    transport: str
    peer: str
    text: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is still known of a call's messages, oldest first.

    Attributes:
        dropped: Messages that are no longer known, from between the call's first ones and its last ones.
    """

    said: tuple[Said, ...] = ()
    dropped: int = 0
