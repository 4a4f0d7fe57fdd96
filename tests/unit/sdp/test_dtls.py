"""Keys agreed on beside the sound: who offers and takes them, who begins, and who is refused (RFC 5763, 8122, 8643)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.sdp.crypto import Protection
from ringback.sdp.description import parse
from ringback.sdp.errors import NotProtected
from ringback.sdp.negotiation import Negotiated, make_answer, make_offer, read_answer
from unit.sdp.test_crypto import LINE, audio, offer

OURS = "sha-256 " + ":".join(["0A"] * 32)
DIGEST = bytes(range(32))
THEIRS = "sha-256 " + DIGEST.hex(":").upper()
FINGERPRINT = f"a=fingerprint:{THEIRS}\r\n"
ACTPASS = FINGERPRINT + "a=setup:actpass\r\n"
OVER = "UDP/TLS/RTP/SAVP"


def ours(policy: str = "optional", keying: str = "sdes", speakable: bool = False, active: bool = False) -> Protection:
    return Protection(policy, b"1" * 32, speakable, keying, OURS, active)


def answer(data: bytes, protection: Protection) -> tuple[bytes, Negotiated]:
    return make_answer(
        data, "198.51.100.1", 20000, ("PCMU",), session_id=5, version=1, direction="sendrecv", protection=protection
    )


@pytest.mark.parametrize("protocol", [OVER, "UDP/TLS/RTP/SAVPF", "RTP/SAVP", "RTP/SAVPF", "RTP/AVP"])
@pytest.mark.parametrize("policy", ["optional", "required"])
def test_an_offer_with_a_fingerprint_is_answered_with_ours_and_lets_the_caller_begin(protocol: str, policy: str):
    """Behind a NAT it reaches us, and we not it."""
    data, agreed = answer(offer(audio(protocol, ACTPASS, "a=rtcp-mux\r\n")), ours(policy))

    (stream,) = parse(data).media
    assert (stream.protocol, stream.value("fingerprint"), stream.value("setup")) == (protocol, OURS, "passive")
    assert stream.has("rtcp-mux")
    assert agreed.dtls is not None and agreed.protected and agreed.keys is None
    assert (agreed.dtls.fingerprints, agreed.dtls.active) == ((("sha-256", DIGEST),), False)


@pytest.mark.parametrize(
    ("setup", "before", "said"),
    [
        ("active", False, "passive"),
        ("passive", False, "active"),
        ("actpass", True, "active"),
        ("active", True, "passive"),
    ],
)
def test_who_begins_is_as_the_offer_leaves_it_and_stays_where_that_is_left_to_us(setup: str, before: bool, said: str):
    data, agreed = answer(offer(audio(OVER, FINGERPRINT, f"a=setup:{setup}\r\n")), ours(active=before))

    assert parse(data).media[0].value("setup") == said
    assert agreed.dtls is not None and agreed.dtls.active is (said == "active")


def test_fingerprint_and_setup_may_stand_above_all_streams():
    data = offer(audio(OVER)).replace(b"t=0 0\r\n", b"t=0 0\r\n" + ACTPASS.encode())

    assert answer(data, ours())[1].dtls is not None


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "a=setup:actpass\r\n",
        FINGERPRINT,
        FINGERPRINT + "a=setup:holdconn\r\n",
        "a=fingerprint:sha-1 " + ":".join(["0A"] * 20) + "\r\na=setup:actpass\r\n",
        "a=fingerprint:sha-256 " + ":".join(["0A"] * 31) + "\r\na=setup:actpass\r\n",
        "a=fingerprint:md5 nonsense\r\na=setup:actpass\r\n",
        LINE,
    ],
)
@pytest.mark.parametrize("policy", ["optional", "required"])
def test_dtls_demanded_without_a_fingerprint_that_proves_something_is_refused(lines: str, policy: str):
    """E7, E10: 488, never a clear stream by the back door, nor one with keys where DTLS is demanded."""
    with pytest.raises(NotProtected):
        answer(offer(audio(OVER, lines)), ours(policy, speakable=True))


def test_dtls_is_refused_where_protection_is_off():
    with pytest.raises(NotProtected):
        answer(offer(audio(OVER, ACTPASS)), Protection(fingerprint=OURS))


@pytest.mark.parametrize(
    ("keying", "speakable", "taken"), [("sdes", True, "keys"), ("dtls", True, "dtls"), ("sdes", False, "dtls")]
)
def test_of_two_ways_the_one_we_prefer_and_may_use_is_taken(keying: str, speakable: bool, taken: str):
    _, agreed = answer(offer(audio("RTP/AVP", LINE, ACTPASS)), ours(keying=keying, speakable=speakable))

    assert (agreed.keys is not None, agreed.dtls is not None) == (taken == "keys", taken == "dtls")


@pytest.mark.parametrize(("policy", "protocol"), [("optional", "RTP/AVP"), ("required", OVER)])
def test_we_offer_dtls_where_the_trunk_says_so_and_either_may_begin(policy: str, protocol: str):
    data = make_offer(1, 1, "198.51.100.1", 20000, ("PCMU",), protection=ours(policy, "dtls"))

    (stream,) = parse(data).media
    assert (stream.protocol, stream.value("fingerprint"), stream.value("setup")) == (protocol, OURS, "actpass")
    assert stream.has("rtcp-mux") and not stream.has("crypto")


def test_required_protection_is_offered_by_dtls_where_keys_may_not_be_told():
    data = make_offer(1, 1, "198.51.100.1", 20000, ("PCMU",), protection=ours("required"))

    assert parse(data).media[0].protocol == OVER
    with pytest.raises(NotProtected):
        make_offer(1, 1, "198.51.100.1", 20000, ("PCMU",), protection=Protection("required", b"1" * 32, False))


@pytest.mark.parametrize(("setup", "active"), [("active", False), ("passive", True), ("", False)])
def test_an_answer_says_who_begins(setup: str, active: bool):
    protection = ours("required", "dtls")
    sent = make_offer(1, 1, "198.51.100.1", 20000, ("PCMU",), protection=protection)
    role = f"a=setup:{setup}\r\n" if setup else ""

    agreed = read_answer(sent, offer(audio(OVER, FINGERPRINT, role, "a=rtcp-mux\r\n")), protection)

    assert agreed.dtls is not None and agreed.dtls.active is active
    assert agreed.rtcp_port == 14000


def test_who_knows_nothing_of_it_answers_in_the_clear_only_where_that_is_left_to_it():
    """RFC 8643."""
    optional, required = ours("optional", "dtls"), ours("required", "dtls")
    sent = make_offer(1, 1, "198.51.100.1", 20000, ("PCMU",), protection=optional)

    assert not read_answer(sent, offer(audio("RTP/AVP")), optional).protected
    with pytest.raises(NotProtected):
        read_answer(
            make_offer(1, 1, "198.51.100.1", 20000, ("PCMU",), protection=required), offer(audio(OVER)), required
        )


def test_both_sides_of_a_call_agree_on_who_is_who():
    far = Protection("required", b"2" * 32, True, "dtls", "sha-256 " + ":".join(["0B"] * 32))
    sent = make_offer(1, 1, "198.51.100.1", 20000, ("PCMU",), protection=ours("required", "dtls"))

    said, theirs = answer(sent, far)
    mine = read_answer(sent, said, ours("required", "dtls"))

    assert mine.dtls is not None and theirs.dtls is not None
    assert mine.dtls.active and not theirs.dtls.active
    assert (mine.dtls.fingerprints[0][1], theirs.dtls.fingerprints[0][1]) == (b"\x0b" * 32, b"\x0a" * 32)


ICE = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"


def test_ice_is_answered_where_it_is_offered_with_one_address_and_no_checks_of_ours():
    plain, _ = answer(offer(audio("RTP/AVP")), ours())
    data, agreed = answer(offer(audio("RTP/AVP", ICE)), ours())

    assert b"ice" not in plain and b"candidate" not in plain
    said = parse(data)
    (stream,) = said.media
    assert said.attributes == [("ice-lite", None)]
    assert agreed.ice is not None and agreed.ice.remote_ufrag == "abcd"
    assert (stream.value("ice-ufrag"), stream.value("ice-pwd")) == (agreed.ice.ufrag, agreed.ice.password)
    assert len(agreed.ice.ufrag) >= 4 and len(agreed.ice.password) >= 22
    assert [re.sub(r" \d{8,} ", " * ", value) for value in stream.values("candidate")] == [
        "1 1 UDP * 198.51.100.1 20000 typ host",
        "1 2 UDP * 198.51.100.1 20001 typ host",
    ]
    muxed, _ = answer(offer(audio("RTP/AVP", ICE, "a=rtcp-mux\r\n")), ours())
    assert len(parse(muxed).media[0].values("candidate")) == 1


def test_names_stay_while_the_far_ends_do_and_change_when_it_begins_anew():
    first = answer(offer(audio("RTP/AVP", ICE)), ours())[1].ice
    again = answer(offer(audio("RTP/AVP", ICE)), ours())[1].ice
    anew = answer(offer(audio("RTP/AVP", ICE.replace("abcd", "efgh"))), ours())[1].ice

    assert first == again
    assert anew is not None and first is not None and anew.password != first.password


def test_an_address_that_is_not_known_yet_holds_nobody_where_ice_finds_it_out():
    """RFC 8840 §4.1.1: port 9 and 0.0.0.0 before anything has been gathered."""
    data = offer(audio("RTP/AVP", ICE, port=9)).replace(b"c=IN IP4 192.0.2.1", b"c=IN IP4 0.0.0.0")

    _, agreed = answer(data, ours())

    assert (agreed.remote, agreed.send, agreed.listen) == (None, True, True)


def test_a_later_offer_of_ours_goes_on_with_ice():
    protection = Protection("required", b"1" * 32, True, "dtls", OURS, ice="abcd")
    sent = make_offer(1, 2, "198.51.100.1", 20000, ("PCMU",), protection=protection)
    agreed = read_answer(sent, offer(audio(OVER, ICE, FINGERPRINT, "a=setup:active\r\na=rtcp-mux\r\n")), protection)

    assert parse(sent).attributes == [("ice-lite", None)]
    assert agreed.ice is not None
    assert parse(sent).media[0].value("ice-ufrag") == agreed.ice.ufrag


@given(st.text(max_size=200), st.sampled_from(["fingerprint", "setup", "ice-ufrag", "ice-pwd"]))
def test_whatever_strangers_write_there_is_taken_or_refused(text: str, name: str):
    line = f"a={name}:{text}\r\n" if "\n" not in text and "\r" not in text else ""
    try:
        data = offer(audio(OVER, line, ACTPASS, ICE))
        _, agreed = answer(data, ours())
    except (NotProtected, ValueError):
        return
    assert agreed.dtls is not None
