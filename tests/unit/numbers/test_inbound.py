import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.numbers.inbound import FULL, NOT_ALLOWED, RATE_LIMITED, Accepted, accept
from ringback.numbers.load import Load
from ringback.numbers.trunk import CalledFrom, NumberFormat, Rule, Trunk
from ringback.sip.message import Headers, Request
from ringback.sip.parser import parse


def invite(
    uri: str = "sip:+4930123456@ringback.example", *headers: str, caller: str = "<sip:+12125550100@c.example>"
) -> Request:
    lines = [
        f"INVITE {uri} SIP/2.0",
        "Via: SIP/2.0/UDP 203.0.113.7:5060;branch=z9hG4bK1",
        "Max-Forwards: 70",
        f"From: {caller};tag=a",
        "To: <sip:0049040111222@ringback.example>",
        "Call-ID: 1",
        "CSeq: 1 INVITE",
        "Contact: <sip:203.0.113.7>",
        *headers,
        "Content-Length: 0",
        "",
        "",
    ]
    request = parse("\r\n".join(lines).encode())
    assert isinstance(request, Request)
    return request


def accepted(trunk: Trunk, request: Request) -> Accepted:
    found = accept(trunk, request, Load(), 0.0)
    assert isinstance(found, Accepted), found
    return found


@pytest.mark.parametrize(
    ("trunk", "headers", "number"),
    [
        (Trunk("a"), (), "+4930123456"),
        (Trunk("a", called_from=CalledFrom.TO, number_format=NumberFormat.NATIONAL, country="49"), (), "+49040111222"),
        (Trunk("a", called_from=CalledFrom.CALLED_PARTY), ("P-Called-Party-ID: <tel:+4940777>",), "+4940777"),
        (
            Trunk("a", called_from=CalledFrom.DIVERSION),
            ("Diversion: <sip:+4940222@x.example>;reason=no-answer", "Diversion: <sip:+4940333@x.example>"),
            "+4940333",
        ),
        (Trunk("a", called_from=CalledFrom.DIVERSION), ("Diversion: <<<",), "+4930123456"),
        (Trunk("a", inbound_rules=(Rule("+4930*", replace="+491"),)), (), "+491"),
    ],
)
def test_the_called_number_comes_from_where_the_trunk_puts_it(
    trunk: Trunk, headers: tuple[str, ...], number: str
) -> None:
    assert accepted(trunk, invite("sip:+4930123456@ringback.example", *headers)).called_number == number


@pytest.mark.parametrize(
    "uri", ["sip:4930123456@r.example", "sip:%2B4930123456@r.example", "sip:+49-30-123456@r.example"]
)
def test_a_called_number_is_understood_however_it_is_written(uri: str) -> None:
    assert accepted(Trunk("a"), invite(uri)).called_number == "+4930123456"


@pytest.mark.parametrize(
    ("headers", "caller", "number", "withheld"),
    [
        ((), "<sip:+12125550100@c.example>", "+12125550100", False),
        (('P-Asserted-Identity: "Ann" <sip:+13335550100@c.example>',), "<sip:1@c>", "+13335550100", False),
        (("P-Asserted-Identity: <tel:+13335550100>", "Privacy: id"), "<sip:1@c>", "+13335550100", True),
        (("Remote-Party-ID: <sip:+14445550100@c>;privacy=full",), "<sip:1@c>", "+14445550100", True),
        ((), "<sip:anonymous@anonymous.invalid>", "", True),
        ((), "<sip:ann@c.example>", "sip:ann@c.example", False),
        (("P-Asserted-Identity: <<<>",), "<sip:+12125550100@c.example>", "+12125550100", False),
    ],
)
def test_a_trusted_trunk_is_believed_about_the_caller(
    headers: tuple[str, ...], caller: str, number: str, withheld: bool
) -> None:
    found = accepted(Trunk("a", trusted=True), invite("sip:+4930@r.example", *headers, caller=caller))

    assert (found.caller, found.withheld) == (number, withheld)


def test_a_trunk_that_is_not_trusted_is_not_believed() -> None:
    """A12."""
    found = accepted(Trunk("a"), invite("sip:+4930@r.example", "P-Asserted-Identity: <sip:+13335550100@c.example>"))

    assert (found.caller, found.withheld) == ("", False)


def test_each_refusal_has_a_rule_and_a_status_of_its_own() -> None:
    load = Load()
    paced = Trunk("a", calls_per_second=1.0)

    assert accept(Trunk("a", inbound_rules=(Rule("*", deny=True),)), invite(), Load(), 0.0) is NOT_ALLOWED
    assert accept(Trunk("a", max_calls=1), invite(), _with_a_call(), 0.0) is FULL
    assert isinstance(accept(paced, invite(), load, 0.0), Accepted)
    assert accept(paced, invite(), load, 0.0) is RATE_LIMITED
    assert [refused.status for refused in (FULL, NOT_ALLOWED, RATE_LIMITED)] == [486, 403, 480]
    assert RATE_LIMITED.q850 == 42, "a 480 that is a limit says so in its Reason"


def _with_a_call() -> Load:
    from ringback.model.ids import CallId

    load = Load()
    load.calls.add(CallId("one"))
    return load


HOSTILE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=60) | st.sampled_from(
    ["<sip:", "<tel:+>", '"x', "<sip:%00@h>", "<sip:+4930;x@h>;a", "sip:@", "<http:x>", "<sip:+49@h>, <<", "tel:%41"]
)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_header_of_a_strangers_makes_a_call_fail_otherwise_than_by_rule(
    asserted: str, diverted: str, called: str
) -> None:
    request = invite("sip:+4930123456@r.example")
    hostile = [("P-Asserted-Identity", asserted), ("Diversion", diverted), ("P-Called-Party-ID", called)]
    request.headers = Headers([*request.headers.rows, *hostile])
    assert request.headers.all("diversion") == [diverted]
    for called_from in CalledFrom:
        found = accept(Trunk("a", called_from=called_from, trusted=True), request, Load(), 0.0)

        assert isinstance(found, Accepted)
        assert found.called_number == "" or found.called_number.startswith("+")
        assert len(found.user) <= 200
