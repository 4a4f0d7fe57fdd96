"""Who protects a stream, who demands it, and that nobody who demands it ever gets a clear one (RFC 4568)."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.sdp.crypto import OFFERED, SUITES, Protection, crypto_lines
from ringback.sdp.description import Media, parse
from ringback.sdp.errors import NoCommonCodec, NotProtected
from ringback.sdp.negotiation import Negotiated, make_answer, make_offer, read_answer

OPTIONAL, REQUIRED = Protection("optional", b"1" * 32), Protection("required", b"2" * 32)
THEIRS = base64.b64encode(bytes(range(30))).decode()
GCM = base64.b64encode(bytes(range(28))).decode()
LINE = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{THEIRS}\r\n"


def offer(*streams: str) -> bytes:
    return "".join(["v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n", *streams]).encode()


def audio(protocol: str, *lines: str, port: int = 14000) -> str:
    return f"m=audio {port} {protocol} 0\r\n" + "".join(lines)


def answer(data: bytes, protection: Protection) -> tuple[bytes, Negotiated]:
    return make_answer(
        data, "198.51.100.1", 20000, ("PCMU",), session_id=5, version=1, direction="sendrecv", protection=protection
    )


@pytest.mark.parametrize("protocol", ["RTP/AVP", "RTP/SAVP", "RTP/SAVPF"])
@pytest.mark.parametrize("protection", [OPTIONAL, REQUIRED])
def test_offered_keys_are_taken_where_we_do_not_refuse_them(protocol: str, protection: Protection):
    """Keys beside ``RTP/AVP`` are how phones offer protection that may be declined."""
    data, agreed = answer(offer(audio(protocol, LINE)), protection)

    assert agreed.keys is not None
    assert (agreed.keys.suite, agreed.keys.receive_key) == ("AES_CM_128_HMAC_SHA1_80", bytes(range(30)))
    (stream,) = parse(data).media
    (line,) = crypto_lines(stream)
    assert (stream.protocol, line.tag, line.suite, line.key) == (protocol, 1, agreed.keys.suite, agreed.keys.send_key)


def test_the_first_suite_we_know_is_taken_with_its_tag():
    lines = f"a=crypto:4 F8_128_HMAC_SHA1_80 inline:{THEIRS}\r\na=crypto:9 AEAD_AES_128_GCM inline:{GCM}|2^20\r\n"

    data, agreed = answer(offer(audio("RTP/SAVP", lines, LINE)), OPTIONAL)

    assert agreed.keys is not None and agreed.keys.suite == "AEAD_AES_128_GCM"
    assert [value.split()[:2] for value in parse(data).media[0].values("crypto")] == [["9", "AEAD_AES_128_GCM"]]


@pytest.mark.parametrize(
    ("streams", "protection"),
    [
        ([audio("RTP/SAVP", LINE)], Protection()),
        ([audio("RTP/SAVP")], OPTIONAL),
        ([audio("RTP/SAVP")], REQUIRED),
        ([audio("RTP/AVP")], REQUIRED),
        ([audio("RTP/AVP"), audio("RTP/SAVP", port=14002)], REQUIRED),
        ([audio("RTP/SAVP", LINE.replace("AES_CM_128_HMAC_SHA1_80", "NULL_HMAC_SHA1_80"))], OPTIONAL),
        ([audio("RTP/SAVP", LINE.strip() + " UNENCRYPTED_SRTP\r\n")], OPTIONAL),
        ([audio("RTP/SAVP", LINE.strip() + " UNAUTHENTICATED_SRTP\r\n")], OPTIONAL),
        ([audio("RTP/SAVP", LINE.strip() + " KDR=4\r\n")], OPTIONAL),
        ([audio("RTP/SAVP", LINE.replace(THEIRS, "c2hvcnQ="))], OPTIONAL),
        ([audio("RTP/SAVP", LINE.replace(THEIRS, THEIRS[:-1] + "!"))], OPTIONAL),
        ([audio("RTP/SAVP", LINE.strip() + f";inline:{THEIRS}\r\n")], REQUIRED),
    ],
)
def test_what_cannot_be_protected_as_demanded_is_refused(streams: list[str], protection: Protection):
    """E9, E10: 488, and never a clear stream by the back door."""
    with pytest.raises(NotProtected):
        answer(offer(*streams), protection)


def test_without_a_codec_in_common_that_is_what_is_said():
    with pytest.raises(NoCommonCodec) as refusal:
        answer(offer("m=audio 14000 RTP/SAVP 18\r\n"), REQUIRED)

    assert not isinstance(refusal.value, NotProtected)


def test_of_a_clear_and_a_protected_stream_the_protected_one_is_taken():
    """E10: both m-lines."""
    data, agreed = answer(offer(audio("RTP/AVP"), audio("RTP/SAVP", LINE, port=14002)), OPTIONAL)

    assert agreed.remote == ("192.0.2.1", 14002) and agreed.keys is not None
    assert [media.port for media in parse(data).media] == [0, 20000]


def test_a_clear_offer_stays_clear_where_protection_is_optional_or_off():
    for protection in (OPTIONAL, Protection()):
        data, agreed = answer(offer(audio("RTP/AVP", *([] if protection is OPTIONAL else [LINE]))), protection)

        assert agreed.keys is None and b"crypto" not in data


@pytest.mark.parametrize("theirs", [OPTIONAL, REQUIRED])
@pytest.mark.parametrize("ours", [OPTIONAL, REQUIRED])
def test_two_of_us_agree_on_keys_that_fit_each_other(ours: Protection, theirs: Protection):
    ours, theirs = Protection(ours.policy, b"o" * 32), Protection(theirs.policy, b"t" * 32)
    first = make_offer(1, 1, "192.0.2.1", 14000, ("PCMU",), protection=ours)

    data, there = answer(first, theirs)
    here = read_answer(first, data, ours)

    assert here.keys is not None and there.keys is not None
    assert (here.keys.suite, here.keys.send_key) == (there.keys.suite, there.keys.receive_key)
    assert here.keys.receive_key == there.keys.send_key != here.keys.send_key
    assert parse(first).media[0].protocol == ("RTP/SAVP" if ours.policy == "required" else "RTP/AVP")


def test_what_we_offer_stays_the_same_from_offer_to_offer():
    """RFC 4568 §7.1.4: whose key stays goes on counting its packets."""
    one, two = (make_offer(1, n, "192.0.2.1", 14000, ("PCMU",), protection=REQUIRED) for n in (1, 2))
    lines = crypto_lines(parse(one).media[0])

    assert [line.suite for line in lines] == list(OFFERED)
    assert lines == crypto_lines(parse(two).media[0])
    assert len({line.key[:16] for line in lines}) == len(lines), "no two suites share a key"


@pytest.mark.parametrize(
    "reply",
    [
        audio("RTP/SAVP"),
        audio("RTP/AVP"),
        audio("RTP/SAVP", LINE.replace("crypto:1", "crypto:7")),
        audio("RTP/SAVP", f"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{THEIRS}\r\n"),
        audio("RTP/SAVP", LINE, f"a=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:{THEIRS}\r\n"),
    ],
)
def test_an_answer_without_the_key_we_demand_is_no_answer(reply: str):
    """E10: neither no key, nor one for something we did not offer, nor two."""
    with pytest.raises(NotProtected):
        read_answer(make_offer(1, 1, "192.0.2.1", 14000, ("PCMU",), protection=REQUIRED), offer(reply), REQUIRED)


def test_an_optional_offer_may_be_answered_in_the_clear_but_not_half():
    mine = make_offer(1, 1, "192.0.2.1", 14000, ("PCMU",), protection=OPTIONAL)

    assert read_answer(mine, offer(audio("RTP/AVP")), OPTIONAL).keys is None
    with pytest.raises(NotProtected):
        read_answer(mine, offer(audio("RTP/SAVP")), OPTIONAL)


def test_a_key_identifier_is_read_with_its_length():
    """RFC 4568 §6.1: lifetime and MKI stand behind the key."""
    media = parse(offer(audio("RTP/SAVP", LINE.strip() + "|2^31|5:4 WSH=64\r\n"))).media[0]

    assert [line.mki for line in crypto_lines(media)] == [b"\0\0\0\5"]
    broken = parse(offer(audio("RTP/SAVP", LINE.strip() + "|300:1\r\n"))).media[0]
    assert crypto_lines(broken) == []


def test_keys_are_never_shown():
    _, agreed = answer(offer(audio("RTP/SAVP", LINE)), REQUIRED)
    line = crypto_lines(parse(offer(audio("RTP/SAVP", LINE))).media[0])[0]

    for shown in (repr(REQUIRED), repr(agreed), repr(line)):
        assert "22222222" not in shown and "\\x01" not in shown, shown


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=300), st.sampled_from(sorted(SUITES)))
def test_any_text_gives_a_usable_line_or_none(text: str, suite: str):
    for value in (text, f"1 {suite} inline:{text}"):
        lines = crypto_lines(Media("audio", 1, "RTP/SAVP", ["0"], attributes=[("crypto", value)]))

        assert all(len(line.key) == SUITES[line.suite] for line in lines)


@pytest.mark.parametrize(
    ("lines", "port", "muxed"),
    [
        ("", None, False),
        ("a=rtcp-mux\r\n", 14000, True),
        ("a=rtcp:14009\r\n", 14009, False),
        ("a=rtcp:14001 IN IP4 192.0.2.1\r\n", None, False),
        ("a=rtcp:7\r\n", None, False),
        ("a=rtcp:nonsense\r\n", None, False),
    ],
)
def test_reports_go_where_the_far_end_wants_them(lines: str, port: int | None, muxed: bool):
    """RFC 3605, RFC 5761: a shared port is agreed on only when offered."""
    data, agreed = answer(offer(audio("RTP/AVP", lines)), Protection())

    assert agreed.rtcp_port == port
    assert (b"a=rtcp-mux" in data) is muxed
