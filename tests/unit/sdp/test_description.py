"""RFC 8866: read, write, and refuse."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.sdp.description import Media, heard_at, parse, readdressed, write
from ringback.sdp.errors import BadSdp
from ringback.sdp.negotiation import make_offer

RICH = (
    b"v=0\r\no=ann 12345678901234567890 2 IN IP4 host.example\r\ns=A talk\r\ni=about\r\nu=http://x\r\n"
    b"c=IN IP4 192.0.2.1\r\nb=AS:64\r\nt=0 0\r\nr=1 2 3\r\na=group:BUNDLE a\r\na=sendonly\r\n"
    b"m=audio 14000/2 RTP/AVP 0 8\r\nc=IN IP6 2001:db8::1\r\ni=voice\r\nb=TIAS:64000\r\na=ptime:30\r\na=rtcp-mux\r\n"
    b"m=video 0 RTP/AVP 31\r\n"
)


def test_what_is_read_is_written_back_line_for_line():
    assert sorted(write(parse(RICH)).split(b"\r\n")) == sorted(RICH.split(b"\r\n"))
    assert parse(write(parse(RICH))) == parse(RICH)


def test_streams_have_their_own_address_and_direction_or_the_sessions():
    description = parse(RICH)
    audio, video = description.media

    assert (audio.port, audio.port_count, audio.value("ptime"), audio.has("rtcp-mux")) == (14000, 2, "30", True)
    assert (description.address(audio), description.address(video)) == ("2001:db8::1", "192.0.2.1")
    assert description.direction(audio) == "sendonly"
    assert (description.session_id, description.version) == ("12345678901234567890", 2)


def test_lines_may_end_without_carriage_return():
    assert parse(RICH.replace(b"\r\n", b"\n")) == parse(RICH)


GOOD = "v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nc=IN IP4 1.2.3.4\nt=0 0\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=1\no=- 1 1 IN IP4 1.2.3.4\n",
        "v=0\ns=-\n",
        "v=0\no=- 1 1 IN IP4\n",
        "v=0\no=- x 1 IN IP4 1.2.3.4\n",
        "v=0\no=- 1 -1 IN IP4 1.2.3.4\n",
        GOOD + "m=audio 70000 RTP/AVP 0\n",
        GOOD + "m=audio x RTP/AVP 0\n",
        GOOD + "m=audio 1/x RTP/AVP 0\n",
        GOOD + "m=audio 1 RTP/AVP\n",
        GOOD + "m=audio 1 RTP/AVP 0 0\n",
        GOOD + "m=audio 1 RTP/AVP " + " ".join(map(str, range(65))) + "\n",
        GOOD + "m=audio 1 RTP/AVP 0\n" * 33,
        GOOD + "a=\n",
        GOOD + "a=b c\n",
        GOOD + "c=IN IP5 x\n",
        GOOD + "no equals sign\n",
        GOOD + "\n\nx\n",
        GOOD + "a=x\x00y\n",
        GOOD + "a=x\ry\n",
        GOOD + "a=" + "x" * 5000 + "\n",
        GOOD + "a=x\n" * 2000,
        GOOD + "a=x\n" * 20_000,
    ],
)
def test_what_breaks_a_rule_or_a_limit_is_refused(text: str):
    """C12."""
    with pytest.raises(BadSdp):
        parse(text.encode())


def test_a_line_end_never_gets_into_what_is_written():
    description = parse(GOOD.encode())
    description.media.append(Media("audio", 5000, "RTP/AVP", ["0"], attributes=[("x", "1\r\nm=video 1 RTP/AVP 0")]))

    with pytest.raises(ValueError, match="line end"):
        write(description)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(RICH.split(b"\r\n")) | st.binary(max_size=40), max_size=30).map(b"\r\n".join))
def test_any_octets_are_read_or_refused(data: bytes):
    try:
        parse(data)
        parse(RICH + data)
    except BadSdp:
        return


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ("c=IN IP4 192.0.2.1|m=audio 9 RTP/AVP 0", "192.0.2.1"),
        ("c=IN IP4 192.0.2.1|m=audio 9 RTP/AVP 0|c=IN IP6 2001:db8::1", "2001:db8::1"),
        ("c=IN IP4 192.0.2.1|m=audio 9 RTP/AVP 0|m=video 9 RTP/AVP 0|c=IN IP6 2001:db8::1", "192.0.2.1"),
        ("c=IN IP4 0.0.0.0|m=audio 9 RTP/AVP 0", ""),
        ("m=audio 9 RTP/AVP 0", ""),
        ("", ""),
    ],
)
def test_where_a_description_wants_its_sound_is_told_without_reading_it_whole(lines: str, address: str):
    assert heard_at(f"v=0|o=- 1 1 IN IP4 203.0.113.9|s=-|{lines}|".replace("|", "\r\n").encode()) == address


def test_our_own_description_gets_another_address_and_stays_the_same_else():
    offer = make_offer(7, 1, "192.0.2.1", 4000, ["PCMU"])

    assert readdressed(offer, "2001:db8::5") == make_offer(7, 1, "2001:db8::5", 4000, ["PCMU"])
    assert readdressed(readdressed(offer, "2001:db8::5"), "192.0.2.1") == offer
