"""What applications may say about a webhook."""

import base64
from typing import Any

import pytest

from ringback.model.errors import InvalidRequest
from ringback.model.webhook import RetryType
from ringback.webhooks import signing
from ringback.webhooks.checks import LONGEST_URL, Wanted, check

SECRET = base64.b64encode(b"x" * 32).decode()


def test_a_full_body_is_taken() -> None:
    wanted = check(
        {
            "url": "https://app.example.test/hook?a=1",
            "eventTypes": ["dialin.connected", "recording.started", "dialin.connected"],
            "basicAuth": "dXNlcjpwYXNz",
            "retryType": "exponential",
            "hmac": SECRET,
        }
    )
    assert wanted == Wanted(
        "https://app.example.test/hook?a=1",
        ("dialin.connected", "recording.started"),
        "dXNlcjpwYXNz",
        RetryType.EXPONENTIAL,
        SECRET,
    )


def test_what_is_left_out_or_null_stays() -> None:
    assert check({"eventTypes": None, "basicAuth": None, "retryType": None, "hmac": None}) == Wanted()


def test_a_plain_user_and_password_is_written_as_the_header_needs_it() -> None:
    assert check({"basicAuth": "user:pass"}).basic_auth == base64.b64encode(b"user:pass").decode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", ""),
        ("url", None),
        ("url", 7),
        ("url", "ftp://x.test/"),
        ("url", "file:///etc/passwd"),
        ("url", "https://"),
        ("url", "https://user:pw@x.test/"),
        ("url", "https://x.test/#part"),
        ("url", "https://x.test:0/"),
        ("url", "https://x.test:99999/"),
        ("url", "https://x.test/\r\nX-A: b"),
        ("url", "https://x.test/ü"),
        ("url", "https://x.test/" + "a" * LONGEST_URL),
        ("eventTypes", "dialin.connected"),
        ("eventTypes", ["dialin.connectd"]),
        ("eventTypes", [7]),
        ("basicAuth", "a\r\nb"),
        ("basicAuth", "a" * 513),
        ("retryType", "never"),
        ("hmac", "not base64!"),
        ("hmac", base64.b64encode(b"short").decode()),
        ("hmac", 7),
        ("uuid", "x"),
    ],
)
def test_a_bad_value_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match=f'"{field}"'):
        check({field: value})


def test_secrets_are_not_repeated_in_refusals() -> None:
    for field in ("hmac", "basicAuth"):
        with pytest.raises(InvalidRequest) as refused:
            check({field: "seecret\n"})
        assert "seecret" not in refused.value.info


def test_a_receiver_can_check_the_signature() -> None:
    """The computation of the published samples: base64(HMAC-SHA256(key, timestamp + "." + body))."""
    found = signing.headers(SECRET, "dXNlcjpwYXNz", b'{"a":1}', 1_772_446_600.25)

    assert found["X-Webhook-Timestamp"] == "1772446600250"
    # printf '1772446600250.{"a":1}' | openssl dgst -sha256 -hmac xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx -binary | base64
    assert found["X-Webhook-Signature"] == EXPECTED
    assert found["Authorization"] == "Basic dXNlcjpwYXNz"


EXPECTED = "ZEK4unYUwpK64paWwk91+W7b24c2Q9QiF9pFsopInQE="
