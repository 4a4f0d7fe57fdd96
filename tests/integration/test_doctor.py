"""``ringback doctor --trunk``: carriers that each do one thing wrong, and whether the doctor names it and the fix."""

import asyncio
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from integration.certificates import Authority
from integration.faulty_carrier import Fault, a_carrier
from integration.name_server import NameServer
from integration.sip_phone import Phone, running
from ringback.clock import SystemClock
from ringback.media.opening import open_telephone
from ringback.model.ids import CallId
from ringback.numbers.diagnosis import FAILED, OK, WARNING, Finding, diagnose
from ringback.numbers.plan import Wanted, to_number
from ringback.numbers.trunk import Credentials, Dtmf, Host, Registration, Srtp, TlsPolicy, Transport, Trunk
from ringback.telephony.doctor import examine
from ringback.telephony.service import TelephonySettings

NUMBER = "+4930123456"


class Quiet:
    """Nobody listens to what the media side reports."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: None


async def findings(trunk: Trunk, *, call: bool = True, **settings: Any) -> dict[str, Finding]:
    clock = SystemClock(asyncio.get_running_loop())
    media = open_telephone(Quiet(), "127.0.0.1", "127.0.0.1")
    wanted = Wanted(NUMBER, None, "", (), "us.example")
    attempts = to_number([trunk], wanted, lambda: 0.0, lambda trunk, host: False) if call else ()
    chosen = TelephonySettings(**{"allow_private": False, **settings})
    try:
        facts = await examine(chosen, clock, media, CallId("doctor"), trunk, attempts, number=NUMBER if call else "")
    finally:
        media.close()
    return {finding.check: finding for finding in diagnose(trunk, replace(facts, rtp_ports="20000-29999"))}


def tls_port(phone: Phone) -> int:
    return int(phone.telephony._wire.tls_port)  # type: ignore[attr-defined]


def a_trunk(port: int, **more: Any) -> Trunk:
    return Trunk("acme", hosts=(Host("127.0.0.1", port),), **more)


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, and what the doctor has to say of it."""

    name: str
    fault: Fault
    check: str
    verdict: str
    words: str
    fix: str
    trunk: dict[str, Any]


CASES = [
    Case("nothing", Fault(), "sound", OK, "packets heard", "", {}),
    Case(
        "a wrong password", Fault(challenge=True), "call", FAILED, "401", "credentials",
        {"credentials": Credentials("me", "wrong")},
    ),
    Case("no password", Fault(challenge=True), "call", FAILED, "401", "set credentials.username", {}),
    Case("our address is unknown", Fault(options=403, invite=403), "call", FAILED, "403", "tell the carrier our", {}),
    Case("OPTIONS for nobody", Fault(options=404), "OPTIONS 127.0.0.1", OK, "404", "", {}),
    Case("no common codec", Fault(invite=488), "call", FAILED, "488", "set codecs", {}),
    Case(
        "another codec than any offered", Fault(codecs={"18": "G729/8000"}), "codecs", FAILED, "codec",
        "we offered PCMU, PCMA", {},
    ),
    Case("no sound", Fault(sends=False), "sound", FAILED, "nothing heard", "open UDP 20000-29999", {}),
    Case("sound from elsewhere", Fault(source="127.0.0.9"), "sound", OK, "packets heard", "", {}),
    Case(
        "no sound from its networks", Fault(sends=False), "sound", FAILED, "nothing heard from 203.0.113.0/24",
        "media_networks", {"media_networks": ("203.0.113.0/24",)},
    ),
    Case(
        "a private address in its description", Fault(sound="10.250.0.9", sends=False), "sound", FAILED, "10.250.0.9",
        "behind a NAT", {},
    ),
    Case("no digits", Fault(digits=False), "digits", WARNING, "SIP INFO", "set dtmf", {}),
    Case(
        "no digits where they are wanted", Fault(digits=False), "digits", FAILED, "no telephone-event", "sip-info",
        {"dtmf": Dtmf.TELEPHONE_EVENT},
    ),
    Case("hold is refused", Fault(hold=488), "hold", WARNING, "refused with 488", "re-INVITE", {}),
    Case(
        "session intervals without end", Fault(invite=422, rows=(("Min-SE", "90"),)), "call", FAILED, "422",
        "Min-SE", {},
    ),
    Case("a private Contact", Fault(contact="10.250.0.9"), "route", WARNING, "10.250.0.9", "Record-Route", {}),
    Case("out of capacity", Fault(options=503, invite=503), "OPTIONS 127.0.0.1", FAILED, "503", "another one", {}),
    Case(
        "no encryption where it is required", Fault(), "encryption", FAILED, "in the clear", "srtp to optional",
        {"srtp": Srtp.REQUIRED},
    ),
    Case(
        "no encryption where it is wanted", Fault(), "encryption", WARNING, "does not encrypt", "SRTP",
        {"srtp": Srtp.OPTIONAL},
    ),
    Case("an unknown number", Fault(invite=404), "call", FAILED, "404", "number_format", {}),
    Case("silence", Fault(options=0), "connect 127.0.0.1", FAILED, "no answer to OPTIONS", "firewall", {}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_doctor_names_the_fault_and_its_fix(case: Case) -> None:
    async with a_carrier(case.fault) as carrier:
        found = await findings(a_trunk(carrier.port, **case.trunk))

    finding = next(finding for check, finding in found.items() if check.startswith(case.check))
    assert finding.verdict == case.verdict, found
    assert case.words in finding.words
    assert case.fix in finding.fix
    assert (finding.verdict == OK) == (finding.fix == "")


async def test_a_well_trunk_has_nothing_to_fix_and_its_test_call_is_hung_up() -> None:
    async with a_carrier(Fault(rows=(("Session-Expires", "1800;refresher=uas"),))) as carrier:
        found = await findings(a_trunk(carrier.port))

        assert not [finding for finding in found.values() if finding.verdict in (FAILED, WARNING)], found
        assert found["hold"].words == "taken"
        assert found["session timer"].words == "Session-Expires 1800;refresher=uas"
        assert carrier.heard.count("BYE") == 1


async def test_looking_a_trunk_over_does_not_register_in_the_servers_place() -> None:
    async with a_carrier(Fault()) as carrier:
        me = Credentials("me", "secret")
        found = await findings(a_trunk(carrier.port, credentials=me, register=Registration()), call=False)

        assert "REGISTER" not in carrier.heard
        assert found["registration"].verdict == FAILED  # nobody registers in this test


async def test_a_port_that_nobody_listens_on_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        found = await findings(a_trunk(port, transport=Transport.TCP), call=False)

    finding = found[f"connect 127.0.0.1:{port}"]
    assert (finding.verdict, "transport (tcp)" in finding.fix) == (FAILED, True)


async def test_a_name_that_leads_nowhere_is_named() -> None:
    async with NameServer({}) as names:
        trunk = Trunk("acme", hosts=(Host("sip.acme.example"),))
        found = await findings(trunk, name_servers=(names.address,))

    assert found["name sip.acme.example"].verdict == FAILED
    assert "no address for sip.acme.example" in found["name sip.acme.example"].words
    assert "spelling" in found["call"].fix


@pytest.mark.parametrize(
    ("names", "days", "policy", "words", "fix"),
    [
        (("other.example",), 1, {}, "is for other.example", "tls.name"),
        (("127.0.0.1",), -1, {}, "expired", "renew"),
        (("127.0.0.1",), 1, {"ca_file": ""}, "not trusted", "tls.ca_file"),
        (("127.0.0.1",), 1, {"pin": "sha256:" + "ab" * 32}, "not the pinned one", "set tls.pin anew"),
    ],
)
async def test_what_is_wrong_with_a_certificate_is_said_in_words(
    tmp_path: Path, names: tuple[str, ...], days: int, policy: dict[str, Any], words: str, fix: str
) -> None:
    authority = Authority(tmp_path)
    certificate = authority.server(*names, days=days)
    async with running(certificate=certificate, tls_port=0) as carrier:
        port = tls_port(carrier)
        tls = TlsPolicy(**{"ca_file": str(authority.file), **policy})
        found = await findings(a_trunk(port, transport=Transport.TLS, tls=tls), call=False)

    finding = found[f"TLS 127.0.0.1:{port}"]
    assert finding.verdict == FAILED
    assert words in finding.words
    assert fix in finding.fix


async def test_a_certificate_that_is_not_checked_is_told_loudly(tmp_path: Path) -> None:
    async with running(certificate=Authority(tmp_path).server("other.example"), tls_port=0) as carrier:
        trunk = a_trunk(tls_port(carrier), transport=Transport.TLS, tls=TlsPolicy(verify=False))
        found = await findings(trunk, call=False)

    assert found["settings"].verdict == WARNING
    assert "verify is off" in found["settings"].words
