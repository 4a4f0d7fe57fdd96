"""What is wrong with a trunk, in words and with the fix, from what an examination saw of it (pure)."""

import ipaddress
from dataclasses import dataclass, field

from ringback.calls.ports.carrier import Failure
from ringback.numbers.trunk import Trunk

OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and what it found. ``fix`` is empty where nothing has to be done."""

    check: str
    verdict: str
    words: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What asking one host showed.

    Attributes:
        host: As configured, ``host`` or ``host:port``.
        targets: Addresses it led to, as ``transport:address:port``.
        status: Of the answer to OPTIONS; 0 for none.
        reason: Its phrase, or why there was none.
    """

    host: str
    targets: tuple[str, ...] = ()
    status: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CallSeen:
    """What a test call showed.

    Attributes:
        number: Number that was called.
        refused: Why it was not even tried.
        failure: Why it was not answered.
        unreadable: What is wrong with the answer's description.
        clear: It answered without the protection that the trunk demands.
        suite: How sound is encrypted; empty for not at all.
        offered: Codecs we offered.
        codec: What was agreed on; empty while there was no answer.
        digits: Whether telephone-events were agreed on.
        peer: IP address that signals.
        contact: Host that its Contact names.
        sound: IP address that its description names for sound.
        packets: RTP packets heard.
        hold: Status of the answer to our hold: 200, a refusal; 0 when it was not tried.
        interval: ``Session-Expires`` of its answer.
        hung_up: It ended the call before we did.
    """

    number: str
    refused: str = ""
    failure: Failure | None = None
    unreadable: str = ""
    clear: bool = False
    suite: str = ""
    offered: tuple[str, ...] = ()
    codec: str = ""
    digits: bool = False
    peer: str = ""
    contact: str = ""
    sound: str = ""
    packets: int = 0
    hold: int = 0
    interval: str = ""
    hung_up: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything an examination saw. ``ours`` is where a carrier sees us: ``host:port``."""

    ours: str
    hosts: tuple[HostFacts, ...] = ()
    registration: str = "off"
    call: CallSeen | None = None
    rtp_ports: str = ""


@dataclass(slots=True)
class _List:
    found: list[Finding] = field(default_factory=list)

    def add(self, check: str, verdict: str, words: str, fix: str = "") -> None:
        self.found.append(Finding(check, verdict, words, fix))


def diagnose(trunk: Trunk, facts: Facts) -> list[Finding]:
    """Every check in the order in which a call needs them."""
    it = _List()
    _settings(it, trunk)
    for host in facts.hosts:
        _host(it, trunk, host, facts)
    _registration(it, trunk, facts)
    if facts.call is None:
        it.add("call", SKIPPED, "no test call was made", "name a number that may be called: --call +49…")
    else:
        _call(it, trunk, facts.call, facts)
    return it.found


def _settings(it: _List, trunk: Trunk) -> None:
    if not trunk.enabled:
        it.add("settings", FAILED, "the trunk is switched off", f"ringback trunks set {trunk.name} enabled=true")
    elif "ACCOUNTSID" in trunk.identity.from_domain:
        it.add("settings", FAILED, "identity.from_domain still has ACCOUNTSID in it", "put your account's id there")
    elif not trunk.tls.verify:
        it.add(
            "settings", WARNING, "tls.verify is off: whoever stands between can read and change every call",
            "set tls.ca_file to the carrier's authority, or tls.pin to its certificate",
        )  # fmt: skip
    else:
        it.add("settings", OK, "they make sense")
    if not trunk.hosts:
        it.add("hosts", SKIPPED, "it has no hosts: calls only come in over it")


def _host(it: _List, trunk: Trunk, host: HostFacts, facts: Facts) -> None:
    if not host.targets:
        it.add(
            f"name {host.host}", FAILED, host.reason,
            "check its spelling and your name server; a host without SRV records needs an address record",
        )  # fmt: skip
        return
    it.add(f"name {host.host}", OK, ", ".join(host.targets))
    if host.reason.startswith("tls:"):
        it.add(f"TLS {host.host}", FAILED, host.reason.removeprefix("tls: "), _tls_fix(host.reason))
    elif host.status == 0:
        it.add(f"connect {host.host}", FAILED, host.reason, _connect_fix(trunk, facts))
    else:
        if trunk.transport.value == "tls":
            verdict = (OK, "certificate checked") if trunk.tls.verify else (WARNING, "certificate not checked")
            it.add(f"TLS {host.host}", *verdict)
        _options(it, host, facts)


def _tls_fix(reason: str) -> str:
    if "expired" in reason:
        return "the carrier has to renew its certificate; until then tls.pin can name this one"
    if "is for" in reason:
        return "write the host as its certificate does, or set tls.name to a name that is in it"
    if "pinned" in reason:
        return "the certificate was changed: set tls.pin anew, if the carrier says that it changed it"
    if "not trusted" in reason:
        return "set tls.ca_file to the authority that signed it"
    if "cannot read" in reason:
        return "correct the path in tls.ca_file, tls.certificate or tls.key, or let the server read that file"
    return "the port may not be a TLS one: TLS is usually on 5061"


def _connect_fix(trunk: Trunk, facts: Facts) -> str:
    return (
        f"check port and transport ({trunk.transport.value}), your firewall, and that the carrier lets {facts.ours} in"
    )


def _options(it: _List, host: HostFacts, facts: Facts) -> None:
    words = f"answers {host.status} {host.reason}".strip()
    if host.status == 403:
        it.add(f"OPTIONS {host.host}", WARNING, words, f"the carrier may not know your address: tell it {facts.ours}")
    elif host.status in (408, 503):
        it.add(
            f"OPTIONS {host.host}", FAILED, words, "the host says that it is out of service: try another one of theirs"
        )
    else:
        # 401, 404, 405 and the like only say that nobody is called that way: the host is there.
        it.add(f"OPTIONS {host.host}", OK, words)


def _registration(it: _List, trunk: Trunk, facts: Facts) -> None:
    if trunk.register is None:
        it.add("registration", SKIPPED, "none is wanted")
    elif facts.registration.startswith("registered"):
        it.add("registration", OK, facts.registration)
    else:
        it.add(
            "registration", FAILED, facts.registration,
            "check credentials, and register.user and register.domain where they differ from them",
        )  # fmt: skip


def _call(it: _List, trunk: Trunk, call: CallSeen, facts: Facts) -> None:
    if call.refused:
        it.add("call", FAILED, call.refused, f"try its rules: ringback trunks dry-run {trunk.name} {call.number}")
        return
    if call.failure is not None:
        it.add("call", FAILED, _failure_words(call.failure), _failure_fix(trunk, call, facts))
        return
    if call.clear:
        it.add(
            "encryption", FAILED, "answered in the clear, and srtp is required",
            "ask the carrier for SRTP with keys in SDP, or set srtp to optional if clear calls are wanted",
        )  # fmt: skip
        return
    if not call.codec:
        it.add(
            "codecs", FAILED, call.unreadable or "answered without a codec of ours",
            f"we offered {', '.join(call.offered)}: set codecs to what the carrier takes",
        )  # fmt: skip
        return
    it.add("call", OK, f"{call.number} was answered by {call.peer}")
    it.add("codecs", OK, f"{call.codec} of {', '.join(call.offered)}")
    if call.suite:
        it.add("encryption", OK, call.suite)
    elif trunk.srtp.value == "optional":
        it.add("encryption", WARNING, "the carrier does not encrypt", "ask it for SRTP with keys in SDP")
    else:
        it.add("encryption", OK, "none, as set")
    _sound(it, trunk, call, facts)
    _digits(it, trunk, call)
    _in_dialog(it, call)


def _failure_words(failure: Failure) -> str:
    return f"{failure.status} {failure.reason}".strip() if failure.status else failure.reason


def _failure_fix(trunk: Trunk, call: CallSeen, facts: Facts) -> str:
    failure = call.failure
    assert failure is not None, "asked only then"
    status = failure.status
    if failure.reason.startswith("tls:"):
        return _tls_fix(failure.reason)
    if failure.cause == "resolve":
        return "check the host's spelling and your name server"
    if status in (401, 407):
        if trunk.credentials is None:
            return "the carrier asks for a password: set credentials.username and credentials.password"
        return "credentials.username or credentials.password is wrong, or the account is another host's"
    if status == 403:
        return f"tell the carrier our address ({facts.ours}), and show a caller_ids number that it lets you use"
    if status in (404, 484, 604):
        return "the carrier does not know the number as written: look at number_format and outbound_rules"
    if status in (415, 488, 606):
        return f"we offered {', '.join(call.offered)}, srtp {trunk.srtp.value}: set codecs and srtp to what it takes"
    if status == 422:
        return "the carrier wants longer session intervals than it names: ask which Min-SE it takes"
    if status == 420:
        return "the carrier demands an extension that we do not have: ask which one can be switched off"
    if status == 503:
        return "the carrier is out of capacity or your account is: try later, ask about calls_per_second"
    if status in (480, 486, 600, 603):
        return "the number is busy or does not want to talk: call one that answers"
    if status == 0 or failure.cause in ("timeout", "transport"):
        return _connect_fix(trunk, facts)
    return "ask the carrier what this answer means"


def _sound(it: _List, trunk: Trunk, call: CallSeen, facts: Facts) -> None:
    if call.packets:
        it.add("sound", OK, f"{call.packets} packets heard")
    elif is_stray(call.sound, call.peer):
        it.add(
            "sound", FAILED, f"nothing heard, and its description names {call.sound}, which only its own network has",
            "the far end is behind a NAT that it does not know of: its media address has to be set to a public one",
        )  # fmt: skip
    elif trunk.media_networks:
        it.add(
            "sound", FAILED, f"nothing heard from {', '.join(trunk.media_networks)}",
            f"it may send from elsewhere: add that network to media_networks; open UDP {facts.rtp_ports} to it",
        )  # fmt: skip
    else:
        it.add("sound", FAILED, "nothing heard", f"open UDP {facts.rtp_ports} in your firewall to {call.sound}")
    if call.packets and is_stray(call.sound, call.peer):
        it.add(
            "sound address", WARNING, f"its description names {call.sound}, and its sound comes from elsewhere",
            "it works because sound is sent back to where it comes from; the far end should say its public address",
        )  # fmt: skip


def _digits(it: _List, trunk: Trunk, call: CallSeen) -> None:
    if trunk.dtmf.value in ("sip-info", "in-band"):
        it.add("digits", OK, f"{trunk.dtmf.value}, as set")
    elif call.digits:
        it.add("digits", OK, "telephone-event (RFC 4733)")
    elif trunk.dtmf.value == "auto":
        it.add("digits", WARNING, "no telephone-event: keys go by SIP INFO", "set dtmf to what the carrier understands")
    else:
        it.add("digits", FAILED, "no telephone-event was agreed on", "set dtmf to auto or sip-info")


def _in_dialog(it: _List, call: CallSeen) -> None:
    if call.hold == 200:
        it.add("hold", OK, "taken")
    elif call.hold:
        it.add(
            "hold", WARNING, f"refused with {call.hold}",
            "calls over it cannot be held; ask the carrier about re-INVITE with a=sendonly",
        )  # fmt: skip
    else:
        it.add("hold", SKIPPED, "the far end hung up before" if call.hung_up else "not tried")
    it.add("session timer", OK, f"Session-Expires {call.interval}" if call.interval else "none asked for")
    if is_stray(call.contact, call.peer):
        it.add(
            "route", WARNING, f"its Contact names {call.contact}, which nobody outside reaches",
            "ACK and BYE go to where its answer came from; a proxy before it has to add Record-Route",
        )  # fmt: skip
    else:
        it.add("route", OK, f"requests in the call go to {call.contact or call.peer}")


def is_stray(address: str, peer: str) -> bool:
    """Whether a far end that signals from ``peer`` names an address that only its own network has."""
    try:
        named, seen = ipaddress.ip_address(address), ipaddress.ip_address(peer)
    except ValueError:
        return False
    if named == seen or named.is_loopback or not (named.is_private or named.is_link_local):
        return False
    return named.version != seen.version or named.packed[:2] != seen.packed[:2]
