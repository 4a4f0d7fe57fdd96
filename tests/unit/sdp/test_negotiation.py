"""RFC 3264 from our side: codecs, digits, hold, refusals, and the offers real phones send."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.sdp.description import parse
from ringback.sdp.errors import BadSdp, NoCommonCodec
from ringback.sdp.negotiation import Negotiated, make_answer, make_offer, read_answer, video_offered

ALL = ("OPUS", "G722", "PCMU", "PCMA")


def offer(
    media: str = "m=audio 14000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n", c: str = "192.0.2.1"
) -> bytes:
    return f"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 {c}\r\nt=0 0\r\n{media}".encode()


def answer(data: bytes, allowed: tuple[str, ...] = ALL, **more: str) -> tuple[bytes, Negotiated]:
    return make_answer(data, "198.51.100.1", 20000, allowed, session_id=5, version=1, **more)


LINPHONE = offer(
    "m=audio 7078 RTP/AVP 96 97 98 0 8 101 99 100\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n"
    "a=rtpmap:97 speex/16000\r\na=rtpmap:98 speex/8000\r\na=rtpmap:101 telephone-event/48000\r\n"
    "a=rtpmap:99 telephone-event/16000\r\na=rtpmap:100 telephone-event/8000\r\n"
)
"""As linphone offers it: digits three times, by clock."""


@pytest.mark.parametrize(
    ("allowed", "name", "payload_type", "dtmf"),
    [(ALL, "OPUS", 96, 101), (("PCMU", "PCMA"), "PCMU", 0, 100), (("PCMA",), "PCMA", 8, 100)],
)
def test_the_callers_order_decides_and_digits_follow_the_codecs_clock(
    allowed: tuple[str, ...], name: str, payload_type: int, dtmf: int
):
    """RFC 4733 §2.1."""
    data, agreed = answer(LINPHONE, allowed)

    assert (agreed.codec.name, agreed.codec.payload_type, agreed.codec.receive_payload_type) == (
        name,
        payload_type,
        payload_type,
    )
    assert (agreed.dtmf_payload_type, agreed.dtmf_receive_payload_type) == (dtmf, dtmf)
    assert parse(data).media[0].formats == [str(payload_type), str(dtmf)]
    assert agreed.remote == ("192.0.2.1", 7078)


OPUS_WITH_KEYS_OF_8000 = offer(
    "m=audio 14000 RTP/AVP 96 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n"
)


def test_keys_beside_opus_go_by_the_clock_of_8000_where_that_is_all_there_is():
    """As baresip and Asterisk before 22 offer and answer; RFC 4733 §2.1 wants the codec's."""
    data, agreed = answer(OPUS_WITH_KEYS_OF_8000)
    read = read_answer(make_offer(1, 1, "198.51.100.1", 20000, ["OPUS"]), OPUS_WITH_KEYS_OF_8000)

    assert (agreed.dtmf_payload_type, agreed.dtmf_receive_payload_type, agreed.dtmf_clock_rate) == (101, 101, 8000)
    assert "101 telephone-event/8000" in parse(data).media[0].values("rtpmap")
    assert read.dtmf_payload_type is None, "what was not offered is not answered"


def test_keys_of_8000_are_taken_from_an_answer_with_opus_where_both_were_offered():
    mine = make_offer(1, 1, "198.51.100.1", 20000, ["OPUS", "PCMU"])

    agreed = read_answer(mine, OPUS_WITH_KEYS_OF_8000)

    assert (agreed.codec.name, agreed.dtmf_payload_type, agreed.dtmf_receive_payload_type) == ("OPUS", 101, 101)
    assert agreed.dtmf_clock_rate == 8000
    assert answer(LINPHONE, ALL)[1].dtmf_clock_rate is None


def test_static_payload_types_need_no_rtpmap():
    """RFC 3551 §6; G.722's clock is written as 8000."""
    _, agreed = answer(offer("m=audio 14000 RTP/AVP 9\r\n"))

    assert (agreed.codec.name, agreed.codec.clock_rate, agreed.dtmf_payload_type) == ("G722", 8000, None)


def test_other_streams_are_refused_in_their_places():
    """§6: every m-line is answered, in order."""
    data, agreed = answer(
        offer(
            "m=video 14002 RTP/AVP 99 31\r\na=rtpmap:99 H264/90000\r\nm=audio 14000 RTP/AVP 0\r\n"
            "m=audio 14004 RTP/AVP 8\r\nm=image 14006 udptl t38\r\nm=video 0 RTP/AVP 31\r\n"
        )
    )

    assert [(m.kind, m.port, m.protocol) for m in parse(data).media] == [
        ("video", 0, "RTP/AVP"),
        ("audio", 20000, "RTP/AVP"),
        ("audio", 0, "RTP/AVP"),
        ("image", 0, "udptl"),
        ("video", 0, "RTP/AVP"),
    ]
    assert agreed.refused == ("video", "audio", "image")
    assert agreed.video_refused


@pytest.mark.parametrize(
    "media",
    [
        "m=audio 14000 RTP/AVP 3 18\r\n",
        "m=audio 0 RTP/AVP 0\r\n",
        "m=audio 14000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n",
        "m=audio 14000 UDP/TLS/RTP/SAVPF 0\r\n",
        "m=image 14000 udptl t38\r\n",
        "m=audio 14000 RTP/AVP 96\r\na=rtpmap:96 opus/16000/2\r\n",
        "",
    ],
)
def test_offers_without_audio_we_can_take_have_nothing_in_common(media: str):
    """C14, E10: encrypted media is demanded, so none in clear is given."""
    with pytest.raises(NoCommonCodec):
        answer(offer(media))


def test_an_offer_in_clear_with_keys_on_the_side_is_answered_in_clear():
    """Best effort, as baresip's ``mediaenc=srtp`` offers it."""
    data, _ = answer(offer("m=audio 14000 RTP/AVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n"))

    assert b"crypto" not in data
    assert b"RTP/AVP" in data


@pytest.mark.parametrize(
    ("theirs", "ours", "written", "send", "listen"),
    [
        ("sendrecv", "sendrecv", "sendrecv", True, True),
        ("sendonly", "sendrecv", "recvonly", False, True),
        ("recvonly", "sendrecv", "sendonly", True, False),
        ("inactive", "sendrecv", "inactive", False, False),
        ("sendrecv", "sendonly", "sendonly", True, False),
        ("sendonly", "sendonly", "inactive", False, False),
        ("sendrecv", "inactive", "inactive", False, False),
    ],
)
def test_directions_mirror(theirs: str, ours: str, written: str, send: bool, listen: bool):
    """§6.1."""
    data, agreed = answer(offer(f"m=audio 14000 RTP/AVP 0\r\na={theirs}\r\n"), direction=ours)

    assert parse(data).direction(parse(data).media[0]) == written
    assert (agreed.send, agreed.listen) == (send, listen)


def test_an_address_of_zeros_is_hold():
    """§8.4, as RFC 2543 phones still do it."""
    _, agreed = answer(offer(c="0.0.0.0"))

    assert (agreed.remote, agreed.send, agreed.listen) == (None, False, True)


@pytest.mark.parametrize(
    ("lines", "ptime"),
    [
        ("", 20),
        ("a=ptime:30\r\n", 30),
        ("a=ptime:50\r\n", 50),
        ("a=ptime:20\r\na=maxptime:10\r\n", 10),
        ("a=maxptime:150\r\n", 20),
        ("a=ptime:25\r\n", 20),
        ("a=ptime:0\r\n", 20),
        ("a=ptime:200\r\n", 20),
    ],
)
def test_the_packet_time_asked_for_is_kept_where_we_can(lines: str, ptime: int):
    _, agreed = answer(offer(f"m=audio 14000 RTP/AVP 0\r\n{lines}"))

    assert agreed.codec.ptime_ms == ptime


@pytest.mark.parametrize(
    "data",
    [
        offer("m=audio 14000 RTP/AVP 0\r\na=ptime:99999999999\r\n"),
        offer("m=audio 14000 RTP/AVP 0\r\na=ptime:-20\r\n"),
        offer("m=audio 14000 RTP/AVP 0\r\na=rtpmap:0 PCMU/0\r\n"),
        offer("m=audio 14000 RTP/AVP 300\r\n"),
        offer("m=audio 14000 RTP/AVP 96\r\na=rtpmap:96 opus\r\n"),
        offer(c="224.0.0.1"),
        offer(c="255.255.255.255"),
        offer(c="host.example"),
        offer("m=audio 80 RTP/AVP 0\r\n"),
        b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nt=0 0\r\nm=audio 14000 RTP/AVP 0\r\n",
    ],
)
def test_offers_that_would_harm_are_refused(data: bytes):
    """C12, E11."""
    with pytest.raises(BadSdp):
        answer(data)


def test_an_ipv6_coat_does_not_hide_an_ipv4_address():
    data = b"v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::ffff:192.0.2.1\r\nt=0 0\r\nm=audio 14000 RTP/AVP 0\r\n"

    assert answer(data)[1].remote == ("192.0.2.1", 14000)


def test_our_offer_names_each_codec_once_and_digits_for_each_clock():
    data = make_offer(7, 3, "2001:db8::5", 20000, ["PCMU", "OPUS", "PCMU", "nonsense"])

    description = parse(data)
    assert (description.session_id, description.version, description.connection) == ("7", 3, "2001:db8::5")
    assert description.media[0].formats == ["0", "111", "101", "110"]
    assert description.media[0].values("rtpmap") == [
        "0 PCMU/8000",
        "111 opus/48000/2",
        "101 telephone-event/8000",
        "110 telephone-event/48000",
    ]
    with pytest.raises(NoCommonCodec):
        make_offer(7, 3, "192.0.2.1", 20000, [])


@pytest.mark.parametrize("codecs", [["PCMU"], ["PCMA", "PCMU"], ["OPUS", "PCMU"], ["G722", "OPUS"], list(ALL)])
def test_what_one_side_answers_the_other_reads_the_same(codecs: list[str]):
    mine = make_offer(1, 1, "198.51.100.1", 20000, codecs)
    data, there = make_answer(mine, "192.0.2.1", 14000, codecs, session_id=2, version=1)

    here = read_answer(mine, data)

    assert here.codec.name == there.codec.name == codecs[0]
    assert here.dtmf_payload_type == there.dtmf_receive_payload_type
    assert (here.remote, there.remote) == (("192.0.2.1", 14000), ("198.51.100.1", 20000))


def test_each_side_sends_with_the_payload_type_the_other_named():
    """§5.1: an answer may number a codec differently from the offer."""
    mine = make_offer(1, 1, "198.51.100.1", 20000, ["OPUS", "PCMU"])
    theirs = offer(
        "m=audio 14000 RTP/AVP 96 0 97\r\na=rtpmap:96 OPUS/48000/2\r\n"
        "a=rtpmap:97 telephone-event/48000\r\na=ptime:40\r\n"
    )

    agreed = read_answer(mine, theirs)

    assert (agreed.codec.payload_type, agreed.codec.receive_payload_type, agreed.codec.ptime_ms) == (96, 111, 40)
    assert [codec.name for codec in agreed.receive] == ["OPUS", "PCMU"]
    assert (agreed.dtmf_payload_type, agreed.dtmf_receive_payload_type) == (97, 110)


def test_our_hold_is_seen_in_their_answer():
    mine = make_offer(1, 2, "198.51.100.1", 20000, ["PCMU"], "sendonly")

    agreed = read_answer(mine, offer("m=audio 14000 RTP/AVP 0\r\na=recvonly\r\n"))

    assert (agreed.send, agreed.listen) == (True, False)


@pytest.mark.parametrize(
    ("theirs", "error"),
    [
        (offer("m=audio 0 RTP/AVP 0\r\n"), NoCommonCodec),
        (offer("m=audio 14000 RTP/AVP 8\r\n"), NoCommonCodec),
        (offer("m=audio 14000 RTP/SAVP 0\r\n"), NoCommonCodec),
        (offer("m=video 14000 RTP/AVP 0\r\n"), NoCommonCodec),
        (offer(""), BadSdp),
        (b"x", BadSdp),
    ],
)
def test_answers_that_do_not_fit_our_offer_are_refused(theirs: bytes, error: type[Exception]):
    with pytest.raises(error):
        read_answer(make_offer(1, 1, "198.51.100.1", 20000, ["PCMU"]), theirs)


def test_live_video_is_noticed():
    assert video_offered(offer("m=video 14000 RTP/AVP 31\r\n"))
    assert not video_offered(offer("m=video 0 RTP/AVP 31\r\n"))


LINES = [
    *LINPHONE.split(b"\r\n"),
    b"a=inactive",
    b"a=ptime:30",
    b"m=video 1 RTP/AVP 31",
    b"a=rtpmap:0 PCMU/8000",
    b"a=mid:0",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(LINES) | st.binary(max_size=30), max_size=30).map(b"\r\n".join))
def test_any_offer_and_any_answer_is_taken_or_refused(tail: bytes):
    for data in (tail, LINPHONE + tail):
        for use in (answer, lambda d: read_answer(LINPHONE, d)):
            try:
                use(data)  # type: ignore[operator]
            except (BadSdp, NoCommonCodec):
                continue
