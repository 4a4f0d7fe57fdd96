"""What of a message is never shown."""

import pytest

from ringback.telephony.redaction import redact

SECRET = "s3cret"


@pytest.mark.parametrize(
    "header",
    [
        'Authorization: Digest username="ann", response="s3cret", cnonce="s3cret"',
        "Proxy-Authorization:Digest response=s3cret",
        'authorization: Digest username="ann",\r\n response="s3cret",\r\n\tcnonce="s3cret"',
        'Authentication-Info: rspauth="s3cret"',
        "Refer-To: <sip:ann:s3cret@example.test>",
        "From: <sips:ann:s3cret@example.test>;tag=1",
    ],
)
def test_passwords_and_their_proofs_are_blotted_out(header: str) -> None:
    """G9."""
    text = redact(f"INVITE sip:a@b SIP/2.0\r\n{header}\r\nSubject: kept\r\n\r\n".encode())

    assert SECRET not in text and "***" in text and "Subject: kept" in text


@pytest.mark.parametrize(
    "line",
    [
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:s3cret|2^31",
        "a=crypto:1 F8 inline:s3cret|2^20|1:4;inline:s3cret|2^20|2:4",
        "a=crypto:1 AES INLINE:s3cret",
        "k=base64:s3cret",
        "a=key-mgmt:mikey s3cret",
        "a=ice-pwd:s3cret",
    ],
)
def test_media_keys_are_blotted_out(line: str) -> None:
    """G9; RFC 4568, RFC 4566 §5.12."""
    text = redact(f"INVITE sip:a@b SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n{line}\r\nt=0 0\r\n".encode())

    assert SECRET not in text and "***" in text and "t=0 0" in text


@pytest.mark.parametrize(
    ("kind", "body", "left"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "Signal=*\nDuration=160\n"),
        ("application/dtmf-relay", " signal : 5", " signal :*"),
        ("application/dtmf", "5", "*"),
        ("application/dtmf; charset=utf-8", "5", "*"),
        ("application/vnd.nortelnetworks.digits", "p=Digit-Collection\r\nd=5555", "*\n*"),
    ],
)
def test_digits_in_an_info_are_blotted_out_however_they_are_spelt(kind: str, body: str, left: str) -> None:
    """G9: they are often those of a card."""
    text = redact(f"INFO sip:a@b SIP/2.0\r\nContent-Type: {kind}\r\n\r\n{body}".encode())

    assert text.partition("\n\n")[2] == left


def test_digits_that_a_key_press_report_lists_are_blotted_out() -> None:
    """RFC 4730."""
    text = redact(b'NOTIFY sip:a@b SIP/2.0\r\n\r\n<kpml-response code="200" digits="4929"/>')

    assert text.endswith('digits="*"/>')


def test_addresses_without_a_password_stay_whole() -> None:
    start = "INVITE sip:sip:ann@example.test:5060;transport=tcp SIP/2.0\nContact: <sip:bob@[::1]:5060;x=a@b>\n\n"

    assert redact(start.replace("\n", "\r\n").encode()) == start


def test_terminals_are_safe_from_what_strangers_write() -> None:
    assert "\x1b" not in redact(b"INVITE sip:a@b SIP/2.0\r\nSubject: \x1b[2J\xff\r\n\r\n")
