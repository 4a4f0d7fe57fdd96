from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.model.errors import InvalidRequest, NumberNotAllowed
from ringback.numbers.guard import EMERGENCY, EVERYWHERE
from ringback.numbers.plan import Wanted, in_order, to_address, to_number
from ringback.numbers.rules import pattern_fault
from ringback.numbers.trunk import (
    Credentials,
    Dtmf,
    Emergency,
    Host,
    Identity,
    IdentityHeader,
    NumberFormat,
    Rule,
    Transport,
    Trunk,
)

WANTED = Wanted("+4930123456", None, "main", ("+4940999888",), "ringback.example")
ONE = Trunk("one", hosts=(Host("one.example"),))
TWO = Trunk("two", hosts=(Host("two.example", 5070),), priority=20)


def always(fraction: float = 0.0) -> float:
    return fraction


def uris(trunks: Sequence[Trunk], wanted: Wanted = WANTED, down: frozenset[str] = frozenset()) -> list[str]:
    return [attempt.uri for attempt in to_number(trunks, wanted, always, lambda trunk, host: host.host in down)]


def test_trunks_are_tried_by_priority_and_their_hosts_likewise() -> None:
    one = replace(ONE, hosts=(Host("b.example", priority=2), Host("a.example", priority=1)))

    assert uris([TWO, one]) == [
        "sip:+4930123456@a.example",
        "sip:+4930123456@b.example",
        "sip:+4930123456@two.example:5070",
    ]


def test_a_host_that_is_down_is_tried_only_when_nothing_else_is_left() -> None:
    assert uris([ONE, TWO], down=frozenset({"one.example"}))[0].endswith("two.example:5070")
    assert len(uris([ONE, TWO], down=frozenset({"one.example", "two.example"}))) == 2


def test_equals_share_by_weight() -> None:
    hosts = [Host("a", weight=1), Host("b", weight=3)]
    draws = [index / 100 for index in range(100)]

    first = [in_order(hosts, lambda draw=draw: draw)[0].host for draw in draws]  # type: ignore[misc]

    assert (first.count("a"), first.count("b")) == (25, 75)


def test_hosts_without_weight_are_all_tried() -> None:
    assert len(in_order([Host("a", weight=0), Host("b", weight=0)], lambda: 0.99)) == 2


def test_an_attempt_carries_what_its_trunk_says() -> None:
    trunk = replace(
        ONE,
        transport=Transport.TLS,
        outbound_proxy="sip:edge.example",
        codecs=("PCMA",),
        dtmf=Dtmf.SIP_INFO,
        number_format=NumberFormat.NATIONAL,
        country="49",
        identity=Identity(NumberFormat.PLAIN, IdentityHeader.ASSERTED, user_phone=True),
    )

    (attempt,) = to_number([trunk], WANTED, always, lambda trunk, host: False)

    assert attempt.uri == "sip:030123456@one.example;user=phone"
    assert attempt.from_uri == "sip:4940999888@ringback.example;user=phone"
    assert attempt.headers == (("P-Asserted-Identity", "<sip:4940999888@ringback.example;user=phone>"),)
    assert (attempt.transport, attempt.proxy, attempt.codecs, attempt.dtmf) == (
        "tls",
        "sip:edge.example",
        ("PCMA",),
        "sip-info",
    )


def test_only_numbers_of_the_domain_or_the_trunk_are_shown() -> None:
    """security-cases D11."""
    with pytest.raises(InvalidRequest, match="Incorrect callerID!"):
        uris([ONE], replace(WANTED, caller_id="+12125550100"))
    trunk = replace(ONE, caller_ids=("+12125550100",))

    (attempt,) = to_number([ONE, trunk], replace(WANTED, caller_id="+12125550100"), always, lambda trunk, host: False)

    assert attempt.from_uri == "sip:+12125550100@ringback.example"


def test_without_a_number_the_account_calls() -> None:
    trunk = replace(ONE, credentials=Credentials("acme", "x"))

    (attempt,) = to_number([trunk], replace(WANTED, own_numbers=()), always, lambda trunk, host: False)

    assert attempt.from_uri == "sip:acme@ringback.example"


def test_a_caller_who_withholds_is_anonymous_but_asserted() -> None:
    trunk = replace(ONE, identity=Identity(header=IdentityHeader.ASSERTED, withhold=True))

    (attempt,) = to_number([trunk], WANTED, always, lambda trunk, host: False)

    assert attempt.from_uri == "sip:anonymous@anonymous.invalid"
    assert dict(attempt.headers) == {"P-Asserted-Identity": "<sip:+4940999888@ringback.example>", "Privacy": "id"}


def test_without_any_trunk_the_error_says_what_to_set() -> None:
    for trunks in ([], [replace(ONE, enabled=False)], [replace(ONE, domains=("other",))], [Trunk("in", open=True)]):
        with pytest.raises(InvalidRequest, match="ringback trunks add"):
            uris(trunks)


@pytest.mark.parametrize("number", ["+1911", "+112", "+49110", "+1411"])
@pytest.mark.parametrize("trunks", [[], [ONE]])
def test_help_and_short_codes_are_never_called(number: str, trunks: list[Trunk]) -> None:
    with pytest.raises(NumberNotAllowed):
        uris(trunks, replace(WANTED, number=number))


def test_rules_cannot_turn_a_number_into_an_emergency_call() -> None:
    trunk = replace(ONE, country="1", outbound_rules=(Rule("+1*", strip=9),))

    with pytest.raises(NumberNotAllowed, match="after the rules it is 911"):
        uris([trunk], replace(WANTED, number="+12125556911"))


def test_a_number_that_one_trunk_denies_goes_over_the_next() -> None:
    trunk = replace(ONE, outbound_rules=(Rule("+49*", deny=True),))

    assert uris([trunk, TWO]) == ["sip:+4930123456@two.example:5070"]
    with pytest.raises(NumberNotAllowed, match="one: outbound rule 1 denies it"):
        uris([trunk])


def test_an_address_at_a_trunks_host_goes_over_that_trunk() -> None:
    assert to_address([ONE, TWO], "sip:bob@TWO.example", WANTED)[0].trunk == "two"
    assert to_address([ONE], "sip:bob@elsewhere.example", WANTED)[0].trunk == ""
    with pytest.raises(NumberNotAllowed):
        to_address([ONE], "sip:911@one.example", WANTED)


HELPFUL = replace(
    ONE, country="1", emergency=Emergency("+14155550100", (("country", "US"), ("city", "X"), ("street", "Y")))
)


def test_a_trunk_with_a_callback_number_and_a_location_may_call_help_and_shows_that_number() -> None:
    (attempt,) = to_number([HELPFUL], replace(WANTED, number="+1911"), always, lambda trunk, host: False)

    assert attempt.uri == "sip:911@one.example"
    assert attempt.from_uri == "sip:+14155550100@ringback.example"


def test_help_of_another_country_is_not_called_over_it_nor_over_any_other_trunk() -> None:
    for trunks, number in (([HELPFUL], "+49112"), ([ONE], "+1911"), ([HELPFUL], "+1411")):
        with pytest.raises(NumberNotAllowed):
            uris(trunks, replace(WANTED, number=number))


def test_no_rule_is_applied_to_help() -> None:
    trunk = replace(HELPFUL, outbound_rules=(Rule("*", replace="+19005550123"), Rule("+1911", deny=True)))

    assert uris([trunk], replace(WANTED, number="+1911")) == ["sip:911@one.example"]


PATTERNS = st.lists(st.sampled_from([*"0123456789", "+", "x", "[2-9]"]), max_size=12).map("".join)
RULES = st.lists(
    st.builds(
        Rule,
        st.tuples(PATTERNS, st.sampled_from(["", "*"])).map("".join).filter(lambda text: pattern_fault(text) is None),
        strip=st.integers(0, 14),
        prepend=st.sampled_from(["", "0", "+", "+1", "+49", "00", "9", "11", "112", "911"]),
        replace=st.sampled_from(["", "", "", "911", "112", "0112", "+1911", "+49110", "sos"]),
        goes_on=st.booleans(),
    ),
    max_size=5,
)
NUMBERS = st.from_regex(r"\+(1|49|44|33|61|81)[0-9]{1,12}(911|112|110|999|000|119)?", fullmatch=True)


@given(
    rules=RULES,
    number=NUMBERS,
    form=st.sampled_from(list(NumberFormat)),
    country=st.sampled_from(["1", "49", "44", "61", "33"]),
)
@settings(max_examples=200, deadline=None)
def test_whatever_the_rules_and_formats_nothing_that_goes_on_the_wire_is_help(
    rules: list[Rule], number: str, form: NumberFormat, country: str
) -> None:
    trunk = replace(ONE, outbound_rules=tuple(rules), number_format=form, country=country, allow_premium=True)

    try:
        found = uris([trunk], replace(WANTED, number=number))
    except (NumberNotAllowed, InvalidRequest):
        return

    for uri in found:
        user = uri.removeprefix("sip:").partition("@")[0]
        digits = user.removeprefix("+")
        assert digits not in EVERYWHERE and digits.lstrip("0") not in EVERYWHERE
        assert digits not in EMERGENCY[country] and digits.removeprefix(country) not in EMERGENCY[country]
        assert "sos" not in user


@pytest.mark.parametrize(
    "target",
    [
        "sip:911@anywhere.example",
        "sip:112@anywhere.example;user=phone",
        "sip:110@anywhere.example;user=phone",
        "sip:sos@anywhere.example",
        "sip:911@one.example",
        "sip:0112@one.example",
        "sip:1411@one.example",
        "sip:9-1-1@one.example",
        "sip:(911)@anywhere.example",
        "sip:+1911@anywhere.example",
        "sip:+1-911@anywhere.example",
        "sip:+49.112@anywhere.example;user=phone",
        "sip:+1-900-555-0123@one.example",
        "sip:*67911@one.example",
        "sip:%2331%23112@203.0.113.7",
        "sip:*6719005550123@one.example",
        "sip:*67+19005550123@one.example",
        "sip:+19005550123@one.example",
        "sip:19005550123@one.example",
        "sip:+4930999@one.example",
        "sip:4930999999@203.0.113.7",
    ],
)
def test_addresses_that_are_help_or_that_a_trunk_would_not_be_given_as_numbers_are_not_called(target: str) -> None:
    trunk = replace(ONE, networks=("203.0.113.0/24",), outbound_rules=(Rule("+4930*", deny=True),))

    with pytest.raises(NumberNotAllowed):
        to_address([trunk], target, WANTED)


@pytest.mark.parametrize(
    ("target", "trunk", "number"),
    [
        ("sip:bob@one.example", "one", ""),
        ("sip:20123@one.example", "one", "+4920123"),
        ("sip:*97123@one.example", "one", ""),
        ("sip:*31040123456@one.example", "one", "+4940123456"),
        ("sip:113@pbx.example", "", ""),
        ("sip:+4940123456@one.example", "one", "+4940123456"),
        ("sip:040123456@one.example", "one", "+4940123456"),
        ("sip:040123456@203.0.113.7", "", "+4940123456"),
        ("sip:+4940123456@elsewhere.example", "", "+4940123456"),
        ("sip:+49-40-123456@elsewhere.example", "", "+4940123456"),
        ("sip:bob-2.smith@elsewhere.example", "", ""),
        ("sip:839688274940@elsewhere.example", "", ""),
        ("sip:+839688274940@elsewhere.example", "", "+839688274940"),
        ("sip:040123456@elsewhere.example", "", ""),
    ],
)
def test_an_address_stands_for_the_number_that_its_trunk_would_call(target: str, trunk: str, number: str) -> None:
    one = replace(ONE, country="49", number_format=NumberFormat.NATIONAL, networks=("203.0.113.0/24",))

    attempt, found = to_address([one], target, WANTED)

    assert (attempt.trunk, found) == (trunk, number)
