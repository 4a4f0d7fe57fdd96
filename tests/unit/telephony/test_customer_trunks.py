"""Who may call over a customer's trunk."""

from dataclasses import replace

import pytest

from ringback.model.ids import DomainId
from ringback.model.sip_trunk import SipTrunk
from ringback.sip.digest import Credential, answer_challenge
from ringback.sip.flow import Flow
from ringback.sip.message import Request, Response
from ringback.sip.parser import parse
from ringback.telephony.customer_trunks import CustomerTrunks

TRUNK = SipTrunk("1", DomainId("d"), "support", "acme-support")
PROVED = replace(TRUNK, username="carrier", password="a-password-of-12")


def invite(authorization: str = "") -> Request:
    message = parse(
        (
            "INVITE sip:+15550100@acme-support.siptrunk.sip.example SIP/2.0\r\n"
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"
            "From: <sip:a@192.0.2.1>;tag=1\r\nTo: <sip:+15550100@acme-support.siptrunk.sip.example>\r\n"
            f"Contact: <sip:a@192.0.2.1>\r\n{authorization}Content-Length: 0\r\n\r\n"
        ).encode()
    )
    assert isinstance(message, Request)
    return message


def flow(host: str = "192.0.2.1") -> Flow:
    return Flow("udp", host, 5060)


def customers(trunk: SipTrunk) -> CustomerTrunks:
    found = CustomerTrunks()
    found.by_host = lambda host: trunk if host.startswith("acme-support.siptrunk.") else None
    return found


def test_a_call_is_for_the_trunk_that_its_host_names():
    assert customers(TRUNK).trunk_of(invite()) is TRUNK


@pytest.mark.parametrize(
    ("trunk", "host", "admitted"),
    [
        (replace(TRUNK, is_open=True), "203.0.113.9", True),
        (replace(TRUNK, is_open=True, enabled=False), "203.0.113.9", False),
        (replace(TRUNK, allowed_ips=("192.0.2.0/24",)), "192.0.2.1", True),
        (replace(TRUNK, allowed_ips=("192.0.2.0/24",)), "::ffff:192.0.2.1", True),
        (replace(TRUNK, allowed_ips=("192.0.2.7",)), "192.0.2.1", False),
        (replace(TRUNK, allowed_ips=("192.0.2.0/24",)), "2001:db8::1", False),
        (replace(PROVED, allowed_ips=("192.0.2.7",)), "192.0.2.1", False),
    ],
)
def test_addresses_are_admitted_as_the_customer_says(trunk: SipTrunk, host: str, admitted: bool):
    assert customers(trunk).admits(trunk, invite(), flow(host), 1.0) is admitted


def test_a_call_proves_itself_with_the_trunks_own_password_and_no_other():
    desk = customers(PROVED)
    challenge = desk.admits(PROVED, invite(), flow(), 1.0)
    assert isinstance(challenge, list)

    for password, admitted in (("a-password-of-12", True), ("another-password-1", False)):
        challenged = Response(401, "Unauthorized", challenge)
        proof = Credential("192.0.2.1", "carrier", password)
        row = answer_challenge([proof], invite(), challenged, "192.0.2.1", "cnonce")
        assert row is not None
        verdict = desk.admits(PROVED, invite(f"{row[0]}: {row[1]}\r\n"), flow(), 2.0)
        assert (verdict is True) is admitted


def test_guessing_a_customers_password_is_held_back():
    """A7."""
    desk = customers(PROVED)

    def tried(password: str, now: float) -> bool:
        challenge = desk.admits(PROVED, invite(), flow(), now)
        assert isinstance(challenge, list)
        proof = Credential("192.0.2.1", "carrier", password)
        row = answer_challenge([proof], invite(), Response(401, "Unauthorized", challenge), "192.0.2.1", "cnonce")
        assert row is not None
        return desk.admits(PROVED, invite(f"{row[0]}: {row[1]}\r\n"), flow(), now) is True

    assert not any(tried("another-password-1", 1.0) for _ in range(5))
    assert not tried("a-password-of-12", 1.5)
    assert tried("a-password-of-12", 3.0)
