from collections.abc import Sequence
from dataclasses import replace

import pytest

from ringback.model.errors import InvalidRequest, NumberNotAllowed
from ringback.numbers.plan import Wanted, in_order, to_address, to_number
from ringback.numbers.trunk import (
    Credentials,
    Dtmf,
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
    assert to_address([ONE, TWO], "sip:bob@TWO.example", WANTED).trunk == "two"
    assert to_address([ONE], "sip:bob@elsewhere.example", WANTED).trunk == ""
    with pytest.raises(NumberNotAllowed):
        to_address([ONE], "sip:911@one.example", WANTED)
