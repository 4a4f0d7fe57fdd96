"""Digest in both roles: RFC 7616's own example, and attacks A1 to A9."""

import pytest

from ringback.sip.digest import Authenticator, Credential, answer_challenge, digest, response
from ringback.sip.errors import SipParseError
from ringback.sip.message import Request, Row, reply
from ringback.sip.parser import parse
from unit.sip.messages import request

SOURCE = "192.0.2.1"


def authenticator(node: str = "n1", key: bytes = b"k" * 32) -> Authenticator:
    secrets = {"ann": "wonderland"}

    def secret_of(realm: str, username: str, algorithm: str) -> str | None:
        return digest(algorithm, username, realm, secrets[username]) if username in secrets else None

    return Authenticator(key, "rooms", node, secret_of)


def challenged(auth: Authenticator, now: float = 0.0) -> list[Row]:
    return auth.challenge(SOURCE, now)


def answered(
    challenge: list[Row], password: str = "wonderland", username: str = "ann", method: str = "REGISTER"
) -> Request:
    """A request that answers a challenge, as our own client makes it."""
    first = request(method)
    refusal = parse(reply(first, 401, to_tag="t", rows=challenge).to_bytes())
    row = answer_challenge([Credential(SOURCE, username, password)], first, refusal, SOURCE, "cnonce")  # type: ignore[arg-type]
    assert row is not None
    return Request(first.method, first.target, [*first.headers.rows, row])


def changed(of: Request, before: str, after: str) -> Request:
    """The same request with its credentials altered."""
    return Request(of.method, of.target, [(name, value.replace(before, after)) for name, value in of.headers.rows])


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("md5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("sha-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_the_standard_comes_out(algorithm: str, expected: str):
    """RFC 7616 §3.9.1."""
    a1 = digest(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")

    proof = response(
        algorithm,
        a1,
        "GET",
        "/dir/index.html",
        "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "00000001",
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        "auth",
    )

    assert proof == expected


def test_the_right_password_opens_and_the_best_algorithm_is_used():
    auth = authenticator()

    given = answered(challenged(auth))

    assert "algorithm=SHA-256" in (given.headers.get("authorization") or "")
    assert auth.check(given, SOURCE, 1.0).ok


def test_md5_alone_will_do_for_old_phones():
    auth = authenticator()

    given = answered(challenged(auth)[1:])

    assert "algorithm=MD5" in (given.headers.get("authorization") or "")
    assert auth.check(given, SOURCE, 1.0).ok


def test_the_same_credentials_twice_are_stale():
    """A1."""
    auth = authenticator()
    given = answered(challenged(auth))
    auth.check(given, SOURCE, 1.0)

    again = auth.check(given, SOURCE, 1.1)

    assert (again.ok, again.stale) == (False, True)


def test_a_nonce_is_good_for_a_minute_from_one_address_and_by_this_node():
    """A1, A2."""
    auth = authenticator()

    assert auth.check(answered(challenged(auth)), SOURCE, 61.0).stale
    assert auth.check(answered(challenged(auth)), "203.0.113.9", 1.0).stale
    assert auth.check(answered(challenged(authenticator("n2"))), SOURCE, 1.0).stale
    assert auth.check(answered(challenged(authenticator(key=b"x" * 32))), SOURCE, 1.0).stale


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("qop=auth, ", ""),
        ("qop=auth", "qop=auth-int"),
        ("algorithm=SHA-256", "algorithm=MD5"),
        ("algorithm=SHA-256", "algorithm=NONE"),
        ("nc=00000001", "nc=1"),
        ("nc=00000001", "nc=00000000"),
        ('uri="sip:123@198.51.100.1"', 'uri="sip:456@198.51.100.1"'),
        ('cnonce="cnonce"', 'cnonce=""'),
        ('username="ann"', 'username="bob"'),
    ],
)
def test_credentials_that_were_tampered_with_are_refused(before: str, after: str):
    """A3, A4, A5."""
    auth = authenticator()
    given = changed(answered(challenged(auth)), before, after)

    verdict = auth.check(given, SOURCE, 1.0)

    assert (verdict.ok, verdict.stale) == (False, False)


def test_a_nonce_of_one_realm_opens_no_other():
    """A1."""
    auth = authenticator()
    given = answered(auth.challenge(SOURCE, 0.0, realm="acme"))

    assert auth.check(given, SOURCE, 1.0, realm="acme").ok
    assert not auth.check(given, SOURCE, 1.0).ok
    moved = answered([(name, value.replace("rooms", "acme")) for name, value in challenged(auth)])
    assert auth.check(moved, SOURCE, 1.0, realm="acme").stale


def test_unknown_users_and_wrong_passwords_look_alike():
    """A6."""
    auth = authenticator()

    wrong = auth.check(answered(challenged(auth), password="x"), SOURCE, 1.0)
    nobody = auth.check(answered(challenged(auth), username="eve"), SOURCE, 1.0)

    assert (wrong.ok, wrong.stale) == (nobody.ok, nobody.stale) == (False, False)


def test_doubled_parameters_are_an_error():
    """A3."""
    auth = authenticator()
    given = changed(answered(challenged(auth)), "nc=00000001", "nc=00000001, nc=00000002")

    with pytest.raises(SipParseError):
        auth.check(given, SOURCE, 1.0)


def test_counters_may_come_out_of_order_within_64():
    auth = authenticator()
    nonce = "n1.0-1.seal"

    order = [1, 3, 2, 70, 7, 6]

    assert [auth._first_use(nonce, 0.0, count) for count in order] == [True, True, True, True, True, False]
    assert auth._first_use(nonce, 0.0, 3) is False


def test_credentials_whose_counter_had_to_be_forgotten_are_stale():
    """A1: whoever logs in often enough to have others forgotten opens no door with what they overheard."""
    auth = authenticator()
    auth._capacity = 10
    overheard = answered(challenged(auth, 1.0))
    assert auth.check(overheard, SOURCE, 1.0).ok
    for number in range(11):
        now = 2.0 + number
        assert auth.check(answered(challenged(auth, now)), SOURCE, now).ok

    again = auth.check(overheard, SOURCE, 13.0)

    assert (again.ok, again.stale) == (False, True)
    assert auth.check(answered(challenged(auth, 13.0)), SOURCE, 13.0).ok, "those that come later are none the worse"


def test_credentials_go_to_nobody_but_the_host_and_realm_they_are_for():
    """A9: a callee that challenges our call learns nothing."""
    first = request()
    refusal = parse(
        reply(first, 407, to_tag="t", rows=[("Proxy-Authenticate", 'Digest realm="r", nonce="n"')]).to_bytes()
    )
    mine = [Credential("198.51.100.9", "u", "p", realm="r"), Credential(SOURCE, "u", "p", realm="other")]

    assert answer_challenge(mine, first, refusal, SOURCE, "c") is None  # type: ignore[arg-type]
    assert answer_challenge([], first, refusal, SOURCE, "c") is None  # type: ignore[arg-type]
