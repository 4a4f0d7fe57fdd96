"""Which trunks and hosts carry a call out, in which order, and as what (pure; chance is handed in)."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

from ringback.calls.display_name import clean
from ringback.calls.ports.routes import Attempt
from ringback.model.errors import InvalidRequest, NumberNotAllowed
from ringback.numbers import guard
from ringback.numbers.e164 import country_of, dialled, is_e164, normalise, without_separators
from ringback.numbers.identity import host_of, request_uri, write_identity
from ringback.numbers.rules import Outcome, apply
from ringback.numbers.service_codes import behind_code
from ringback.numbers.trunk import Host, NumberFormat, Trunk, is_in
from ringback.sip.errors import SipParseError
from ringback.sip.uri import dialled_user, parse_sip_uri

PATIENCE = 2.0
"""Seconds without even a 100 after which the next host is tried."""

MOST_ATTEMPTS = 8

LONGEST_EXTENSION = 6
"""Digits that a user part may have without being taken for a number."""

NO_TRUNK = (
    "dial-out to phone numbers needs a trunk and none is set up: add one with"
    " 'ringback trunks add NAME hosts=sip.carrier.example' or POST /v1/ringback/trunks, or dial a sipUri instead"
)

T = TypeVar("T", Host, Trunk)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call to be made.

    Attributes:
        number: E.164.
        caller_id: Number to be shown; ``None`` for a trunk's or the domain's first.
        domain: Name of the domain that calls.
        own_numbers: The domain's numbers, oldest first.
        our_domain: Host part of our addresses.
    """

    number: str
    caller_id: str | None
    domain: str
    own_numbers: tuple[str, ...]
    our_domain: str


@dataclass(frozen=True, slots=True)
class Passed:
    """A number on its way through one trunk's rules: what goes on the wire, or why it does not.

    Attributes:
        emergency: It is help, and the trunk may call it; no rule has touched it.
    """

    outcome: Outcome
    refused: str | None = None
    emergency: bool = False

    @property
    def number(self) -> str:
        return self.outcome.number


def outbound(trunk: Trunk, number: str) -> Passed:
    """A number through a trunk's outbound rules, guarded before and after.

    Help goes as it is dialled, over a trunk that may call it, and no rule can make it out of anything else.
    """
    if trunk.emergency is not None and (digits := guard.help_digits(number, trunk.country)):
        return Passed(Outcome(digits), emergency=True)
    if why := guard.refusal(number, trunk.country, allow_premium=trunk.allow_premium):
        return Passed(Outcome(number), why)
    outcome = apply(trunk.outbound_rules, number)
    if outcome.denied_by is not None:
        return Passed(outcome, f"outbound rule {outcome.denied_by + 1} denies it")
    country = trunk.country or country_of(number)
    if why := guard.refusal(outcome.number, country, allow_premium=trunk.allow_premium):
        return Passed(outcome, f"after the rules it is {outcome.number}: {why}")
    if not outcome.number:
        return Passed(outcome, "the rules leave nothing of it")
    return Passed(outcome)


def to_number(
    trunks: Sequence[Trunk], wanted: Wanted, chance: Callable[[], float], is_down: Callable[[Trunk, Host], bool]
) -> tuple[Attempt, ...]:
    """Ways to a telephone number, best first.

    Args:
        chance: Numbers from 0 up to 1.
        is_down: Whether a host is known not to answer; those come last, in the same order.

    Raises:
        InvalidRequest: No trunk, or a caller id that is nobody's.
        NumberNotAllowed: Emergency, short code, premium, or denied by every trunk's rules.
    """
    usable = trunks_of(trunks, wanted.domain)
    if not usable:
        guarded(wanted.number)
        raise InvalidRequest(NO_TRUNK)
    refusals: list[str] = []
    strange_caller = False
    up: list[Attempt] = []
    down: list[Attempt] = []
    for trunk in in_order(usable, chance):
        passed = outbound(trunk, wanted.number)
        if passed.refused is not None:
            refusals.append(f"{trunk.name}: {passed.refused}")
            continue
        caller_id = _caller_id(trunk, wanted)
        if passed.emergency and trunk.emergency is not None:
            caller_id = trunk.emergency.callback
        if caller_id is None:
            strange_caller = True
            continue
        for host in in_order(trunk.hosts, chance):
            uri = request_uri(trunk, passed.number, host.host, host.port)
            if not passed.emergency:
                written = dialled_user(parse_sip_uri(uri)).partition(";")[0]
                guarded(written, trunk.country or country_of(wanted.number))
            attempt = _attempt(trunk, uri, caller_id, wanted.our_domain)
            (down if is_down(trunk, host) else up).append(attempt)
    if up or down:
        return (*up, *down)[:MOST_ATTEMPTS]
    if strange_caller:
        raise InvalidRequest(
            f"Incorrect callerID! No phone number maps to: {clean(wanted.caller_id or '')}; it has to be the id or the"
            " number of a purchased number of this domain, or one of a trunk's caller_ids"
        )
    raise NumberNotAllowed(f"{wanted.number} is not called: {'; '.join(refusals)}")


def to_address(trunks: Sequence[Trunk], target: str, wanted: Wanted) -> tuple[Attempt, str]:
    """The way to a ``sip:`` address, over the trunk that has its host, else straight; and the number it stands for.

    Raises:
        NumberNotAllowed: Its user is help, a short code, or a number that the trunk does not carry.
    """
    try:
        uri = parse_sip_uri(target)
    except SipParseError:
        return Attempt(target), ""  # whoever prepares the call says what is wrong with it
    user = dialled_user(uri)
    if why := guard.address_refusal(user, target.partition("@")[2].lower()):
        raise NumberNotAllowed(f"{clean(user)} is not called: {why}")
    # Carriers read a number through whatever is written between its digits, and so do the guards.
    user, host = without_separators(user.partition(";")[0]), host_of(target)
    for trunk in trunks:
        if not trunk.enabled or not _serves(trunk, wanted.domain):
            continue
        if any(host == each.host for each in trunk.hosts):
            guarded(user, trunk.country)
            number = _number_of(trunk, user)
            return _attempt(trunk, target, _caller_id(trunk, wanted) or "", wanted.our_domain), number
        if is_in(host, trunk.addresses()):
            # A carrier that knows us by our address would carry it, whatever we call the host.
            return Attempt(target), _number_of(trunk, user)
    return Attempt(target), user if is_e164(user) else ""


def _number_of(trunk: Trunk, user: str) -> str:
    """The number that a user part is to a trunk, empty when it is none. Raises ``NumberNotAllowed``."""
    if rest := behind_code(user, trunk.country):
        if guard.is_help(rest):
            raise NumberNotAllowed(f"{clean(user)} is not called: {guard.NO_HELP}")
        # Without a country nobody knows whether digits are a code or a number that begins like one.
        is_code = trunk.country or not user.isdigit()
        user = rest if is_code and len(rest.removeprefix("+")) > LONGEST_EXTENSION else user
    number = normalise(user, trunk.number_format, trunk.country)
    # Digits that mean nothing to us may still be a number to the trunk, written with its country code.
    meant = number or (f"+{user}" if is_e164(f"+{user}") and len(user) > LONGEST_EXTENSION else "")
    if not meant:
        return ""
    if why := guard.refusal(meant, trunk.country, allow_premium=trunk.allow_premium):
        raise NumberNotAllowed(f"{user} is not called: {why}")
    denied = apply(trunk.outbound_rules, meant).denied_by
    if denied is not None:
        raise NumberNotAllowed(f"{user} is not called: {trunk.name}: outbound rule {denied + 1} denies it")
    return number


def trunks_of(trunks: Sequence[Trunk], domain: str) -> list[Trunk]:
    """Those that may carry calls of a domain, by name."""
    return [trunk for trunk in trunks if trunk.enabled and trunk.hosts and _serves(trunk, domain)]


def dialled_in(trunks: Sequence[Trunk], text: str) -> str:
    """The number that a telephone's digits stand for, by the first trunk that knows one; empty for none.

    Raises ``NumberNotAllowed`` for help and short codes in any of their countries, before and after it is known.
    """
    digits = without_separators(text)
    if guard.is_help(text):
        raise NumberNotAllowed(guard.NO_HELP)
    guarded(digits)
    for trunk in trunks:
        guarded(digits, trunk.country)
    plans = [(trunk.number_format, trunk.country) for trunk in sorted(trunks, key=lambda trunk: trunk.priority)]
    plans = plans or [(NumberFormat.E164, "")]
    number = next((found for form, country in plans if (found := dialled(text, form, country))), "")
    if number:
        guarded(number)
    return number


def guarded(number: str, country: str = "") -> None:
    """Raises ``NumberNotAllowed`` for emergency numbers and short codes, whatever trunks there are."""
    digits = number.removeprefix("+")
    if digits.isdigit() and (why := guard.refusal(number, country, allow_premium=True)):
        raise NumberNotAllowed(f"{number} is not called: {why}")


def in_order(items: Sequence[T], chance: Callable[[], float]) -> list[T]:
    """By priority, equals drawn by weight without putting back (as RFC 2782 does)."""
    found: list[T] = []
    for priority in sorted({item.priority for item in items}):
        equals = [item for item in items if item.priority == priority]
        while equals:
            found.append(equals.pop(_drawn([item.weight for item in equals], chance())))
    return found


def _drawn(weights: Sequence[int], fraction: float) -> int:
    """Position of the item on which a fraction of the whole weight falls."""
    return min(bisect_right(list(accumulate(weights)), fraction * sum(weights)), len(weights) - 1)


def _attempt(trunk: Trunk, uri: str, caller_id: str, our_domain: str) -> Attempt:
    written = write_identity(trunk, caller_id, our_domain)
    return Attempt(
        uri=uri,
        trunk=trunk.name,
        proxy=trunk.outbound_proxy,
        transport=trunk.transport.value,
        from_uri=written.from_uri,
        headers=written.headers,
        codecs=trunk.codecs,
        dtmf=trunk.dtmf.value,
        srtp=trunk.srtp.value,
        srtp_keys=trunk.srtp_keys.value,
        media_networks=trunk.media_networks,
        patience=PATIENCE,
        caller_id=caller_id,
    )


def _serves(trunk: Trunk, domain: str) -> bool:
    return not trunk.domains or domain in trunk.domains


def _caller_id(trunk: Trunk, wanted: Wanted) -> str | None:
    """The number to show; empty for none, ``None`` when the one asked for is not theirs to show."""
    allowed = (*wanted.own_numbers, *trunk.caller_ids)
    if wanted.caller_id is None:
        return allowed[0] if allowed else ""
    return wanted.caller_id if wanted.caller_id in allowed else None
