import pytest

from ringback.calls.ports.carrier import Failure
from ringback.numbers.diagnosis import FAILED, OK, SKIPPED, CallSeen, Facts, HostFacts, diagnose, is_stray
from ringback.numbers.trunk import Credentials, Host, Registration, Trunk

TRUNK = Trunk("acme", hosts=(Host("sip.acme.example"),))
FACTS = Facts("192.0.2.1:5060", (HostFacts("sip.acme.example", ("udp:203.0.113.7:5060",), 200, "OK"),))


def test_a_trunk_that_answers_and_was_not_called_says_how_it_could_be() -> None:
    found = {finding.check: finding for finding in diagnose(TRUNK, FACTS)}

    assert found["OPTIONS sip.acme.example"].verdict == OK
    assert (found["call"].verdict, "--call" in found["call"].fix) == (SKIPPED, True)


@pytest.mark.parametrize(("state", "verdict"), [("registered until 12:00", OK), ("401 Unauthorized", FAILED)])
def test_registering_is_judged_by_what_is_known_of_it(state: str, verdict: str) -> None:
    trunk = Trunk("acme", hosts=TRUNK.hosts, credentials=Credentials("a", "b"), register=Registration())

    found = {finding.check: finding for finding in diagnose(trunk, Facts("x", FACTS.hosts, state))}

    assert found["registration"].verdict == verdict


@pytest.mark.parametrize(
    ("failure", "fix"),
    [
        (Failure(0, "no response", "timeout"), "firewall"),
        (Failure(0, "no address for x", "resolve"), "name server"),
        (Failure(0, "tls: certificate is for a, not b", "tls"), "tls.name"),
        (Failure(401, "Unauthorized"), "set credentials.username"),
        (Failure(420, "Bad Extension"), "extension"),
        (Failure(486, "Busy Here"), "call one that answers"),
        (Failure(599, "Whatever"), "ask the carrier"),
    ],
)
def test_a_call_that_failed_gets_a_fix(failure: Failure, fix: str) -> None:
    facts = Facts("192.0.2.1:5060", FACTS.hosts, call=CallSeen("+4930123456", failure=failure))

    (finding,) = [finding for finding in diagnose(TRUNK, facts) if finding.check == "call"]

    assert finding.verdict == FAILED
    assert fix in finding.fix


def test_a_number_that_the_rules_refuse_is_not_called() -> None:
    facts = Facts("x", FACTS.hosts, call=CallSeen("+49112", refused="emergency services are not called from here"))

    (finding,) = [finding for finding in diagnose(TRUNK, facts) if finding.check == "call"]

    assert (finding.verdict, finding.fix) == (FAILED, "try its rules: ringback trunks dry-run acme +49112")


@pytest.mark.parametrize(
    ("address", "peer", "stray"),
    [
        ("10.0.0.5", "203.0.113.7", True),
        ("192.168.1.5", "10.0.0.1", True),
        ("10.0.0.5", "10.0.9.9", False),
        ("198.51.100.7", "203.0.113.7", True),
        ("8.8.8.8", "203.0.113.7", False),
        ("127.0.0.1", "203.0.113.7", False),
        ("gw.example", "203.0.113.7", False),
        ("", "", False),
    ],
)
def test_an_address_that_only_its_own_network_has_is_stray(address: str, peer: str, stray: bool) -> None:
    assert is_stray(address, peer) is stray
