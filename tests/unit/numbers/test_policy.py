"""What a domain may call, when, and for how much."""

import re
from dataclasses import replace

import pytest

from ringback.model.errors import InvalidRequest
from ringback.numbers.policy import Caps, Policy, Rate, rates_of_csv, read_policy, show_policy

MONDAY_NOON = 1_772_452_800.0  # 2026-03-02 12:00 UTC


def policy(**body: object) -> Policy:
    return read_policy(body, Policy())


@pytest.mark.parametrize(
    ("body", "number", "why"),
    [
        ({}, "+4930123456", None),
        ({}, "+19005550123", "premium"),
        ({}, "+882161234567", "premium"),
        ({}, "+870773123456", "premium"),
        ({"allow_prefixes": ["+1900555"]}, "+19005550123", None),
        ({"numbers": False}, "+4930123456", "dial-out to PhoneNumber is not enabled"),
        ({"countries": ["1"]}, "+4930123456", "International dialout not supported"),
        ({"countries": ["1"]}, "+12125550123", None),
        ({"countries": ["1"]}, "+18765550123", r"country code 1876"),
        ({"countries": ["1", "1876"]}, "+18765550123", None),
        ({"countries": ["+49"]}, "+4930123456", None),
        ({"countries": ["1"], "allow_prefixes": ["4930"]}, "+4930123456", None),
        ({"deny_prefixes": ["+4930"]}, "+4930123456", r"begin with \+4930"),
        ({"deny_prefixes": ["+49"], "allow_prefixes": ["+4930"]}, "+4930123456", None),
        ({"deny_prefixes": ["+4930"], "allow_prefixes": ["+49"]}, "+4930123456", r"begin with \+4930"),
        ({"deny_prefixes": ["+4930"], "allow_prefixes": ["+4930"]}, "+4930123456", r"begin with \+4930"),
    ],
)
def test_the_longest_prefix_decides_then_premium_then_the_country(body: dict[str, object], number: str, why: str):
    """D9."""
    found = policy(**body).refusal(number)

    if why is None:
        assert found is None
    else:
        assert found is not None and re.search(why, found)


def test_a_trunk_that_takes_premium_numbers_is_the_operators_word_for_them():
    assert Policy().refusal("+19005550123", premium_allowed=True) is None


def test_the_longest_prefix_has_the_rate_and_without_any_rate_calls_are_free():
    rates = [{"prefix": "", "per_minute": 1}, {"prefix": "+49", "per_minute": 0.02}, {"prefix": "4915", "per_call": 1}]
    priced = policy(rates=rates)

    assert priced.rate("+4930123456") == Rate(0.02)
    assert priced.rate("+4915112345678") == Rate(0.0, 1.0)
    assert priced.rate("+12125550123") == Rate(1.0)
    assert policy(rates=rates[1:]).rate("+12125550123") is None
    assert Policy().rate("+12125550123") == Rate()


@pytest.mark.parametrize(
    ("hours", "open_now"),
    [
        ({"from": "09:00", "to": "20:00"}, True),
        ({"from": "12:00", "to": "12:01"}, True),
        ({"from": "12:01", "to": "20:00"}, False),
        ({"from": "09:00", "to": "12:00"}, False),
        ({"from": "09:00", "to": "12:30", "timezone": "Europe/Berlin"}, False),
        ({"from": "22:00", "to": "13:00", "days": ["sun"]}, True),
        ({"from": "22:00", "to": "13:00", "days": ["tue"]}, False),
        ({"from": "09:00", "to": "20:00", "days": ["sat", "sun"]}, False),
    ],
)
def test_calling_hours_are_local_and_may_reach_over_midnight(hours: dict[str, object], open_now: bool):
    assert policy(calling_hours=[hours]).is_open("+4930123456", MONDAY_NOON) is open_now


def test_hours_that_name_a_prefix_stand_before_those_for_all():
    both = policy(
        calling_hours=[
            {"from": "00:00", "to": "00:01"},
            {"prefixes": ["+49"], "from": "09:00", "to": "20:00", "timezone": "Europe/Berlin"},
        ]
    )

    assert both.is_open("+4930123456", MONDAY_NOON)
    assert not both.is_open("+12125550123", MONDAY_NOON)


def test_numbers_and_prefixes_that_are_not_called():
    listed = policy(do_not_call=["+4930123456", "+1212*"])

    assert [listed.is_unwanted(number) for number in ("+4930123456", "+49301234567", "+12125550123", "+1213")] == [
        True,
        False,
        True,
        False,
    ]


def test_what_is_shown_reads_back_the_same():
    full = policy(
        countries=["49", "1876"],
        allow_prefixes=["+1900"],
        deny_prefixes=["+4930"],
        caps={"domain": {"concurrent": 3, "per_minute": None}, "token": {"spend_per_day": 1.5}},
        rates=[{"prefix": "+49", "per_minute": 0.02}],
        calling_hours=[{"prefixes": ["+49"], "from": "09:00", "to": "20:00", "timezone": "Europe/Berlin"}],
        consent_required=True,
        do_not_call=["+49301*"],
        longest_call_seconds=60,
    )

    assert read_policy(show_policy(full), Policy()) == full
    assert full.domain == Caps(concurrent=3)


def test_fields_that_are_left_out_or_null_are_the_operators():
    defaults = replace(Policy(), countries=frozenset({"49"}), domain=Caps(concurrent=7))

    assert read_policy({"countries": None, "consent_required": True}, defaults) == replace(
        defaults, consent_required=True
    )
    assert read_policy({"caps": {"domain": {"per_hour": 5}}}, defaults).domain == Caps(concurrent=7, per_hour=5)


@pytest.mark.parametrize(
    "body",
    [
        {"country": ["49"]},
        {"countries": "49"},
        {"countries": ["DE"]},
        {"numbers": "yes"},
        {"allow_prefixes": ["+49x"]},
        {"caps": []},
        {"caps": {"room": {}}},
        {"caps": {"domain": 7}},
        {"caps": {"domain": {"concurrent": -1}}},
        {"caps": {"domain": {"concurrent": True}}},
        {"caps": {"domain": {"concurrent": 1.5}}},
        {"caps": {"domain": {"spend_per_day": "1"}}},
        {"caps": {"domain": {"speed": 1}}},
        {"rates": [{"prefix": "+49", "price": 1}]},
        {"rates": [{"prefix": "+49", "per_minute": -1}]},
        {"rates": {}},
        {"calling_hours": [{"from": "9", "to": "20:00"}]},
        {"calling_hours": [{"from": "09:00", "to": "24:00"}]},
        {"calling_hours": [{"from": "09:00", "to": "20:00", "days": ["monday"]}]},
        {"calling_hours": [{"from": "09:00", "to": "20:00", "timezone": "Mars/Olympus"}]},
        {"calling_hours": [{"from": "09:00", "to": "20:00", "timezone": "../../etc/passwd"}]},
        {"calling_hours": [{"from": "09:00", "to": "20:00", "timezone": 7}]},
        {"do_not_call": ["911"]},
        {"do_not_call": [7]},
        {"longest_call_seconds": 0},
        {"longest_call_seconds": True},
    ],
)
def test_each_mistake_is_refused(body: dict[str, object]):
    with pytest.raises(InvalidRequest):
        policy(**body)


def test_rates_are_read_from_lines():
    text = "prefix,per_minute,per_call\n+49, 0.02 # Germany\n\n,0.5,0.1\n"

    assert policy(rates=rates_of_csv(text)).rates == {"+49": Rate(0.02), "": Rate(0.5, 0.1)}
    with pytest.raises(InvalidRequest, match="line 2"):
        rates_of_csv("+49,0.02\n+44,cheap\n")
