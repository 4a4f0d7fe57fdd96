"""Key presses that arrive twice or three times, by RFC 4733, by SIP INFO and as tones in the sound, are told once."""

from collections import deque
from dataclasses import dataclass

WINDOW = 2.0
"""Seconds within which the same digit by another method is the same press."""

DIGITS = frozenset("0123456789*#ABCD")
"""What is told; flash and the like are not."""

KEPT = 32


@dataclass(slots=True)
class _Press:
    at: float
    digit: str
    methods: set[str]


class DigitFilter:
    """Pairs each press with its twins that came other ways."""

    def __init__(self) -> None:
        self._told: deque[_Press] = deque(maxlen=KEPT)

    def is_new(self, digit: str, method: str, now: float) -> bool:
        """Whether this is a press not yet told."""
        if digit not in DIGITS:
            return False
        while self._told and now - self._told[0].at > WINDOW:
            self._told.popleft()
        for press in self._told:
            if press.digit == digit and method not in press.methods:
                press.methods.add(method)
                return False
        self._told.append(_Press(now, digit, {method}))
        return True
