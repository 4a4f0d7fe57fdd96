"""Which numbers a domain may call, when, how often and for how much: a value, read from what was written (pure)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ringback.model.errors import InvalidRequest
from ringback.model.values import replace
from ringback.numbers.e164 import dialling_area
from ringback.numbers.guard import PREMIUM

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST_CALL = 14400.0
MOST_ITEMS = 10_000
PREFIX = re.compile(r"\+?[0-9]{0,15}")
CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits of one scope (a domain, a key, a token, a domain over a trunk); ``None``: no such limit.

    Attributes:
        concurrent: Calls at once, from the INVITE on.
        per_minute, per_hour: Calls begun.
        minutes_per_day: Answered minutes of all calls since midnight UTC.
        spend_per_day: What they cost, in the unit of the rates.
    """

    concurrent: int | None = None
    per_minute: int | None = None
    per_hour: int | None = None
    minutes_per_day: float | None = None
    spend_per_day: float | None = None

    @property
    def is_metered(self) -> bool:
        """Whether a running call can use something up."""
        return self.minutes_per_day is not None or self.spend_per_day is not None


@dataclass(frozen=True, slots=True)
class Rate:
    """What a call costs: for each minute, counted by the second, and for being answered at all."""

    per_minute: float = 0.0
    per_call: float = 0.0


@dataclass(frozen=True, slots=True)
class Hours:
    """When numbers may be called.

    Attributes:
        prefixes: Numbers it is about; empty for all.
        days: Of ``DAYS``.
        begins, ends: Local time; ``ends`` before ``begins`` reaches into the next day.
    """

    prefixes: tuple[str, ...]
    days: frozenset[str]
    begins: time
    ends: time
    timezone: str = "UTC"

    def allows(self, wall: float) -> bool:
        """Whether calls may be made at this Unix time."""
        local = datetime.fromtimestamp(wall, UTC).astimezone(ZoneInfo(self.timezone))
        today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
        now = local.time()
        if self.begins <= self.ends:
            return today in self.days and self.begins <= now < self.ends
        return (today in self.days and now >= self.begins) or (yesterday in self.days and now < self.ends)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a domain may call.

    Attributes:
        numbers: Whether it may call telephone numbers at all.
        countries: Country codes (``49``, ``1``; islands of the North American plan as ``1876``); empty for all.
        allow_prefixes, deny_prefixes: Of E.164; the longest that matches decides, before ``countries``. Premium and
            satellite numbers are denied unless a prefix allows them.
        domain, key, token, trunk: Caps of the domain, of each of its keys and tokens, and over each trunk.
        rates: By prefix, the longest wins; the empty prefix is for everything else.
        hours: When; empty for always. Those that name a number's prefix stand before those that name none.
        consent_required: Whether each call has to bring a reference to the callee's consent.
        do_not_call: Numbers, or prefixes with ``*``, that are not called.
        longest_call: Seconds.
    """

    numbers: bool = True
    countries: frozenset[str] = frozenset()
    allow_prefixes: tuple[str, ...] = ()
    deny_prefixes: tuple[str, ...] = ()
    domain: Caps = Caps(concurrent=100, per_minute=120)
    key: Caps = Caps()
    token: Caps = Caps(concurrent=30, per_minute=60)
    trunk: Caps = Caps()
    rates: Mapping[str, Rate] = field(default_factory=dict)
    hours: tuple[Hours, ...] = ()
    consent_required: bool = False
    do_not_call: frozenset[str] = frozenset()
    longest_call: float = LONGEST_CALL

    def refusal(self, number: str, premium_allowed: bool = False) -> str | None:
        """Why a number (E.164) is none that may be called; ``None`` when it is."""
        if not self.numbers:
            return "dial-out to PhoneNumber is not enabled for domain. Contact support to enable it for your domain"
        allowed, denied = _longest(self.allow_prefixes, number), _longest(self.deny_prefixes, number)
        if denied and len(denied) >= len(allowed):
            return f"numbers that begin with {denied} are not called"
        if allowed:
            return None
        if number.startswith(PREMIUM) and not premium_allowed:
            return "premium and satellite numbers are not called"
        area = dialling_area(number)
        if self.countries and area not in self.countries:
            return (
                "International dialout not supported. Contact sales to enable it for your domain"
                f" (country code {area} is not among those allowed)"
            )
        return None

    def rate(self, number: str) -> Rate | None:
        """What a number costs; ``None`` when there are rates but none for it."""
        if not self.rates:
            return Rate()
        return next(
            (self.rates[number[:size]] for size in range(len(number), -1, -1) if number[:size] in self.rates), None
        )

    def is_open(self, number: str, wall: float) -> bool:
        """Whether this is a time to call a number."""
        named = [each for each in self.hours if each.prefixes and number.startswith(each.prefixes)]
        asked = named or [each for each in self.hours if not each.prefixes]
        return not asked or any(each.allows(wall) for each in asked)

    def is_unwanted(self, number: str) -> bool:
        """Whether a number is on this list of those not to be called."""
        return lists(self.do_not_call, number)


def lists(entries: frozenset[str], number: str) -> bool:
    """Whether a number, or a prefix of it with ``*``, is among some entries."""
    return number in entries or any(f"{number[:size]}*" in entries for size in range(len(number) + 1))


def read_policy(body: Mapping[str, Any], defaults: Policy) -> Policy:
    """A policy from what an operator wrote; fields that are left out, or null, stay as in ``defaults``.

    Raises:
        InvalidRequest: The first mistake, with the field's name.
    """
    known = {each.name for each in fields(Policy)} - {"domain", "key", "token", "trunk", "hours", "longest_call"}
    for name in body:
        if name not in known | {"caps", "calling_hours", "longest_call_seconds"}:
            raise InvalidRequest(f'"{_shown(name)}" is not allowed')
    given = {name: value for name, value in body.items() if value is not None}
    changes: dict[str, Any] = {}
    for name in ("numbers", "consent_required"):
        if name in given:
            changes[name] = _flag(name, given[name])
    if "countries" in given:
        changes["countries"] = frozenset(each.lstrip("+") for each in _prefixes("countries", given["countries"]))
    for name in ("allow_prefixes", "deny_prefixes"):
        if name in given:
            changes[name] = tuple(_plus(each) for each in _prefixes(name, given[name]))
    if "caps" in given:
        changes |= _all_caps(given["caps"], defaults)
    if "rates" in given:
        changes["rates"] = _rates(given["rates"])
    if "calling_hours" in given:
        changes["hours"] = tuple(_hours(each) for each in _list("calling_hours", given["calling_hours"], 100))
    if "do_not_call" in given:
        changes["do_not_call"] = read_list("do_not_call", _list("do_not_call", given["do_not_call"], MOST_ITEMS))
    if "longest_call_seconds" in given:
        changes["longest_call"] = _amount("longest_call_seconds", given["longest_call_seconds"], 1, 86400)
    return replace(defaults, **changes)


def show_policy(policy: Policy) -> dict[str, Any]:
    """All of it, as ``read_policy`` reads it back."""
    return {
        "numbers": policy.numbers,
        "countries": sorted(policy.countries),
        "allow_prefixes": list(policy.allow_prefixes),
        "deny_prefixes": list(policy.deny_prefixes),
        "caps": {
            scope: {each.name: getattr(caps, each.name) for each in fields(Caps)}
            for scope, caps in (
                ("domain", policy.domain),
                ("key", policy.key),
                ("token", policy.token),
                ("trunk", policy.trunk),
            )
        },
        "rates": [
            {"prefix": prefix, "per_minute": rate.per_minute, "per_call": rate.per_call}
            for prefix, rate in policy.rates.items()
        ],
        "calling_hours": [
            {
                "prefixes": list(each.prefixes),
                "days": [day for day in DAYS if day in each.days],
                "from": each.begins.strftime("%H:%M"),
                "to": each.ends.strftime("%H:%M"),
                "timezone": each.timezone,
            }
            for each in policy.hours
        ],
        "consent_required": policy.consent_required,
        "do_not_call": sorted(policy.do_not_call),
        "longest_call_seconds": policy.longest_call,
    }


def read_list(name: str, entries: Sequence[object]) -> frozenset[str]:
    """Numbers that are not called: E.164, or a prefix with ``*``. Raises ``InvalidRequest``."""
    for each in entries:
        if not isinstance(each, str) or not re.fullmatch(r"\+[0-9]{1,15}\*?", each):
            raise InvalidRequest(f"{name}: {_shown(each)} is neither a number, as in +4930123456, nor a prefix with *")
    return frozenset(str(each) for each in entries)


def rates_of_csv(text: str) -> list[dict[str, object]]:
    """``rates`` from lines of prefix, price per minute, price per call. Raises ``InvalidRequest`` with the line."""
    found: list[dict[str, object]] = []
    for number, line in enumerate(text.splitlines(), 1):
        parts = [part.strip() for part in line.partition("#")[0].split(",")]
        if parts == [""] or parts[0].casefold() == "prefix":
            continue
        try:
            prefix, per_minute, per_call = parts[0], float(parts[1]), float(parts[2]) if len(parts) > 2 else 0.0
        except (ValueError, IndexError):
            raise InvalidRequest(f"line {number} is not prefix, price per minute, price per call") from None
        found.append({"prefix": prefix, "per_minute": per_minute, "per_call": per_call})
    return found


def _all_caps(body: object, defaults: Policy) -> dict[str, Caps]:
    if not isinstance(body, Mapping):
        raise InvalidRequest("caps must be an object")
    found = {}
    for scope, limits in body.items():
        if scope not in ("domain", "key", "token", "trunk"):
            raise InvalidRequest(f'"caps.{_shown(scope)}" is not allowed')
        if not isinstance(limits, Mapping):
            raise InvalidRequest(f"caps.{scope} must be an object")
        found[scope] = _caps(f"caps.{scope}", limits, getattr(defaults, scope))
    return found


def _caps(at: str, body: Mapping[str, Any], before: Caps) -> Caps:
    changes: dict[str, Any] = {}
    for name, value in body.items():
        if name not in {each.name for each in fields(Caps)}:
            raise InvalidRequest(f'"{at}.{_shown(name)}" is not allowed')
        whole = name in ("concurrent", "per_minute", "per_hour")
        if value is None:
            changes[name] = None
        elif whole:
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1_000_000:
                raise InvalidRequest(f"{at}.{name} must be a whole number from 0 to 1000000")
            changes[name] = value
        else:
            changes[name] = _amount(f"{at}.{name}", value, 0, 1e12)
    return replace(before, **changes)


def _rates(body: object) -> dict[str, Rate]:
    found: dict[str, Rate] = {}
    for item in _list("rates", body, MOST_ITEMS):
        if not isinstance(item, Mapping) or set(item) - {"prefix", "per_minute", "per_call"}:
            raise InvalidRequest("rates must be a list of prefix, per_minute and per_call")
        (prefix,) = _prefixes("rates.prefix", [item.get("prefix", "")])
        found[_plus(prefix) if prefix else ""] = Rate(
            _amount("rates.per_minute", item.get("per_minute", 0.0), 0, 1e6),
            _amount("rates.per_call", item.get("per_call", 0.0), 0, 1e6),
        )
    return found


def _hours(item: object) -> Hours:
    if not isinstance(item, Mapping) or set(item) - {"prefixes", "days", "from", "to", "timezone"}:
        raise InvalidRequest("calling_hours must be a list of prefixes, days, from, to and timezone")
    days = _list("calling_hours.days", item.get("days", list(DAYS)), 7)
    if not all(isinstance(day, str) and day in DAYS for day in days):
        raise InvalidRequest(f"calling_hours.days must be among {', '.join(DAYS)}")
    zone = item.get("timezone", "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise InvalidRequest("calling_hours.timezone must be a time zone, as in Europe/Berlin") from None
    prefixes = tuple(_plus(each) for each in _prefixes("calling_hours.prefixes", item.get("prefixes", [])))
    begins, ends = (_clock(f"calling_hours.{name}", item.get(name)) for name in ("from", "to"))
    return Hours(prefixes, frozenset(days), begins, ends, zone)


def _clock(name: str, value: object) -> time:
    found = CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidRequest(f"{name} must be a time of day, as in 09:30")
    return time(int(found[1]), int(found[2]))


def _prefixes(name: str, value: object) -> list[str]:
    found = _list(name, value, MOST_ITEMS)
    if not all(isinstance(each, str) and PREFIX.fullmatch(each) for each in found):
        raise InvalidRequest(f"{name} must be a list of beginnings of numbers, as in +4930")
    return [str(each) for each in found]


def _plus(prefix: str) -> str:
    return f"+{prefix.removeprefix('+')}"


def _list(name: str, value: object, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise InvalidRequest(f"{name} must be a list of at most {most}")
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name} must be true or false")
    return value


def _amount(name: str, value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise InvalidRequest(f"{name} must be a number from {least:g} to {most:g}")
    return float(value)


def _longest(prefixes: Sequence[str], number: str) -> str:
    return max((each for each in prefixes if number.startswith(each)), key=len, default="")


def _shown(text: object) -> str:
    return "".join(character if character.isprintable() else "?" for character in str(text)[:100])
