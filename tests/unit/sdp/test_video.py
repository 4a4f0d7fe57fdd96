"""Video streams in offers and answers (RFC 3264, 7741, 6184, 4585, 5104, 4568)."""

import pytest

from ringback.sdp.crypto import CLEAR_ONLY, Protection
from ringback.sdp.description import Media, parse
from ringback.sdp.negotiation import Negotiated, make_answer, make_offer, read_answer
from ringback.sdp.video import NegotiatedVideo, VideoFormat, VideoTerms, limit_of

US, THEM = VideoTerms(20002), VideoTerms(40002)
HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
H264 = (
    "m=video 40002 RTP/AVP 99 100 101\r\na=rtpmap:99 H264/90000\r\na=fmtp:99 profile-level-id=42801f\r\n"
    "a=rtpmap:100 H264/90000\r\na=fmtp:100 profile-level-id=42801F; packetization-mode=1\r\na=rtpmap:101 VP8/90000\r\n"
)


def offered(terms: VideoTerms | None = US, protection: Protection = CLEAR_ONLY, before: bytes = b"") -> bytes:
    return make_offer(1, 1, "192.0.2.9", 20000, ["PCMU"], protection=protection, video=terms, before=before)


def answered(
    offer: bytes, terms: VideoTerms | None = US, protection: Protection = CLEAR_ONLY
) -> tuple[Media, Negotiated]:
    answer, agreed = make_answer(
        offer, "192.0.2.9", 20000, ["PCMU"], session_id=1, version=1, protection=protection, video=terms
    )
    streams = parse(answer).media
    assert [stream.kind for stream in streams] == [stream.kind for stream in parse(offer).media]
    return next(stream for stream in streams if stream.kind == "video"), agreed


def pictures(agreed: Negotiated) -> NegotiatedVideo:
    assert agreed.video is not None
    return agreed.video


def test_an_offer_names_codecs_in_order_with_rate_and_what_may_be_asked_for():
    stream = parse(offered(VideoTerms(20002, ("H264", "VP8"), 700, 20))).media[1]

    assert (stream.kind, stream.port, stream.protocol, stream.formats) == (
        "video",
        20002,
        "RTP/AVP",
        ["97", "98", "96"],
    )
    assert stream.other == [("b", "AS:700"), ("b", "TIAS:700000")]
    assert "97 profile-level-id=42e01f;packetization-mode=1" in stream.values("fmtp")
    assert stream.values("rtcp-fb") == ["* nack", "* nack pli", "* ccm fir"]
    assert stream.value("framerate") == "20"


def test_two_of_us_agree_on_vp8_both_ways():
    offer = offered()

    answer, there = make_answer(offer, "192.0.2.5", 40000, ["PCMU"], session_id=2, version=1, video=THEM)
    here = read_answer(offer, answer)

    assert (pictures(here).sent, pictures(here).remote) == (VideoFormat("VP8", 96), ("192.0.2.5", 40002))
    assert (pictures(there).received, pictures(there).remote) == (VideoFormat("VP8", 96), ("192.0.2.9", 20002))
    assert pictures(here).pli and pictures(here).fir and pictures(here).nack and pictures(here).limit_kbps == 900


def test_our_order_of_codecs_counts_and_of_two_modes_the_one_that_cuts():
    stream, agreed = answered((HEAD + H264).encode())
    only, picked = answered((HEAD + H264).encode(), VideoTerms(20002, ("H264",)))

    assert pictures(agreed).sent == VideoFormat("VP8", 101) and stream.formats == ["101"]
    assert pictures(picked).sent == VideoFormat("H264", 100, 1, "42801f")
    assert only.values("fmtp") == ["100 profile-level-id=42801f;packetization-mode=1"]
    assert not pictures(picked).pli and "rtcp-fb" not in dict(only.attributes), "it named none"


@pytest.mark.parametrize(
    "stream",
    [
        "m=video 40002 RTP/AVP 31\r\n",
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n",
        "m=video 80 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n",
        "m=video 40002 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n",
        "m=video 40002 RTP/SAVP 96\r\na=rtpmap:96 VP8/90000\r\n",
        "m=video 40002 RTP/AVP 96\r\na=rtpmap:96 VP8/8000\r\n",
        "m=video 40002 RTP/AVP 96\r\na=rtpmap:96 VP8\r\n",
        "m=video 40002 RTP/AVP 999\r\na=rtpmap:999 VP8/90000\r\n",
        "m=video 40002 RTP/AVP 96\r\nc=IN IP4 224.0.0.1\r\na=rtpmap:96 VP8/90000\r\n",
        "m=video 40002 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 profile-level-id=640028\r\n",
        "m=video 40002 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=2\r\n",
    ],
)
def test_a_stream_that_cannot_be_taken_is_refused_in_its_place_and_the_sound_goes_on(stream: str):
    refused, agreed = answered((HEAD + stream).encode())

    assert refused.port == 0 and agreed.video is None
    assert agreed.codec.name == "PCMU"


def test_avpf_is_answered_as_avpf_and_what_they_ask_for_is_named():
    body = (
        HEAD + "m=video 40002 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=mid:v\r\nb=AS:300\r\n"
    )

    stream, agreed = answered(body.encode())

    assert stream.protocol == "RTP/AVPF" and stream.values("rtcp-fb") == ["96 nack pli"] and stream.value("mid") == "v"
    assert not pictures(agreed).nack, "key frames are no packets"
    assert (pictures(agreed).pli, pictures(agreed).fir, pictures(agreed).limit_kbps) == (True, False, 300)


def test_a_far_end_that_refuses_the_pictures_keeps_the_sound():
    answer, _ = make_answer(offered(), "192.0.2.5", 40000, ["PCMU"], session_id=2, version=1)

    assert read_answer(offered(), answer).video is None


def test_who_holds_sees_nothing_and_who_only_sends_is_only_seen():
    held, _ = answered((HEAD + H264).encode(), VideoTerms(20002, direction="inactive"))
    camera, agreed = answered((HEAD + H264 + "a=sendonly\r\n").encode())

    assert ("inactive", None) in held.attributes
    assert ("recvonly", None) in camera.attributes and (pictures(agreed).send, pictures(agreed).listen) == (False, True)


def test_protected_pictures_have_keys_of_their_own():
    protection = Protection("required", b"0123456789abcdef")
    offer = offered(US, protection)

    answer, there = make_answer(
        offer,
        "192.0.2.5",
        40000,
        ["PCMU"],
        session_id=2,
        version=1,
        video=THEM,
        protection=Protection("optional", b"fedcba9876543210"),
    )
    here = read_answer(offer, answer, protection)

    sound, video = here.keys, pictures(here).keys
    assert sound is not None and video is not None
    assert len({sound.send_key, sound.receive_key, video.send_key, video.receive_key}) == 4
    assert pictures(there).keys is not None and pictures(there).keys.receive_key == video.send_key  # type: ignore[union-attr]


def test_streams_keep_their_places_in_a_later_offer():
    """RFC 3264 §8: an offer has at least the m-lines of the description before."""
    body = HEAD.replace("m=audio", "m=image 6 udptl t38\r\nm=audio") + H264
    answer, agreed = make_answer(body.encode(), "192.0.2.9", 20000, ["PCMU"], session_id=1, version=1, video=US)

    again = parse(offered(VideoTerms(20002, agreed=pictures(agreed).received), before=answer)).media
    without = parse(offered(None, before=answer)).media
    first = parse(offered(US, before=offered(None))).media

    assert [(s.kind, bool(s.port)) for s in again] == [("image", False), ("audio", True), ("video", True)]
    assert again[2].formats == ["101"], "a payload type keeps its meaning"
    assert [(s.kind, bool(s.port)) for s in without] == [("image", False), ("audio", True), ("video", False)]
    assert [(s.kind, bool(s.port)) for s in first] == [("audio", True), ("video", True)], "pictures are added"


@pytest.mark.parametrize(("line", "kbps"), [("AS:300", 300), ("TIAS:250000", 250), ("AS:x", None), ("CT:5", None)])
def test_the_bandwidth_that_a_far_end_takes_is_read(line: str, kbps: int | None):
    assert limit_of(Media("video", 1, "RTP/AVP", ["96"], other=[("b", line)])) == kbps


@pytest.mark.parametrize(
    ("protection", "offers"),
    [
        (Protection("off"), True),
        (Protection("optional", b"0123456789abcdef"), True),
        (Protection("optional", b"0123456789abcdef", speakable=False), True),
        (Protection("optional", b"0123456789abcdef", False, "dtls", "sha-256 AA"), False),
        (Protection("required", b"0123456789abcdef", False, "dtls", "sha-256 AA"), False),
        (Protection("required", b"0123456789abcdef", True, "dtls", "sha-256 AA"), True),
    ],
)
def test_pictures_are_never_in_the_clear_beside_a_sound_that_is_not(protection: Protection, offers: bool):
    streams = parse(offered(US, protection)).media

    assert [stream.kind for stream in streams] == ["audio", "video"][: 1 + offers]
