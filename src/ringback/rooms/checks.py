"""Checks of single values from strangers, to be combined into tables. Each returns the value to keep, or refuses.

A check is ``(name, value, rules) → value`` and raises ``InvalidRequest`` in Daily's words:
``"num_endpoints" must be a number [Received num_endpoints=two]``.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ringback.model.errors import InvalidRequest

LATEST_EPOCH = 253402300799.0  # end of the year 9999: a larger number is milliseconds, or a mistake
LONGEST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Rules:
    """What the checks need to know beside the value.

    Attributes:
        now: Unix seconds.
        max_participants, max_sip_pstn_sessions: The operator's caps.
    """

    now: float
    max_participants: int = 200
    max_sip_pstn_sessions: int = 5


Check = Callable[[str, object, Rules], object]


@dataclass(frozen=True, slots=True)
class Field:
    """A key of an object."""

    check: Check
    required: bool = False


def refusal(name: str, must: str, value: object) -> InvalidRequest:
    """The error for a value that is not as it must be."""
    return InvalidRequest(f'"{name}" {must} [Received {name}={_shown(value)}]')


def not_allowed(name: str, value: object) -> InvalidRequest:
    """The error for a key nobody knows."""
    return refusal(name, "is not allowed", value)


def boolean(name: str, value: object, _rules: Rules) -> bool:
    if not isinstance(value, bool):
        raise refusal(name, "must be a boolean", value)
    return value


def integer(low: int | None = None, high: int | None = None) -> Check:
    def check(name: str, value: object, rules: Rules) -> int:
        number = _number(name, value)
        if number != int(number):
            raise refusal(name, "must be an integer", value)
        _bounds(name, number, low, high)
        return int(number)

    return check


def number(low: float | None = None, high: float | None = None) -> Check:
    def check(name: str, value: object, rules: Rules) -> float:
        found = _number(name, value)
        _bounds(name, found, low, high)
        return found

    return check


def text(longest: int = 1024, *, empty: bool = False) -> Check:
    def check(name: str, value: object, rules: Rules) -> str:
        if not isinstance(value, str):
            raise refusal(name, "must be a string", value)
        if not value and not empty:
            raise refusal(name, "is not allowed to be empty", value)
        if len(value) > longest:
            raise refusal(name, f"length must be less than or equal to {longest} characters long", value)
        if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
            raise refusal(name, "must not contain control characters", value)
        return value

    return check


def prose(longest: int) -> Check:
    """Text that may have lines."""

    def check(name: str, value: object, rules: Rules) -> str:
        if not isinstance(value, str):
            raise refusal(name, "must be a string", value)
        if len(value) > longest or "\x00" in value:
            raise refusal(name, f"length must be less than or equal to {longest} characters long", value)
        return value

    return check


def one_of(*allowed: str) -> Check:
    def check(name: str, value: object, rules: Rules) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise refusal(name, f"must be one of [{', '.join(allowed)}]", value)
        return value

    return check


def url(longest: int = 1024) -> Check:
    def check(name: str, value: object, rules: Rules) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"https?://[^\s/?#@\x00-\x20]+([/?#][!-~]*)?", value):
            raise refusal(name, "must be a valid uri with http or https", value)
        if len(value) > longest:
            raise refusal(name, f"length must be less than or equal to {longest} characters long", value)
        return value

    return check


def listing(item: Check, *, fewest: int = 0, most: int = 100) -> Check:
    def check(name: str, value: object, rules: Rules) -> list[object]:
        if not isinstance(value, list):
            raise refusal(name, "must be an array", value)
        if len(value) < fewest:
            raise refusal(name, f"must contain at least {fewest} items", value)
        if len(value) > most:
            raise refusal(name, f"must contain less than or equal to {most} items", value)
        return [item(f"{name}[{index}]", each, rules) for index, each in enumerate(value)]

    return check


def either(first: Check, second: Check) -> Check:
    """``first``, or else ``second``, whose refusal is told."""

    def check(name: str, value: object, rules: Rules) -> object:
        try:
            return first(name, value, rules)
        except InvalidRequest:
            return second(name, value, rules)

    return check


def mapping(item: Check, *, most: int = 100, longest_key: int = 128) -> Check:
    """An object with free keys."""

    def check(name: str, value: object, rules: Rules) -> dict[str, object]:
        if not isinstance(value, dict):
            raise refusal(name, "must be an object", value)
        if len(value) > most or any(len(key) > longest_key for key in value):
            raise refusal(name, f"must have at most {most} keys of at most {longest_key} characters", value)
        return {key: item(f"{name}.{key}", each, rules) for key, each in value.items()}

    return check


def shape(fields: Mapping[str, Field]) -> Check:
    """An object with known keys. A key that is ``null`` counts as left out, so it is never echoed as ``null``."""

    def check(name: str, value: object, rules: Rules) -> dict[str, object]:
        if not isinstance(value, dict):
            raise refusal(name, "must be an object", value)
        kept = {}
        for key, each in value.items():
            field = fields.get(key)
            if field is None:
                raise not_allowed(key, each)
            if each is not None:
                kept[key] = field.check(key, each, rules)
        for key, field in fields.items():
            if field.required and key not in kept:
                raise InvalidRequest(f'"{key}" is required')
        return kept

    return check


def free_object(longest: int = 16384) -> Check:
    """An object that is kept as it is, up to ``longest`` characters of JSON."""

    def check(name: str, value: object, rules: Rules) -> dict[str, object]:
        if not isinstance(value, dict):
            raise refusal(name, "must be an object", value)
        if len(json.dumps(value)) > longest:
            raise refusal(name, f"must be at most {longest} characters of JSON", value)
        return value

    return check


def epoch(name: str, value: object, _rules: Rules) -> float:
    """Unix seconds; a float is kept as it came."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST_EPOCH:
        raise InvalidRequest(f"{name} was '{_shown(value)}' but should be a number of seconds since the unix epoch")
    return value


def future_epoch(name: str, value: object, rules: Rules) -> float:
    """Unix seconds later than now."""
    found = epoch(name, value, rules)
    if found <= rules.now:
        raise InvalidRequest(f"{name} was '{_shown(value)}', which is in the past rather than in the future")
    return found


def anything(_name: str, value: object, _rules: Rules) -> object:
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise refusal(name, "must be a number", value)
    return value


def _bounds(name: str, value: float, low: float | None, high: float | None) -> None:
    if low is not None and value < low:
        raise refusal(name, f"must be greater than or equal to {low}", value)
    if high is not None and value > high:
        raise refusal(name, f"must be less than or equal to {high}", value)


def _shown(value: object) -> str:
    written = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    printable = "".join(character if character.isprintable() else "?" for character in written[: LONGEST_SHOWN + 1])
    return printable if len(printable) <= LONGEST_SHOWN else printable[:LONGEST_SHOWN] + "…"
