"""Number rules: patterns without regular expressions, applied in order, with every step told (pure).

A pattern is read once per use in time linear in its length; there is nothing in it that could backtrack.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ringback.numbers.trunk import Rule

LONGEST_PATTERN = 64
LONGEST_NUMBER = 64
MOST_RULES = 200


@dataclass(frozen=True, slots=True)
class Step:
    """What one rule did: its position (from 0) and the number after it."""

    rule: int
    number: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a list of rules made of a number.

    Attributes:
        number: The result; the last one seen when it was denied.
        denied_by: Position of the rule that refused it, ``None`` when it passed.
        steps: Every rule that matched, in order.
    """

    number: str
    denied_by: int | None = None
    steps: tuple[Step, ...] = ()

    @property
    def denied(self) -> bool:
        return self.denied_by is not None


def apply(rules: Sequence[Rule], number: str) -> Outcome:
    """Run a number through rules. Without a match it stays as it is."""
    steps: list[Step] = []
    for position, rule in enumerate(rules):
        if not matches(rule.match, number):
            continue
        if rule.deny:
            return Outcome(number, position, (*steps, Step(position, number)))
        number = (rule.replace or rule.prepend + number[rule.strip :])[:LONGEST_NUMBER]
        steps.append(Step(position, number))
        if not rule.goes_on:
            break
    return Outcome(number, None, tuple(steps))


def matches(pattern: str, number: str) -> bool:
    """Whether a pattern covers the whole number. The pattern has passed ``pattern_fault``."""
    at = position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "*":
            return True
        if at >= len(number):
            return False
        found = number[at]
        if character == "[":
            end = pattern.index("]", position)
            if found not in _members(pattern[position + 1 : end]):
                return False
            position = end
        elif character == "x":
            if found not in "0123456789":
                return False
        elif character != found:
            return False
        at += 1
        position += 1
    return at == len(number)


def pattern_fault(pattern: str) -> str | None:
    """What is wrong with a pattern, in words; ``None`` for a good one."""
    if not pattern or len(pattern) > LONGEST_PATTERN:
        return f"must be 1 to {LONGEST_PATTERN} characters"
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "*" and position != len(pattern) - 1:
            return "may have * only at its end"
        if character == "[":
            end = pattern.find("]", position)
            if end < 0 or not _is_set(pattern[position + 1 : end]):
                return "has [ without a set of digits such as [2-9] or [135]"
            position = end
        elif character not in "0123456789+x*#":
            return "is made of digits, +, #, x for any digit, [2-9] for a range and * at the end for any rest"
        position += 1
    return None


def _is_set(text: str) -> bool:
    if not text:
        return False
    if len(text) == 3 and text[1] == "-":
        return text[0].isdigit() and text[2].isdigit() and text[0] <= text[2]
    return text.isascii() and text.isdigit()


def _members(text: str) -> str:
    if "-" in text:
        return "0123456789"[int(text[0]) : int(text[2]) + 1]
    return text
