import pytest

from ringback.numbers.rules import apply, matches, pattern_fault
from ringback.numbers.trunk import Rule


@pytest.mark.parametrize(
    ("pattern", "number", "yes"),
    [
        ("+49*", "+4930123", True),
        ("+49*", "+4830123", False),
        ("+49*", "+49", True),
        ("0[1-9]*", "030", True),
        ("0[1-9]*", "0030", False),
        ("[135]xx", "312", True),
        ("[135]xx", "212", False),
        ("[135]xx", "3123", False),
        ("xxx", "12a", False),
        ("*", "", True),
        ("", "1", False),
        ("*21*", "x", True),
    ],
)
def test_a_pattern_covers_the_whole_number_or_not_at_all(pattern: str, number: str, yes: bool) -> None:
    assert matches(pattern, number) is yes


@pytest.mark.parametrize("pattern", ["", "[", "[]", "[9-1]", "[a]", "a", "+4*9", "x" * 65, "(1+)+", "."])
def test_what_is_no_pattern_is_refused_in_words(pattern: str) -> None:
    assert pattern_fault(pattern)


@pytest.mark.parametrize("pattern", ["+49*", "[2-9]xx[135]", "*", "0", "#31#x*"])
def test_good_patterns_have_no_fault(pattern: str) -> None:
    assert pattern_fault(pattern) is None


@pytest.mark.parametrize(
    ("rules", "number", "after"),
    [
        ([], "+49301", "+49301"),
        ([Rule("+49*", strip=3, prepend="0")], "+49301", "0301"),
        ([Rule("+1*", strip=2), Rule("+49*", strip=1)], "+49301", "49301"),
        ([Rule("+49*", strip=1, goes_on=True), Rule("49*", prepend="99")], "+49301", "9949301"),
        ([Rule("+49*", replace="100")], "+49301", "100"),
        ([Rule("xxx", prepend="9")], "+49301", "+49301"),
    ],
)
def test_the_first_rule_that_matches_rewrites_the_number(rules: list[Rule], number: str, after: str) -> None:
    assert apply(rules, number).number == after


def test_a_denied_number_names_its_rule_and_every_step_before_it() -> None:
    outcome = apply([Rule("+49*", strip=1, goes_on=True), Rule("49900*", deny=True)], "+499001")

    assert outcome.denied_by == 1
    assert [(step.rule, step.number) for step in outcome.steps] == [(0, "499001"), (1, "499001")]


def test_rules_that_go_on_for_ever_stay_within_the_longest_number() -> None:
    outcome = apply([Rule("*", prepend="1" * 32, goes_on=True)] * 200, "+49301")

    assert len(outcome.number) == 64
