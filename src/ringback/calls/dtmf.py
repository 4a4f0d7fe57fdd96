"""Key presses that arrive twice, by RFC 4733 and by SIP INFO, are told once."""

from collections import deque

WINDOW = 2.0
"""Seconds within which the same digit by the other method is the same press."""

DIGITS = frozenset("0123456789*#ABCD")
"""What is told; flash and the like are not."""

KEPT = 32


class DigitFilter:
    """Pairs each press with its twin that came the other way."""

    def __init__(self) -> None:
        self._unpaired: deque[tuple[float, str, str]] = deque(maxlen=KEPT)

    def is_new(self, digit: str, method: str, now: float) -> bool:
        """Whether this is a press not yet told."""
        if digit not in DIGITS:
            return False
        while self._unpaired and now - self._unpaired[0][0] > WINDOW:
            self._unpaired.popleft()
        for entry in self._unpaired:
            if entry[1] == digit and entry[2] != method:
                self._unpaired.remove(entry)
                return False
        self._unpaired.append((now, digit, method))
        return True
