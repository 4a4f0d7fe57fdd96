"""M-lines that a browser plays in step (RFC 8830)."""

from ringback.sdp.streams import in_step

ANSWER = (
    "v=0\r\ns=-\r\na=msid-semantic: WMS abc\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=msid:abc t0\r\na=ssrc:1 cname:x\r\na=ssrc:1 msid:abc t0\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=msid:def t1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:2\r\na=recvonly\r\n"
)


def test_sound_and_picture_of_one_participant_name_one_stream():
    answer = in_step(ANSWER, {"0": "ann", "1": "ann", "2": "bob"})

    assert answer == ANSWER.replace("msid:abc t0", "msid:ann t0").replace("msid:def t1", "msid:ann t1")


def test_what_is_no_name_or_not_asked_for_changes_nothing():
    assert in_step(ANSWER, {"0": "a\r\nm=video", "1": "x y", "9": "ann"}) == ANSWER
    assert in_step("garbage", {"0": "ann"}) == "garbage"
