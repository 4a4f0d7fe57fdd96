from typing import Any

import pytest

from ringback.model.errors import InvalidRequest
from ringback.numbers.profiles import PROFILES
from ringback.numbers.trunk import Credentials, Host, Registration
from ringback.numbers.trunk_body import HIDDEN, read_trunk, secrets_of, show_trunk, with_secrets

FULL: dict[str, Any] = {
    "hosts": [
        "sip.example.com",
        {"host": "192.0.2.1", "port": 5070, "priority": 20, "weight": 5},
        "[2001:db8::1]:5062",
    ],
    "networks": ["203.0.113.0/24"],
    "media_networks": ["198.51.100.0/24"],
    "transport": "tls",
    "tls": {"verify": False, "pin": "AB" * 32, "certificate": "cert.pem", "key": "key.pem"},
    "credentials": {"username": "ann", "password": "secret", "realm": "example.com"},
    "register": {"expires": 600},
    "outbound_proxy": "sip:edge.example.com;lr",
    "codecs": ["pcmu", "G722"],
    "srtp": "required",
    "srtp_keys": "dtls",
    "dtmf": "sip-info",
    "max_calls": 30,
    "calls_per_second": 2.5,
    "number_format": "national",
    "country": "+49",
    "identity": {"format": "plain", "header": "p-asserted-identity", "user_phone": True},
    "trusted": True,
    "caller_ids": ["+4930123456"],
    "called_from": "diversion",
    "outbound_rules": [{"match": "+49*", "strip": 3, "prepend": "0"}, {"match": "*", "deny": True}],
    "redirects": "same-trunk",
}


def test_a_trunk_survives_being_shown_and_read_again() -> None:
    trunk = read_trunk("full", FULL)

    shown = show_trunk(trunk)
    shown.pop("name")

    assert read_trunk("full", with_secrets(shown, secrets_of(trunk))) == trunk
    assert trunk.hosts[2] == Host("2001:db8::1", 5062)
    assert trunk.register == Registration(expires=600)


def test_no_secret_is_ever_shown() -> None:
    trunk = read_trunk("full", FULL)

    assert "secret" not in str(show_trunk(trunk))
    assert "secret" not in repr(trunk)
    assert secrets_of(trunk) == {"credentials": "secret"}


def test_a_hidden_secret_that_comes_back_keeps_the_one_that_is_there() -> None:
    body = with_secrets(
        {"hosts": ["a"], "credentials": {"username": "ann", "password": HIDDEN}}, {"credentials": "old"}
    )

    assert read_trunk("a", body).credentials == Credentials("ann", "old")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hosts": ["a b"]}, "hosts.host"),
        ({"hosts": ["a:99999"]}, "hosts.port"),
        ({"hosts": [{"host": "a", "colour": 1}]}, "hosts.colour"),
        ({"networks": ["203.0.113.0/40"]}, "networks"),
        ({"transport": "ws"}, "transport"),
        ({"tls": {"pin": "short"}}, "tls.pin"),
        ({"tls": {"certificate": "x"}}, "tls.certificate and tls.key"),
        ({"credentials": {"username": "a"}}, "credentials.password"),
        ({"credentials": {"username": "a\r\nb", "password": "x"}}, "credentials.username"),
        ({"register": True}, "register needs credentials"),
        ({"outbound_proxy": "http://x y"}, "outbound_proxy"),
        ({"codecs": ["G729"]}, "codecs"),
        ({"calls_per_second": 0}, "calls_per_second"),
        ({"max_calls": True}, "max_calls"),
        ({"number_format": "national"}, "country"),
        ({"country": "0"}, "country"),
        ({"caller_ids": ["030"]}, "caller_ids"),
        ({"identity": {"from_domain": "a\r\nb"}}, "identity.from_domain"),
        ({"outbound_rules": [{"match": "(a+)+"}]}, "rules.match"),
        ({"outbound_rules": [{"match": "1", "prepend": "1\r\n"}]}, "rules.prepend"),
        ({"open": True, "networks": ["192.0.2.0/24"]}, "open"),
        ({"hosts": []}, "hosts, networks or inbound_credentials"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_mistake_is_answered_with_the_name_of_its_field(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_trunk("a", {"hosts": ["sip.example.com"], **change})

    assert words in refused.value.info
    assert "\r" not in refused.value.info


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "x" * 64])
def test_a_name_is_lower_case_letters_digits_and_hyphens(name: str) -> None:
    with pytest.raises(InvalidRequest, match="name"):
        read_trunk(name, {"hosts": ["a"]})


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_a_good_trunk_and_names_its_sources(profile: str) -> None:
    row = PROFILES[profile]

    trunk = read_trunk("a", {"hosts": ["sip.example.com"], "country": "1"}, row.fields)

    assert trunk.hosts == (Host("sip.example.com"),)
    assert row.sources
    assert row.checked


WHERE = {"country": "US", "city": "San Francisco", "street": "Main St", "house_number": "1"}
HELP = {"callback": "+14155550100", "location": WHERE}


def test_a_trunk_may_call_for_help_with_a_callback_number_and_a_place_to_send_it() -> None:
    trunk = read_trunk("acme", {"hosts": ["a.example"], "country": "1", "emergency": HELP})

    assert trunk.emergency is not None and trunk.emergency.callback == "+14155550100"
    assert show_trunk(trunk)["emergency"] == HELP
    assert read_trunk("acme", {key: value for key, value in show_trunk(trunk).items() if key != "name"}) == trunk


@pytest.mark.parametrize(
    "body",
    [
        {"country": "1", "emergency": {}},
        {"country": "1", "emergency": {"callback": "+14155550100"}},
        {"country": "1", "emergency": {"location": WHERE}},
        {"country": "1", "emergency": {**HELP, "callback": "911"}},
        {"country": "1", "emergency": {**HELP, "location": {**WHERE, "street": ""}}},
        {"country": "1", "emergency": {**HELP, "location": {"country": "US", "city": "X", "street": "Y"}}},
        {"country": "1", "emergency": {**HELP, "colour": "red"}},
        {"country": "1", "emergency": {**HELP, "location": {**WHERE, "floor": "2"}}},
        {"country": "1", "emergency": True},
        {"emergency": HELP},
        {"country": "1", "hosts": [], "open": True, "emergency": HELP},
    ],
)
def test_without_either_it_may_not(body: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        read_trunk("acme", {"hosts": ["a.example"], **body})
