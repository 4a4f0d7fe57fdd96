"""Known carriers and exchanges: what their public documentation says, as defaults of a trunk.

A trunk that names a profile takes what it says for every field it does not set itself. Addresses are given only where
a carrier publishes them as stable; the others say where to find theirs. ``checked`` tells how each row was learned:
read in the carrier's documentation, or ``not verified``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Profile:
    """One carrier or exchange.

    Attributes:
        title: Its name as people know it.
        fields: Fields of a trunk (``trunk_body``).
        host: How a host of theirs looks, for people.
        notes: Oddities, a sentence each.
        sources: Pages the row was taken from.
        checked: What was read there; what was not is listed as not verified.
    """

    title: str
    fields: Mapping[str, Any]
    host: str
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    checked: str = "not verified"


_PLUS: Mapping[str, Any] = {"number_format": "e164", "identity": {"format": "e164"}}

PROFILES: Mapping[str, Profile] = {
    "twilio": Profile(
        title="Twilio Elastic SIP Trunking",
        fields={
            **_PLUS,
            "trusted": True,
            "codecs": ["PCMU", "PCMA"],
            "dtmf": "telephone-event",
            "media_networks": ["168.86.128.0/18"],
        },
        host="YOURTRUNK.pstn.twilio.com",
        notes=(
            "The Request-URI's host must be your trunk's own domain: Twilio tells customers apart by it.",
            "All names resolve to the same addresses in random order; SRV records exist for the edges' names.",
            "Sound comes from 168.86.128.0/18, UDP 10000 to 60000, in every region.",
            "Signalling addresses differ by edge: set networks from Twilio's page of IP addresses.",
        ),
        sources=(
            "https://www.twilio.com/docs/sip-trunking",
            "https://www.twilio.com/docs/sip-trunking/sending-sip-to-twilio-best-practices",
            "https://www.twilio.com/docs/voice/api/sip-interconnect.md",
            "https://www.twilio.com/docs/sip",
        ),
        checked="Request-URI, DNS, media network, PCMU, RFC 2833: read; PCMA, session timers: not verified",
    ),
    "telnyx": Profile(
        title="Telnyx SIP Trunking",
        fields={
            **_PLUS,
            "trusted": True,
            "hosts": [{"host": "sip.telnyx.com"}],
            "networks": [
                "192.76.120.10/32",
                "64.16.250.10/32",
                "5.172.39.10/32",
                "5.172.39.25/32",
                "193.108.220.10/32",
                "193.108.220.25/32",
                "103.135.104.10/32",
                "103.135.104.25/32",
            ],
            "calls_per_second": 50,
            "dtmf": "telephone-event",
            "codecs": ["PCMU", "PCMA", "G722", "OPUS"],
        },
        host="sip.telnyx.com, sip.telnyx.eu and others by region",
        notes=(
            "Two addresses per region, the second by SRV only.",
            "Sends digits as RFC 2833, in-band or SIP INFO as the connection is set, and takes all of them.",
            "UDP, TCP and TLS; SRTP when the connection has it on.",
        ),
        sources=(
            "https://sip.telnyx.com/",
            "https://developers.telnyx.com/docs/voice/sip-trunking/routing/failover-and-retries",
            "https://developers.telnyx.com/api-reference/ip-connections/create-an-ip-connection",
        ),
        checked="addresses, calls per second, DTMF, transports: read; codec list, session timers: not verified",
    ),
    "plivo": Profile(
        title="Plivo Zentrunk",
        fields={
            **_PLUS,
            "trusted": True,
            "codecs": ["PCMU", "PCMA"],
            "dtmf": "telephone-event",
            "calls_per_second": 2,
        },
        host="YOURTRUNK.zt.plivo.com",
        notes=(
            "INFO, PRACK and REGISTER are not supported: digits go as RFC 2833 only, and nothing is registered.",
            "Two calls a second unless Plivo raised it; above a trunk's pace calls fail at once.",
            "Signalling on ports 5060 and 5061, sound on 10000 to 30000.",
        ),
        sources=(
            "https://docs.plivo.com/docs/sip-trunking/concepts/technical-specifications.md",
            "https://docs.plivo.com/docs/faq/voice-api-and-SIP-trunking/sip-trunking.md",
        ),
        checked="methods, codecs, DTMF, pace, ports: read; addresses, session timers: not verified",
    ),
    "vonage": Profile(
        title="Vonage SIP Trunking (Nexmo)",
        fields={
            "number_format": "plain",
            "identity": {"format": "plain"},
            "trusted": True,
            "hosts": [{"host": "sip.nexmo.com"}],
            "codecs": ["PCMU", "PCMA", "G722"],
            "dtmf": "telephone-event",
        },
        host="sip.nexmo.com, or YOURNAME.sip-us.vonage.com",
        notes=(
            "Every INVITE is challenged (API key and secret, or the trunk's credentials), or allowed by address.",
            "The caller is taken from From, as an E.164 number without a plus in its examples.",
            "Sound comes from many networks: Vonage asks to open ports 10000 to 20000 rather than addresses.",
        ),
        sources=(
            "https://developer.nexmo.com/voice/sip/overview",
            "https://developer.vonage.com/de/sip/technical-details",
        ),
        checked="endpoint, authentication, number format, codecs, DTMF (RFC 4733): read; session timers: not verified",
    ),
    "signalwire": Profile(
        title="SignalWire",
        fields={**_PLUS, "codecs": ["PCMU", "PCMA", "OPUS", "G722"], "trusted": True},
        host="YOURSPACE.sip.signalwire.com",
        notes=(
            "Codecs, ciphers and whether encryption is required are set per SIP endpoint or for the whole space.",
            "Calls to the telephone network need a number that was bought or verified as the caller.",
        ),
        sources=(
            "https://developer.signalwire.com/rest/list-all-sip-endpoints/",
            "https://signalwire.com/docs/apis/rest/sip-credentials/create-sip-credential",
        ),
        checked="codecs, encryption, caller: read; addresses, DTMF, session timers: not verified",
    ),
    "bandwidth": Profile(
        title="Bandwidth",
        fields={
            **_PLUS,
            "trusted": True,
            "identity": {"format": "e164", "header": "p-asserted-identity"},
            "codecs": ["PCMU", "PCMA"],
            "dtmf": "telephone-event",
        },
        host="two SBC addresses, told on joining",
        notes=(
            "SBCs come in pairs: enter both, with different priorities.",
            "UDP port 5060; sound on UDP 1024 to 64000 from several addresses.",
            "P-Asserted-Identity has to follow RFC 3325.",
        ),
        sources=(
            "https://support.bandwidth.com/hc/en-us/articles/204138866-Outbound-Calling-Integration-Guide",
            "https://support.bandwidth.com/hc/en-us/articles/211013127-SIP-peers-for-911-service",
        ),
        checked="pairs of SBCs, ports, P-Asserted-Identity: read; codecs, DTMF, session timers: not verified",
    ),
    "exotel": Profile(
        title="Exotel Virtual SIP Trunking",
        fields={
            **_PLUS,
            "trusted": True,
            "hosts": [{"host": "pstn.in2.exotel.com", "port": 5070}, {"host": "pstn.in4.exotel.com", "port": 5070}],
            "transport": "tcp",
            "media_networks": ["182.76.143.61/32", "122.15.8.184/32", "14.194.10.247/32", "61.246.82.75/32"],
            "codecs": ["PCMA", "PCMU"],
            "calls_per_second": 3.3,
            "identity": {"format": "e164", "from_domain": "ACCOUNTSID.pstn.exotel.com"},
        },
        host="pstn.in2.exotel.com:5070 by TCP, :443 by TLS",
        notes=(
            "By address only: nothing is registered and nothing is challenged.",
            "Over TLS the port is 443 and sound is SRTP: set transport tls, port 443 and srtp required.",
            "identity.from_domain is your account's: replace ACCOUNTSID.",
            "200 calls a minute unless Exotel raised it.",
        ),
        sources=(
            "https://developer.exotel.com/docs/vsip/tcp-integration",
            "https://developer.exotel.com/docs/vsip/tls-integration",
        ),
        checked="hosts, ports, transports, media addresses, pace, codecs: read; DTMF, session timers: not verified",
    ),
    "asterisk": Profile(
        title="A plain Asterisk (chan_pjsip)",
        fields={**_PLUS, "number_format": "plain", "codecs": ["PCMU", "PCMA", "G722", "OPUS"], "trusted": True},
        host="your Asterisk's address",
        notes=(
            "Answers OPTIONS with 404 when the context has no extension s: it is up all the same.",
            "dtmf_mode=rfc4733 is its default.",
            "timers=yes and timers_sess_expires=1800 are its defaults; it refreshes with UPDATE or re-INVITE.",
            "direct_media=no keeps the sound on the Asterisk; otherwise it sends a re-INVITE to another address.",
        ),
        sources=("https://docs.asterisk.org/Configuration/Channel-Drivers/SIP/Configuring-res_pjsip/",),
        checked="not verified",
    ),
    "freeswitch": Profile(
        title="A plain FreeSWITCH (mod_sofia)",
        fields={**_PLUS, "number_format": "plain", "codecs": ["OPUS", "G722", "PCMU", "PCMA"], "trusted": True},
        host="your FreeSWITCH's address, the external profile on port 5080",
        notes=(
            "The packaged external profile listens on 5080 and challenges nobody; the internal one on 5060 does.",
            "Names the caller by Remote-Party-ID unless caller-id-type says pid.",
            "Session timers are on with 1800 s.",
        ),
        sources=("https://developer.signalwire.com/freeswitch/FreeSWITCH-Explained/Configuration/Sofia-SIP-Stack/",),
        checked="not verified",
    ),
    "kamailio": Profile(
        title="A Kamailio proxy",
        fields={**_PLUS, "number_format": "plain"},
        host="your Kamailio's address",
        notes=(
            "A proxy: sound goes to whatever stands behind it, so leave media_networks empty or name those.",
            "Adds Record-Route; requests in a call go back through it.",
        ),
        sources=("https://www.kamailio.org/docs/modules/stable/modules/rr.html",),
        checked="record-routing was seen with Kamailio 5.6; the rest depends on its configuration",
    ),
}


def defaults_of(name: str) -> Mapping[str, Any] | None:
    """Fields a profile gives; ``None`` for an unknown one."""
    found = PROFILES.get(name)
    return None if found is None else found.fields
